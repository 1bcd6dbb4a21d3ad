//! Writes that outlast their call, as tasks: the id of a task is that of the durable operation, or of the job.

use serde_json::{Map, Value, json};

use super::run;
use crate::{
    clock::rfc3339,
    error::{Error, ErrorKind},
    mcp::{Exchange, Outcome, Task, TaskDetail, TaskState, TaskStatus, ToolResult},
    verb::{Context, Verb},
};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const POLL_MS: u64 = 2_000;
/// Writes whose end the runner tells later.
const LASTING: [&str; 6] = ["create_job", "restore_job", "create_savepoint", "scale_job", "update_job", "cancel_job"];

/// True where the request declares tasks and the verb may go on after its answer.
pub(super) fn may_become_one(verb: &Verb, exchange: &Exchange) -> bool {
    LASTING.contains(&verb.name) && exchange.has_extension(EXTENSION)
}

/// Does what the verb does without waiting for the runner's last word; what is open then is a task.
pub(super) async fn begin(
    context: Context,
    verb: &'static Verb,
    mut arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    if !matches!(verb.name, "create_job" | "restore_job") {
        arguments.entry("wait_seconds").or_insert(0.into());
    }
    let output = verb.run(context.clone(), arguments.into()).await?;
    let now = rfc3339(context.now_ms());
    let open = operation_of(&output).filter(|_| is(&output, "pending")).or_else(|| submitting(&output));
    Ok(match open {
        Some(id) => Outcome::Task(working(id, now.clone(), now)),
        None => Outcome::Complete(ToolResult::data(output)),
    })
}

fn is(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|flag| *flag == true)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn operation_of(output: &Value) -> Option<&str> {
    text(output.get("operation")?, "operation_id")
}

/// The job of a submission that the runner has not acknowledged.
fn submitting(output: &Value) -> Option<&str> {
    text(output, "job_id").filter(|_| is_submitting(output))
}

fn is_submitting(job: &Value) -> bool {
    matches!(text(job, "state"), Some("SUBMITTING" | "SUBMIT_UNKNOWN"))
}

fn working(id: &str, created_at: String, last_updated_at: String) -> Task {
    Task {
        task_id: id.to_owned(),
        status: TaskStatus::Working,
        status_message: None,
        created_at,
        last_updated_at,
        ttl_ms: None,
        poll_interval_ms: POLL_MS,
    }
}

/// A task now, as the caller may see it.
pub(super) async fn get(context: Context, id: String) -> Result<TaskState, Error> {
    if id.contains('/') { operation(&context, &id).await } else { submission(&context, &id).await }
}

async fn operation(context: &Context, id: &str) -> Result<TaskState, Error> {
    let operation = run(context, "get_operation", json!({"operation_id": id})).await?;
    let created = text(&operation, "requested_at").unwrap_or_default().to_owned();
    let task = working(id, created, rfc3339(context.now_ms()));
    if !is(&operation, "terminal") {
        return Ok(TaskState { task, detail: TaskDetail::None });
    }
    if text(&operation, "state") == Some("SUCCEEDED") {
        return Ok(completed(task, ToolResult::data(changed(context, operation).await?)));
    }
    let why = text(&operation, "diagnostics").unwrap_or("nobody can say what became of it");
    let result = ToolResult { is_error: true, ..ToolResult::text(crate::text::clean(why, 1024)) };
    Ok(completed(task, result))
}

/// What the call would have answered, had it waited.
async fn changed(context: &Context, operation: Value) -> Result<Value, Error> {
    let job = run(context, "get_job", json!({"job_id": text(&operation, "job_id")})).await?;
    let mut output = json!({"job_id": text(&job, "job_id"), "state": text(&job, "state"), "job": job});
    if let Some(members) = output.as_object_mut() {
        if let Some(path) = text(&operation, "savepoint_path") {
            members.insert("savepoint_path".into(), path.into());
        }
        members.insert("operation".into(), operation);
    }
    Ok(output)
}

async fn submission(context: &Context, id: &str) -> Result<TaskState, Error> {
    let job = run(context, "get_job", json!({"job_id": id})).await?;
    let created = text(&job, "creation_time").unwrap_or_default().to_owned();
    let task = working(id, created, rfc3339(context.now_ms()));
    if is_submitting(&job) {
        return Ok(TaskState { task, detail: TaskDetail::None });
    }
    Ok(completed(task, ToolResult::data(job)))
}

fn completed(task: Task, result: ToolResult) -> TaskState {
    let task = Task { status: TaskStatus::Completed, ..task };
    TaskState { task, detail: TaskDetail::Result(result) }
}

/// The topic of a task the caller may see.
pub(super) async fn watch(context: Context, id: String) -> Result<Option<String>, Error> {
    let topic = if id.contains('/') { format!("operation/{id}") } else { format!("job/{id}") };
    match get(context, id).await {
        Ok(_) => Ok(Some(topic)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => Ok(None),
        Err(error) => Err(error),
    }
}
