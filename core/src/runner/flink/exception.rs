//! Exceptions of a job, in the two forms Flink gives them: 1.x also names a root exception, 2.x only a history.

use serde::{Deserialize, Serialize};

use super::{
    Flink,
    flow::{Beside, NAME_BYTES, native_id, parsed},
    request,
    response::{self, ExecutionResult, moment},
};
use crate::{
    error::Error,
    job::Job,
    runner::stack_trace::{digest, without_paths},
    text::{clean, clean_line},
};

/// Longest stack trace that is kept of one exception.
const TRACE_BYTES: usize = 4 << 10;

/// One exception of a job. Its text is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobException {
    /// Unix milliseconds.
    pub at_ms: Option<u64>,
    /// First line and causes.
    pub message: String,
    /// The start of the stack trace, without paths of the server.
    pub trace: String,
    /// Task that threw it.
    pub task: Option<String>,
    /// Task manager it was thrown on.
    pub task_manager: Option<String>,
}

/// Answer of `/jobs/:id/exceptions`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Exceptions {
    #[serde(rename = "root-exception", default)]
    root: Option<String>,
    #[serde(rename = "timestamp", default)]
    root_at: Option<i64>,
    #[serde(rename = "exceptionHistory", default)]
    history: History,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct History {
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    stacktrace: String,
    #[serde(default)]
    timestamp: i64,
    #[serde(default)]
    task_name: Option<String>,
    #[serde(default)]
    task_manager_id: Option<String>,
    #[serde(default)]
    concurrent_exceptions: Vec<Entry>,
}

impl Entry {
    fn exception(&self) -> JobException {
        JobException {
            task: self.task_name.as_deref().map(|name| clean_line(name, NAME_BYTES)),
            task_manager: self.task_manager_id.as_deref().map(|id| clean_line(id, NAME_BYTES)),
            ..exception(&self.stacktrace, self.timestamp)
        }
    }
}

fn exception(trace: &str, at: i64) -> JobException {
    JobException {
        at_ms: moment(at),
        message: digest(trace),
        trace: clean(&without_paths(trace), TRACE_BYTES),
        ..JobException::default()
    }
}

impl Exceptions {
    /// True when Flink has older ones than were asked for.
    pub(super) fn are_more(&self) -> bool {
        self.history.truncated
    }

    /// All of them, the newest first; the root exception stands in where there is no history.
    pub(super) fn list(&self) -> Vec<JobException> {
        let entries = self.history.entries.iter();
        let listed: Vec<_> = entries
            .flat_map(|entry| std::iter::once(entry).chain(&entry.concurrent_exceptions))
            .map(Entry::exception)
            .collect();
        match &self.root {
            Some(root) if listed.is_empty() => vec![exception(root, self.root_at.unwrap_or_default())],
            _ => listed,
        }
    }
}

impl Flink {
    /// The newest exceptions of a job, at most `most`.
    ///
    /// # Errors
    /// `not_found` when Flink does not know the job, else as every read.
    pub async fn exceptions(&self, job: &Job, most: u32) -> Result<Vec<JobException>, Error> {
        let request = request::exceptions_request(&self.context.target, native_id(job)?, most);
        self.read(request, response::read::<Exceptions>).await.map(|answer| answer.list())
    }
}

/// Diagnosis of a failed job from its execution result, else from its exceptions (2.x keeps none of a job that failed
/// before it ran).
pub(super) fn of_failed(outcomes: Beside) -> String {
    let mut outcomes = outcomes.into_iter();
    let result = parsed::<ExecutionResult>(outcomes.next());
    if let Some(cause) = result.as_ref().ok().and_then(ExecutionResult::cause).filter(|cause| !cause.is_empty()) {
        return cause;
    }
    match (newest(outcomes.next()), result) {
        (Some(message), _) => message,
        (None, Ok(_)) => {
            "Flink gives no reason; with the adaptive scheduler this is how a job without slots ends".into()
        }
        (None, Err(error)) => format!("Flink's reason could not be read: {}", error.message()),
    }
}

/// What was thrown before a job restarts (a rescale restarts it without an exception of its own).
pub(super) fn of_restarting(outcomes: Beside) -> String {
    newest(outcomes.into_iter().next()).map_or_else(String::new, |message| format!("latest exception: {message}"))
}

fn newest(outcome: Option<Result<crate::effect::Response, Error>>) -> Option<String> {
    let exceptions = parsed::<Exceptions>(outcome).ok()?.list();
    exceptions.into_iter().next().map(|exception| exception.message).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::flink::testing::{job, json, play, recorded, target};

    fn exceptions(reply: crate::effect::Reply) -> Vec<JobException> {
        let script = vec![("GET /jobs/{id}/exceptions?maxExceptions=9", reply)];
        play(target(), script, |flink| async move { flink.exceptions(&job(), 9).await }).end.unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        for reply in [recorded!("1.20.5/exceptions-failed"), recorded!("2.2.1/exceptions-failed")] {
            let exceptions = exceptions(reply);
            let newest = &exceptions[0];
            assert_eq!(newest.message, "java.lang.IllegalStateException: ratejob: told to fail at 60");
            assert!(newest.at_ms.is_some() && newest.trace.contains("at org.beammcp.examples.RateJob$Throttle.map"));
        }
        assert_eq!(exceptions(recorded!("2.2.1/exceptions-none")), []);
    }

    #[test]
    fn the_root_exception_stands_in_for_an_empty_history() {
        let root = serde_json::json!({"root-exception": "a.B: no\n\tat x", "timestamp": 7, "exceptionHistory": {}});
        let exceptions = exceptions(json(200, root));
        assert_eq!((exceptions[0].at_ms, exceptions[0].message.as_str()), (Some(7), "a.B: no"));
    }

    #[test]
    fn tasks_and_concurrent_exceptions_are_kept() {
        let other = serde_json::json!({"stacktrace": "c.D: two", "timestamp": 2});
        let entry = serde_json::json!({"stacktrace": "a.B: one", "timestamp": 1, "taskName": "map (1/1)",
            "taskManagerId": "tm-1", "concurrentExceptions": [other]});
        let exceptions = exceptions(json(200, serde_json::json!({"exceptionHistory": {"entries": [entry]}})));
        let rows: Vec<_> = exceptions.iter().map(|e| (e.message.as_str(), e.task.as_deref())).collect();
        assert_eq!(rows, [("a.B: one", Some("map (1/1)")), ("c.D: two", None)]);
    }

    #[test]
    fn a_failed_job_without_exceptions_is_not_given_a_made_up_reason() {
        let response = |reply| match reply {
            crate::effect::Reply::Response(response) => Ok(response),
            other => panic!("{other:?}"),
        };
        let in_progress = || response(recorded!("2.2.1/execution-result-in-progress"));
        let none = || response(recorded!("2.2.1/exceptions-none"));
        assert!(of_failed(vec![in_progress(), none()]).starts_with("Flink gives no reason"));
        let unread = of_failed(vec![Err(Error::deadline("too late"))]);
        assert_eq!(unread, "Flink's reason could not be read: too late");
        let missing = of_failed(vec![response(recorded!("2.2.1/execution-result-restore-missing")), none()]);
        assert!(missing.contains("Cannot find checkpoint or savepoint file/directory 'file:…/none'"), "{missing}");
        let one = of_restarting(vec![response(recorded!("2.2.1/exceptions-restarting"))]);
        assert_eq!(one, "latest exception: java.lang.IllegalStateException: ratejob: told to fail at 60");
    }
}
