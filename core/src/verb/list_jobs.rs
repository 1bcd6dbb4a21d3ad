//! `list_jobs`: newest first, by index, one page at a time.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Hints, JobView, registry::Define};
use crate::{
    auth::Scope,
    error::Error,
    job::{Job, JobState, JobType},
    store::{JobFilter, Scan, list_key, listed_job},
};

/// Input of `list_jobs`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Only jobs of this target (or of the only target of this runner).
    #[serde(alias = "runner", alias = "runner_type")]
    pub target: Option<String>,
    /// Only jobs in this state.
    #[serde(alias = "status")]
    pub state: Option<JobState>,
    /// Only BATCH or only STREAMING jobs.
    pub job_type: Option<JobType>,
    /// Only jobs whose name holds this text.
    pub name_contains: Option<String>,
    /// Most jobs on the page, 1 to 200; default 50.
    #[serde(alias = "max_results")]
    pub limit: Option<u32>,
    /// Where the last page ended: its `next_page_token`.
    #[serde(alias = "cursor")]
    pub page_token: Option<String>,
}

/// Output of `list_jobs`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Newest first.
    pub jobs: Vec<JobView>,
    /// Send it as `page_token` for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

pub(super) struct ListJobs;

/// Records read for one page where filters leave most of them out.
const MOST_READ: u32 = 2_000;

impl Define for ListJobs {
    const NAME: &'static str = "list_jobs";
    const TITLE: &'static str = "List jobs";
    const DESCRIPTION: &'static str = "Beam jobs of all targets, newest first, also ones submitted elsewhere (origin \
        discovered). Filter by target, state, type or name; go on with next_page_token. Use it to find a job id.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let limit = page_size(&context, input.limit)?;
        let target = input.target.as_deref().map(|name| context.state.config.target(Some(name))).transpose()?;
        let filter = JobFilter { state: input.state, target: target.map(|target| target.name.clone()) };
        let fits = |job: &Job| fits(job, &filter, &input);
        let after = input.page_token.as_deref().map(|token| decode(token, &filter)).transpose()?;
        let (jobs, next) = page(&context, &filter, fits, after, limit).await?;
        let jobs = jobs.iter().map(|job| context.view(job)).collect();
        Ok(Output { jobs, next_page_token: next.map(|id| encode(&filter, &id)) })
    }
}

fn page_size(context: &Context, asked: Option<u32>) -> Result<usize, Error> {
    let most = context.state.config.interfaces.jobs.batch_size.unwrap_or(200).clamp(1, 200);
    match asked.unwrap_or(50.min(most)) {
        0 => Err(Error::invalid("bad_limit", "`limit` must be at least 1")),
        limit => usize::try_from(limit.min(most)).map_err(|error| Error::misuse(error.to_string())),
    }
}

fn fits(job: &Job, filter: &JobFilter, input: &Input) -> bool {
    filter.target.as_deref().is_none_or(|target| job.id.target() == target)
        && input.job_type.is_none_or(|kind| job.job_type == Some(kind))
        && input.name_contains.as_deref().is_none_or(|text| job.name.contains(text))
}

/// A token names its index, since a place in one means nothing in another.
fn encode(filter: &JobFilter, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{id}", list_key(filter).0.as_str()))
}

fn decode(token: &str, filter: &JobFilter) -> Result<String, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let (kind, prefix) = list_key(filter);
    let place = text.as_deref().and_then(|text| text.strip_prefix(kind.as_str())?.strip_prefix('\n'));
    place.filter(|id| id.starts_with(&prefix)).map(str::to_owned).ok_or_else(|| {
        Error::invalid("bad_page_token", "`page_token` is not one this server gave for these filters")
            .suggest("send it with the filters of the page it came with, or leave it out to start at the first page")
    })
}

/// A page of fitting jobs and the index id to go on after.
async fn page(
    context: &Context,
    filter: &JobFilter,
    fits: impl Fn(&Job) -> bool,
    mut after: Option<String>,
    limit: usize,
) -> Result<(Vec<Job>, Option<String>), Error> {
    let (kind, prefix) = list_key(filter);
    let (mut jobs, mut read) = (Vec::new(), 0);
    while read < MOST_READ {
        let batch = u32::try_from(limit - jobs.len()).unwrap_or(200).clamp(1, 200);
        let scan =
            Scan { prefix: prefix.clone(), after: after.clone(), limit: batch, descending: true, ..Scan::default() };
        let records = context.rows.scan(kind, scan).await?.records;
        let ended = records.len() < usize::try_from(batch).unwrap_or(usize::MAX);
        read += batch;
        for record in &records {
            after = Some(record.key.id.clone());
            jobs.extend(Some(listed_job(record)?).filter(&fits));
        }
        if ended {
            return Ok((jobs, None));
        }
        if jobs.len() >= limit {
            break;
        }
    }
    Ok((jobs, after))
}
