//! Operations: savepoint, scale, drain, stop, cancel. Stored first, sent with a permit, believed when confirmed.

use std::time::Duration;

use super::settle::{is_settled, outlives, silence};
use crate::{
    clock::CLOCKS,
    error::{Error, ErrorKind, Landed, Retry},
    job::{EndedBy, Job, JobId, JobState, LastCheckpoint, Operation, OperationKind, OperationState, Phase},
    runner::{Backend, Begun, Look, Progress, Runner},
    store::{Audit, Committed, Stored, Write, operation_write},
    verb::Context,
};

/// Most operations of a job that have not ended; a cancel overtakes and does not count.
const QUEUE: usize = 4;
/// Permits to send one operation. A cancel goes on: once it is acknowledged, the job ends or is shown to have ended.
const PERMITS: u32 = 5;
/// For this long after a permit, who did not take it leaves the operation alone: it may be sent yet, and would be looked
/// for in vain.
const LEASE: Duration = Duration::from_secs(20);
/// Longest pause before a cancel is sent again.
const LONGEST_PAUSE_MS: u64 = 300_000;

/// Stores an operation and the job that waits for it, with further writes of the same commit.
///
/// # Errors
/// `conflict` when another write was first, `failed_precondition` when the queue is full, or the store's.
pub async fn request_operation(
    context: &Context,
    job: &Stored<Job>,
    operation: &Operation,
    audit: &Audit<'_>,
    extra: Vec<Write>,
) -> Result<(), Error> {
    let mut new = job.value.clone();
    if new.open_operations.len() >= QUEUE && operation.kind != OperationKind::Cancel {
        return Err(Error::precondition("operations_queued", format!("{QUEUE} operations of this job have not ended"))
            .suggest("wait for one of them with get_operation, then call again"));
    }
    match operation.kind {
        OperationKind::Cancel => new.open_operations.insert(0, operation.id.clone()),
        _ => new.open_operations.push(operation.id.clone()),
    }
    new.version = job.version + 1;
    let tenant = context.rows.tenant();
    let mut writes = context.rows.job_writes(Some(job), &new)?;
    writes.push(operation_write(tenant, None, operation)?);
    writes.push(context.audit(audit)?);
    writes.extend(extra);
    match context.rows.commit(&format!("request {}", operation.id), writes).await? {
        Committed::Written(_) => {
            context.io.intent_is_durable();
            Ok(())
        }
        Committed::Conflict { .. } => {
            Err(Error::new(ErrorKind::Conflict, "job_changed", "the job was changed by another call")
                .retry_as(Retry::Safe))
        }
    }
}

/// Takes an operation one step on: a send, or a look at its progress. Gives it as it is then.
///
/// # Errors
/// The store's. What the runner answers is in the row; an outage leaves it as it is.
pub async fn drive_operation(context: &Context, id: &str) -> Result<Stored<Operation>, Error> {
    let Some(_claim) = context.state.claim(format!("operate/{}/{id}", context.rows.tenant())) else {
        return context.rows.operation(id).await;
    };
    let stored = context.rows.operation(id).await?;
    let job = context.rows.job(&JobId::parse(&stored.value.job_id)?).await?;
    match stored.value.state {
        OperationState::Requested if is_turn(&job.value, id) => begin(context, &job, stored).await,
        OperationState::Accepted | OperationState::InProgress => progress(context, &job, stored).await,
        OperationState::Requested | OperationState::Succeeded | OperationState::Failed | OperationState::Unknown => {
            Ok(stored)
        }
    }
}

/// First come first served; a cancel stands in front.
fn is_turn(job: &Job, id: &str) -> bool {
    job.open_operations.first().is_some_and(|first| first == id)
}

async fn begin(context: &Context, job: &Stored<Job>, stored: Stored<Operation>) -> Result<Stored<Operation>, Error> {
    if job.value.state.is_terminal() {
        return end(context, job, &stored, ended_before(&job.value, stored.value.kind)).await;
    }
    if job.value.phase != Phase::Submitted {
        return begin_before_submitted(context, job, stored).await;
    }
    // Another's permit counts from its first sight, also while nothing is due.
    let silent = silence(context, &stored.value);
    if is_resting(context, &stored.value, silent) {
        return Ok(stored);
    }
    if stored.value.sending && stored.value.kind != OperationKind::Cancel {
        if silent < LEASE {
            return Ok(stored);
        }
        // The process that took the permit died with it: the runner may have it, and may have forgotten its id since.
        return accepted(context, job, &stored).await;
    }
    let runner = context.runner(job.value.id.target())?;
    let mut permitted = stored.value.clone();
    permitted.attempts += 1;
    permitted.sending = true;
    permitted.permit_ms = context.now_ms();
    permitted.sent_ms = if permitted.sent_ms == 0 { permitted.permit_ms } else { permitted.sent_ms };
    let Some(stored) = replace(context, &stored, permitted).await? else {
        return context.rows.operation(&stored.value.id).await;
    };
    silence(context, &stored.value);
    match runner.begin(&job.value, &stored.value).await {
        Ok(Begun::Accepted) => accepted(context, job, &stored).await,
        Ok(Begun::Done(progress)) => end(context, job, &stored, progress).await,
        Err(error) => not_begun(context, job, stored, error).await,
    }
}

/// True while a send that may be under way, or was refused for now, is not repeated: 1, 2, 4, 8 s after the last permit.
/// By the wall, where only that is left, a permit further ahead than clocks may differ was taken before it was set back:
/// nobody rests that long.
fn is_resting(context: &Context, operation: &Operation, silent: Duration) -> bool {
    let doubled = |tries: u32| 1_000_u64.saturating_mul(1 << tries.min(20)).min(LONGEST_PAUSE_MS);
    let pause = operation.attempts.checked_sub(1).map_or(Duration::ZERO, |tries| Duration::from_millis(doubled(tries)));
    let ahead = Duration::from_millis(operation.sent_ms.max(operation.permit_ms).saturating_sub(context.now_ms()));
    silent < pause && (outlives(&context.state.host.kind) || ahead <= CLOCKS)
}

fn ended_before(job: &Job, kind: OperationKind) -> Progress {
    let text = format!("the job had ended before: {}", job.state.as_str());
    let state = match kind {
        OperationKind::Cancel if job.state == JobState::Canceled => OperationState::Succeeded,
        _ => OperationState::Failed,
    };
    Progress::new(state).because(text)
}

/// Operations wait for the submission; a cancel of what was never sent, or is settled as absent, ends the job (rule 8).
async fn begin_before_submitted(
    context: &Context,
    job: &Stored<Job>,
    stored: Stored<Operation>,
) -> Result<Stored<Operation>, Error> {
    if stored.value.kind != OperationKind::Cancel {
        return Ok(stored);
    }
    if !may_have_arrived(&job.value) {
        let said = if job.value.attempts == 0 { "the job had not been sent" } else { "every submission was refused" };
        return end_unsubmitted(context, job, &stored, Progress::new(OperationState::Succeeded).because(said)).await;
    }
    let runner = context.runner(job.value.id.target())?;
    match runner.look(&job.value).await {
        Ok(Look::Seen(_)) => drive_again(context, job, stored).await,
        Ok(Look::Absent) if is_settled(context, &job.value).await? => {
            end_unsubmitted(context, job, &stored, absent(&runner)).await
        }
        Ok(Look::Absent) => Ok(stored),
        Err(error) if error.gave_up() => Err(error),
        Err(error) => {
            let _ = super::look::note_outage(context, job.value.id.target(), error);
            Ok(stored)
        }
    }
}

/// False where nothing was sent, or all that was sent was clearly refused.
fn may_have_arrived(job: &Job) -> bool {
    job.ambiguous || (job.attempts > 0 && job.phase != Phase::Intent)
}

/// Ends a cancel of a job that no runner has shown, unless it was sent or found since.
async fn end_unsubmitted(
    context: &Context,
    job: &Stored<Job>,
    stored: &Stored<Operation>,
    progress: Progress,
) -> Result<Stored<Operation>, Error> {
    end_if(context, job, stored, progress, |row| row.version == job.version).await
}

/// A runner that cannot be asked for a job by our id does not confirm by its silence that there is none.
fn absent(runner: &Runner) -> Progress {
    if !runner.identity().is_searchable() {
        return Progress::new(OperationState::Unknown).because(
            "the submission went unanswered and this runner cannot be asked for it: the job may run; look for it there",
        );
    }
    Progress::new(OperationState::Succeeded).because("the runner does not know the job")
}

/// A submission that was thought lost has arrived: the row learns it, the cancel goes on at the next step.
async fn drive_again(
    context: &Context,
    job: &Stored<Job>,
    stored: Stored<Operation>,
) -> Result<Stored<Operation>, Error> {
    super::look_now(context, &job.value).await?;
    Ok(stored)
}

/// Replaces an operation alone; `None` when another write was first.
async fn replace(
    context: &Context,
    old: &Stored<Operation>,
    new: Operation,
) -> Result<Option<Stored<Operation>>, Error> {
    let write = operation_write(context.rows.tenant(), Some(old), &new)?;
    let label = format!("operation {} {}", new.id, old.version);
    Ok(match context.rows.commit(&label, vec![write]).await? {
        Committed::Written(_) => Some(Stored { value: new, version: old.version + 1 }),
        Committed::Conflict { .. } => None,
    })
}

/// The runner took it. The job's state shows it where its kind has a state of its own.
async fn accepted(
    context: &Context,
    job: &Stored<Job>,
    stored: &Stored<Operation>,
) -> Result<Stored<Operation>, Error> {
    let mut operation = stored.value.clone();
    (operation.state, operation.sending) = (OperationState::Accepted, false);
    let write = operation_write(context.rows.tenant(), Some(stored), &operation)?;
    let showing = match operation.kind {
        OperationKind::Cancel => Some(JobState::Cancelling),
        OperationKind::Drain => Some(JobState::Draining),
        OperationKind::Scale | OperationKind::Savepoint | OperationKind::Stop => None,
    };
    context
        .rows
        .change_job(&job.value.id, "operation accepted", |row| {
            if let Some(state) = showing.filter(|state| row.state.may_become(*state)) {
                row.state = state;
            }
            Ok(vec![write.clone()])
        })
        .await?;
    Ok(Stored { value: operation, version: stored.version + 1 })
}

async fn not_begun(
    context: &Context,
    job: &Stored<Job>,
    stored: Stored<Operation>,
    error: Error,
) -> Result<Stored<Operation>, Error> {
    if error.gave_up() {
        return Err(error);
    }
    let outage = super::look::is_outage(&error);
    let attempts = super::permit::used(stored.value.attempts, &error);
    let error = super::look::note_outage(context, job.value.id.target(), error);
    if error.landed() == Landed::Perhaps && stored.value.kind != OperationKind::Cancel {
        return accepted(context, job, &stored).await;
    }
    if outage && (attempts < PERMITS || stored.value.kind == OperationKind::Cancel) {
        let diagnostics = error.message().to_owned();
        let operation = Operation { attempts, diagnostics, sending: false, ..stored.value.clone() };
        let replaced = replace(context, &stored, operation).await?;
        return Ok(replaced.unwrap_or(stored));
    }
    end(context, job, &stored, Progress::new(OperationState::Failed).because(error.message())).await
}

async fn progress(context: &Context, job: &Stored<Job>, stored: Stored<Operation>) -> Result<Stored<Operation>, Error> {
    let runner = context.runner(job.value.id.target())?;
    let progress = match runner.progress(&job.value, &stored.value, silence(context, &stored.value)).await {
        Ok(progress) => progress,
        Err(error) if super::look::is_outage(&error) => {
            let _ = super::look::note_outage(context, job.value.id.target(), error);
            return Ok(stored);
        }
        Err(error) if job.value.state.is_terminal() && !error.gave_up() => {
            Progress::new(OperationState::Unknown).because(format!("the job has ended; {}", error.message()))
        }
        Err(error) => return Err(error),
    };
    if progress.state.is_terminal() {
        let ended = end(context, job, &stored, progress).await?;
        after(context, &runner, &job.value, &ended.value).await?;
        return Ok(ended);
    }
    let operation = Operation {
        state: progress.state,
        actual: progress.actual,
        diagnostics: progress.diagnostics,
        ..stored.value.clone()
    };
    if operation == stored.value {
        return Ok(stored);
    }
    Ok(replace(context, &stored, operation).await?.unwrap_or(stored))
}

/// Stores the end of an operation and what it means for the job, together.
async fn end(
    context: &Context,
    job: &Stored<Job>,
    stored: &Stored<Operation>,
    progress: Progress,
) -> Result<Stored<Operation>, Error> {
    end_if(context, job, stored, progress, |_| true).await
}

async fn end_if(
    context: &Context,
    job: &Stored<Job>,
    stored: &Stored<Operation>,
    progress: Progress,
    still: impl Fn(&Job) -> bool,
) -> Result<Stored<Operation>, Error> {
    let now = context.now_ms();
    let operation = Operation {
        state: progress.state,
        savepoint_path: progress.savepoint_path,
        actual: progress.actual,
        diagnostics: progress.diagnostics,
        ended_ms: now,
        ..stored.value.clone()
    };
    let outcome = serde_json::to_string(&operation.state).unwrap_or_default();
    let outcome = outcome.trim_matches('"').to_ascii_lowercase();
    let audit = Audit { verb: operation.kind.as_str(), subject: &operation.id, digest: "", outcome: &outcome };
    let writes = [operation_write(context.rows.tenant(), Some(stored), &operation)?, context.audit(&audit)?];
    let change = |row: &mut Job| {
        if !still(row) {
            return Err(Error::new(ErrorKind::Conflict, "job_changed", "the job has moved on").retry_as(Retry::Safe));
        }
        settle(row, &operation, now);
        Ok(writes.to_vec())
    };
    context.rows.change_job(&job.value.id, "operation ended", change).await?;
    Ok(Stored { value: operation, version: stored.version + 1 })
}

/// What the end of an operation means for its job: pure.
fn settle(job: &mut Job, operation: &Operation, now_ms: u64) {
    job.open_operations.retain(|id| id != &operation.id);
    let succeeded = operation.state == OperationState::Succeeded;
    if succeeded && operation.savepoint_path.is_some() {
        job.savepoint_path.clone_from(&operation.savepoint_path);
        // A checkpoint before it may be deleted by now. Of a job that ends with it, nothing else is left.
        let path = operation.savepoint_path.clone().filter(|_| !operation.kind.ends_job());
        if !job.state.is_terminal() {
            job.checkpoint = path.map(|path| LastCheckpoint { path, at_ms: now_ms });
        }
    }
    if succeeded && operation.kind == OperationKind::Scale {
        job.parallelism = operation.actual.values().max().copied().or(job.parallelism);
    }
    let (state, by) = match operation.kind {
        OperationKind::Cancel => (JobState::Canceled, EndedBy::Cancel),
        OperationKind::Drain => (JobState::Drained, EndedBy::Drain),
        OperationKind::Stop => (JobState::Canceled, EndedBy::Stop),
        OperationKind::Scale | OperationKind::Savepoint => return,
    };
    if succeeded && !job.state.is_terminal() {
        // Nobody but silence says that it does not run: what shows up later is canceled.
        job.unconfirmed = operation.kind == OperationKind::Cancel && job.phase != Phase::Submitted && job.ambiguous;
        (job.state, job.ended_by, job.ended_ms) = (state, Some(by), Some(now_ms));
        (job.observed_ms, job.phase) = (Some(now_ms), Phase::Submitted);
    } else if !succeeded && job.state == JobState::Draining {
        job.state = JobState::Running;
    }
}

/// A job that ended is looked at once more for its times, and cleaned up behind.
async fn after(context: &Context, runner: &Runner, before: &Job, operation: &Operation) -> Result<(), Error> {
    let now = context.rows.job(&before.id).await?;
    if operation.kind.ends_job() || now.value.state.is_terminal() {
        super::look::tidy(runner, before, &now.value).await?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lifecycle::observe::tests::job;

    pub(in crate::lifecycle) fn operation(kind: OperationKind, state: OperationState) -> Operation {
        Operation {
            id: format!("x/{}-0", kind.as_str()),
            job_id: "x".into(),
            kind,
            state,
            trigger_id: "0".into(),
            savepoint_dir: None,
            savepoint_path: Some("file:/sp".into()),
            parallelism: None,
            min_workers: None,
            actual: std::collections::BTreeMap::new(),
            force: false,
            diagnostics: String::new(),
            requested_ms: 0,
            sent_ms: 0,
            permit_ms: 0,
            ended_ms: 0,
            attempts: 0,
            sending: false,
        }
    }

    #[test]
    fn a_stop_ends_canceled_with_its_savepoint_and_a_drain_ends_drained() {
        for (kind, state, by) in [
            (OperationKind::Stop, JobState::Canceled, EndedBy::Stop),
            (OperationKind::Drain, JobState::Drained, EndedBy::Drain),
            (OperationKind::Cancel, JobState::Canceled, EndedBy::Cancel),
        ] {
            let mut row = job(JobState::Running);
            settle(&mut row, &operation(kind, OperationState::Succeeded), 5);
            assert_eq!((row.state, row.ended_by, row.savepoint_path.as_deref()), (state, Some(by), Some("file:/sp")));
        }
    }

    #[test]
    fn a_savepoint_is_where_a_job_goes_on_from_until_a_newer_one_is_seen() {
        let older = Some(LastCheckpoint { path: "chk-7".into(), at_ms: 1 });
        for (kind, state, kept) in [
            (OperationKind::Savepoint, OperationState::Succeeded, Some(("file:/sp", 5))),
            (OperationKind::Savepoint, OperationState::Failed, Some(("chk-7", 1))),
            (OperationKind::Stop, OperationState::Succeeded, None),
        ] {
            let mut row = Job { checkpoint: older.clone(), ..job(JobState::Running) };
            settle(&mut row, &operation(kind, state), 5);
            assert_eq!(row.checkpoint.as_ref().map(|kept| (kept.path.as_str(), kept.at_ms)), kept, "{kind:?}");
        }
    }

    #[test]
    fn a_failed_drain_lets_the_job_go_on() {
        let mut row = job(JobState::Draining);
        settle(&mut row, &operation(OperationKind::Drain, OperationState::Failed), 5);
        assert_eq!((row.state, row.savepoint_path), (JobState::Running, None));
    }
}
