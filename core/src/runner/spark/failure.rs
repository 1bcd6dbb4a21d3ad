//! What Spark says when it says no.

use serde::Deserialize;

use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed, Retry},
    runner::stack_trace::digest,
    text::clean_line,
};

#[derive(Deserialize)]
struct Refused {
    message: String,
}

/// What an answer says, in a few lines without paths; empty when it says nothing that can be shown.
fn said(response: &Response) -> String {
    match serde_json::from_slice::<Refused>(response.body.as_slice()) {
        Ok(refused) => digest(&refused.message),
        Err(_) if response.body.text().trim_start().starts_with('<') => String::new(),
        Err(_) => digest(&response.body.text()),
    }
}

/// The error an answer that is no success stands for.
pub(super) fn error(response: &Response) -> Error {
    let text = said(response);
    let or = |fallback: &str| if text.is_empty() { fallback.to_owned() } else { text.clone() };
    let after = response.retry_after().map_or(Retry::Safe, Retry::After);
    match response.status {
        429 => Error::new(ErrorKind::RateLimited, "runner_busy", "Spark takes no more calls now").retry_as(after),
        401 | 403 => Error::new(ErrorKind::Unavailable, "credential_refused", "Spark refused the target's credential")
            .retry_as(Retry::Never)
            .suggest("ask the operator to check the target's `credential`"),
        404 => Error::not_found("unknown_to_spark", or("Spark does not know this address")),
        468 => Error::unsupported("protocol_unsupported", or("Spark does not speak version v1 of the submission API")),
        400..=499 => Error::invalid("refused_by_spark", or("Spark refused the request")),
        502..=504 => Error::new(ErrorKind::Unavailable, "runner_unavailable", "Spark is not available now")
            .retry_as(after)
            .landed_as(Landed::Perhaps),
        500.. => {
            Error::new(ErrorKind::Unavailable, "runner_error", format!("Spark answered an error: {}", or("no text")))
                .landed_as(Landed::Perhaps)
        }
        status => Error::malformed(format!("Spark answered {status}"))
            .suggest("ask the operator to correct the target's `url` and `master_url`")
            .landed_as(Landed::Perhaps),
    }
}

/// A master that does not decide: it takes no submissions, and knows no drivers.
pub(super) fn not_alive(status: &str) -> Error {
    let status = clean_line(status.trim_start_matches("Exception from the cluster:\n"), 256);
    let message = format!("the Spark master is not ALIVE: it says {status}");
    Error::new(ErrorKind::Unavailable, "master_not_alive", message)
        .suggest("wait until the master has recovered, or ask the operator to name the one that is ALIVE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        runner::spark::testing::{json, recorded, text},
    };

    fn failed(reply: Reply) -> Error {
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        error(&response)
    }

    #[test]
    fn refusals_are_final_and_have_no_stack() {
        for (reply, kind, reason) in [
            (recorded!("3.5.9/create-malformed"), ErrorKind::InvalidArgument, "refused_by_spark"),
            (recorded!("3.5.9/create-missing-fields"), ErrorKind::InvalidArgument, "refused_by_spark"),
            (recorded!("3.5.9/wrong-protocol"), ErrorKind::Unsupported, "protocol_unsupported"),
            (recorded!("3.5.9/ui-unknown-app"), ErrorKind::NotFound, "unknown_to_spark"),
            (json(302, ""), ErrorKind::MalformedResponse, "malformed_response"),
        ] {
            let error = failed(reply);
            assert_eq!((error.kind(), error.reason(), error.retry()), (kind, reason, Retry::Never));
            assert!(!error.message().contains("\tat ") && error.message().len() < 400, "{}", error.message());
        }
        assert_eq!(
            failed(recorded!("3.5.9/create-missing-fields")).message(),
            "Malformed request: org.apache.spark.deploy.rest.SubmitRestProtocolException: Validation of message \
             CreateSubmissionRequest failed!"
        );
    }

    #[test]
    fn what_may_have_arrived_is_said() {
        for (status, landed) in [(400, Landed::No), (500, Landed::Perhaps), (503, Landed::Perhaps)] {
            assert_eq!(failed(text(status, "<html>boom</html>")).landed(), landed, "{status}");
        }
        assert!(!failed(text(500, "<html>boom</html>")).message().contains("html"));
    }
}
