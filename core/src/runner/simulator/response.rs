//! What the scripted cluster answers: sightings and the progress of operations.

use std::collections::BTreeMap;

use super::{
    course::{Course, PENDING_MS, between},
    request,
};
use crate::{
    config::Target,
    error::Error,
    job::{Job, JobState, Operation, OperationKind, OperationState},
    runner::{Look, Progress, Sighting},
};

/// How long operations take in simulated milliseconds, where the script says nothing.
const CANCEL_MS: u64 = 1_000;
const SCALE_MS: u64 = 2_000;
const DRAIN_MS: u64 = 5_000;
/// A stop takes this much longer than its savepoint.
const STOP_MS: u64 = 1_000;

/// The submission that arrived, by its number: the first one that was not refused.
pub(super) fn arrived(course: &Course, job: &Job) -> Option<u32> {
    let first = if course.script.limits_rate { 2 } else { 1 };
    (job.attempts >= first).then_some(first)
}

/// One job as the cluster shows it.
pub(super) fn look(target: &Target, job: &Job, wall_ms: u64) -> Result<Look, Error> {
    let course = Course::of(target, job)?;
    let Some(first) = arrived(&course, job) else { return Ok(Look::Absent) };
    let given = |attempt| request::native_id(target.identity, job, attempt);
    let found = match &job.native_id {
        Some(id) => (first..=job.attempts).map(given).find(|given| given == id),
        None => target.identity.is_searchable().then(|| given(first)),
    };
    Ok(found.map_or(Look::Absent, |id| Look::Seen(sighting(&course, job, id, wall_ms))))
}

fn sighting(course: &Course, job: &Job, native_id: String, wall_ms: u64) -> Sighting {
    let at_ms = course.lived(wall_ms).saturating_sub(course.script.lag_ms);
    let state = shown(course.state(at_ms), job.state);
    Sighting {
        native_id,
        name: Some(job.name.clone()),
        state: Some(state),
        runner_state: state.as_str().to_owned(),
        job_type: Some(course.plot.job_type),
        started_ms: (at_ms >= PENDING_MS).then(|| course.wall(PENDING_MS)),
        ended_ms: course.end().filter(|_| state.is_terminal()).map(|end| course.wall(end)),
        // What a scale changed is in the row; saying it again could undo a newer one.
        parallelism: job.parallelism.is_none().then_some(course.plot.parallelism),
        ended_with_savepoint: state.is_terminal().then_some(false),
        diagnostics: diagnostics(course, state, at_ms),
        ..Sighting::default()
    }
}

/// A job that is being ended shows that until it has ended.
fn shown(scripted: JobState, row: JobState) -> JobState {
    match row {
        JobState::Cancelling | JobState::Draining if !scripted.is_terminal() => row,
        _ => scripted,
    }
}

fn diagnostics(course: &Course, state: JobState, at_ms: u64) -> String {
    match state {
        JobState::Failed => failure(course),
        JobState::Recovering => {
            let checkpoint = course.checkpoints(at_ms);
            format!("simulated: worker-1 was lost; restarting from checkpoint {checkpoint}")
        }
        JobState::Running if course.script.held_back_percent > 0 => {
            format!("simulated: back-pressure of {} % at step ParseEvents", course.script.held_back_percent)
        }
        _ => String::new(),
    }
}

/// The stack trace of a failing job.
pub(super) fn failure(course: &Course) -> String {
    let record = course.processed(course.end().unwrap_or_default());
    format!(
        "simulated: org.apache.beam.sdk.util.UserCodeException: java.lang.NumberFormatException: For input string: \
         \"n/a\" (record {record} of step ParseEvents)\n\tat org.example.ParseEvents$DoFnInvoker.invokeProcessElement\n\
         Caused by: java.lang.NumberFormatException: For input string: \"n/a\"\n\tat org.example.ParseEvents.process"
    )
}

/// How far an operation is.
pub(super) fn progress(target: &Target, job: &Job, operation: &Operation, wall_ms: u64) -> Result<Progress, Error> {
    let course = Course::of(target, job)?;
    let takes = takes(&course, operation.kind);
    let passed = between(target, operation.sent_ms, wall_ms);
    let began = course.at(operation.sent_ms);
    let due = takes.map(|takes| began.saturating_add(takes));
    let end = course.over().filter(|end| due.is_none_or(|due| *end < due) && course.at(wall_ms) >= *end);
    if end.is_some() {
        return Ok(overtaken(&course, job, wall_ms));
    }
    match takes {
        Some(takes) if passed >= takes => Ok(finished(target, &course, job, operation)),
        Some(takes) => Ok(working(operation.kind, passed, takes)),
        None => Ok(Progress::new(OperationState::InProgress)
            .because("simulated: accepted; the cluster waits for slots it does not have")),
    }
}

/// How long an operation takes; `None`: it never ends.
fn takes(course: &Course, kind: OperationKind) -> Option<u64> {
    match kind {
        OperationKind::Cancel => Some(CANCEL_MS),
        OperationKind::Drain => Some(DRAIN_MS),
        OperationKind::Savepoint => Some(course.plot.savepoint_ms),
        OperationKind::Stop => Some(course.plot.savepoint_ms.saturating_add(STOP_MS)),
        OperationKind::Scale => (!course.script.scale_sticks).then_some(SCALE_MS),
    }
}

fn overtaken(course: &Course, job: &Job, wall_ms: u64) -> Progress {
    let state = if job.state.is_terminal() { job.state } else { course.state(course.lived(wall_ms)) };
    Progress::new(OperationState::Failed).because(format!("simulated: the job ended before: {}", state.as_str()))
}

fn working(kind: OperationKind, passed: u64, takes: u64) -> Progress {
    let percent = passed.saturating_mul(100).checked_div(takes).unwrap_or(0);
    Progress::new(OperationState::InProgress).because(format!("simulated: {} {percent} % done", kind.as_str()))
}

fn finished(target: &Target, course: &Course, job: &Job, operation: &Operation) -> Progress {
    let keeps = matches!(operation.kind, OperationKind::Savepoint | OperationKind::Stop);
    if keeps && course.script.savepoint_fails {
        return Progress::new(OperationState::Failed).because(
            "simulated: java.util.concurrent.CompletionException: \
             org.apache.flink.runtime.checkpoint.CheckpointException: Asynchronous task checkpoint failed; the job goes on",
        );
    }
    let mut progress = Progress::new(OperationState::Succeeded);
    progress.savepoint_path = keeps.then(|| request::savepoint_path(target, job, operation));
    progress.actual = actual(operation);
    progress
}

fn actual(operation: &Operation) -> BTreeMap<String, u32> {
    let wanted = operation.parallelism.filter(|_| operation.kind == OperationKind::Scale);
    let steps = ["ReadEvents", "ParseEvents", "WriteEvents"];
    wanted.map(|wanted| steps.map(|step| (step.to_owned(), wanted)).into()).unwrap_or_default()
}
