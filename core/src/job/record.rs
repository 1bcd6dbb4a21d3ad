use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{JobId, JobSpec, JobState, JobType, OperationKind};
use crate::{
    config::RunnerKind,
    effect::Handle,
    error::Kept,
    random::{hex, hmac},
    runner::{Memory, Submission},
};

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

/// A checkpoint of a job whose files were there when the runner was asked last.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LastCheckpoint {
    /// Where it lies.
    pub path: String,
    /// Unix milliseconds of the answer that showed it.
    pub at_ms: u64,
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
    /// What was asked for; `None` for a discovered job. Shared: a row is copied for each edit, and this never changes.
    pub spec: Option<Arc<JobSpec>>,
    /// What is sent to the runner; `None` for a discovered job.
    pub submission: Option<Arc<Submission>>,
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
    /// Those among them that cannot have reached anybody.
    #[serde(default)]
    pub unused_permits: u32,
    /// Grows with an operator's `resubmit`.
    pub generation: u32,
    /// Token of a later generation; the first one's is in the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_token: Option<String>,
    /// Unix milliseconds of the intent of this generation; 0 in rows of schema 1.
    #[serde(default)]
    pub intended_ms: u64,
    /// Unix milliseconds of the last permit to send; 0: none was taken.
    #[serde(default)]
    pub sent_ms: u64,
    /// How long the runner recognises what was sent, as it said before the first send of this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Unix milliseconds of the permit that `memory` was read for, the first whose send may be unexplained; 0 where no
    /// permit was taken, and in rows of builds that did not count from it.
    #[serde(default)]
    pub memory_ms: u64,
    /// It ended without the runner's word: what shows up there later is canceled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    /// Native ids of late arrivals that were canceled, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swept: Vec<String>,
    /// Why it was refused for good: the answer to whoever asks with the same idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Box<Kept>>,
    /// An earlier send of this generation was never explained.
    pub ambiguous: bool,
    /// Savepoint that ended it or was taken last.
    pub savepoint_path: Option<String>,
    /// The newest checkpoint or savepoint that was seen, from which a job that is lost can be restored; at most a minute
    /// behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<LastCheckpoint>,
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
    /// Unix milliseconds of the first answer in a row that did not know it.
    pub absent_since_ms: Option<u64>,
    /// Number of answers in a row that did not know it.
    pub absences: u32,
    /// Unix milliseconds of the last answer that was counted in `absences`.
    #[serde(default)]
    pub absent_ms: u64,
    /// Unix milliseconds before which the submission is not sent again.
    pub retry_at_ms: u64,
    /// Starts at 1, grows with every stored change.
    pub version: u64,
}

impl Job {
    /// A job of ours whose intent is about to be stored.
    pub fn intended(id: JobId, runner: RunnerKind, principal: &str, spec: JobSpec, now_ms: u64) -> Self {
        Self {
            name: spec.job_name.clone(),
            job_type: spec.job_type,
            spec: Some(spec.into()),
            ..Self::blank(id, runner, principal, Origin::Submitted, now_ms)
        }
    }

    /// A job that was found on a runner.
    pub fn discovered(id: JobId, runner: RunnerKind, now_ms: u64) -> Self {
        let native_id = id.foreign_id().map(str::to_owned);
        Self {
            phase: Phase::Submitted,
            state: JobState::Pending,
            native_id,
            ..Self::blank(id, runner, "", Origin::Discovered, now_ms)
        }
    }

    fn blank(id: JobId, runner: RunnerKind, principal: &str, origin: Origin, now_ms: u64) -> Self {
        Self {
            id,
            name: String::new(),
            runner,
            principal: principal.to_owned(),
            origin,
            job_type: None,
            spec: None,
            submission: None,
            phase: Phase::Intent,
            state: JobState::Submitting,
            runner_state: None,
            native_id: None,
            handle: None,
            diagnostics: String::new(),
            attempts: 0,
            unused_permits: 0,
            generation: 1,
            later_token: None,
            intended_ms: now_ms,
            sent_ms: 0,
            memory: None,
            memory_ms: 0,
            unconfirmed: false,
            swept: Vec::new(),
            refusal: None,
            ambiguous: false,
            savepoint_path: None,
            checkpoint: None,
            ended_by: None,
            parallelism: None,
            open_operations: Vec::new(),
            created_ms: now_ms,
            started_ms: None,
            ended_ms: None,
            observed_ms: None,
            absent_since_ms: None,
            absences: 0,
            absent_ms: 0,
            retry_at_ms: 0,
            version: 1,
        }
    }

    /// The 32 hex digits the runner knows this generation of a job of ours by, or the native id of a foreign one.
    pub fn token(&self) -> &str {
        self.later_token.as_deref().or(self.id.token()).or(self.id.foreign_id()).unwrap_or_default()
    }

    /// Unix milliseconds before which nothing of this generation that counts can have reached the runner: the permit that
    /// `memory` was read for, or the intent where a row does not tell it.
    pub fn unexplained_since_ms(&self) -> u64 {
        if self.memory_ms > 0 { self.memory_ms } else { self.intended_ms }
    }

    /// Sends of this generation that may have reached somebody.
    pub fn sends(&self) -> u32 {
        self.attempts.saturating_sub(self.unused_permits)
    }

    /// Makes it the intent of the next generation: nothing was sent of it yet.
    pub fn begin_generation(&mut self, tenant: &str, submission: Submission, now_ms: u64) {
        self.generation += 1;
        self.later_token = Some(token_of(tenant, &self.id, self.generation));
        self.submission = Some(submission.into());
        (self.phase, self.state, self.intended_ms) = (Phase::Intent, JobState::Submitting, now_ms);
        (self.attempts, self.unused_permits, self.sent_ms) = (0, 0, 0);
        (self.ambiguous, self.memory, self.memory_ms, self.refusal) = (false, None, 0, None);
        (self.native_id, self.handle, self.runner_state, self.started_ms) = (None, None, None, None);
        (self.absences, self.absent_since_ms, self.absent_ms, self.retry_at_ms) = (0, None, 0, 0);
    }

    /// Kind of the first operation that ends the job and has not ended itself.
    pub fn ending(&self) -> Option<OperationKind> {
        self.open_operations.iter().filter_map(|id| OperationKind::of_id(id)).find(|kind| kind.ends_job())
    }
}

/// Token of a later generation: derived, never random, so that it can be found again (security-reliability.md 4.3,
/// rule 2).
pub fn token_of(tenant: &str, id: &JobId, generation: u32) -> String {
    let id = id.to_string();
    let parts: [&[u8]; 3] = [tenant.as_bytes(), id.as_bytes(), &generation.to_be_bytes()];
    hex(hmac(b"job generation", &parts).get(..16).unwrap_or_default())
}
