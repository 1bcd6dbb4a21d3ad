use beam_mcp_core::effect::{Body, Method, Request};
use serde_json::Value;

/// A request to Dataflow by what it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Call {
    /// Jobs that have not ended.
    Active,
    /// Jobs of one name.
    Named,
    Job {
        /// With labels and environment.
        whole: bool,
    },
    Template,
    /// Name of the job.
    Launch(String),
    Cancel,
    Drain,
    /// Most workers.
    Workers(u64),
    /// Description of the snapshot.
    Snapshot(String),
    Snapshots,
    SnapshotById,
    Metrics,
    Messages,
    /// Of Cloud Logging.
    Entries,
}

const PLACE: &str = "/v1b3/projects/acme-prod/locations/us-central1/";

/// Reads a request.
///
/// # Panics
/// For one that Dataflow was never asked: its answer must be kept first.
pub(super) fn call(request: &Request) -> Call {
    if request.path == "/v2/entries:list" {
        return Call::Entries;
    }
    let rest = request.path.strip_prefix(PLACE).unwrap_or_else(|| panic!("elsewhere: {request:?}"));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let segments: Vec<&str> = path.split('/').collect();
    match (request.method, segments.as_slice()) {
        (Method::Get, ["jobs"]) if query.contains("filter=ACTIVE") => Call::Active,
        (Method::Get, ["jobs"]) => Call::Named,
        (Method::Get, ["jobs", _]) => Call::Job { whole: query.contains("JOB_VIEW_ALL") },
        (Method::Get, ["templates:get"]) => Call::Template,
        (Method::Post, ["templates:launch"]) => Call::Launch(text(&body(request)["jobName"])),
        (Method::Put, ["jobs", _]) if query.contains("updateMask") => {
            Call::Workers(body(request)["runtimeUpdatableParams"]["maxNumWorkers"].as_u64().unwrap_or_default())
        }
        (Method::Put, ["jobs", _]) if body(request)["requestedState"] == "JOB_STATE_DRAINED" => Call::Drain,
        (Method::Put, ["jobs", _]) => Call::Cancel,
        (Method::Post, ["jobs", id]) if id.ends_with(":snapshot") => {
            Call::Snapshot(text(&body(request)["description"]))
        }
        (Method::Get, ["jobs", _, "snapshots"]) => Call::Snapshots,
        (Method::Get, ["snapshots", _]) => Call::SnapshotById,
        (Method::Get, ["jobs", _, "metrics"]) => Call::Metrics,
        (Method::Get, ["jobs", _, "messages"]) => Call::Messages,
        other => panic!("Dataflow was never asked for {other:?}"),
    }
}

fn body(request: &Request) -> &Value {
    match &request.body {
        Body::Json(body) => body,
        other => panic!("no JSON body: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
