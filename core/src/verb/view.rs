use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock::rfc3339,
    config::RunnerKind,
    engine::State,
    job::{EndedBy, Job, JobState, JobType, Operation, Origin},
};

/// A job as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct JobView {
    /// `<target>:<32 hex>`, or `<target>:@<native id>` for a job somebody else submitted.
    pub job_id: String,
    /// Name for people.
    pub name: String,
    /// The same, under the name it is submitted with.
    pub job_name: String,
    /// Name of the target.
    pub target: String,
    /// Runner of the target.
    pub runner_type: RunnerKind,
    /// BATCH or STREAMING, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<JobType>,
    /// State, as of `observed_at`.
    pub state: JobState,
    /// True when nothing follows.
    pub terminal: bool,
    /// True when a person should look.
    pub needs_attention: bool,
    /// The runner's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_state: Option<String>,
    /// The runner's own id, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_id: Option<String>,
    /// Who made it known.
    pub origin: Origin,
    /// Why it is as it is; empty when there is nothing to say. Untrusted text of the pipeline or runner.
    pub diagnostics: String,
    /// RFC 3339 of the submission (or first sight).
    pub creation_time: String,
    /// RFC 3339 of the start on the runner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// RFC 3339 of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    /// Seconds since the start, until the end or now.
    pub duration: f64,
    /// Largest parallelism of its steps, as the runner shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// Last savepoint the runner confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_path: Option<String>,
    /// Newest checkpoint that was seen: where `restore_job` goes on with a job that is LOST or FAILED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_path: Option<String>,
    /// Which request ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<EndedBy>,
    /// Ids of operations that have not ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_operations: Vec<String>,
    /// RFC 3339 of the last answer of the runner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<String>,
    /// RFC 3339 since which the runner does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<String>,
    /// Grows with every change.
    pub version: u64,
}

impl JobView {
    /// The view of a stored job now.
    pub fn new(job: &Job, tenant: &str, state: &State, now_ms: u64) -> Self {
        let id = job.id.to_string();
        let observed = job.observed_ms.max(state.last_observed(tenant, &id));
        let unanswered = if job.state.is_terminal() { None } else { state.down_since_ms(job.id.target()) };
        Self {
            name: job.name.clone(),
            job_name: job.name.clone(),
            target: job.id.target().to_owned(),
            runner_type: job.runner,
            job_type: job.job_type,
            state: job.state,
            terminal: job.state.is_terminal(),
            needs_attention: job.state.needs_attention(),
            runner_state: job.runner_state.clone(),
            native_id: job.native_id.clone(),
            origin: job.origin,
            diagnostics: job.diagnostics.clone(),
            creation_time: rfc3339(job.created_ms),
            start_time: job.started_ms.map(rfc3339),
            end_time: job.ended_ms.map(rfc3339),
            duration: duration(job, now_ms),
            parallelism: job.parallelism,
            savepoint_path: job.savepoint_path.clone(),
            checkpoint_path: job.checkpoint.as_ref().map(|kept| kept.path.clone()),
            ended_by: job.ended_by,
            open_operations: job.open_operations.clone(),
            observed_at: observed.map(rfc3339),
            stale_since: unanswered.map(rfc3339),
            version: job.version,
            job_id: id,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a job's life fit the mantissa")]
fn duration(job: &Job, now_ms: u64) -> f64 {
    let from = job.started_ms.unwrap_or(job.created_ms);
    job.ended_ms.unwrap_or(now_ms).saturating_sub(from) as f64 / 1000.0
}

/// An operation as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OperationView {
    /// Same as `id`, under the name the routes use.
    pub operation_id: String,
    /// The operation.
    #[serde(flatten)]
    pub operation: Operation,
    /// True when nothing follows.
    pub terminal: bool,
    /// RFC 3339 of the request.
    pub requested_at: String,
}

impl From<Operation> for OperationView {
    fn from(operation: Operation) -> Self {
        Self {
            operation_id: operation.id.clone(),
            terminal: operation.state.is_terminal(),
            requested_at: rfc3339(operation.requested_ms),
            // The store's own matter.
            operation: Operation { sending: false, permit_ms: 0, ..operation },
        }
    }
}
