//! Work that a tool goes on with after its answer: the extension `io.modelcontextprotocol/tasks`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{exchange::Asked, failure, link::Link};
use crate::error::{Error, Retry};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Wait between two looks where the server names none, and the bounds of what it may name.
const PACE_MS: u64 = 1_000;
const SHORTEST_MS: u64 = 50;
const LONGEST_MS: u64 = 60_000;

impl Link {
    /// True when the application takes a task for an answer.
    pub(super) fn knows_tasks(&self) -> bool {
        self.options().capabilities.get("extensions").and_then(|known| known.get(EXTENSION)).is_some()
    }

    /// The result of a task's work, however long it takes; what it asks in between is answered.
    ///
    /// # Errors
    /// What the task failed with; `failed_precondition` for one that was cancelled. Each names the task: whatever it was
    /// that failed, the work may go on.
    pub(super) async fn finished(&self, task: Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let id = task.get("taskId").and_then(Value::as_str).ok_or_else(failure::no_answer)?.to_owned();
        self.followed(&id, task).await.map_err(|error| error.with("task_id", &id))
    }

    async fn followed(&self, id: &str, mut task: Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let mut answered = Vec::new();
        loop {
            match task.get("status").and_then(Value::as_str) {
                Some("completed") => return object(task.remove("result")),
                Some("failed") => return failure::result(json!({"error": task.remove("error").unwrap_or_default()})),
                Some("cancelled") => {
                    return Err(Error::precondition("task_cancelled", "the task was cancelled"));
                }
                Some("input_required") => self.update(id, &task, &mut answered).await?,
                Some("working") => {}
                _ => return Err(failure::no_answer()),
            }
            self.pause(&task).await?;
            task = self.request(Asked::read("tasks/get", named(id))).await?;
        }
    }

    /// Answers what a task asks and was not answered yet.
    async fn update(&self, id: &str, task: &Map<String, Value>, answered: &mut Vec<String>) -> Result<(), Error> {
        let Some(open) = task.get("inputRequests").and_then(Value::as_object) else { return Ok(()) };
        let open: Map<String, Value> = open
            .iter()
            .filter(|(key, _)| !answered.contains(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let answers = self.inputs(&open).await?;
        answered.extend(open.keys().cloned());
        let mut params = named(id);
        params.insert("inputResponses".to_owned(), Value::Object(answers));
        self.request(Asked::read("tasks/update", params)).await.map(|_| ())
    }

    async fn pause(&self, task: &Map<String, Value>) -> Result<(), Error> {
        let pace = task.get("pollIntervalMs").and_then(Value::as_u64).unwrap_or(PACE_MS).clamp(SHORTEST_MS, LONGEST_MS);
        let pace = Duration::from_millis(pace);
        if self.io.now().mono.saturating_add(pace) >= self.call.deadline {
            return Err(Error::deadline("the task is not finished yet")
                .retry_as(Retry::Never)
                .suggest("ask for it later by its id"));
        }
        self.io.sleep(pace).await
    }
}

pub(super) fn named(id: &str) -> Map<String, Value> {
    Map::from_iter([("taskId".to_owned(), id.into())])
}

fn object(value: Option<Value>) -> Result<Map<String, Value>, Error> {
    match value {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(failure::no_answer()),
    }
}
