//! The requests of Flink's REST API, one pure function each (runners.md section 2).
//!
//! Only fields every release from 1.19 to 2.2 knows are sent: Flink ignores unknown ones and runs anyway.

use serde_json::{Map, Value, json};

use crate::{
    config::Target,
    effect::{Body, CredentialId, Method, Part, Request, SourceId},
    url::encode,
};

/// Largest log tail read from one file.
pub(super) const LOG_TAIL_BYTES: u64 = 256 << 10;

fn to(target: &Target, method: Method, path: impl Into<String>) -> Request {
    let mut request = Request::new(&target.name, method, path);
    request.credential = target.credential.as_ref().map(|_| CredentialId(target.name.clone()));
    request
}

fn get(target: &Target, path: impl Into<String>) -> Request {
    to(target, Method::Get, path)
}

/// Version and features.
pub fn config_request(target: &Target) -> Request {
    get(target, "/config")
}

/// The configuration the `JobManager` runs with.
pub fn jobmanager_config_request(target: &Target) -> Request {
    get(target, "/jobmanager/config")
}

/// Slots, task managers and job counts.
pub fn overview_request(target: &Target) -> Request {
    get(target, "/overview")
}

/// Every job the `JobManager` remembers.
pub fn jobs_overview_request(target: &Target) -> Request {
    get(target, "/jobs/overview")
}

/// One job with its vertices.
pub fn job_request(target: &Target, job: &str) -> Request {
    get(target, format!("/jobs/{}", encode(job)))
}

/// How a job ended: the one diagnosis that all releases give alike.
pub fn execution_result_request(target: &Target, job: &str) -> Request {
    get(target, format!("/jobs/{}/execution-result", encode(job)))
}

/// The newest exceptions of a job.
pub fn exceptions_request(target: &Target, job: &str, most: u32) -> Request {
    get(target, format!("/jobs/{}/exceptions?maxExceptions={most}", encode(job)))
}

/// Checkpoints and savepoints of a job, the newest first.
pub fn checkpoints_request(target: &Target, job: &str) -> Request {
    get(target, format!("/jobs/{}/checkpoints", encode(job)))
}

/// The jars that were uploaded.
pub fn jars_request(target: &Target) -> Request {
    get(target, "/jars")
}

/// Uploads a staged jar under a name that says what is in it.
///
/// The time limit allows for 1 MB/s.
pub fn upload_request(target: &Target, source: &SourceId, file_name: &str, size: u64) -> Request {
    let part = Part {
        name: "jarfile".to_owned(),
        file_name: file_name.to_owned(),
        content_type: "application/java-archive".to_owned(),
        source: source.clone(),
    };
    let mut request = to(target, Method::Post, "/jars/upload").timeout(60_000 + size / 1_000);
    request.body = Body::Multipart(vec![part]);
    request
}

/// Runs an uploaded jar; its `main` runs inside the `JobManager` during the call.
pub fn run_request(target: &Target, jar: &str, body: Value) -> Request {
    to(target, Method::Post, format!("/jars/{}/run", encode(jar))).json(body).timeout(60_000)
}

/// Runs `main` of an uploaded jar without submitting what it builds.
pub fn plan_request(target: &Target, jar: &str, body: Value) -> Request {
    to(target, Method::Post, format!("/jars/{}/plan", encode(jar))).json(body).timeout(60_000)
}

/// Deletes an uploaded jar.
pub fn delete_jar_request(target: &Target, jar: &str) -> Request {
    to(target, Method::Delete, format!("/jars/{}", encode(jar)))
}

/// Cancels a job.
pub fn cancel_request(target: &Target, job: &str) -> Request {
    to(target, Method::Patch, format!("/jobs/{}?mode=cancel", encode(job)))
}

/// Takes a savepoint; the job goes on.
pub fn savepoint_request(target: &Target, job: &str, body: Value) -> Request {
    to(target, Method::Post, format!("/jobs/{}/savepoints", encode(job))).json(body)
}

/// Takes a savepoint and ends the job.
pub fn stop_request(target: &Target, job: &str, body: Value) -> Request {
    to(target, Method::Post, format!("/jobs/{}/stop", encode(job))).json(body)
}

/// How far a savepoint or stop is.
pub fn savepoint_status_request(target: &Target, job: &str, trigger: &str) -> Request {
    get(target, format!("/jobs/{}/savepoints/{}", encode(job), encode(trigger)))
}

/// Body of [`savepoint_request`].
pub fn savepoint_body(directory: Option<&str>, trigger: &str) -> Value {
    let mut body = json!({"cancel-job": false, "formatType": "CANONICAL", "triggerId": trigger});
    put(&mut body, "target-directory", directory);
    body
}

/// Body of [`stop_request`]: the same directory in another spelling; `drain` flushes windows first.
pub fn stop_body(directory: Option<&str>, drain: bool, trigger: &str) -> Value {
    let mut body = json!({"drain": drain, "formatType": "CANONICAL", "triggerId": trigger});
    put(&mut body, "targetDirectory", directory);
    body
}

fn put(body: &mut Value, key: &str, value: Option<&str>) {
    if let (Some(map), Some(value)) = (body.as_object_mut(), value) {
        map.insert(key.to_owned(), value.into());
    }
}

/// Parallelism bounds of every vertex.
pub fn requirements_request(target: &Target, job: &str) -> Request {
    get(target, format!("/jobs/{}/resource-requirements", encode(job)))
}

/// Asks for other parallelism bounds; all vertices must be named.
pub fn put_requirements_request(target: &Target, job: &str, body: Value) -> Request {
    to(target, Method::Put, format!("/jobs/{}/resource-requirements", encode(job))).json(body)
}

/// Body of [`put_requirements_request`]: vertex ids with their upper bounds, the lower bound 1.
pub fn requirements_body(upper_bounds: impl IntoIterator<Item = (String, u32)>) -> Value {
    let bound = |(vertex, upper)| (vertex, json!({"parallelism": {"lowerBound": 1, "upperBound": upper}}));
    Value::Object(upper_bounds.into_iter().map(bound).collect::<Map<_, _>>())
}

/// Accumulators of a job: live, and for an hour after its end.
pub fn accumulators_request(target: &Target, job: &str) -> Request {
    get(target, format!("/jobs/{}/accumulators", encode(job)))
}

/// Named metrics of a job; names Flink does not know are left out of its answer.
pub fn job_metrics_request(target: &Target, job: &str, names: &[&str]) -> Request {
    get(target, format!("/jobs/{}/metrics?get={}", encode(job), names.join(",")))
}

/// Named metrics of a vertex over all its subtasks.
pub fn vertex_metrics_request(target: &Target, job: &str, vertex: &str, names: &[String]) -> Request {
    let names: Vec<String> = names.iter().map(|name| encode(name)).collect();
    let query = format!("get={}&agg=min,max,sum,avg", names.join(","));
    get(target, format!("/jobs/{}/vertices/{}/subtasks/metrics?{query}", encode(job), encode(vertex)))
}

/// The task managers a vertex runs on.
pub fn vertex_taskmanagers_request(target: &Target, job: &str, vertex: &str) -> Request {
    get(target, format!("/jobs/{}/vertices/{}/taskmanagers", encode(job), encode(vertex)))
}

/// A process that writes logs.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Process {
    /// The `JobManager`.
    JobManager,
    /// The task manager with this id.
    TaskManager(String),
}

impl Process {
    fn path(&self) -> String {
        match self {
            Self::JobManager => "/jobmanager/logs".to_owned(),
            Self::TaskManager(id) => format!("/taskmanagers/{}/logs", encode(id)),
        }
    }
}

/// The log files of a process.
pub fn log_list_request(target: &Target, process: &Process) -> Request {
    get(target, process.path())
}

/// The end of a log file. Flink has no ranges: the host streams the whole file and keeps its tail.
pub fn log_tail_request(target: &Target, process: &Process, file: &str) -> Request {
    let mut request = get(target, format!("{}/{}", process.path(), encode(file))).timeout(30_000);
    (request.max_bytes, request.tail) = (LOG_TAIL_BYTES, true);
    request
}

/// Deletes a savepoint's files.
pub fn dispose_request(target: &Target, path: &str) -> Request {
    to(target, Method::Post, "/savepoint-disposal").json(json!({"savepoint-path": path}))
}

/// How far a disposal is.
pub fn dispose_status_request(target: &Target, request_id: &str) -> Request {
    get(target, format!("/savepoint-disposal/{}", encode(request_id)))
}
