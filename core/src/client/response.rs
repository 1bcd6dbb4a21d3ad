use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Route;
use crate::{
    effect::Response,
    error::{Error, ErrorKind, Retry},
    text,
};

/// The error object of the envelope.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Map<String, Value>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    retryable: Option<bool>,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

/// The `data` of an answer (the whole document where the route has no envelope).
///
/// # Errors
/// What the answer's `error` says; `malformed_response` when it is no envelope.
pub(super) fn parse(route: &Route, response: &Response) -> Result<Value, Error> {
    if !(200..300).contains(&response.status) {
        return Err(refusal(response).during(route.verb));
    }
    match if route.envelope { member(response, "data") } else { document(response) } {
        None | Some(Value::Null) => Err(no_envelope(response).during(route.verb)),
        Some(data) => Ok(data),
    }
}

fn document(response: &Response) -> Option<Value> {
    serde_json::from_slice(response.body.as_slice()).ok()
}

/// A member of the envelope.
fn member(response: &Response, name: &str) -> Option<Value> {
    document(response)?.get_mut(name).map(Value::take)
}

/// The error of an answer outside 2xx.
pub(super) fn refusal(response: &Response) -> Error {
    let refusal = member(response, "error").and_then(|error| serde_json::from_value::<Refusal>(error).ok());
    let error = match &refusal {
        Some(refusal) => told(refusal, response.status),
        None => untold(response),
    };
    let retry = retry(&error, refusal.as_ref(), response);
    error.retry_as(retry).with("status", response.status)
}

fn told(refusal: &Refusal, status: u16) -> Error {
    let detail = |name: &str| refusal.details.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = ErrorKind::from_code(&refusal.code).unwrap_or_else(|| kind_of(status));
    let mut error =
        Error::new(kind, detail("reason"), text::clean(&refusal.message, 4096)).suggest(detail("suggestion"));
    for (key, value) in refusal.details.iter().filter(|(key, _)| !matches!(key.as_str(), "reason" | "suggestion")) {
        let value = value.as_str().map_or_else(|| serde_json::to_string(value).unwrap_or_default(), str::to_owned);
        error = error.with(text::clean_line(key, 64), value);
    }
    match &refusal.request_id {
        Some(id) => error.with("request_id", id),
        None => error,
    }
}

/// An answer of something else than a beam-mcp server: a proxy, a gateway, another service.
fn untold(response: &Response) -> Error {
    Error::new(
        kind_of(response.status),
        "no_error_object",
        format!("the server answered {} without saying why", response.status),
    )
    .with("body", text::clean_line(&response.body.text(), 200))
}

fn no_envelope(response: &Response) -> Error {
    Error::malformed("the answer is not what a beam-mcp server sends")
        .with("status", response.status)
        .with("body", text::clean_line(&response.body.text(), 200))
        .suggest("check that the URL is the one of a beam-mcp server")
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        409 => ErrorKind::Conflict,
        502 | 503 => ErrorKind::Unavailable,
        500 => ErrorKind::Internal,
        _ => ErrorKind::ALL.iter().copied().find(|kind| kind.door().http == status).unwrap_or(if status < 500 {
            ErrorKind::MalformedResponse
        } else {
            ErrorKind::Unavailable
        }),
    }
}

fn retry(error: &Error, refusal: Option<&Refusal>, response: &Response) -> Retry {
    let may = refusal.and_then(|refusal| refusal.retryable).unwrap_or(error.retry() != Retry::Never);
    let told = refusal.and_then(|refusal| refusal.retry_after_ms).map(Duration::from_millis);
    let wait = told.or_else(|| response.retry_after());
    match (may, wait) {
        (false, _) => Retry::Never,
        (true, Some(wait)) => Retry::After(wait),
        (true, None) => Retry::Safe,
    }
}
