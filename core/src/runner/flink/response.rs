//! The answers of Flink's REST API that submission, watching and listing need. What Flink leaves out or adds between
//! 1.19 and 2.2 is optional or ignored here; every other deviation is an error, never a guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::failure;
use crate::{
    effect::Response,
    error::Error,
    job::{JobState, JobType},
};

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

/// Answer of `/jobs/overview`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct JobsOverview {
    pub(super) jobs: Vec<JobLine>,
}

/// One line of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobLine {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
}

/// Answer of `/jobs/:id`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JobDetails {
    pub(super) jid: String,
    pub(super) name: String,
    pub(super) state: String,
    /// Since 1.20.
    #[serde(default)]
    pub(super) job_type: Option<String>,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    #[serde(default)]
    pub(super) duration: i64,
    /// Unix milliseconds on the `JobManager`.
    #[serde(default)]
    pub(super) now: i64,
    #[serde(default)]
    pub(super) vertices: Vec<Vertex>,
    #[serde(default)]
    pub(super) plan: Plan,
}

/// One vertex: a chain of operators that run together.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vertex {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parallelism: i64,
    #[serde(default)]
    pub(super) max_parallelism: i64,
    /// Number of tasks in each state.
    #[serde(default)]
    tasks: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) metrics: VertexIo,
}

impl Vertex {
    /// True when no task of it is still on its way to running.
    pub(super) fn settled(&self) -> bool {
        self.tasks.iter().all(|(state, count)| *count == 0 || matches!(state.as_str(), "RUNNING" | "FINISHED"))
    }
}

/// Records and bytes of a vertex, kept after the job's end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct VertexIo {
    #[serde(deserialize_with = "number")]
    pub(super) read_records: Option<f64>,
    pub(super) read_records_complete: bool,
    #[serde(deserialize_with = "number")]
    pub(super) write_records: Option<f64>,
    pub(super) write_records_complete: bool,
    #[serde(deserialize_with = "number")]
    pub(super) read_bytes: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub(super) write_bytes: Option<f64>,
}

/// How vertices feed each other.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Plan {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) nodes: Vec<PlanNode>,
}

/// One vertex of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlanNode {
    pub(super) id: String,
    #[serde(default)]
    pub(super) inputs: Vec<PlanInput>,
}

/// The vertex that feeds another.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlanInput {
    pub(super) id: String,
}

impl JobDetails {
    /// Batch or streaming, as Flink says; 1.19 says it in the plan only.
    pub(super) fn job_type(&self) -> Option<JobType> {
        match self.job_type.as_deref().or(self.plan.kind.as_deref())? {
            "BATCH" => Some(JobType::Batch),
            "STREAMING" => Some(JobType::Streaming),
            _ => None,
        }
    }

    /// Largest parallelism of its vertices.
    pub(super) fn parallelism(&self) -> Option<u32> {
        self.vertices.iter().filter_map(|vertex| u32::try_from(vertex.parallelism).ok()).filter(|p| *p > 0).max()
    }

    /// Vertices nothing feeds.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Vertex> {
        let fed = |vertex: &Vertex| self.plan.nodes.iter().any(|node| node.id == vertex.id && !node.inputs.is_empty());
        let planned = |vertex: &Vertex| self.plan.nodes.iter().any(|node| node.id == vertex.id);
        self.vertices.iter().filter(move |vertex| planned(vertex) && !fed(vertex))
    }

    /// True when another vertex reads what this one writes.
    pub(super) fn feeds(&self, vertex: &Vertex) -> bool {
        self.plan.nodes.iter().any(|node| node.inputs.iter().any(|input| input.id == vertex.id))
    }
}

/// Flink's word for a state in ours; `None` for a word nobody knows.
pub(super) fn job_state(word: &str) -> Option<JobState> {
    Some(match word {
        "INITIALIZING" | "CREATED" => JobState::Pending,
        "RUNNING" | "RECONCILING" | "FAILING" => JobState::Running,
        "RESTARTING" | "SUSPENDED" => JobState::Recovering,
        "CANCELLING" => JobState::Cancelling,
        "CANCELED" => JobState::Canceled,
        "FINISHED" => JobState::Finished,
        "FAILED" => JobState::Failed,
        _ => return None,
    })
}

/// Unix milliseconds; Flink writes -1 for "not yet".
pub(super) fn moment(ms: i64) -> Option<u64> {
    u64::try_from(ms).ok().filter(|ms| *ms > 0)
}

/// A number that Flink writes as a number, as text or as `"NaN"`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(finite(&serde_json::Value::deserialize(deserializer)?))
}

/// The finite number in a JSON value, if there is one.
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
        let text = failure::digest(&self.stack_trace);
        if text.is_empty() { failure::digest(&self.class) } else { text }
    }

    /// True when it says that the job does not exist (any more).
    pub(super) fn is_job_not_found(&self) -> bool {
        self.stack_trace.contains("FlinkJobNotFoundException")
    }
}
