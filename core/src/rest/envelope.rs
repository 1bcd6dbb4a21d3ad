//! One superset envelope: `success, message, data, error, context, metadata`, with a job's main fields on top.

use serde_json::{Map, Value, json};

use super::precondition;
use crate::{
    call::Labels,
    clock::rfc3339,
    effect::Response,
    error::{Error, ErrorKind, Retry},
    verb::Context,
};

/// Members of `data` that job routes mirror on top (S1), null where there is nothing yet.
const MIRRORED: [&str; 6] = ["job_id", "state", "start_time", "duration", "savepoint_path", "diagnostics"];

/// The answer to a verb.
pub(super) fn success(context: &Context, verb: &str, data: Value) -> Response {
    let status = status(verb, &data);
    answer(context, status, message(verb, &data), data)
}

/// An answer with data.
pub(super) fn answer(context: &Context, status: u16, message: String, data: Value) -> Response {
    let mut all = Map::new();
    let tag = precondition::tag(&data).filter(|_| data.get("deleted").is_none()).map(|tag| ("etag".to_owned(), tag));
    if data.get("job_id").is_some() {
        for name in MIRRORED {
            let value = data.get(name).or_else(|| data.get("job").and_then(|job| job.get(name)));
            all.insert(name.into(), value.cloned().unwrap_or_default());
        }
    }
    all.insert("success".into(), true.into());
    all.insert("message".into(), message.into());
    all.insert("data".into(), data);
    all.insert("error".into(), Value::Null);
    let mut response = finish(all, &context.call.labels, &context.call.request_id(), context.now_ms(), status);
    response.headers.extend(tag);
    response
}

/// The answer to a failure.
pub fn failure(error: &Error, labels: &Labels, request_id: &str, now_ms: u64) -> Response {
    let mut object = error.to_json();
    if let Some(map) = object.as_object_mut() {
        map.insert("request_id".into(), request_id.into());
    }
    let mut all = Map::new();
    all.insert("success".into(), false.into());
    all.insert("message".into(), error.message().into());
    all.insert("data".into(), dummy(error));
    all.insert("error".into(), object);
    let mut response = finish(all, labels, request_id, now_ms, error.kind().door().http);
    response.headers.extend(headers(error));
    response
}

/// S2: `data` is an object even of a failure.
fn dummy(error: &Error) -> Value {
    json!({
        "mcp_resource_id": "error",
        "mcp_resource_type": "error",
        "name": "Error",
        "description": error.message(),
        "status": "error",
        "location": "null://error",
        "metadata": {},
    })
}

fn headers(error: &Error) -> Vec<(String, String)> {
    let seconds = |delay: std::time::Duration| delay.as_millis().div_ceil(1_000).clamp(1, 120).to_string();
    let mut headers = Vec::new();
    match (error.kind(), error.retry()) {
        (_, Retry::After(delay)) => headers.push(("retry-after".to_owned(), seconds(delay))),
        (ErrorKind::RateLimited | ErrorKind::Unavailable, _) => {
            headers.push(("retry-after".to_owned(), "2".to_owned()));
        }
        _ => {}
    }
    if error.kind() == ErrorKind::Unauthenticated {
        // RFC 6750, section 3.1: who sent no token is told of no error.
        let wrong = if error.reason() == "unknown_token" { "error=\"invalid_token\", " } else { "" };
        headers.push(("www-authenticate".to_owned(), format!("Bearer {wrong}scope=\"beam:read\"")));
    }
    if let (ErrorKind::PermissionDenied, Some(scope)) = (error.kind(), error.context().get("scope")) {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        headers.push(("www-authenticate".to_owned(), challenge));
    }
    if let (ErrorKind::MethodNotAllowed, Some(allow)) = (error.kind(), error.context().get("allow")) {
        headers.push(("allow".to_owned(), allow.clone()));
    }
    headers
}

fn finish(mut all: Map<String, Value>, labels: &Labels, request_id: &str, now_ms: u64, status: u16) -> Response {
    all.insert(
        "context".into(),
        json!({
            "session_id": labels.session_id,
            "trace_id": labels.trace_id,
            "transaction_id": labels.transaction_id,
            "user_id": labels.user_id,
        }),
    );
    all.insert(
        "metadata".into(),
        json!({
            "request_id": request_id,
            "timestamp": rfc3339(now_ms),
            "version": env!("CARGO_PKG_VERSION"),
        }),
    );
    Response::json(status, &all)
}

/// 201 for a job the runner acknowledged, 202 for work that goes on.
fn status(verb: &str, data: &Value) -> u16 {
    let flag = |name: &str| data.get(name).and_then(Value::as_bool) == Some(true);
    let state = data.get("state").and_then(Value::as_str).unwrap_or_default();
    match verb {
        "create_job" | "restore_job" if data.get("plan").is_some() || flag("replayed") => 200,
        "create_job" | "restore_job" if matches!(state, "SUBMITTING" | "SUBMIT_UNKNOWN" | "PARKED") => 202,
        "create_job" | "restore_job" => 201,
        "create_context" if data.get("plan").is_none() && !flag("replayed") => 201,
        _ if flag("pending") => 202,
        _ => 200,
    }
}

fn message(verb: &str, data: &Value) -> String {
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    match (text("job_id"), text("state")) {
        (Some(id), Some(state)) => format!("{verb}: {id} is {state}"),
        _ => format!("{verb}: done"),
    }
}
