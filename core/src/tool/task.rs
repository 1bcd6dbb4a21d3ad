//! What outlasts its call, as tasks: the id of a task is that of the durable operation, or follows from that of the job.
//! Nothing is stored beside them, so a task is told from them each time.

use serde_json::{Map, Value, json};

use super::run;
use crate::{
    clock::rfc3339,
    error::{Error, ErrorKind},
    job::{Job, JobId, JobState, Operation},
    mcp::{Exchange, Outcome, Task, TaskDetail, TaskState, TaskStatus, ToolResult, Version, failed},
    text::clean_line,
    verb::{Changed, Context, Submitted, Verb, operate, refusal, wait_for_change},
};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const POLL_MS: u64 = 2_000;
/// Writes whose end the runner tells later.
const LASTING: [&str; 6] = ["create_job", "restore_job", "create_savepoint", "scale_job", "update_job", "cancel_job"];
/// The read that may last as long as its job.
const WAIT: &str = "wait_for_change";
/// After the id of a job that replaces another one: its call answers in the form of a change.
const REPLACES: &str = "replacement";
/// After the id of a job whose end is waited for. Operations have a kind and a number in this place.
const END: &str = "end";

/// True where the request declares tasks and the call may go on after its answer. Older revisions have no such tasks.
pub(super) fn may_become_one(verb: &Verb, arguments: &Map<String, Value>, exchange: &Exchange) -> bool {
    let lasts = LASTING.contains(&verb.name) || (verb.name == WAIT && waits_for_the_end(arguments));
    lasts && exchange.version() >= Version::V2026_07_28 && exchange.has_extension(EXTENSION)
}

/// True for a wait that its caller did not bound.
fn waits_for_the_end(arguments: &Map<String, Value>) -> bool {
    let is_given = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
    let bounded = is_given("timeout_seconds") || is_given("timeout_s");
    !bounded && arguments.get("until_terminal").is_some_and(|until| *until == true)
}

/// Does what the verb does without waiting for the runner's last word; what is open then is a task.
pub(super) async fn begin(
    context: Context,
    verb: &'static Verb,
    mut arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    do_not_wait(verb.name, &mut arguments);
    let output = verb.run(context.clone(), arguments.into()).await?;
    let Some(id) = open(verb.name, &output) else { return Ok(Outcome::Complete(ToolResult::data(output))) };
    // Done is done: what cannot be read now is told by the next question.
    let task = read(&context, &id).await.map_or_else(|_| begun(&context, &id), |(task, _)| task);
    // What the verb decided on the way is told now: the operation does not keep it.
    let notes = output.get("notes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let told: Vec<&str> = task.status_message.as_deref().into_iter().chain(notes).collect();
    Ok(Outcome::Task(Task { status_message: Some(clean_line(&told.join("; "), 512)), ..task }))
}

/// Leaves the wait out, where the caller did not say how long it is to be.
fn do_not_wait(tool: &str, arguments: &mut Map<String, Value>) {
    let (wait, same) = match tool {
        "create_job" | "restore_job" => return,
        WAIT => ("timeout_seconds", "timeout_s"),
        _ => ("wait_seconds", "wait_seconds"),
    };
    arguments.retain(|name, value| !value.is_null() || (name != wait && name != same));
    arguments.entry(wait).or_insert(0.into());
}

/// A task of which only its beginning is known.
fn begun(context: &Context, id: &str) -> Task {
    working(id, "it has begun".into(), context.now_ms(), context.now_ms())
}

fn working(id: &str, said: String, created_ms: u64, moved_ms: u64) -> Task {
    Task {
        task_id: id.to_owned(),
        status: TaskStatus::Working,
        status_message: Some(said),
        created_at: rfc3339(created_ms),
        last_updated_at: rfc3339(moved_ms),
        ttl_ms: None,
        poll_interval_ms: POLL_MS,
    }
}

/// The task an answer leaves open.
fn open(tool: &str, output: &Value) -> Option<String> {
    let operation = output.get("operation").filter(|_| output.get("pending").is_some_and(|pending| *pending == true));
    if let Some(operation) = operation {
        return text(operation, "operation_id").map(str::to_owned);
    }
    let job = text(output, "job_id")?;
    if tool == WAIT {
        return output.get("terminal").is_some_and(|ended| *ended == false).then(|| format!("{job}/{END}"));
    }
    let is_submitting = matches!(text(output, "state"), Some("SUBMITTING" | "SUBMIT_UNKNOWN"));
    is_submitting.then(|| if tool == "update_job" { format!("{job}/{REPLACES}") } else { job.to_owned() })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// What a task follows.
enum Work<'a> {
    Operation(&'a str),
    /// A job, and whether it replaces another one.
    Submission(&'a str, bool),
    /// A job until its end.
    End(&'a str),
}

impl<'a> Work<'a> {
    fn of(task: &'a str) -> Self {
        match task.split_once('/') {
            None => Self::Submission(task, false),
            Some((job, REPLACES)) => Self::Submission(job, true),
            Some((job, END)) => Self::End(job),
            Some(_) => Self::Operation(task),
        }
    }

    fn topic(&self) -> String {
        match self {
            Self::Operation(id) => format!("operation/{id}"),
            Self::Submission(job, _) | Self::End(job) => format!("job/{job}"),
        }
    }
}

/// A tool whose answers have the form of a task's result.
pub(super) fn tool(task: &str) -> &'static str {
    match Work::of(task) {
        Work::Operation(_) => "create_savepoint",
        Work::Submission(_, true) => "update_job",
        Work::Submission(_, false) => "create_job",
        Work::End(_) => WAIT,
    }
}

/// A task now, as the caller may see it.
pub(super) async fn get(context: Context, id: String) -> Result<TaskState, Error> {
    match Work::of(&id) {
        Work::Operation(operation) => run(&context, "get_operation", json!({"operation_id": operation})).await?,
        Work::Submission(job, _) | Work::End(job) => run(&context, "get_job", json!({"job_id": job})).await?,
    };
    let (task, end) = read(&context, &id).await?;
    Ok(match end {
        Some(ended) => completed(task, ended),
        None => TaskState { task, detail: TaskDetail::None },
    })
}

/// A task at work, and what its work ended with, where it has.
type Told = (Task, Option<Result<Value, Error>>);

/// A task as it is stored.
async fn read(context: &Context, id: &str) -> Result<Told, Error> {
    match Work::of(id) {
        Work::Operation(operation) => of_operation(context, operation).await,
        Work::Submission(job, replaces) => of_submission(context, id, job, replaces).await,
        Work::End(job) => of_end(context, id, job).await,
    }
}

async fn of_operation(context: &Context, id: &str) -> Result<Told, Error> {
    let operation = context.rows.operation(id).await?.value;
    let moved_ms = operation.requested_ms.max(operation.sent_ms).max(operation.ended_ms);
    let task = working(id, progress(&operation), operation.requested_ms, moved_ms);
    if !operation.state.is_terminal() {
        return Ok((task, None));
    }
    let ended = match operate::failure(&operation) {
        Some(error) => Err(error),
        None => Ok(json!(operate::told(context, operation).await?)),
    };
    Ok((task, Some(ended)))
}

/// Moves no more often than `lastUpdatedAt` does.
fn progress(operation: &Operation) -> String {
    let at = if operation.sent_ms == 0 { "is to be sent to the runner" } else { "was sent to the runner" };
    format!("the {} of {} {at}", operation.kind.as_str(), operation.job_id)
}

async fn of_submission(context: &Context, id: &str, job: &str, replaces: bool) -> Result<Told, Error> {
    let job = context.rows.job(&JobId::parse(job)?).await?.value;
    let is_open = matches!(job.state, JobState::Submitting | JobState::SubmitUnknown);
    let task = working(id, "the job is being submitted".into(), job.created_ms, moved_ms(&job));
    if is_open {
        return Ok((task, None));
    }
    let ended = match refusal(&job) {
        Some(error) => Err(error),
        None if replaces => Ok(json!(Changed::replaced(Submitted::told(context, &job)))),
        None => Ok(json!(Submitted::told(context, &job))),
    };
    Ok((task, Some(ended)))
}

/// When a submission moved last: what the job does once the runner has it moves the task no more.
fn moved_ms(job: &Job) -> u64 {
    let refused = job.refusal.as_ref().and(job.ended_ms).unwrap_or_default();
    job.created_ms.max(job.sent_ms).max(refused)
}

async fn of_end(context: &Context, id: &str, job: &str) -> Result<Told, Error> {
    let job = context.rows.job(&JobId::parse(job)?).await?.value;
    let times = [Some(job.created_ms), Some(job.sent_ms), job.started_ms, job.ended_ms];
    let moved_ms = times.into_iter().flatten().max().unwrap_or_default();
    let task = working(id, standing(job.state), job.created_ms, moved_ms);
    let ended = job.state.is_terminal().then(|| Ok(json!(wait_for_change::Output::told(context, &job, true))));
    Ok((task, ended))
}

/// Where a job is that may stay there for long.
fn standing(state: JobState) -> String {
    let waits = if state.needs_attention() && !state.is_terminal() { ": a person should look" } else { "" };
    format!("the job is {}{waits}", state.as_str())
}

/// What people read of work that went well. Of a job whose end was waited for its state says how it went.
fn done(task: &Task) -> Option<String> {
    match Work::of(&task.task_id) {
        Work::End(_) => task.status_message.clone(),
        Work::Operation(_) | Work::Submission(..) => Some("done".into()),
    }
}

/// The end of a task: what the call would have answered, had it waited, also where that is a failure.
fn completed(task: Task, ended: Result<Value, Error>) -> TaskState {
    let (said, result) = match ended {
        Ok(output) => (done(&task), ToolResult::data(output)),
        Err(error) => (Some(clean_line(error.message(), 512)), failed(&error)),
    };
    let task = Task { status: TaskStatus::Completed, status_message: said, ..task };
    TaskState { task, detail: TaskDetail::Result(result) }
}

/// The topic of a task the caller may see.
pub(super) async fn watch(context: Context, id: String) -> Result<Option<String>, Error> {
    let topic = Work::of(&id).topic();
    match get(context, id).await {
        Ok(_) => Ok(Some(topic)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => Ok(None),
        Err(error) => Err(error),
    }
}
