//! Calls that go on as tasks: what a task is follows from when it began and what was said to it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use beam_mcp_core::{
    Error,
    clock::rfc3339,
    mcp::{Answered, Ask, Exchange, Handled, Outcome, Question, Task, TaskDetail, TaskState, TaskStatus, ToolResult},
};
use serde_json::{Map, Value};

use crate::{asking::form, surface::done};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<BTreeMap<String, Work>>);

struct Work {
    created_ms: u64,
    takes_ms: u64,
    ends: End,
    asks: Vec<(String, Question)>,
    answers: Map<String, Value>,
    cancelled: bool,
}

enum End {
    Text(String),
    Failed,
    Broken,
    Answers(&'static str),
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a tool that may become a task.
    pub(crate) fn call(&self, exchange: &Exchange, name: &str, arguments: &Map<String, Value>) -> Handled<ToolResult> {
        let given = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or("you").to_owned();
        let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
        let takes_ms = (seconds * 1000.0) as u64;
        let confirm = |text: &str| form(text, "confirm", "boolean");
        match name {
            "greet" => done(ToolResult::text(format!("Hello, {}!", given("name")))),
            "slow_compute" => self.start(exchange, takes_ms, End::Text(format!("Computed {}", given("label"))), vec![]),
            "failing_job" => self.start(exchange, 1000, End::Failed, vec![]),
            "protocol_error_job" => self.start(exchange, 500, End::Broken, vec![]),
            "confirm_delete" => {
                let question = confirm(&format!("Delete {}?", given("filename")));
                self.start(exchange, 0, End::Answers("Deleted"), vec![("confirm".into(), question)])
            }
            "multi_input" => {
                let asks = ["first", "second"].map(|key| (key.to_owned(), confirm(key)));
                self.start(exchange, 0, End::Answers("Both answered"), asks.into())
            }
            "test_tool_with_task" => {
                let Some(Answered::Accept(content)) = exchange.elicited("user_name") else {
                    let ask = Ask::one("user_name", form("What is your name?", "name", "string"));
                    return Box::pin(std::future::ready(Ok(Outcome::Ask(ask))));
                };
                let text = format!("Hello, {}!", content["name"].as_str().unwrap_or("you"));
                self.start(exchange, 200, End::Text(text), vec![])
            }
            _ => done(ToolResult::text("Nothing to do.")),
        }
    }

    /// A client without the extension waits for the end of what needs no answers.
    fn start(
        &self,
        exchange: &Exchange,
        takes_ms: u64,
        ends: End,
        asks: Vec<(String, Question)>,
    ) -> Handled<ToolResult> {
        let created_ms = exchange.io.now().wall_ms;
        let work = Work { created_ms, takes_ms, ends, asks, answers: Map::new(), cancelled: false };
        if !exchange.has_extension(EXTENSION) {
            let (io, end) = (exchange.io.clone(), work.state("", u64::MAX));
            return Box::pin(async move {
                io.sleep(std::time::Duration::from_millis(takes_ms)).await?;
                match end.detail {
                    TaskDetail::Result(result) => Ok(Outcome::Complete(result)),
                    TaskDetail::Error(error) => Err(error),
                    _ => Err(Error::unsupported("needs_tasks", "this needs the extension of tasks")),
                }
            });
        }
        let id = exchange.call.seed.hex128("task");
        let task = work.state(&id, created_ms).task;
        self.lock().insert(id, work);
        Box::pin(std::future::ready(Ok(Outcome::Task(task))))
    }

    fn with<T>(&self, id: &str, use_it: impl FnOnce(&mut Work) -> T) -> Result<T, Error> {
        let unknown = || Error::not_found("no_task", "there is no such task");
        self.lock().get_mut(id).map(use_it).ok_or_else(unknown)
    }

    /// A task now.
    pub(crate) fn get(&self, exchange: &Exchange, id: &str) -> Result<TaskState, Error> {
        self.with(id, |work| work.state(id, exchange.io.now().wall_ms))
    }

    /// Takes answers.
    pub(crate) fn update(&self, _: &Exchange, id: &str, responses: Map<String, Value>) -> Result<(), Error> {
        self.with(id, |work| {
            for (key, answer) in responses {
                if work.asks.iter().any(|(asked, _)| *asked == key) && answer.is_object() {
                    work.answers.entry(key).or_insert(answer);
                }
            }
        })
    }

    /// Asks for an end; one that ended stays as it is.
    pub(crate) fn cancel(&self, exchange: &Exchange, id: &str) -> Result<(), Error> {
        let now_ms = exchange.io.now().wall_ms;
        self.with(id, |work| {
            work.cancelled |= matches!(work.status(now_ms), TaskStatus::Working | TaskStatus::InputRequired);
        })
    }
}

impl Work {
    fn open(&self) -> Vec<(String, Question)> {
        self.asks.iter().filter(|(key, _)| !self.answers.contains_key(key)).cloned().collect()
    }

    fn status(&self, now_ms: u64) -> TaskStatus {
        match &self.ends {
            _ if self.cancelled => TaskStatus::Cancelled,
            _ if !self.open().is_empty() => TaskStatus::InputRequired,
            _ if now_ms < self.created_ms.saturating_add(self.takes_ms) => TaskStatus::Working,
            End::Broken => TaskStatus::Failed,
            _ => TaskStatus::Completed,
        }
    }

    fn state(&self, id: &str, now_ms: u64) -> TaskState {
        let status = self.status(now_ms);
        let detail = match (status, &self.ends) {
            (TaskStatus::InputRequired, _) => TaskDetail::Asks(self.open()),
            (TaskStatus::Completed, End::Text(text)) => TaskDetail::Result(ToolResult::text(text)),
            (TaskStatus::Completed, End::Answers(text)) => TaskDetail::Result(ToolResult::text(*text)),
            (TaskStatus::Completed, _) => {
                TaskDetail::Result(ToolResult { is_error: true, ..ToolResult::text("The job failed.") })
            }
            (TaskStatus::Failed, _) => TaskDetail::Error(Error::misuse("the job broke the protocol")),
            _ => TaskDetail::None,
        };
        let task = Task {
            task_id: id.to_owned(),
            status,
            status_message: (status == TaskStatus::Failed).then(|| "the job broke the protocol".into()),
            created_at: rfc3339(self.created_ms),
            last_updated_at: rfc3339(now_ms.min(self.created_ms.saturating_add(self.takes_ms))),
            ttl_ms: Some(600_000),
            poll_interval_ms: 100,
        };
        TaskState { task, detail }
    }
}
