use serde::Serialize;
use serde_json::{Map, Value};

use super::{Question, ToolResult, Version};

/// How a handler ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// With its result.
    Complete(T),
    /// It needs answers first, and is run again with them.
    Ask(Ask),
    /// The work goes on as a task, which is durable already. Only for a request that declares the extension.
    Task(Task),
}

impl<T> Outcome<T> {
    /// The same with another result, where there is one.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Complete(result) => Outcome::Complete(change(result)),
            Self::Ask(ask) => Outcome::Ask(ask),
            Self::Task(task) => Outcome::Task(task),
        }
    }
}

/// Questions to the client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// By keys of the handler's choice.
    pub questions: Vec<(String, Question)>,
    /// What the next round must know: it comes back unchanged from the same caller for the same request, for ten
    /// minutes.
    pub state: Option<Value>,
}

impl Ask {
    /// One question.
    pub fn one(key: &str, question: Question) -> Self {
        Self { questions: vec![(key.to_owned(), question)], state: None }
    }

    pub(super) fn requests(&self, version: Version) -> Map<String, Value> {
        self.questions.iter().map(|(key, question)| (key.clone(), question.to_json(version))).collect()
    }
}

/// A task as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Unguessable, or bound to the caller.
    pub task_id: String,
    /// Where it is.
    pub status: TaskStatus,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_updated_at: String,
    /// How long it can be read, in milliseconds; `None` for ever.
    pub ttl_ms: Option<u64>,
    /// How often to ask, in milliseconds.
    pub poll_interval_ms: u64,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// At work.
    Working,
    /// Waits for answers.
    InputRequired,
    /// Ended with a result, which may tell of a failure.
    Completed,
    /// Ended with a protocol error.
    Failed,
    /// Ended before its time.
    Cancelled,
}

/// A task with what belongs to its status.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// The task.
    pub task: Task,
    /// What it asks or how it ended.
    pub detail: TaskDetail,
}

/// What a task asks or how it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskDetail {
    /// Nothing yet.
    None,
    /// Questions that are still open.
    Asks(Vec<(String, Question)>),
    /// The result of the call.
    Result(ToolResult),
    /// Why there is none.
    Error(crate::error::Error),
}
