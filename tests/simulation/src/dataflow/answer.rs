//! Answers in the form of the emulator (`tests/vectors/dataflow/emulated`), cut to the fields that are read.

use beam_mcp_core::{clock::rfc3339, effect::Response};
use serde_json::{Value, json};

use super::{Snapshot, job::DataflowJob};
use crate::runner::End;

fn ok(body: &Value) -> Response {
    response(200, body)
}

fn response(status: u16, body: &Value) -> Response {
    Response { status, headers: Vec::new(), body: body.to_string().into() }
}

/// `google.rpc.Status` in `error`.
fn refusal(status: u16, word: &str, message: &str) -> Response {
    response(status, &json!({"error": {"code": status, "message": message, "status": word}}))
}

pub(super) fn invalid(message: &str) -> Response {
    refusal(400, "INVALID_ARGUMENT", message)
}

pub(super) fn precondition(message: &str) -> Response {
    refusal(400, "FAILED_PRECONDITION", message)
}

pub(super) fn denied() -> Response {
    refusal(403, "PERMISSION_DENIED", "The caller does not have permission")
}

pub(super) fn no_job(id: &str) -> Response {
    refusal(404, "NOT_FOUND", &format!("Information about job {id} could not be found."))
}

pub(super) fn no_snapshot() -> Response {
    refusal(404, "NOT_FOUND", "There is no such snapshot.")
}

/// `wrong`: a planted bug, a refusal that says nothing of a name.
pub(super) fn taken(name: &str, wrong: bool) -> Response {
    let message = format!(
        "There is already an active job named {name}. If you want to submit a second job, try again by setting a different name."
    );
    if wrong { invalid(&message) } else { refusal(409, "ALREADY_EXISTS", &message) }
}

pub(super) fn job_id(wall_ms: u64, number: usize) -> String {
    let stamp: String =
        rfc3339(wall_ms).chars().map(|c| if c.is_ascii_digit() || c == '-' { c } else { '_' }).collect();
    format!("{}-{number}", stamp.trim_end_matches('_'))
}

pub(super) fn job(job: &DataflowJob, at: u64, offset: u64, whole: bool) -> Response {
    ok(&shown(job, at, offset, whole))
}

pub(super) fn launched(job: &DataflowJob, at: u64, offset: u64) -> Response {
    ok(&json!({"job": shown(job, at, offset, false)}))
}

/// A job: labels are no part of a summary.
fn shown(job: &DataflowJob, at: u64, offset: u64, whole: bool) -> Value {
    let since = job.ended(at).map_or(job.created, |(at, _)| at);
    let kind = if job.streaming { "JOB_TYPE_STREAMING" } else { "JOB_TYPE_BATCH" };
    let mut shown = json!({
        "id": job.id,
        "name": job.name,
        "type": kind,
        "currentState": format!("JOB_STATE_{}", job.state(at)),
        "currentStateTime": rfc3339(since + offset),
        "createTime": rfc3339(job.created + offset),
        "startTime": rfc3339(job.running.min(at) + offset),
    });
    if let Some((least, most)) = job.workers(at) {
        shown["runtimeUpdatableParams"] = json!({"maxNumWorkers": most, "minNumWorkers": least});
    }
    if whole {
        shown["labels"] = json!({"beam_mcp_job": job.token});
    }
    shown
}

/// What is empty is left out.
pub(super) fn jobs<'a>(
    jobs: impl Iterator<Item = &'a DataflowJob>,
    next: Option<usize>,
    at: u64,
    offset: u64,
) -> Response {
    let jobs: Vec<Value> = jobs.map(|job| shown(job, at, offset, false)).collect();
    let mut page = json!({});
    if !jobs.is_empty() {
        page["jobs"] = jobs.into();
    }
    if let Some(next) = next {
        page["nextPageToken"] = next.to_string().into();
    }
    ok(&page)
}

pub(super) fn failed_region() -> Response {
    ok(&json!({"failedLocation": [{"name": "us-central1"}]}))
}

/// Its kind is in its path.
pub(super) fn template(query: &str) -> Response {
    let kind = if query.contains("flex") { "FLEX" } else { "LEGACY" };
    let streaming = query.contains("Stream");
    ok(&json!({
        "status": {},
        "templateType": kind,
        "metadata": {"name": "Words", "streaming": streaming, "parameters": []},
        "runtimeMetadata": {"sdkInfo": {"language": "JAVA"}},
    }))
}

pub(super) fn snapshot(snapshot: &Snapshot, at: u64) -> Response {
    ok(&snapshot_value(snapshot, at))
}

pub(super) fn snapshots<'a>(all: impl Iterator<Item = &'a Snapshot>, at: u64) -> Response {
    let all: Vec<Value> = all.map(|one| snapshot_value(one, at)).collect();
    ok(&if all.is_empty() { json!({}) } else { json!({"snapshots": all}) })
}

fn snapshot_value(snapshot: &Snapshot, at: u64) -> Value {
    json!({
        "id": snapshot.id,
        "sourceJobId": snapshot.job,
        "state": snapshot.state(at),
        "description": snapshot.description,
    })
}

pub(super) fn messages(job: &DataflowJob, at: u64, offset: u64) -> Response {
    if job.end(at) != Some(End::Failed) {
        return ok(&json!({}));
    }
    ok(&json!({"jobMessages": [{
        "id": "1",
        "time": rfc3339(at + offset),
        "messageText": "Workflow failed. Causes: told to fail",
        "messageImportance": "JOB_MESSAGE_ERROR",
    }]}))
}

pub(super) fn metrics(wall_ms: u64) -> Response {
    ok(&json!({"metricTime": rfc3339(wall_ms), "metrics": []}))
}

pub(super) fn stages() -> Response {
    ok(&json!({}))
}
