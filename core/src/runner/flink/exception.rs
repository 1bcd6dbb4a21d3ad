//! Exceptions of a job, in the two forms Flink gives them: 1.x also names a root exception, 2.x only a history.

use serde::{Deserialize, Serialize};

use super::{
    Flink, failure,
    flow::{Beside, NAME_BYTES, native_id, parsed},
    request,
    response::{self, ExecutionResult, moment},
};
use crate::{
    error::Error,
    job::Job,
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
        message: failure::digest(trace),
        trace: clean(&failure::without_paths(trace), TRACE_BYTES),
        ..JobException::default()
    }
}

impl Exceptions {
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
