//! `create_savepoint`: a snapshot the caller asks for; the job goes on.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Changed, Context, Hints,
    operate::{Ask, How, operate},
    registry::Define,
};
use crate::{
    auth::Scope,
    error::Error,
    job::{JobId, OperationKind},
};

/// Input of `create_savepoint`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// Directory for the savepoint, beneath what the target allows; default: the target's own.
    pub savepoint_path: Option<String>,
    /// Same as `savepoint_path`.
    #[schemars(extend("deprecated" = true))]
    pub savepoint_dir: Option<String>,
    /// End the job with it: flush everything in flight first.
    pub drain: bool,
    /// Makes a repeated call answer with the operation of the first.
    pub idempotency_key: Option<String>,
    /// Longest to wait for the end, in seconds; default 20. 0 answers at once with the operation.
    pub wait_seconds: Option<f64>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
    /// S0: has no effect.
    #[schemars(extend("deprecated" = true))]
    pub mcp_resource_type: Option<String>,
    /// S0: `true` is the same as `wait_seconds: 0`.
    #[serde(rename = "async_", alias = "async")]
    #[schemars(extend("deprecated" = true))]
    pub asynchronous: Option<bool>,
    /// S0: same as `wait_seconds`.
    #[schemars(extend("deprecated" = true))]
    pub mcp_timeout_seconds: Option<f64>,
}

pub(super) struct CreateSavepoint;

impl Define for CreateSavepoint {
    const NAME: &'static str = "create_savepoint";
    const TITLE: &'static str = "Take a savepoint";
    const DESCRIPTION: &'static str = "Asks a streaming job on Flink for a savepoint, on Dataflow for a snapshot, \
        and waits for the runner to confirm it. Answers with savepoint_path, or with a pending operation to poll with get_operation. Batch jobs and \
        runners without savepoints are refused with the nearest alternative.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        context.interface_on("savepoints", &context.state.config.interfaces.savepoints)?;
        let kind = if input.drain { OperationKind::Drain } else { OperationKind::Savepoint };
        let wait = match input.asynchronous {
            Some(true) => Some(0.0),
            Some(false) | None => input.wait_seconds.or(input.mcp_timeout_seconds),
        };
        let how = How {
            verb: Self::NAME,
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            plan_digest: input.plan_digest,
            wait_seconds: wait,
            ..How::default()
        };
        let job_id = JobId::parse(&input.job_id)?;
        let savepoint_dir = same("savepoint_path", input.savepoint_path, "savepoint_dir", input.savepoint_dir)?;
        operate(&context, Ask { job_id, kind, savepoint_dir, parallelism: None, min_workers: None, force: false, how })
            .await
    }
}

/// One value under two names.
pub(super) fn same<T: PartialEq>(a: &str, left: Option<T>, b: &str, right: Option<T>) -> Result<Option<T>, Error> {
    match (left, right) {
        (Some(left), Some(right)) if left != right => Err(contradiction(a, b)),
        (left, right) => Ok(left.or(right)),
    }
}

/// Two names of one meaning have different values (B9).
pub(super) fn contradiction(a: &str, b: &str) -> Error {
    Error::invalid("contradicting_aliases", format!("`{a}` and `{b}` mean the same and have different values"))
        .suggest("send only one of them")
}
