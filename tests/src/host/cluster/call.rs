use beam_mcp_core::effect::{Body, Method, Request};

/// A request to Flink by what it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Call {
    Config,
    /// The `JobManager`'s own configuration.
    Settings,
    Jobs,
    Job,
    Checkpoints,
    Jars,
    /// Name of the jar.
    Upload(String),
    /// Id of the job.
    Run(String),
    DeleteJar,
    Cancel,
    /// Id of the trigger.
    Savepoint(String),
    Stop {
        id: String,
        drains: bool,
    },
    Status,
    Requirements,
    /// A read whose answer is the recording of this name.
    Other(&'static str),
}

/// Reads a request.
///
/// # Panics
/// For one that Flink was never asked: it must be recorded first.
pub(super) fn call(request: &Request) -> Call {
    let path = request.path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let text = |member: &str| match &request.body {
        Body::Json(body) => body[member].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match (request.method, segments.as_slice()) {
        (Method::Get, ["config"]) => Call::Config,
        (Method::Get, ["jobmanager", "config"]) => Call::Settings,
        (Method::Get, ["jobs", "overview"]) => Call::Jobs,
        (Method::Get, ["jobs", _]) => Call::Job,
        (Method::Patch, ["jobs", _]) => Call::Cancel,
        (Method::Get, ["jobs", _, "checkpoints"]) => Call::Checkpoints,
        (Method::Get, ["jobs", _, "savepoints", _]) => Call::Status,
        (Method::Post, ["jobs", _, "savepoints"]) => Call::Savepoint(text("triggerId")),
        (Method::Post, ["jobs", _, "stop"]) => Call::Stop { id: text("triggerId"), drains: is_drain(request) },
        (Method::Put, ["jobs", _, "resource-requirements"]) => Call::Requirements,
        (Method::Get, ["jars"]) => Call::Jars,
        (Method::Post, ["jars", "upload"]) => Call::Upload(jar_name(request)),
        (Method::Post, ["jars", _, "run"]) => Call::Run(text("jobId")),
        (Method::Delete, ["jars", _]) => Call::DeleteJar,
        (Method::Get, other) => Call::Other(read(other)),
        other => panic!("Flink was never asked for {other:?}"),
    }
}

fn read(segments: &[&str]) -> &'static str {
    match segments {
        ["overview"] => "overview",
        ["jobs", _, "exceptions"] => "exceptions",
        ["jobs", _, "execution-result"] => "execution-result",
        ["jobs", _, "metrics"] => "job-metrics",
        ["jobs", _, "accumulators"] => "accumulators-running",
        ["jobs", _, "vertices", _, "subtasks", "metrics"] => "vertex-subtasks-metrics",
        ["jobs", _, "vertices", _, "taskmanagers"] => "vertex-taskmanagers",
        ["jobmanager", "logs"] => "jobmanager-logs",
        ["taskmanagers", _, "logs"] => "taskmanager-logs",
        ["jobmanager" | "taskmanagers", .., "logs", _] => "log",
        other => panic!("Flink was never asked for {other:?}"),
    }
}

fn is_drain(request: &Request) -> bool {
    matches!(&request.body, Body::Json(body) if body["drain"] == true)
}

fn jar_name(request: &Request) -> String {
    match &request.body {
        Body::Multipart(parts) => parts.first().map(|part| part.file_name.clone()).unwrap_or_default(),
        other => panic!("an upload without parts: {other:?}"),
    }
}
