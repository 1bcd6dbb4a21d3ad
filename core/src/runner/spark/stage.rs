//! Stages and executors as a driver's page and the history server show them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One attempt of a stage; counters of its finished tasks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stage {
    pub(super) status: String,
    #[serde(rename = "stageId")]
    pub(super) id: u64,
    #[serde(rename = "attemptId")]
    pub(super) attempt: u64,
    pub(super) name: String,
    pub(super) num_tasks: u64,
    pub(super) num_active_tasks: u64,
    pub(super) num_complete_tasks: u64,
    pub(super) num_failed_tasks: u64,
    /// Milliseconds.
    pub(super) executor_run_time: u64,
    /// Nanoseconds.
    pub(super) executor_cpu_time: u64,
    /// Milliseconds.
    pub(super) jvm_gc_time: u64,
    pub(super) memory_bytes_spilled: u64,
    pub(super) disk_bytes_spilled: u64,
    pub(super) input_bytes: u64,
    pub(super) input_records: u64,
    pub(super) output_bytes: u64,
    pub(super) output_records: u64,
    pub(super) shuffle_read_bytes: u64,
    pub(super) shuffle_read_records: u64,
    pub(super) shuffle_write_bytes: u64,
    pub(super) shuffle_write_records: u64,
    pub(super) accumulator_updates: Vec<Accumulator>,
    pub(super) failure_reason: Option<String>,
}

/// An accumulator's value when the stage was last heard of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Accumulator {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) value: String,
}

/// One executor, or the driver, which is called `driver` among them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Executor {
    pub(super) id: String,
    pub(super) is_active: bool,
    pub(super) total_cores: u64,
    pub(super) active_tasks: u64,
    pub(super) failed_tasks: u64,
    pub(super) completed_tasks: u64,
    /// Milliseconds.
    pub(super) total_duration: u64,
    #[serde(rename = "totalGCTime")]
    pub(super) total_gc_time: u64,
    /// Bytes of cached data.
    pub(super) memory_used: u64,
    pub(super) max_memory: u64,
}

/// The newest value of each accumulator, by id.
pub(super) fn accumulators(stages: &[Stage]) -> BTreeMap<i64, &Accumulator> {
    let mut stages: Vec<&Stage> = stages.iter().collect();
    stages.sort_by_key(|stage| (stage.id, stage.attempt));
    stages.into_iter().flat_map(|stage| &stage.accumulator_updates).map(|update| (update.id, update)).collect()
}
