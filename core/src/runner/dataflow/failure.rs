//! What Dataflow says when it says no: `google.rpc.Status` in `error`.

use serde::Deserialize;

use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed, Retry},
    text::clean,
};

/// Longest text kept of one failure.
const LONGEST: usize = 2 << 10;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Failure,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    message: String,
    status: String,
    errors: Vec<Part>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    reason: String,
}

impl Failure {
    /// A quota of calls, not of permission.
    fn is_rate(&self) -> bool {
        self.errors.iter().any(|part| matches!(part.reason.as_str(), "rateLimitExceeded" | "userRateLimitExceeded"))
    }
}

/// The error an answer that is no success stands for.
pub(super) fn error(response: &Response) -> Error {
    let failure = serde_json::from_slice::<Body>(response.body.as_slice()).unwrap_or_default().error;
    let text = clean(&failure.message, LONGEST);
    let said = if text.is_empty() { format!("Dataflow answered {}", response.status) } else { text };
    let error = match response.status {
        429 => busy(said),
        403 if failure.is_rate() => busy(said),
        401 => refused_credential(said),
        403 => denied(said),
        404 => Error::not_found("unknown_to_dataflow", said),
        409 if failure.status == "ALREADY_EXISTS" => {
            Error::new(ErrorKind::Conflict, "name_is_taken", said).retry_as(Retry::Never)
        }
        400 if failure.status == "FAILED_PRECONDITION" => Error::precondition("refused_by_dataflow", said),
        400..=499 => Error::invalid("refused_by_dataflow", said),
        300..=399 => Error::malformed(format!("Dataflow redirects ({})", response.status))
            .suggest("ask the operator to correct the target's `url`"),
        _ => Error::new(ErrorKind::Unavailable, "runner_error", said).landed_as(Landed::Perhaps),
    };
    match response.retry_after().filter(|_| matches!(response.status, 403 | 429 | 503)) {
        Some(delay) if error.retry() != Retry::Never => error.retry_as(Retry::After(delay)),
        _ => error,
    }
}

fn busy(said: String) -> Error {
    Error::new(ErrorKind::RateLimited, "runner_busy", said).suggest("wait, or ask for a higher quota of the project")
}

fn refused_credential(said: String) -> Error {
    Error::new(ErrorKind::Unavailable, "credential_refused", said)
        .retry_as(Retry::Never)
        .suggest("ask the operator to check the target's `credential`")
}

fn denied(said: String) -> Error {
    Error::new(ErrorKind::FailedPrecondition, "denied_by_dataflow", said).suggest(
        "ask the operator to give the target's account the roles dataflow.developer and iam.serviceAccountUser",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn answer(status: u16, word: &str, reason: &str) -> Response {
        let errors = json!([{"domain": "global", "reason": reason, "message": "said"}]);
        Response::json(status, &json!({"error": {"code": status, "message": "said", "status": word, "errors": errors}}))
    }

    #[test]
    fn what_dataflow_says_is_a_kind_a_reason_and_whether_it_landed() {
        use ErrorKind as K;
        for (status, word, reason, expected) in [
            (400, "INVALID_ARGUMENT", "badRequest", (K::InvalidArgument, "refused_by_dataflow", Landed::No)),
            (
                400,
                "FAILED_PRECONDITION",
                "failedPrecondition",
                (K::FailedPrecondition, "refused_by_dataflow", Landed::No),
            ),
            (401, "UNAUTHENTICATED", "authError", (K::Unavailable, "credential_refused", Landed::No)),
            (403, "PERMISSION_DENIED", "forbidden", (K::FailedPrecondition, "denied_by_dataflow", Landed::No)),
            (403, "RESOURCE_EXHAUSTED", "rateLimitExceeded", (K::RateLimited, "runner_busy", Landed::No)),
            (404, "NOT_FOUND", "notFound", (K::NotFound, "unknown_to_dataflow", Landed::No)),
            (409, "ALREADY_EXISTS", "alreadyExists", (K::Conflict, "name_is_taken", Landed::No)),
            (429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", (K::RateLimited, "runner_busy", Landed::No)),
            (500, "INTERNAL", "backendError", (K::Unavailable, "runner_error", Landed::Perhaps)),
            (503, "UNAVAILABLE", "backendError", (K::Unavailable, "runner_error", Landed::Perhaps)),
        ] {
            let error = error(&answer(status, word, reason));
            assert_eq!((error.kind(), error.reason(), error.landed()), expected, "{status} {reason}");
            assert_eq!(error.message(), "said");
        }
        let redirect = error(&Response::json(302, &""));
        assert_eq!(redirect.kind(), K::MalformedResponse);
        assert!(error(&Response::json(418, &"x")).message().contains("418"));
    }

    #[test]
    fn a_busy_service_says_when() {
        let busy = Response { headers: vec![("retry-after".into(), "7".into())], ..answer(429, "", "") };
        assert_eq!(error(&busy).retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(error(&answer(403, "", "forbidden")).retry(), Retry::Never);
    }
}
