//! What a server's refusals are in the words of this product.

use serde_json::{Map, Value};

use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed, Retry},
    text,
};

/// Errors that only 2026-07-28 knows.
pub(super) const HEADER_MISMATCH: i64 = -32020;
pub(super) const MISSING_CAPABILITY: i64 = -32021;
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
/// Reason of the error that says so.
const REFUSED: &str = "refused";
/// How older revisions say that a resource is not there.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// Code of an error message.
pub(super) fn code(message: &Value) -> Option<i64> {
    let code = message.get("error")?.get("code")?;
    code.as_i64().or_else(|| code.as_f64()?.to_string().parse().ok())
}

/// The result of a response message.
///
/// # Errors
/// What its error says; `malformed_response` for a message that is neither or both.
pub(super) fn result(mut message: Value) -> Result<Map<String, Value>, Error> {
    let is_error = message.get("error").is_some_and(|error| !error.is_null());
    match (message.get_mut("result").map(Value::take), is_error) {
        (Some(Value::Object(result)), false) => Ok(result),
        (None, true) => Err(refused(&message)),
        _ => Err(no_answer()),
    }
}

/// True for the error of parameters that the server does not take.
pub(super) fn is_refused(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidArgument && error.reason() == REFUSED
}

fn refused(message: &Value) -> Error {
    let told = message.get("error").and_then(|error| error.get("message")).and_then(Value::as_str);
    let told = text::clean_line(told.unwrap_or("no reason given"), 512);
    let code = code(message).unwrap_or_default();
    let error = match code {
        INVALID_PARAMS => {
            Error::invalid(REFUSED, told).suggest("check the names of the call; this server's tools may differ")
        }
        RESOURCE_NOT_FOUND => Error::not_found("no_resource", told).suggest("list the resources first"),
        METHOD_NOT_FOUND | UNSUPPORTED_VERSION => Error::unsupported("no_such_call", told),
        MISSING_CAPABILITY => Error::precondition("missing_capability", told)
            .suggest("declare the capability that the server needs, and answer what it asks"),
        _ => Error::new(ErrorKind::MalformedResponse, "protocol_error", told)
            .suggest("the server refused the form of the call: see whether one of the two is out of date"),
    };
    let data = message.get("error").and_then(|error| error.get("data")).map(ToString::to_string);
    let error = error.with("code", code).retry_as(Retry::Never);
    match data {
        Some(data) => error.with("data", text::clean_line(&data, 512)),
        None => error,
    }
}

/// The error of an HTTP answer without a message of the protocol.
pub(super) fn refusal(response: &Response) -> Error {
    let status = response.status;
    let kind = match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 | 410 => ErrorKind::NotFound,
        413 => ErrorKind::PayloadTooLarge,
        408 | 504 => ErrorKind::DeadlineExceeded,
        429 => ErrorKind::RateLimited,
        500 => ErrorKind::Internal,
        501.. => ErrorKind::Unavailable,
        _ => ErrorKind::MalformedResponse,
    };
    let error = Error::new(kind, "no_answer", format!("the server answered {status} without a message of MCP"))
        .with("status", status)
        .with("body", text::clean_line(&response.body.text(), 200));
    // Turned away at the door, or perhaps after the work was done.
    let error = if matches!(status, 500 | 502 | 504) { error.landed_as(Landed::Perhaps) } else { error };
    match (error.retry(), response.retry_after()) {
        (Retry::Safe, Some(wait)) => error.retry_as(Retry::After(wait)),
        _ => match kind {
            ErrorKind::NotFound | ErrorKind::MalformedResponse => {
                error.suggest("check that the URL is the one of an MCP endpoint")
            }
            _ => error,
        },
    }
}

/// An answer that is none.
pub(super) fn no_answer() -> Error {
    Error::malformed("the answer is not what an MCP server sends")
        .suggest("check that the URL is the one of an MCP endpoint")
}

/// A result that is not what its tool says it is. What the tool did, it did.
pub(super) fn another_shape(why: &str) -> Error {
    Error::new(ErrorKind::MalformedResponse, "output_schema", "the tool's result is not what its outputSchema says")
        .with("structured_content", text::clean_line(why, 256))
        .landed_as(Landed::Perhaps)
        .retry_as(Retry::Never)
        .suggest("the tool has run: see what it did, and tell the server's maker")
}

/// The stream ended before the answer came.
pub(super) fn lost() -> Error {
    Error::new(ErrorKind::Unavailable, "stream_lost", "the stream ended before the answer came")
        .landed_as(Landed::Perhaps)
}

/// True for errors that only a server of 2026-07-28 gives.
pub(super) fn is_modern(status: u16, code: Option<i64>) -> bool {
    matches!(code, Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION))
        || (status == 404 && code == Some(METHOD_NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_a_result_or_an_error_and_not_both() {
        assert!(result(json!({"id": 1, "result": {}})).is_ok());
        assert!(result(json!({"id": 1, "result": {}, "error": null})).is_ok());
        for (message, kind) in [
            (json!({"id": 1}), ErrorKind::MalformedResponse),
            (json!({"id": 1, "result": 7}), ErrorKind::MalformedResponse),
            (json!({"id": 1, "result": {}, "error": {"code": 1}}), ErrorKind::MalformedResponse),
            (json!({"id": 1, "error": {"code": -32602, "message": "no"}}), ErrorKind::InvalidArgument),
            (json!({"id": 1, "error": {"code": -32602.0}}), ErrorKind::InvalidArgument),
            (json!({"id": 1, "error": {"code": -32002, "message": "no"}}), ErrorKind::NotFound),
        ] {
            assert_eq!(result(message.clone()).unwrap_err().kind(), kind, "{message}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_not_known_as_undone() {
        let of = |status| refusal(&Response { status, headers: Vec::new(), body: "".into() });
        assert_eq!(of(502).landed(), Landed::Perhaps);
        assert_eq!(of(429).landed(), Landed::No);
        assert_eq!((of(503).landed(), of(503).retry()), (Landed::No, Retry::Safe));
        assert_eq!(of(401).kind(), ErrorKind::Unauthenticated);
    }
}
