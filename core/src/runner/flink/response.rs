//! The answers of Flink's REST API that submission, watching and listing need. What Flink leaves out or adds between
//! 1.19 and 2.2 is optional or ignored here; every other deviation is an error, never a guess.

use serde::{Deserialize, de::DeserializeOwned};

use super::failure;
use crate::{effect::Response, error::Error, runner::stack_trace::digest};

/// Reads a success, or the error the answer stands for.
pub(super) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    if !(200..300).contains(&response.status) {
        return Err(failure::error(response));
    }
    serde_json::from_slice(response.body.as_slice()).map_err(|error| {
        Error::malformed("Flink's answer has not the form that Flink 1.19 to 2.2 gives it")
            .with("detail", error)
            .landed_as(crate::error::Landed::Perhaps)
    })
}

/// Answer of `/config`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Config {
    #[serde(rename = "flink-version")]
    pub(super) version: String,
    #[serde(default)]
    pub(super) features: Features,
    /// Milliseconds east of UTC; the clock of log lines.
    #[serde(default)]
    pub(super) timezone_offset: i64,
}

/// What the cluster's configuration allows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Features {
    pub(super) web_submit: bool,
    pub(super) web_rescale: bool,
}

impl Config {
    /// Major and minor number.
    pub(super) fn series(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// Answer of `/overview`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Overview {
    pub(super) taskmanagers: u64,
    pub(super) slots_total: u64,
    pub(super) slots_available: u64,
    pub(super) jobs_running: u64,
}

/// Answer of `/jars`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jars {
    pub(super) files: Vec<Jar>,
}

/// One uploaded jar.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jar {
    pub(super) id: String,
    /// The name it was uploaded under.
    pub(super) name: String,
    /// Unix milliseconds.
    #[serde(default)]
    pub(super) uploaded: u64,
}

/// Answer of an upload.
#[derive(Debug, Deserialize)]
struct Uploaded {
    filename: String,
}

/// Id of the jar an upload made: the last segment of the path Flink shows.
pub(super) fn uploaded_jar_id(response: &Response) -> Result<String, Error> {
    let uploaded: Uploaded = read(response)?;
    match uploaded.filename.rsplit(['/', '\\']).next() {
        Some(id) if id.contains('_') && id.len() <= 512 => Ok(id.to_owned()),
        _ => Err(Error::malformed("Flink did not name the jar it was given")),
    }
}

#[derive(Debug, Deserialize)]
struct Run {
    jobid: String,
}

/// Id of the job a run started.
pub(super) fn job_id_of_run(response: &Response) -> Result<String, Error> {
    read::<Run>(response).map(|run| run.jobid)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Trigger {
    request_id: String,
}

/// Id of a savepoint, stop or disposal that Flink took.
pub(super) fn trigger_id(response: &Response) -> Result<String, Error> {
    read::<Trigger>(response).map(|trigger| trigger.request_id)
}

/// Unix milliseconds; Flink writes -1 for "not yet".
pub(super) fn moment(ms: i64) -> Option<u64> {
    u64::try_from(ms).ok().filter(|ms| *ms > 0)
}

/// The finite number in a JSON value, where it is one: Flink writes numbers, texts and `"NaN"`.
pub(super) fn finite(value: &serde_json::Value) -> Option<f64> {
    let number = match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

/// Answer of `/jobs/:id/execution-result`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ExecutionResult {
    #[serde(default)]
    job_execution_result: Option<JobResult>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JobResult {
    #[serde(default)]
    failure_cause: Option<Thrown>,
}

impl ExecutionResult {
    /// Why the job failed.
    pub(super) fn cause(&self) -> Option<String> {
        Some(self.job_execution_result.as_ref()?.failure_cause.as_ref()?.digest())
    }
}

/// A Java exception as Flink writes it; `serialized-throwable` (up to 82 kB) is not read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Thrown {
    #[serde(default)]
    class: String,
    #[serde(default)]
    stack_trace: String,
}

impl Thrown {
    /// What it says, in a few lines.
    pub(super) fn digest(&self) -> String {
        let text = digest(&self.stack_trace);
        if text.is_empty() { digest(&self.class) } else { text }
    }

    /// True when it says that the job does not exist (any more).
    pub(super) fn is_job_not_found(&self) -> bool {
        self.stack_trace.contains("FlinkJobNotFoundException")
    }
}
