//! What Flink says when it says no: a Java stack of up to 80 kB, of which two or three lines matter.

use serde::Deserialize;

use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed, Retry},
    text::{clean, clean_line},
};

/// Longest text kept of one failure.
const LONGEST: usize = 2 << 10;

/// Exceptions that only carry another one.
const WRAPPERS: [&str; 4] = [
    "java.util.concurrent.CompletionException: ",
    "java.util.concurrent.ExecutionException: ",
    "org.apache.flink.runtime.rest.handler.RestHandlerException: ",
    "org.apache.flink.runtime.rest.NotFoundException: ",
];

/// First line and every `Caused by:` line of a stack trace, without repetitions, paths of the server and anything
/// that hides in text.
pub(super) fn digest(trace: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for line in telling_lines(trace) {
        let line = clean_line(&without_paths(&unwrapped(line)), LONGEST);
        if kept.last().is_none_or(|last| message(last) != message(&line)) {
            kept.push(line);
        }
    }
    clean(&kept.join("\n"), LONGEST)
}

fn telling_lines(trace: &str) -> impl Iterator<Item = &str> {
    let lines = trace.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().filter(|(at, line)| *at == 0 || line.starts_with("Caused by:")).map(|(_, line)| line)
}

fn unwrapped(line: &str) -> String {
    let (cause, mut rest) = match line.strip_prefix("Caused by: ") {
        Some(rest) => ("Caused by: ", rest),
        None => ("", line),
    };
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = inner;
    }
    format!("{cause}{rest}")
}

/// The line without `Caused by:` and the names of exception classes.
fn message(line: &str) -> &str {
    let mut rest = line.strip_prefix("Caused by: ").unwrap_or(line);
    while let Some((_, inner)) = rest.split_once(": ").filter(|(class, _)| is_class(class)) {
        rest = inner;
    }
    rest
}

fn is_class(text: &str) -> bool {
    text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._$".contains(c))
}

/// The text with absolute paths of files cut to their last segment. Addresses such as `s3://…` stay.
pub(super) fn without_paths(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        let (token, tail) = rest.split_at(at);
        out.push_str(&without_path(token));
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(separator);
        out.push_str(separator);
        rest = tail;
    }
    out + &without_path(rest)
}

fn without_path(token: &str) -> String {
    if token.contains("://") && !token.starts_with("file:") {
        return token.to_owned();
    }
    let Some((head, path)) = token.find('/').and_then(|at| token.split_at_checked(at)) else {
        return token.to_owned();
    };
    let starts_path = head.is_empty() || head.ends_with([':', '=']);
    match path.trim_end_matches(['/', '.', ':']).rsplit_once('/') {
        Some((folder, last)) if starts_path && !folder.trim_start_matches('/').is_empty() => format!("{head}…/{last}"),
        _ => token.to_owned(),
    }
}

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
    fn paths_of_the_server_go_and_addresses_stay() {
        for (text, expected) in [
            ("Jar file /srv/web/upload/x_a.jar does not exist", "Jar file …/x_a.jar does not exist"),
            ("opening '/a/b/c.jar'", "opening '…/c.jar'"),
            ("at file:/proc/nowhere", "at file:…/nowhere"),
            ("'file:///srv/savepoints/none'", "'file:…/none'"),
            ("path=/etc/flink/conf", "path=…/conf"),
            ("s3://bucket/a/b and hdfs://nn:8020/x/y", "s3://bucket/a/b and hdfs://nn:8020/x/y"),
            ("org/apache/flink/Some and 1/2 and a/b/c", "org/apache/flink/Some and 1/2 and a/b/c"),
            ("(1/1)#0 and /one", "(1/1)#0 and /one"),
            ("", ""),
        ] {
            assert_eq!(without_paths(text), expected);
        }
        for reply in [recorded!("2.2.1/run-unreadable-jar"), recorded!("2.2.1/jar-delete-missing")] {
            let error = failed(reply);
            assert!(!error.message().contains("/srv"), "{}", error.message());
        }
    }

    #[test]
    fn no_text_is_too_long_or_hides_anything() {
        let long = format!("java.lang.Error: {}\u{1b}[31m\u{202e}\nCaused by: x{}", "é".repeat(5000), "y".repeat(9000));
        let text = digest(&long);
        assert!(text.len() <= LONGEST + '…'.len_utf8() && !text.contains(['\u{1b}', '\u{202e}']));
        assert_eq!(digest(""), "");
        assert_eq!(failed(json(400, "")).message(), "\"\"");
    }
}
