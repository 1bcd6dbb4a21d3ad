//! Checkpoints and savepoints as Flink reports them.

use serde::{Deserialize, Serialize};

use super::response::Thrown;

/// What a completed or failed checkpoint was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum CheckpointKind {
    /// Automatic.
    Checkpoint,
    /// A savepoint the job outlives.
    Savepoint,
    /// The savepoint of a stop or drain.
    SyncSavepoint,
    /// A word this version does not know.
    #[serde(other)]
    Other,
}

/// One checkpoint or savepoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Number within the job.
    pub(super) id: u64,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub(super) status: String,
    /// What it was for.
    #[serde(rename = "checkpoint_type", default = "other")]
    pub(super) kind: CheckpointKind,
    /// Unix milliseconds of its start.
    pub(super) trigger_timestamp: u64,
    /// Milliseconds it took.
    #[serde(rename = "end_to_end_duration", default)]
    pub(super) duration_ms: Option<i64>,
    /// Bytes of state.
    #[serde(rename = "state_size", default)]
    pub(super) state_bytes: Option<i64>,
    /// Where it lies.
    #[serde(rename = "external_path", default)]
    pub(super) path: Option<String>,
    /// Its files are gone.
    #[serde(default)]
    pub(super) discarded: bool,
    /// Why it failed.
    #[serde(rename = "failure_message", default)]
    pub(super) failure: Option<String>,
}

fn other() -> CheckpointKind {
    CheckpointKind::Other
}

impl Checkpoint {
    /// Its path, where the files are still there and have an address.
    pub(super) fn kept_path(&self) -> Option<&str> {
        let path = self.path.as_deref().filter(|path| !path.is_empty() && !path.starts_with('<'))?;
        (self.status == "COMPLETED" && !self.discarded).then_some(path)
    }
}

/// Answer of `/jobs/:id/checkpoints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoints {
    /// How many there were.
    pub(super) counts: Counts,
    /// The newest of each sort.
    pub(super) latest: Latest,
    /// The newest ones, by default ten.
    pub(super) history: Vec<Checkpoint>,
}

/// Numbers of checkpoints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Times the job went back to one.
    pub(super) restored: u64,
    /// All.
    pub(super) total: u64,
    /// Under way.
    pub(super) in_progress: u64,
    /// Done.
    pub(super) completed: u64,
    /// Failed.
    pub(super) failed: u64,
}

/// The newest of each sort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Latest {
    /// Newest automatic one.
    pub(super) completed: Option<Checkpoint>,
    /// Newest savepoint.
    pub(super) savepoint: Option<Checkpoint>,
    /// Newest failure.
    pub(super) failed: Option<Checkpoint>,
    /// What the job went back to last.
    pub(super) restored: Option<Restored>,
}

/// What a job went back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Restored {
    /// Number of the checkpoint.
    pub(super) id: u64,
    /// Unix milliseconds.
    #[serde(default)]
    pub(super) restore_timestamp: u64,
    /// True for a savepoint.
    #[serde(default)]
    pub(super) is_savepoint: bool,
    /// Where it lies.
    #[serde(rename = "external_path", default)]
    pub(super) path: Option<String>,
}

impl Checkpoints {
    /// Path of the newest one whose files are still there.
    pub(super) fn newest_kept_path(&self) -> Option<&str> {
        let latest = [&self.latest.savepoint, &self.latest.completed];
        let kept = latest.into_iter().flatten().filter(|checkpoint| checkpoint.kept_path().is_some());
        kept.max_by_key(|checkpoint| checkpoint.id)?.kept_path()
    }

    /// True when the newest savepoint is that of a stop or drain.
    pub(super) fn ended_with_savepoint(&self) -> bool {
        self.latest
            .savepoint
            .as_ref()
            .is_some_and(|savepoint| savepoint.kind == CheckpointKind::SyncSavepoint && savepoint.status == "COMPLETED")
    }

    /// A finished savepoint of the kind that was started at or after `since_ms`: the proof that remains when Flink has
    /// forgotten the operation.
    pub(super) fn savepoint_since(&self, kind: CheckpointKind, since_ms: u64) -> Option<&Checkpoint> {
        let fits = |checkpoint: &&Checkpoint| {
            checkpoint.kind == kind && checkpoint.trigger_timestamp >= since_ms && checkpoint.kept_path().is_some()
        };
        self.latest.savepoint.iter().chain(&self.history).filter(fits).min_by_key(|checkpoint| checkpoint.id)
    }
}

/// Answer of `/jobs/:id/savepoints/:trigger` and `/savepoint-disposal/:id`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct AsyncOperation {
    status: Status,
    #[serde(default)]
    operation: Option<Outcome>,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    failure_cause: Option<Thrown>,
}

/// How far an operation is; `COMPLETED` alone does not mean success.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// Flink works on it.
    Not,
    /// It failed.
    Failed(Thrown),
    /// It is done; with the path of a savepoint.
    Done(Option<String>),
}

impl AsyncOperation {
    pub(super) fn settled(self) -> Settled {
        match (self.status.id.as_str(), self.operation) {
            ("COMPLETED", Some(Outcome { failure_cause: Some(thrown), .. })) => Settled::Failed(thrown),
            ("COMPLETED", outcome) => Settled::Done(outcome.and_then(|outcome| outcome.location)),
            _ => Settled::Not,
        }
    }
}
