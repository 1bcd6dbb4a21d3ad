//! The requests of Dataflow's REST API v1b3 that are made, one pure function each. All but the list of all
//! regions name one: the forms without it mean us-central1.

use serde_json::{Value, json};

use crate::{
    config::Target,
    effect::{CredentialId, Method, Request},
    url::{encode, query},
};

/// Jobs, messages and stages asked for at once.
pub(super) const PAGE: u32 = 200;

fn to(target: &Target, method: Method, rest: &str) -> Request {
    let (project, region) = (target.project.as_deref(), target.region.as_deref());
    let (project, region) = (encode(project.unwrap_or_default()), encode(region.unwrap_or_default()));
    let path = format!("/v1b3/projects/{project}/locations/{region}/{rest}");
    let mut request = Request::new(&target.name, method, path);
    request.credential = target.credential.as_ref().map(|_| CredentialId(target.name.clone()));
    request
}

fn get(target: &Target, rest: &str) -> Request {
    to(target, Method::Get, rest)
}

/// Which jobs a list shows.
#[derive(Clone, Copy, Debug)]
pub enum Filter<'a> {
    /// Those that have not ended.
    Active,
    /// All of this name.
    Named(&'a str),
}

/// One page of jobs.
pub fn jobs_request(target: &Target, filter: Filter<'_>, size: u32, page: Option<&str>) -> Request {
    let (word, name) = match filter {
        Filter::Active => ("ACTIVE", None),
        Filter::Named(name) => ("ALL", Some(name.to_owned())),
    };
    let size = Some(size.to_string());
    let pairs =
        [("filter", Some(word.to_owned())), ("name", name), ("pageSize", size), ("pageToken", page.map(str::to_owned))];
    get(target, &format!("jobs{}", query(pairs)))
}

/// One page of the jobs of all regions that have not ended.
pub fn aggregated_request(target: &Target, size: u32, page: Option<&str>) -> Request {
    let size = Some(size.to_string());
    let pairs = [("filter", Some("ACTIVE".to_owned())), ("pageSize", size), ("pageToken", page.map(str::to_owned))];
    let project = encode(target.project.as_deref().unwrap_or_default());
    Request { path: format!("/v1b3/projects/{project}/jobs:aggregated{}", query(pairs)), ..get(target, "") }
}

/// One job: its summary, or with labels and environment.
pub fn job_request(target: &Target, id: &str, whole: bool) -> Request {
    let view = if whole { "JOB_VIEW_ALL" } else { "JOB_VIEW_SUMMARY" };
    get(target, &format!("jobs/{}?view={view}", encode(id)))
}

/// What a template takes.
pub fn template_request(target: &Target, path: &str) -> Request {
    let pairs = [("gcsPath", Some(path.to_owned())), ("view", Some("METADATA_ONLY".to_owned()))];
    get(target, &format!("templates:get{}", query(pairs))).timeout(15_000)
}

/// Launches a classic template.
pub fn launch_classic_request(target: &Target, path: &str, body: Value) -> Request {
    let query = query([("gcsPath", Some(path.to_owned()))]);
    to(target, Method::Post, &format!("templates:launch{query}")).json(body).timeout(60_000)
}

/// Launches a flex template, whose path is in the body.
pub fn launch_flex_request(target: &Target, body: Value) -> Request {
    to(target, Method::Post, "flexTemplates:launch").json(body).timeout(60_000)
}

/// Asks for another state. Never together with a change of parameters: Dataflow refuses both at once.
pub fn state_request(target: &Target, id: &str, state: &str) -> Request {
    to(target, Method::Put, &format!("jobs/{}", encode(id))).json(json!({"requestedState": state})).timeout(10_000)
}

/// Asks for other bounds of the number of workers.
pub fn workers_request(target: &Target, id: &str, least: u32, most: u32) -> Request {
    let mask = "runtime_updatable_params.max_num_workers,runtime_updatable_params.min_num_workers";
    let query = query([("updateMask", Some(mask.to_owned()))]);
    let body = json!({"runtimeUpdatableParams": {"maxNumWorkers": most, "minNumWorkers": least}});
    to(target, Method::Put, &format!("jobs/{}{query}", encode(id))).json(body).timeout(10_000)
}

/// Takes a snapshot of a streaming job, which goes on.
pub fn snapshot_request(target: &Target, id: &str, body: Value) -> Request {
    to(target, Method::Post, &format!("jobs/{}:snapshot", encode(id))).json(body).timeout(30_000)
}

/// The snapshots of a job.
pub fn snapshots_request(target: &Target, id: &str) -> Request {
    get(target, &format!("jobs/{}/snapshots", encode(id)))
}

/// One snapshot.
pub fn snapshot_by_id_request(target: &Target, snapshot: &str) -> Request {
    get(target, &format!("snapshots/{}", encode(snapshot)))
}

/// Metrics of a job.
pub fn metrics_request(target: &Target, id: &str) -> Request {
    let mut request = get(target, &format!("jobs/{}/metrics", encode(id))).timeout(15_000);
    request.max_bytes = 32 << 20;
    request
}

/// How far the stages of a job are.
pub fn execution_request(target: &Target, id: &str) -> Request {
    let query = query([("pageSize", Some(PAGE.to_string()))]);
    get(target, &format!("jobs/{}/executionDetails{query}", encode(id))).timeout(15_000)
}

/// Who works on a stage of a job, and at what.
pub fn stage_request(target: &Target, id: &str, stage: &str) -> Request {
    let query = query([("pageSize", Some(PAGE.to_string()))]);
    let rest = format!("jobs/{}/stages/{}/executionDetails{query}", encode(id), encode(stage));
    get(target, &rest).timeout(15_000)
}

/// Entries of Cloud Logging; `None` where the target does not say where that is.
pub fn entries_request(target: &Target, body: Value) -> Option<Request> {
    let server = target.logging_url.clone()?;
    let mut request = to(target, Method::Post, "").json(body).timeout(15_000);
    (request.server, request.path) = (Some(server), "/v2/entries:list".to_owned());
    Some(request)
}

/// Messages of a job at least this important, from a time on, oldest first.
pub fn messages_request(
    target: &Target,
    id: &str,
    importance: &str,
    (start, end): (Option<String>, Option<String>),
    page: Option<&str>,
) -> Request {
    let pairs = [
        ("minimumImportance", Some(importance.to_owned())),
        ("startTime", start),
        ("endTime", end),
        ("pageSize", Some(PAGE.to_string())),
        ("pageToken", page.map(str::to_owned)),
    ];
    get(target, &format!("jobs/{}/messages{}", encode(id), query(pairs))).timeout(15_000)
}
