//! `get_job`: one job as it is now.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Hints, JobView, registry::Define};
use crate::{auth::Scope, error::Error, job::JobId, lifecycle::fresh};

/// Input of `get_job`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Id from `create_job` or `list_jobs`.
    pub job_id: String,
    /// Oldest answer of the runner that is good enough, in milliseconds; default 2000, 0 asks the runner now.
    #[serde(default)]
    pub max_age_ms: Option<u64>,
}

pub(super) struct GetJob;

impl Define for GetJob {
    const NAME: &'static str = "get_job";
    const TITLE: &'static str = "Get a job";
    const DESCRIPTION: &'static str = "State of one Beam job: state, whether it is terminal or needs attention, times, \
        diagnostics. Use it to check on a known job; to wait for news use wait_for_change, for why a job failed read \
        diagnostics and get_logs.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = JobView;

    async fn run(context: Context, input: Input) -> Result<JobView, Error> {
        let id = JobId::parse(&input.job_id)?;
        let stored = fresh(&context, &id, input.max_age_ms).await?;
        Ok(context.view(&stored.value))
    }
}
