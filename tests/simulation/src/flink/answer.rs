//! Answers in the form Flink 2.2 was recorded with (`tests/vectors/flink/recorded`), cut to the fields that are read.

use std::fmt::Write as _;

use beam_mcp_core::effect::Response;

use super::job::{FlinkJob, Status, path, word};
use crate::runner::End;

/// The one vertex of every job.
pub(super) const VERTEX: &str = "ca88eee0095684d687a1b6495617f957";

pub(super) fn ok(body: String) -> Response {
    response(200, body)
}

pub(super) fn accepted(body: String) -> Response {
    response(202, body)
}

fn response(status: u16, body: String) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// Errors are one or two texts with a Java stack, here its telling lines.
fn error(status: u16, text: &str) -> Response {
    response(status, format!(r#"{{"errors":["{text}"]}}"#))
}

pub(super) fn config(adaptive: bool) -> Response {
    ok(format!(
        r#"{{"refresh-interval":3000,"timezone-offset":0,"flink-version":"2.2.1","features":{{"web-submit":true,"web-cancel":true,"web-rescale":{adaptive},"web-history":false}}}}"#
    ))
}

/// `web.tmpdir` is drawn anew at each start.
pub(super) fn settings(incarnation: u64) -> Response {
    ok(format!(
        r#"[{{"key":"rest.port","value":"8081"}},{{"key":"web.tmpdir","value":"/tmp/flink-web-{incarnation}"}}]"#
    ))
}

pub(super) fn overview() -> Response {
    ok(r#"{"taskmanagers":1,"slots-total":8,"slots-available":8,"jobs-running":0,"jobs-finished":0,"jobs-cancelled":0,"jobs-failed":0,"flink-version":"2.2.1"}"#.into())
}

pub(super) fn jobs<'a>(jobs: impl Iterator<Item = (&'a String, &'a FlinkJob)>, at: u64, offset: u64) -> Response {
    let mut body = String::from(r#"{"jobs":["#);
    for (index, (id, job)) in jobs.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (start, end) = (job.started + offset, end_time(job, at, offset));
        let state = job.state(at);
        let _ = write!(
            body,
            r#"{comma}{{"jid":"{id}","name":"sim","start-time":{start},"end-time":{end},"duration":1,"state":"{state}","last-modification":{start}}}"#
        );
    }
    body.push_str("]}");
    ok(body)
}

fn end_time(job: &FlinkJob, at: u64, offset: u64) -> i64 {
    let end = job.last_end(at);
    if end < 0 { end } else { end + i64::try_from(offset).unwrap_or(0) }
}

pub(super) fn job(id: &str, job: &FlinkJob, at: u64, offset: u64) -> Response {
    let state = job.state(at);
    let (start, end, now) = (job.started + offset, end_time(job, at, offset), at + offset);
    let kind = if job.batch { "BATCH" } else { "STREAMING" };
    let parallelism = job.parallelism_at(at);
    let (running, created) = if state == "RUNNING" { (parallelism, 0) } else { (0, parallelism) };
    ok(format!(
        r#"{{"jid":"{id}","name":"sim","isStoppable":false,"state":"{state}","job-type":"{kind}","start-time":{start},"end-time":{end},"duration":1,"maxParallelism":128,"now":{now},"vertices":[{{"id":"{VERTEX}","name":"Source: numbers","maxParallelism":128,"parallelism":{parallelism},"status":"{state}","tasks":{{"RUNNING":{running},"CREATED":{created}}}}}]}}"#
    ))
}

/// A planted bug: an end nobody saw.
pub(super) fn finished(id: &str) -> Response {
    ok(format!(
        r#"{{"jid":"{id}","name":"sim","state":"FINISHED","job-type":"STREAMING","start-time":1795167930000,"end-time":1795167950000,"duration":1,"vertices":[]}}"#
    ))
}

pub(super) fn checkpoints(job: &FlinkJob, at: u64, offset: u64) -> Response {
    let finished = job.finished(at);
    let entry = |number: usize, trigger: &str, begun: u64, stop: Option<bool>, id: &str| {
        let kind = if stop.is_some() { "SYNC_SAVEPOINT" } else { "SAVEPOINT" };
        let path = path(id, trigger);
        let begun = begun + offset;
        format!(
            r#"{{"className":"completed","id":{number},"status":"COMPLETED","is_savepoint":true,"trigger_timestamp":{begun},"end_to_end_duration":33,"state_size":1694,"checkpoint_type":"{kind}","external_path":"{path}","discarded":false}}"#
        )
    };
    let id = &job.id;
    let all: Vec<String> =
        finished.iter().enumerate().map(|(n, (t, s))| entry(n + 1, t, s.begun, s.stop, id)).collect();
    let latest = all.last().map_or("null", String::as_str);
    let history = all.iter().rev().map(String::as_str).collect::<Vec<_>>().join(",");
    let count = all.len();
    ok(format!(
        r#"{{"counts":{{"restored":0,"total":{count},"in_progress":0,"completed":{count},"failed":0}},"latest":{{"completed":null,"savepoint":{latest},"failed":null,"restored":null}},"history":[{history}]}}"#
    ))
}

pub(super) fn exceptions(known: bool, id: &str) -> Response {
    if !known {
        return no_job(id);
    }
    ok(r#"{"exceptionHistory":{"entries":[],"truncated":false}}"#.into())
}

pub(super) fn result(id: &str, end: Option<End>) -> Response {
    let Some(end) = end else { return ok(r#"{"status":{"id":"IN_PROGRESS"}}"#.into()) };
    let (word, cause) = match end {
        End::Failed => (
            "FAILED",
            r#","failure-cause":{"class":"org.apache.flink.runtime.JobException","stack-trace":"org.apache.flink.runtime.JobException: told to fail\n\tat org.example.Main"}"#,
        ),
        End::Canceled => ("CANCELED", ""),
        End::Finished | End::Stopped(_) => ("SUCCEEDED", ""),
    };
    ok(format!(
        r#"{{"status":{{"id":"COMPLETED"}},"job-execution-result":{{"id":"{id}","application-status":"{word}","net-runtime":2357{cause}}}}}"#
    ))
}

pub(super) fn requirements(known: bool) -> Response {
    if !known {
        return no_job_500("?");
    }
    ok(format!(r#"{{"{VERTEX}":{{"parallelism":{{"lowerBound":1,"upperBound":2}}}}}}"#))
}

pub(super) fn jars(jars: &[(String, String, u64)]) -> Response {
    let one = |(id, name, uploaded): &(String, String, u64)| {
        format!(
            r#"{{"id":"{id}","name":"{name}","uploaded":{uploaded},"entry":[{{"name":"org.example.Main","description":null}}]}}"#
        )
    };
    let files = jars.iter().map(one).collect::<Vec<_>>().join(",");
    ok(format!(r#"{{"address":"http://127.0.0.1:8081","files":[{files}]}}"#))
}

pub(super) fn status(status: &Status) -> Response {
    ok(match status {
        Status::Working => r#"{"status":{"id":"IN_PROGRESS"},"operation":null}"#.into(),
        Status::Written(path) => format!(r#"{{"status":{{"id":"COMPLETED"}},"operation":{{"location":"{path}"}}}}"#),
        Status::Failed("gone") => r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"java.util.concurrent.CompletionException","stack-trace":"java.util.concurrent.CompletionException: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job"}}}"#.into(),
        Status::Failed(_) => r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"java.util.concurrent.CompletionException","stack-trace":"java.util.concurrent.CompletionException: org.apache.flink.runtime.checkpoint.CheckpointException: Asynchronous task checkpoint failed."}}}"#.into(),
    })
}

pub(super) fn accumulators() -> Response {
    ok(r#"{"job-accumulators":[],"user-task-accumulators":[],"serialized-user-task-accumulators":{}}"#.into())
}

pub(super) fn no_job(id: &str) -> Response {
    error(
        404,
        &format!(
            r"org.apache.flink.runtime.rest.NotFoundException: Job {id} not found\nCaused by: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job ({id})"
        ),
    )
}

pub(super) fn no_job_500(id: &str) -> Response {
    error(
        500,
        &format!(
            r"Internal server error.<Exception on server side:\norg.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job ({id})"
        ),
    )
}

pub(super) fn no_trigger(id: &str, trigger: &str) -> Response {
    error(
        404,
        &format!(
            "org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation with triggerId={trigger} for job {id}."
        ),
    )
}

pub(super) fn no_jar(jar: &str) -> Response {
    error(
        500,
        &format!(
            r"Internal server error.<Exception on server side:\njava.lang.IllegalArgumentException: Jar file {jar} does not exist"
        ),
    )
}

pub(super) fn main_failed() -> Response {
    error(
        400,
        r"org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.\nCaused by: java.lang.IllegalArgumentException: main failed",
    )
}

pub(super) fn duplicate(id: &str) -> Response {
    error(
        400,
        &format!(
            r"org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.\nCaused by: org.apache.flink.util.FlinkRuntimeException: Failed to execute job.\nCaused by: org.apache.flink.runtime.client.DuplicateJobSubmissionException: Job has already been submitted. ({id})"
        ),
    )
}

pub(super) fn already_ended(end: End) -> Response {
    let word = word(end);
    error(
        409,
        &format!(
            "org.apache.flink.runtime.rest.handler.RestHandlerException: Job cancellation failed because the job has already reached another terminal state ({word})."
        ),
    )
}

pub(super) fn not_adaptive() -> Response {
    error(
        500,
        r"Internal server error.<Exception on server side:\njava.lang.UnsupportedOperationException: only expected to work with the AdaptiveScheduler",
    )
}

pub(super) fn bad_request(text: &str) -> Response {
    error(400, &format!("org.apache.flink.runtime.rest.handler.RestHandlerException: {text}"))
}

pub(super) fn unknown_path(path: &str) -> Response {
    error(404, &format!("Unable to load requested file {path}."))
}
