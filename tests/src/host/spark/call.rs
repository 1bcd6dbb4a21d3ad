use beam_mcp_core::effect::{Body, Method, Request};

/// A request to one of Spark's servers by what it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Call {
    /// The version of the submission API.
    Version,
    Create {
        token: String,
        class: String,
    },
    Kill,
    Status,
    Master,
    /// The master's page of an application.
    Page,
    /// A part of a log of the worker.
    Log,
    /// Stages or executors of the driver's page.
    Live(&'static str),
    /// The same of the history server.
    History(&'static str),
}

/// Where the master's page, the worker's and the history server answer in the recordings.
const MASTER: &str = "http://127.0.0.1:8080";
const WORKER: &str = "http://127.0.0.1:8081";
const DRIVER: &str = "http://127.0.0.1:4040";
const HISTORY: &str = "http://127.0.0.1:18080";

/// Reads a request.
///
/// # Panics
/// For one that Spark was never asked: it must be recorded first.
pub(super) fn call(request: &Request) -> Call {
    let path = request.path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (request.method, request.server.as_deref(), segments.as_slice()) {
        (Method::Get, None, [""]) => Call::Version,
        (Method::Post, None, ["v1", "submissions", "create"]) => created(request),
        (Method::Post, None, ["v1", "submissions", "kill", _]) => Call::Kill,
        (Method::Get, None, ["v1", "submissions", "status", _]) => Call::Status,
        (Method::Get, Some(MASTER), ["json"]) => Call::Master,
        (Method::Get, Some(MASTER), ["app"]) => Call::Page,
        (Method::Get, Some(WORKER), ["log"]) => Call::Log,
        (Method::Get, Some(DRIVER), ["api", "v1", "applications", _, facts]) => Call::Live(known(facts)),
        (Method::Get, Some(HISTORY), ["api", "v1", "applications", _, facts]) => Call::History(known(facts)),
        other => panic!("Spark was never asked for {other:?}"),
    }
}

fn created(request: &Request) -> Call {
    let Body::Json(body) = &request.body else { panic!("a driver without a body: {request:?}") };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Call::Create { token: text(&body["sparkProperties"]["spark.beam.jobId"]), class: text(&body["mainClass"]) }
}

fn known(facts: &str) -> &'static str {
    match facts {
        "stages" => "stages",
        "allexecutors" => "allexecutors",
        other => panic!("Spark was never asked for {other}"),
    }
}
