use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, JobView, OperationView, Plan};
use crate::job::Job;

/// Answer of a verb that submits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Submitted {
    /// The job; left out by a dry run.
    #[serde(flatten)]
    pub job: Option<JobView>,
    /// What a dry run would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// True when the same idempotency key had made the job before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// What was decided on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Answer of a verb that changes a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Changed {
    /// Id of the job; left out by a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Its state after the change, or while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<crate::job::JobState>,
    /// The job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobView>,
    /// The durable record of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationView>,
    /// Path of the savepoint, once the runner confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub savepoint_path: Option<String>,
    /// True while the runner works on it: poll the operation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// What a dry run would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// True when the same idempotency key had asked for it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// What was decided on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Submitted {
    /// What is answered about a job that the runner has taken.
    pub(crate) fn told(context: &Context, job: &Job) -> Self {
        let notes = job.submission.as_ref().map(|submission| submission.notes.clone()).unwrap_or_default();
        Self { job: Some(context.view(job)), notes, ..Self::default() }
    }
}

impl Changed {
    /// The same about a job that replaces another one.
    pub(crate) fn replaced(submitted: Submitted) -> Self {
        Self {
            job_id: submitted.job.as_ref().map(|job| job.job_id.clone()),
            state: submitted.job.as_ref().map(|job| job.state),
            job: submitted.job,
            plan: submitted.plan,
            replayed: submitted.replayed,
            notes: submitted.notes,
            ..Self::default()
        }
    }
}
