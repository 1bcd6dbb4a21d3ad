use schemars::JsonSchema;
use serde::Serialize;

use super::{JobView, OperationView, Plan};

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
