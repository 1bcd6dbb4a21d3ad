//! Jobs as Flink lists and describes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::job::{JobState, JobType};

/// Answer of `/jobs/overview`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct JobsOverview {
    pub(super) jobs: Vec<JobLine>,
}

/// One line of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobLine {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
}

/// Answer of `/jobs/:id`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobDetails {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: String,
    /// Since 1.20.
    #[serde(default)]
    pub(super) job_type: Option<String>,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    #[serde(default)]
    pub(super) duration: i64,
    /// Unix milliseconds on the `JobManager`.
    #[serde(default)]
    pub(super) now: i64,
    #[serde(default)]
    pub(super) vertices: Vec<Vertex>,
    #[serde(default)]
    pub(super) plan: Plan,
}

/// One vertex: a chain of operators that run together.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vertex {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parallelism: i64,
    #[serde(default)]
    pub(super) max_parallelism: i64,
    #[serde(default)]
    pub(super) status: String,
    /// Milliseconds; -1 before its start.
    #[serde(default)]
    pub(super) duration: i64,
    /// Number of tasks in each state.
    #[serde(default)]
    pub(super) tasks: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) metrics: VertexIo,
}

impl Vertex {
    /// True when no task of it is still on its way to running.
    pub(super) fn settled(&self) -> bool {
        self.tasks.iter().all(|(state, count)| *count == 0 || matches!(state.as_str(), "RUNNING" | "FINISHED"))
    }
}

/// Records and bytes of a vertex, kept after the job's end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct VertexIo {
    pub(super) read_records: Value,
    pub(super) read_records_complete: bool,
    pub(super) write_records: Value,
    pub(super) write_records_complete: bool,
    pub(super) read_bytes: Value,
    pub(super) write_bytes: Value,
}

/// How vertices feed each other.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) nodes: Vec<PlanNode>,
}

/// One vertex of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlanNode {
    pub(super) id: String,
    #[serde(default)]
    pub(super) inputs: Vec<PlanInput>,
}

/// The vertex that feeds another.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlanInput {
    pub(super) id: String,
}

impl JobDetails {
    /// Batch or streaming, as Flink says; 1.19 says it in the plan only.
    pub(super) fn job_type(&self) -> Option<JobType> {
        match self.job_type.as_deref().or(self.plan.kind.as_deref())? {
            "BATCH" => Some(JobType::Batch),
            "STREAMING" => Some(JobType::Streaming),
            _ => None,
        }
    }

    /// Largest parallelism of its vertices.
    pub(super) fn parallelism(&self) -> Option<u32> {
        self.vertices.iter().filter_map(|vertex| u32::try_from(vertex.parallelism).ok()).filter(|p| *p > 0).max()
    }

    /// Vertices nothing feeds.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Vertex> {
        let fed = |vertex: &Vertex| self.plan.nodes.iter().any(|node| node.id == vertex.id && !node.inputs.is_empty());
        let planned = |vertex: &Vertex| self.plan.nodes.iter().any(|node| node.id == vertex.id);
        self.vertices.iter().filter(move |vertex| planned(vertex) && !fed(vertex))
    }

    /// True when another vertex reads what this one writes.
    pub(super) fn feeds(&self, vertex: &Vertex) -> bool {
        self.plan.nodes.iter().any(|node| node.inputs.iter().any(|input| input.id == vertex.id))
    }
}

/// Flink's word for a state in ours; `None` for a word nobody knows.
pub(super) fn job_state(word: &str) -> Option<JobState> {
    Some(match word {
        "INITIALIZING" | "CREATED" => JobState::Pending,
        "RUNNING" | "RECONCILING" | "FAILING" => JobState::Running,
        "RESTARTING" | "SUSPENDED" => JobState::Recovering,
        "CANCELLING" => JobState::Cancelling,
        "CANCELED" => JobState::Canceled,
        "FINISHED" => JobState::Finished,
        "FAILED" => JobState::Failed,
        _ => return None,
    })
}
