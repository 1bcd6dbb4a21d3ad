//! `get_checkpoints`: what a job could be restored from, and which of its checkpoints failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Hints, get_metrics::submitted, registry::Define};
use crate::{
    auth::Scope,
    clock::rfc3339,
    error::Error,
    job::{Checkpoints, JobId},
    lifecycle::fresh,
    runner::Backend,
};

/// Input of `get_checkpoints`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The job.
    pub job_id: String,
}

/// Output of `get_checkpoints`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The job.
    pub job_id: String,
    /// RFC 3339 of the answer.
    pub timestamp: String,
    /// The checkpoints.
    #[serde(flatten)]
    pub checkpoints: Checkpoints,
}

pub(super) struct GetCheckpoints;

impl Define for GetCheckpoints {
    const NAME: &'static str = "get_checkpoints";
    const TITLE: &'static str = "Get the checkpoints of a job";
    const DESCRIPTION: &'static str = "Checkpoints and savepoints of a job as its runner lists them, the newest first: \
        how long each took, its size, where it lies, and why it failed.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    /// Models read it as a resource; the list of tools has its bound.
    const TOOL: bool = false;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let job = fresh(&context, &JobId::parse(&input.job_id)?, None).await?.value;
        submitted(&job)?;
        let checkpoints = context.runner(job.id.target())?.checkpoints(&job).await?;
        Ok(Output { job_id: job.id.to_string(), timestamp: rfc3339(context.now_ms()), checkpoints })
    }
}
