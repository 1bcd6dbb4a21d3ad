//! Checkpoints and savepoints as Flink reports them.

use serde::{Deserialize, Serialize};

use super::{
    Flink,
    flow::native_id,
    request,
    response::{self, Thrown},
};
use crate::{error::Error, job::Job};

/// What a completed or failed checkpoint was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckpointKind {
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
pub struct Checkpoint {
    /// Number within the job.
    pub id: u64,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// What it was for.
    #[serde(rename = "checkpoint_type", default = "other")]
    pub kind: CheckpointKind,
    /// Unix milliseconds of its start.
    pub trigger_timestamp: u64,
    /// Milliseconds it took.
    #[serde(rename = "end_to_end_duration", default)]
    pub duration_ms: Option<i64>,
    /// Bytes of state.
    #[serde(rename = "state_size", default)]
    pub state_bytes: Option<i64>,
    /// Where it lies.
    #[serde(rename = "external_path", default)]
    pub path: Option<String>,
    /// Its files are gone.
    #[serde(default)]
    pub discarded: bool,
    /// Why it failed.
    #[serde(rename = "failure_message", default)]
    pub failure: Option<String>,
}

fn other() -> CheckpointKind {
    CheckpointKind::Other
}

impl Checkpoint {
    /// Its path, where the files are still there and have an address.
    pub fn kept_path(&self) -> Option<&str> {
        let path = self.path.as_deref().filter(|path| !path.is_empty() && !path.starts_with('<'))?;
        (self.status == "COMPLETED" && !self.discarded).then_some(path)
    }
}

/// Answer of `/jobs/:id/checkpoints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoints {
    /// How many there were.
    pub counts: Counts,
    /// The newest of each sort.
    pub latest: Latest,
    /// The newest ones, by default ten.
    pub history: Vec<Checkpoint>,
}

/// Numbers of checkpoints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Times the job went back to one.
    pub restored: u64,
    /// All.
    pub total: u64,
    /// Under way.
    pub in_progress: u64,
    /// Done.
    pub completed: u64,
    /// Failed.
    pub failed: u64,
}

/// The newest of each sort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latest {
    /// Newest automatic one.
    pub completed: Option<Checkpoint>,
    /// Newest savepoint.
    pub savepoint: Option<Checkpoint>,
    /// Newest failure.
    pub failed: Option<Checkpoint>,
    /// What the job went back to last.
    pub restored: Option<Restored>,
}

/// What a job went back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Number of the checkpoint.
    pub id: u64,
    /// Unix milliseconds.
    #[serde(default)]
    pub restore_timestamp: u64,
    /// True for a savepoint.
    #[serde(default)]
    pub is_savepoint: bool,
    /// Where it lies.
    #[serde(rename = "external_path", default)]
    pub path: Option<String>,
}

impl Checkpoints {
    /// Path of the newest one whose files are still there.
    pub fn newest_kept_path(&self) -> Option<&str> {
        let latest = [&self.latest.savepoint, &self.latest.completed];
        let kept = latest.into_iter().flatten().filter(|checkpoint| checkpoint.kept_path().is_some());
        kept.max_by_key(|checkpoint| checkpoint.id)?.kept_path()
    }

    /// True when the newest savepoint is that of a stop or drain.
    pub fn ended_with_savepoint(&self) -> bool {
        self.latest
            .savepoint
            .as_ref()
            .is_some_and(|savepoint| savepoint.kind == CheckpointKind::SyncSavepoint && savepoint.status == "COMPLETED")
    }

    /// A finished savepoint of the kind that was started at or after `since_ms`: the proof that remains when Flink has
    /// forgotten the operation.
    pub fn savepoint_since(&self, kind: CheckpointKind, since_ms: u64) -> Option<&Checkpoint> {
        let fits = |checkpoint: &&Checkpoint| {
            checkpoint.kind == kind && checkpoint.trigger_timestamp >= since_ms && checkpoint.kept_path().is_some()
        };
        self.latest.savepoint.iter().chain(&self.history).filter(fits).min_by_key(|checkpoint| checkpoint.id)
    }
}

impl Flink {
    /// The newest checkpoints and savepoints of a job; Flink's view lags a few seconds (`web.refresh-interval`).
    ///
    /// # Errors
    /// `failed_precondition` with reason `checkpointing_off`, `not_found` when Flink does not know the job, else as
    /// every read.
    pub async fn checkpoints(&self, job: &Job) -> Result<Checkpoints, Error> {
        self.read(request::checkpoints_request(&self.context.target, native_id(job)?), response::read).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::flink::testing::{job, play, recorded, target};

    #[test]
    fn checkpoints_are_listed_with_what_became_of_them() {
        let script = vec![("GET /jobs/{id}/checkpoints", recorded!("2.2.1/checkpoints-stopped"))];
        let checkpoints = play(target(), script, |flink| async move { flink.checkpoints(&job()).await }).end.unwrap();
        assert_eq!((checkpoints.counts.completed, checkpoints.counts.failed), (18, 2));
        let failed = checkpoints.history.iter().find(|checkpoint| checkpoint.status == "FAILED").unwrap();
        assert_eq!((failed.id, failed.kind, failed.kept_path()), (16, CheckpointKind::SyncSavepoint, None));
        assert!(failed.failure.as_deref().unwrap().contains("IO-problem"));
        let kept: Vec<_> = checkpoints.history.iter().filter_map(Checkpoint::kept_path).collect();
        assert_eq!(kept, ["file:/srv/flink/savepoints/savepoint-0bea00-20a1c827d51e"]);
        assert!(checkpoints.ended_with_savepoint());
    }

    #[test]
    fn a_batch_job_has_none() {
        let script = vec![("GET /jobs/{id}/checkpoints", recorded!("1.20.5/beam-checkpoints-batch"))];
        let played = play(target(), script, |flink| async move { flink.checkpoints(&job()).await });
        assert_eq!(played.reason(), "checkpointing_off");
    }
}
