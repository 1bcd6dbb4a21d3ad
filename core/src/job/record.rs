use serde::{Deserialize, Serialize};

use super::{JobId, JobSpec, JobState, JobType};
use crate::{config::RunnerKind, effect::Handle, runner::Submission};

/// Who made a job known to us.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Submitted through beam-mcp.
    #[default]
    Submitted,
    /// Found on the runner.
    Discovered,
}

/// How far the submission is (security-reliability.md 4.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stored; no permit to send was taken.
    #[default]
    Intent,
    /// A permit was taken; the request may be on its way.
    Sending,
    /// A send is unexplained.
    Unknown,
    /// The runner has it.
    Submitted,
    /// Waits for an operator.
    Parked,
}

/// Which request of ours ended a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// A cancel.
    Cancel,
    /// A flushing drain.
    Drain,
    /// A stop with savepoint.
    Stop,
}

/// The stored row of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Name for people.
    pub name: String,
    /// Runner of its target.
    pub runner: RunnerKind,
    /// Who submitted it.
    pub principal: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Kind of pipeline, as the caller or the runner says.
    pub job_type: Option<JobType>,
    /// What was asked for; `None` for a discovered job.
    pub spec: Option<JobSpec>,
    /// What is sent to the runner; `None` for a discovered job.
    pub submission: Option<Submission>,
    /// How far the submission is.
    pub phase: Phase,
    /// Its state.
    pub state: JobState,
    /// The runner's own word for it.
    pub runner_state: Option<String>,
    /// The runner's own id, null until known.
    pub native_id: Option<String>,
    /// The child process (Direct).
    pub handle: Option<Handle>,
    /// Why it is as it is; empty when there is nothing to say.
    pub diagnostics: String,
    /// Number of permits to send that were taken in this generation.
    pub attempts: u32,
    /// Grows with an operator's `resubmit`.
    pub generation: u32,
    /// An earlier send of this generation was never explained.
    pub ambiguous: bool,
    /// Savepoint that ended it or was taken last.
    pub savepoint_path: Option<String>,
    /// Which request of ours ended it.
    pub ended_by: Option<EndedBy>,
    /// Current parallelism as the runner shows it.
    pub parallelism: Option<u32>,
    /// Ids of operations that have not ended, in order; at most 4 and a cancel.
    pub open_operations: Vec<String>,
    /// Unix milliseconds of the submission (or first sight).
    pub created_ms: u64,
    /// Unix milliseconds of the start on the runner.
    pub started_ms: Option<u64>,
    /// Unix milliseconds of the end.
    pub ended_ms: Option<u64>,
    /// Unix milliseconds of the last answer about it from the runner.
    pub observed_ms: Option<u64>,
    /// Unix milliseconds since which the runner has not answered; `None`: it answers.
    pub stale_since_ms: Option<u64>,
    /// Unix milliseconds of the first answer in a row that did not know it.
    pub absent_since_ms: Option<u64>,
    /// Number of answers in a row that did not know it.
    pub absences: u32,
}
