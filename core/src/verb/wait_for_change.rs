//! `wait_for_change`: a bounded wait for news of a job.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Hints, JobView, registry::Define};
use crate::{
    auth::Scope,
    error::Error,
    flow::Wake,
    job::{Job, JobId},
    lifecycle::awaited,
};

/// Distance of looks at the job while nothing moves it.
const LOOKS: Duration = Duration::from_secs(2);
/// Longest wait of one call.
const LONGEST: Duration = Duration::from_secs(25);

/// Input of `wait_for_change`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// `cursor` of the last answer; without it the call answers at once.
    pub cursor: Option<u64>,
    /// Longest to wait in seconds, at most 25; default 20.
    #[serde(alias = "timeout_s")]
    pub timeout_seconds: Option<f64>,
    /// Wait for the job's end, not for just any change.
    pub until_terminal: bool,
}

/// Output of `wait_for_change`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// False when time ran out without news: call again with `cursor`.
    pub changed: bool,
    /// Send it with the next call.
    pub cursor: u64,
}

impl Output {
    /// The answer about a job as it is stored.
    pub(crate) fn told(context: &Context, job: &Job, changed: bool) -> Self {
        Self { cursor: job.version, job: context.view(job), changed }
    }
}

pub(super) struct WaitForChange;

impl Define for WaitForChange {
    const NAME: &'static str = "wait_for_change";
    const TITLE: &'static str = "Wait for a change";
    const DESCRIPTION: &'static str = "Waits up to 25 seconds until a job changes (or, with until_terminal, ends) and \
        answers with what is new and a cursor. Call it again with the cursor while terminal is false. Cheaper than \
        polling get_job.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let id = JobId::parse(&input.job_id)?;
        let asked = input
            .timeout_seconds
            .map_or(Duration::from_secs(20), |s| Duration::try_from_secs_f64(s).unwrap_or_default());
        let until = context.until(asked.min(LONGEST));
        let (topic, mut seen) = (format!("job/{id}"), 0);
        loop {
            let job = awaited(&context, &id).await?.value;
            let changed = news(&job, &input);
            let left = until.saturating_sub(context.io.now().mono);
            if changed || left.is_zero() {
                return Ok(Output::told(&context, &job, changed));
            }
            context.tell("job", job.state.as_str()).await;
            // A commit of any flow announces the row; the runner is asked for the job where nobody has its list.
            if let Wake::Topics(moved) = context.io.wait(vec![(topic.clone(), seen)], left.min(LOOKS)).await? {
                seen = moved.iter().map(|(_, seq, _)| *seq).max().unwrap_or(seen);
            }
        }
    }
}

fn news(job: &Job, input: &Input) -> bool {
    let moved = input.cursor.is_none_or(|seen| job.version > seen);
    if input.until_terminal { job.state.is_terminal() } else { moved || job.state.is_terminal() }
}
