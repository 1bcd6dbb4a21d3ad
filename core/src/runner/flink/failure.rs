//! What Flink says when it says no: a Java stack of up to 80 kB, of which two or three lines matter.

use serde::Deserialize;

use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed, Retry},
    runner::stack_trace::digest,
};

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

/// All text of an error answer.
fn raw(response: &Response) -> String {
    match serde_json::from_slice::<Errors>(response.body.as_slice()) {
        Ok(body) => body.errors.join("\n"),
        Err(_) => response.body.text().into_owned(),
    }
}

fn trace(raw: &str) -> &str {
    let rest = raw.trim_start().strip_prefix("Internal server error.").unwrap_or(raw).trim_start();
    let rest = if rest.is_empty() { raw } else { rest };
    rest.strip_prefix("<Exception on server side:").unwrap_or(rest).trim_start()
}

/// The error an answer that is no success stands for.
pub(super) fn error(response: &Response) -> Error {
    let raw = raw(response);
    let text = digest(trace(&raw));
    let said = |fallback: &str| if text.is_empty() { fallback.to_owned() } else { text.clone() };
    match response.status {
        429 => {
            Error::new(ErrorKind::RateLimited, "runner_busy", "Flink takes no more calls now").retry_as(after(response))
        }
        503 => leaderless(response, &raw),
        401 | 403 => Error::new(ErrorKind::Unavailable, "credential_refused", "Flink refused the target's credential")
            .retry_as(Retry::Never)
            .suggest("ask the operator to check the target's `credential`"),
        status if (300..400).contains(&status) => Error::malformed(format!("Flink redirects ({status})"))
            .suggest("ask the operator to correct the target's `url`"),
        400..=499 => refusal(response.status, &raw, said("Flink refused the request")),
        status => known_cause(&raw, &text).unwrap_or_else(|| {
            Error::new(ErrorKind::Unavailable, "runner_error", format!("Flink answered {status}: {}", said("no text")))
                .landed_as(Landed::Perhaps)
        }),
    }
}

fn refusal(status: u16, raw: &str, text: String) -> Error {
    if let Some(error) = known_cause(raw, &text) {
        return error;
    }
    match status {
        404 => Error::malformed(format!("Flink does not know this address: {text}"))
            .suggest("ask the operator to check the target's `url`; Flink 1.19 to 2.2 is expected there"),
        409 => Error::precondition("already_ended", text),
        413 => Error::new(ErrorKind::PayloadTooLarge, "runner_body_too_large", text)
            .suggest("raise Flink's rest.server.max-content-length or send a smaller jar"),
        _ => Error::invalid("refused_by_flink", text),
    }
}

/// Causes that repeating cannot cure, although Flink answers 500 to most of them.
fn known_cause(raw: &str, text: &str) -> Option<Error> {
    let has = |needle: &str| raw.contains(needle);
    Some(if has("Caused by: org.apache.flink.runtime.client.DuplicateJobSubmissionException") {
        Error::new(ErrorKind::Conflict, "duplicate_job", text)
    } else if has("Could not execute application") {
        Error::invalid("main_failed", format!("the program's main method failed: {text}"))
            .suggest("correct the options or the program; get_logs of the JobManager may say more")
    } else if has("FlinkJobNotFoundException") {
        Error::not_found("job_unknown_to_flink", text)
    } else if has("Checkpointing has not been enabled") {
        Error::precondition("checkpointing_off", "the job takes no checkpoints")
            .suggest("set checkpoint_interval when the job is created")
    } else if has("AdaptiveScheduler") && has("UnsupportedOperationException") {
        rescale_unsupported()
    } else if has("There is no savepoint operation with triggerId") {
        Error::not_found("operation_forgotten", text)
    } else if has("Jar file") && has("does not exist") {
        Error::precondition("jar_gone", "Flink no longer has the uploaded jar").retry_as(Retry::Safe)
    } else if has("entry point class") && has("was not found in the jar file") {
        Error::invalid("unknown_entry_class", text).suggest("correct `entry_class`; it is the full name of a class")
    } else if has("Neither a 'Main-Class'") {
        Error::invalid("no_main_class", text).suggest("name the class in `entry_class`")
    } else if has("Error while opening jar file") {
        Error::invalid("not_a_jar", text)
    } else if has("UnknownTaskExecutorException") || has("java.io.FileNotFoundException") {
        Error::not_found("log_gone", text)
    } else {
        return None;
    })
}

/// The answer to a scale where the scheduler cannot do it, with the way that works.
pub(super) fn rescale_unsupported() -> Error {
    Error::unsupported(
        "rescale_needs_adaptive_scheduler",
        "this Flink cluster cannot change the parallelism of a running job: its scheduler is not the adaptive one",
    )
    .suggest(
        "stop the job with a savepoint, then create it again from that savepoint with the new parallelism; or ask the \
         operator to set jobmanager.scheduler to adaptive",
    )
}

fn leaderless(response: &Response, raw: &str) -> Error {
    let elects = raw.contains("leader election");
    let landed = if elects { Landed::No } else { Landed::Perhaps };
    let message = if elects { "Flink is choosing a leader" } else { "Flink is not available now" };
    Error::new(ErrorKind::Unavailable, "runner_unavailable", message).retry_as(after(response)).landed_as(landed)
}

fn after(response: &Response) -> Retry {
    response.retry_after().map_or(Retry::Safe, Retry::After)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        runner::flink::testing::{json, recorded},
    };

    fn failed(reply: Reply) -> Error {
        match reply {
            Reply::Response(response) => error(&response),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stack_becomes_its_first_line_and_its_causes() {
        assert_eq!(
            failed(recorded!("2.2.1/run-main-throws")).message(),
            "the program's main method failed: Could not execute application.\n\
             Caused by: org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: \
             ratejob: unknown option --bogus\n\
             Caused by: java.lang.IllegalArgumentException: ratejob: unknown option --bogus"
        );
        assert_eq!(
            failed(recorded!("2.2.1/beam-run-wrong-flink-series")).message(),
            "the program's main method failed: Could not execute application.\n\
             Caused by: java.lang.NoClassDefFoundError: org/apache/flink/api/java/ExecutionEnvironment\n\
             Caused by: java.lang.ClassNotFoundException: org.apache.flink.api.java.ExecutionEnvironment"
        );
        assert_eq!(
            failed(recorded!("2.2.1/resource-requirements-put-above-maximum")).message(),
            "The newly requested parallelism 100 for the job vertex ca88eee0095684d687a1b6495617f957 exceeds its \
             maximum parallelism 16."
        );
    }

    #[test]
    fn known_causes_are_final_and_named() {
        for (reply, kind, reason) in [
            (recorded!("2.2.1/job-unknown"), ErrorKind::NotFound, "job_unknown_to_flink"),
            (recorded!("2.2.1/job-status-unknown"), ErrorKind::NotFound, "job_unknown_to_flink"),
            (
                recorded!("2.2.1/resource-requirements-default-scheduler"),
                ErrorKind::Unsupported,
                "rescale_needs_adaptive_scheduler",
            ),
            (
                recorded!("2.2.1/resource-requirements-put-default-scheduler"),
                ErrorKind::Unsupported,
                "rescale_needs_adaptive_scheduler",
            ),
            (
                recorded!("2.2.1/resource-requirements-put-missing-vertex"),
                ErrorKind::InvalidArgument,
                "refused_by_flink",
            ),
            (recorded!("2.2.1/savepoint-unknown-trigger"), ErrorKind::NotFound, "operation_forgotten"),
            (recorded!("1.20.5/savepoint-unknown-trigger"), ErrorKind::NotFound, "operation_forgotten"),
            (recorded!("2.2.1/taskmanager-log-missing"), ErrorKind::NotFound, "log_gone"),
            (recorded!("2.2.1/taskmanager-logs-unknown"), ErrorKind::NotFound, "log_gone"),
            (recorded!("2.2.1/cancel-finished"), ErrorKind::FailedPrecondition, "already_ended"),
            (recorded!("2.2.1/jars-upload-not-a-jar"), ErrorKind::InvalidArgument, "refused_by_flink"),
            (recorded!("2.2.1/unknown-path"), ErrorKind::MalformedResponse, "malformed_response"),
            (json(302, ""), ErrorKind::MalformedResponse, "malformed_response"),
            (json(413, ""), ErrorKind::PayloadTooLarge, "runner_body_too_large"),
        ] {
            let error = failed(reply);
            assert_eq!((error.kind(), error.reason(), error.retry()), (kind, reason, Retry::Never));
            assert_eq!(error.landed(), Landed::No);
        }
    }

    #[test]
    fn no_path_of_the_server_travels() {
        for reply in [recorded!("2.2.1/run-unreadable-jar"), recorded!("2.2.1/jar-delete-missing")] {
            let error = failed(reply);
            assert!(!error.message().contains("/srv"), "{}", error.message());
        }
        assert_eq!(failed(json(400, "")).message(), "\"\"");
    }
}
