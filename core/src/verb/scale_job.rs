//! `scale_job`: parallelism of a running job, in place.

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

/// Input of `scale_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// Parallelism wanted for every step, 1 to 32768; the lower bound stays 1.
    pub parallelism: u32,
    /// Makes a repeated call answer with the operation of the first.
    pub idempotency_key: Option<String>,
    /// Longest to wait for the runner to show it, in seconds; default 20.
    pub wait_seconds: Option<f64>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

pub(super) struct ScaleJob;

impl Define for ScaleJob {
    const NAME: &'static str = "scale_job";
    const TITLE: &'static str = "Scale a job";
    const DESCRIPTION: &'static str = "Changes the parallelism of a running streaming job in place (Flink with the \
        adaptive scheduler), or the largest number of workers on Dataflow. Answers once the runner shows the new parallelism, else with a pending operation. Where \
        the runner cannot, the refusal names the alternative; nothing is restarted silently.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Write;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        let how = How {
            verb: Self::NAME,
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            plan_digest: input.plan_digest,
            wait_seconds: input.wait_seconds,
            ..How::default()
        };
        scale(&context, &input.job_id, (None, input.parallelism), how).await
    }
}

/// Scales by any door, between a least number of workers, where one is given, and a largest.
pub(super) async fn scale(
    context: &Context,
    job_id: &str,
    (min_workers, parallelism): (Option<u32>, u32),
    how: How,
) -> Result<Changed, Error> {
    if !(1..=32_768).contains(&parallelism) {
        return Err(Error::invalid("bad_parallelism", "`parallelism` is a whole number from 1 to 32768"));
    }
    let (job_id, parallelism) = (JobId::parse(job_id)?, Some(parallelism));
    let kind = OperationKind::Scale;
    operate(context, Ask { job_id, kind, savepoint_dir: None, parallelism, min_workers, force: false, how }).await
}
