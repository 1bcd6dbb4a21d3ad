//! `get_metrics`: what the runner and the pipeline count, nothing made up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Context, Hints, registry::Define};
use crate::{
    auth::Scope,
    clock::rfc3339,
    error::Error,
    job::{Job, JobId, Metric, Phase},
    lifecycle::fresh,
    runner::Backend,
};

/// Input of `get_metrics`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The job.
    pub job_id: String,
}

/// Output of `get_metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The job.
    pub job_id: String,
    /// RFC 3339 of the answer.
    pub timestamp: String,
    /// RFC 3339 of the values: what the source says of it, else when it was read.
    pub as_of: String,
    /// Where they were read.
    pub source: String,
    /// Unified names this runner really reports: `elements_processed`, `processing_rate` (records/s), `worker_count`,
    /// `elapsed_time_ms`, … and the pipeline's own counters as `<namespace>.<name>`.
    pub metrics: Map<String, Value>,
    /// Metrics the pipeline counts.
    pub user: Vec<Metric>,
    /// Metrics of Beam and the runner.
    pub system: Vec<Metric>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

pub(super) struct GetMetrics;

impl Define for GetMetrics {
    const NAME: &'static str = "get_metrics";
    const TITLE: &'static str = "Get metrics";
    const DESCRIPTION: &'static str = "Metrics of a job as its runner gives them, and the pipeline's own counters and \
        distributions. notes say what is missing and why.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        context.interface_on("metrics", &context.state.config.interfaces.metrics)?;
        let job = fresh(&context, &JobId::parse(&input.job_id)?, None).await?.value;
        submitted(&job)?;
        let metrics = context.runner(job.id.target())?.metrics(&job).await?;
        let mut all: Map<String, Value> = metrics.unified.iter().map(|(k, v)| (k.clone(), Value::from(*v))).collect();
        for metric in &metrics.user {
            let value = metric.committed.as_ref().or(metric.attempted.as_ref());
            all.insert(
                format!("{}.{}", metric.namespace, metric.name),
                serde_json::to_value(value).unwrap_or_default(),
            );
        }
        Ok(Output {
            job_id: job.id.to_string(),
            timestamp: rfc3339(context.now_ms()),
            as_of: rfc3339(metrics.as_of_ms.unwrap_or_else(|| context.now_ms())),
            source: metrics.source,
            metrics: all,
            user: metrics.user,
            system: metrics.system,
            notes: metrics.notes,
        })
    }
}

/// Refuses a job that never reached its runner.
pub(super) fn submitted(job: &Job) -> Result<(), Error> {
    if job.phase == Phase::Submitted && job.native_id.is_some() {
        return Ok(());
    }
    Err(Error::precondition("not_submitted", format!("the job has not reached its runner ({})", job.state.as_str()))
        .with("diagnostics", &job.diagnostics))
}
