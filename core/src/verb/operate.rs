//! What savepoint, scale, drain, stop and cancel have in common: plan, store, send, wait.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    Changed, Context, Plan,
    idempotency::{Keyed, digest_of},
    outlook,
};
use crate::{
    error::{Error, ErrorKind, Retry},
    job::{Job, JobId, JobState, Operation, OperationKind, OperationState},
    lifecycle::{drive_operation, fresh, request_operation},
    pace::Pace,
    runner::Backend,
    store::{Audit, Committed, Stored},
};

/// How long a caller waits where it says nothing.
const DEFAULT_WAIT: Duration = Duration::from_secs(20);
/// Time a job gets to start before an operation is judged by its state, also for callers that do not wait.
const LEAST_START: Duration = Duration::from_secs(10);

/// One operation as a caller asks for it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ask {
    pub(super) job_id: JobId,
    pub(super) kind: OperationKind,
    pub(super) savepoint_dir: Option<String>,
    pub(super) parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_workers: Option<u32>,
    pub(super) force: bool,
    #[serde(skip)]
    pub(super) how: How,
}

/// How an operation is asked for, the same for all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    pub(super) verb: &'static str,
    pub(super) idempotency_key: Option<String>,
    pub(super) dry_run: bool,
    pub(super) plan_digest: Option<String>,
    pub(super) wait_seconds: Option<f64>,
    pub(super) notes: Vec<String>,
    /// Of what the caller said, where it differs from what is asked of the runner.
    pub(super) digest: Option<String>,
}

/// Plans an operation and carries it out, or answers with the plan.
pub(super) async fn operate(context: &Context, mut ask: Ask) -> Result<Changed, Error> {
    let digest = ask.how.digest.clone().unwrap_or_else(|| digest_of(&ask));
    let mut keyed = Keyed::new(context, ask.how.verb, ask.how.idempotency_key.as_deref(), digest)?;
    if let Some(id) = keyed.subject(context).await? {
        let operation = wait(context, &id, &ask).await?;
        return changed(context, &ask, operation, true).await;
    }
    let job = ready(context, &ask).await?;
    if let Some(done) = already(context, &job.value, &ask)? {
        return Ok(done);
    }
    let operation = new_operation(context, &ask);
    let plan = plan_once_started(context, &job.value, &operation, &ask).await?;
    plan.confirm(ask.how.plan_digest.as_deref())?;
    if ask.how.dry_run {
        return Ok(Changed { plan: Some(plan), notes: ask.how.notes, ..Changed::default() });
    }
    if let Some(open) = open_cancel(context, &job.value, &ask).await? {
        ask.how.notes.push("a cancel was under way already".into());
        let operation = wait(context, &join(context, &mut keyed, open).await?, &ask).await?;
        return changed(context, &ask, operation, false).await;
    }
    let id = request(context, &job, &operation, &mut keyed).await?;
    let replayed = id != operation.id;
    let operation = wait(context, &id, &ask).await?;
    changed(context, &ask, operation, replayed).await
}

/// The job, once it runs: one that starts or recovers is waited for, since only a cancel makes sense before.
async fn ready(context: &Context, ask: &Ask) -> Result<Stored<Job>, Error> {
    let until = context.until(patience(context, ask).max(LEAST_START));
    let mut pace = Pace::new(Duration::from_millis(200), Duration::from_secs(2));
    loop {
        let job = fresh(context, &ask.job_id, Some(0)).await?.owned();
        let starting = matches!(job.value.state, JobState::Submitting | JobState::Pending | JobState::Recovering);
        let delay = pace.next(context.io.now().mono, until);
        let Some(delay) = delay.filter(|_| starting && ask.kind != OperationKind::Cancel) else { return Ok(job) };
        context.tell("job", job.value.state.as_str()).await;
        context.io.sleep(delay).await?;
    }
}

/// A second cancel of a canceled job changes nothing; anything else on an ended job is refused.
fn already(context: &Context, job: &Job, ask: &Ask) -> Result<Option<Changed>, Error> {
    match job.state {
        JobState::Canceled if ask.kind == OperationKind::Cancel => Ok(Some(Changed {
            job_id: Some(job.id.to_string()),
            state: Some(job.state),
            job: Some(context.view(job)),
            notes: vec!["the job was canceled before".into()],
            ..Changed::default()
        })),
        state if state.is_terminal() => Err(Error::precondition(
            "job_ended",
            format!("the job has ended ({}) and cannot take a {}", state.as_str(), ask.kind.as_str()),
        )
        .with("job_id", &job.id)
        .with("state", state.as_str())),
        _ => Ok(None),
    }
}

/// A cancel that has not ended does what another one would; only `force` asks for more.
async fn open_cancel(context: &Context, job: &Job, ask: &Ask) -> Result<Option<String>, Error> {
    let cancels = job.open_operations.iter().filter(|id| OperationKind::of_id(id) == Some(OperationKind::Cancel));
    for id in cancels.filter(|_| ask.kind == OperationKind::Cancel) {
        if context.rows.operation(id).await?.value.force >= ask.force {
            return Ok(Some(id.clone()));
        }
    }
    Ok(None)
}

/// Remembers that this call was answered with a cancel of another one.
async fn join(context: &Context, keyed: &mut Keyed, open: String) -> Result<String, Error> {
    let audit = Audit { verb: "cancel", subject: &open, digest: keyed.digest(), outcome: "" };
    let mut writes = vec![context.audit(&audit)?];
    writes.extend(keyed.write(&open, context.now_ms())?);
    match context.rows.commit(&format!("join {open}"), writes).await? {
        Committed::Written(_) => Ok(open),
        Committed::Conflict { .. } => Ok(keyed.subject(context).await?.unwrap_or(open)),
    }
}

fn new_operation(context: &Context, ask: &Ask) -> Operation {
    let trigger_id = context.call.seed.hex128("operation");
    Operation {
        id: format!("{}/{}-{trigger_id}", ask.job_id, ask.kind.as_str()),
        job_id: ask.job_id.to_string(),
        kind: ask.kind,
        state: OperationState::Requested,
        trigger_id,
        savepoint_dir: ask.savepoint_dir.clone(),
        savepoint_path: None,
        parallelism: ask.parallelism,
        min_workers: ask.min_workers,
        actual: BTreeMap::new(),
        force: ask.force,
        diagnostics: String::new(),
        requested_ms: context.now_ms(),
        sent_ms: 0,
        permit_ms: 0,
        ended_ms: 0,
        attempts: 0,
        sending: false,
    }
}

/// The plan, once the runner says that the job's tasks have started.
async fn plan_once_started(context: &Context, job: &Job, operation: &Operation, ask: &Ask) -> Result<Plan, Error> {
    let until = context.until(patience(context, ask).max(LEAST_START));
    let mut pace = Pace::new(Duration::from_millis(300), Duration::from_secs(2));
    loop {
        let error = match plan(context, job, operation).await {
            Err(error) if matches!(error.reason(), "job_starting" | "job_not_running") => error,
            other => return other,
        };
        let Some(delay) = pace.next(context.io.now().mono, until) else { return Err(error) };
        context.tell("job", job.state.as_str()).await;
        context.io.sleep(delay).await?;
    }
}

async fn plan(context: &Context, job: &Job, operation: &Operation) -> Result<Plan, Error> {
    let kind = operation.kind.as_str();
    let (calls, silent) = match context.runner(job.id.target())?.check(job, &unnamed(operation)).await {
        Ok(calls) => (calls, None),
        Err(error) if error.gave_up() || error.kind() == ErrorKind::Unsupported => return Err(error),
        // A job whose runner does not answer can be canceled all the same.
        Err(error) if operation.kind == OperationKind::Cancel => (Vec::new(), Some(error)),
        Err(error) => return Err(error),
    };
    let plan = Plan {
        summary: format!("{kind} the job `{}` on target `{}`", job.name, job.id.target()),
        calls,
        changes: outlook::changes(operation),
        unknown: outlook::unknown(operation, silent.as_ref()),
        ..Plan::default()
    };
    let bound = (&job.id, job.generation, job.state, &operation.savepoint_dir, operation.parallelism, operation.force);
    let bound = (bound, operation.min_workers);
    Ok(plan.sealed(&digest_of(&bound)))
}

/// The operation without what is drawn anew for each call: a plan that is made again is the one that was confirmed.
fn unnamed(operation: &Operation) -> Operation {
    let trigger_id = "{operation}".to_owned();
    let id = format!("{}/{}-{trigger_id}", operation.job_id, operation.kind.as_str());
    Operation { id, trigger_id, ..operation.clone() }
}

/// Stores the operation and gives its id, or the id of the one that a twin of this call stored first.
async fn request(
    context: &Context,
    job: &Stored<Job>,
    operation: &Operation,
    keyed: &mut Keyed,
) -> Result<String, Error> {
    let mut job = job.clone();
    for _ in 0..4 {
        let audit =
            Audit { verb: operation.kind.as_str(), subject: &operation.id, digest: keyed.digest(), outcome: "" };
        let extra = keyed.write(&operation.id, context.now_ms())?.into_iter().collect();
        match request_operation(context, &job, operation, &audit, extra).await {
            Ok(()) => return Ok(operation.id.clone()),
            Err(error) if error.reason() != "job_changed" => return Err(error),
            Err(_) => {}
        }
        if let Some(twin) = keyed.subject(context).await? {
            return Ok(twin);
        }
        job = context.rows.job(&job.value.id).await?;
    }
    Err(Error::new(ErrorKind::Conflict, "busy_job", "the job is being changed by others").retry_as(Retry::Safe))
}

/// Drives the operation until it ends or the caller's patience does; another process may be at it too.
async fn wait(context: &Context, id: &str, ask: &Ask) -> Result<Operation, Error> {
    let until = context.until(patience(context, ask));
    let mut pace = Pace::new(Duration::from_millis(250), Duration::from_secs(5));
    loop {
        let operation = match drive_operation(context, id).await {
            Err(error) if error.kind() == ErrorKind::Conflict => context.rows.operation(id).await?.value,
            other => other?.value,
        };
        let delay = pace.next(context.io.now().mono, until);
        let Some(delay) = delay.filter(|_| !operation.state.is_terminal()) else { return Ok(operation) };
        context.tell(operation.kind.as_str(), operation.state.as_str()).await;
        context.io.sleep(delay).await?;
    }
}

fn patience(context: &Context, ask: &Ask) -> Duration {
    let longest = Duration::from_millis(context.state.host.longest_wait_ms);
    let asked = ask.how.wait_seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    asked.unwrap_or(DEFAULT_WAIT).min(longest)
}

async fn changed(context: &Context, ask: &Ask, operation: Operation, replayed: bool) -> Result<Changed, Error> {
    match failure(&operation) {
        Some(error) => Err(error),
        None => Ok(Changed { replayed, notes: ask.how.notes.clone(), ..told(context, operation).await? }),
    }
}

/// What is answered about an operation that has not failed.
pub(crate) async fn told(context: &Context, operation: Operation) -> Result<Changed, Error> {
    let job = fresh(context, &JobId::parse(&operation.job_id)?, Some(0)).await?.value;
    Ok(Changed {
        job_id: Some(job.id.to_string()),
        state: Some(job.state),
        job: Some(context.view(&job)),
        savepoint_path: operation.savepoint_path.clone(),
        pending: !operation.state.is_terminal(),
        operation: Some(operation.into()),
        ..Changed::default()
    })
}

/// What is answered about one that has.
pub(crate) fn failure(operation: &Operation) -> Option<Error> {
    matches!(operation.state, OperationState::Failed | OperationState::Unknown).then(|| failed(operation))
}

fn failed(operation: &Operation) -> Error {
    let (reason, what) = match operation.state {
        OperationState::Unknown => ("operation_unknown", "nobody can say what became of the"),
        _ => ("operation_failed", "the runner reported a failure of the"),
    };
    let text = crate::text::clean(&operation.diagnostics, 1024);
    Error::new(ErrorKind::JobFailed, reason, format!("{what} {}: {text}", operation.kind.as_str()))
        .with("operation_id", &operation.id)
        .suggest("read the job with get_job; the job's own state tells whether it goes on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_no_id_that_is_drawn_for_each_call() {
        let operation = |trigger: &str| -> Operation {
            serde_json::from_value(serde_json::json!({
                "id": format!("flink:a/stop-{trigger}"), "job_id": "flink:a", "kind": "stop", "state": "REQUESTED",
                "trigger_id": trigger, "requested_ms": 1, "sent_ms": 0, "attempts": 0,
            }))
            .unwrap()
        };
        assert_eq!(unnamed(&operation("01")), unnamed(&operation("02")));
        assert_eq!(unnamed(&operation("01")).id, "flink:a/stop-{operation}");
    }
}
