//! The sequences: how every call is made, what is listed, and the operations.

use std::time::Duration;

use serde_json::json;

use super::{
    probe::{Service, service},
    request::{supports, unsupported},
    response::{answered, cause, find, listed, service_id, sighting},
};
use crate::{
    effect::StreamLimit,
    error::{Error, ErrorKind, Landed},
    job::{Job, Operation, OperationKind, OperationState},
    job_api::{
        message::{self, Event, JobInfo, State},
        method,
    },
    pace::Backoff,
    runner::{Begun, Context, Look, PlannedCall, Progress, Sighting},
};

const READ: Duration = Duration::from_secs(5);
const WRITE: Duration = Duration::from_secs(10);
/// How long a request that nobody saw arrive may still be on its way.
const SETTLE: Duration = Duration::from_secs(2 * 60);
/// Where a message stream is left: services keep them open while the job runs.
const STREAM: StreamLimit = StreamLimit { quiet_ms: 400, max_bytes: 1 << 20 };

/// Makes one call.
pub(super) async fn call(
    context: &Context,
    name: &'static str,
    body: Vec<u8>,
    limit: Duration,
) -> Result<Vec<u8>, Error> {
    answered(context.rpc(&method(name), body, limit).await?).map_err(|error| error.during(name))
}

/// Makes a call that changes nothing, and repeats what repeating may cure.
pub(super) async fn read(context: &Context, name: &'static str, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let once = || call(context, name, body.clone(), READ);
    context.retry(Backoff::READ, once).await
}

async fn jobs(context: &Context) -> Result<Vec<JobInfo>, Error> {
    message::jobs(&read(context, "GetJobs", Vec::new()).await?)
}

pub(super) async fn list(context: &Context) -> Result<Vec<Sighting>, Error> {
    let jobs = jobs(context).await?;
    let cancelled = jobs.iter().any(|info| info.state == State::CANCELLED);
    let lies = cancelled && service(context).await? == Service::Python;
    let seen = |info| if lies { listed(info).map(|shown| believed(info, shown)) } else { listed(info) };
    Ok(jobs.iter().filter_map(seen).collect())
}

/// What the service still has of a job's messages.
pub(super) async fn events(context: &Context, native_id: &str) -> Result<Vec<Event>, Error> {
    let request = message::about(service_id(native_id));
    let answer = context.rpc_stream(&method("GetMessageStream"), request, READ, STREAM).await?;
    message::events(&answered(answer)?)
}

/// The job's entry.
pub(super) async fn entry(context: &Context, job: &Job) -> Result<JobInfo, Error> {
    find(&jobs(context).await?, job, context.io.now().wall_ms).cloned().ok_or_else(|| {
        Error::not_found(
            "job_unknown_to_service",
            "the job service does not know the job: it was restarted, or forgot it",
        )
        .suggest("read the job with get_job; what the service forgot may still run behind it")
    })
}

pub(super) async fn look(context: &Context, job: &Job) -> Result<Look, Error> {
    let jobs = jobs(context).await?;
    let Some(info) = find(&jobs, job, context.io.now().wall_ms) else { return Ok(Look::Absent) };
    Ok(Look::Seen(closely(context, info).await?))
}

/// What Python's service shows of a job: its CANCELLED says nothing.
fn believed(info: &JobInfo, shown: Sighting) -> Sighting {
    if info.state != State::CANCELLED {
        return shown;
    }
    let told = "this service calls a job CANCELLED that goes on; it has ended when it says DONE or FAILED";
    Sighting { state: None, diagnostics: told.into(), ..shown }
}

/// What a list leaves out of an ended job: why, since when, and whether a cancel is to be believed.
async fn closely(context: &Context, info: &JobInfo) -> Result<Sighting, Error> {
    if info.state == State::CANCELLED && service(context).await? == Service::Python {
        return Ok(believed(info, sighting(info, String::new())));
    }
    let ended = super::response::state(info.state).is_some_and(crate::job::JobState::is_terminal);
    if !ended {
        return Ok(sighting(info, String::new()));
    }
    let diagnostics = if info.state == State::FAILED {
        // A reason that cannot be had must not hide the failure.
        let events = events(context, &info.id).await;
        events.map_or_else(|error| keep_cancel(error).map(|()| String::new()), |events| Ok(cause(&events)))?
    } else {
        String::new()
    };
    let since = message::state_event(&read(context, "GetState", message::about(&info.id)).await?)?;
    Ok(Sighting { ended_ms: since.at_ms, ..sighting(info, diagnostics) })
}

fn keep_cancel(error: Error) -> Result<(), Error> {
    if error.gave_up() { Err(error) } else { Ok(()) }
}

pub(super) async fn check(context: &Context, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
    supports(operation.kind)?;
    may(context, operation.kind).await?;
    let id = job.native_id.as_deref().map_or("the job", service_id);
    let (call, purpose) = match operation.kind {
        OperationKind::Drain => ("JobService/Drain", "asks the service to flush and end the job"),
        _ => ("JobService/Cancel", "asks the service to end the job"),
    };
    Ok(vec![PlannedCall { call: call.into(), purpose: purpose.into(), body: json!({"job_id": id}) }])
}

pub(super) fn no_drain() -> Error {
    unsupported("this job service does not implement Drain")
        .suggest("cancel the job; a bounded pipeline ends by itself")
}

pub(super) fn no_cancel() -> Error {
    unsupported("Beam's Python job service answers CANCELLED and lets the job go on, so it cannot cancel")
        .suggest("let the job end, or end the service's own process; one service for each job makes that harmless")
}

/// Refuses what this service only seems to do.
async fn may(context: &Context, kind: OperationKind) -> Result<(), Error> {
    match kind {
        OperationKind::Drain if !super::probe::drains(context).await? => Err(no_drain()),
        OperationKind::Cancel if service(context).await? == Service::Python => Err(no_cancel()),
        _ => Ok(()),
    }
}

/// What is read before anything is sent.
async fn found(context: &Context, job: &Job, kind: OperationKind) -> Result<JobInfo, Error> {
    supports(kind)?;
    may(context, kind).await?;
    entry(context, job).await
}

/// Sends a cancel or drain once, to a service that shows the very job.
pub(super) async fn begin(context: &Context, job: &Job, operation: &Operation) -> Result<Begun, Error> {
    let info = found(context, job, operation.kind).await.map_err(|error| error.landed_as(Landed::No))?;
    if let Some(ended) = ended(info.state, operation.kind) {
        return Ok(Begun::Done(ended));
    }
    let name = if operation.kind == OperationKind::Drain { "Drain" } else { "Cancel" };
    let said = message::state(&call(context, name, message::about(&info.id), WRITE).await?)?;
    if said.0 == 0 {
        // Prism answers so when it does not know the job.
        return Err(Error::new(ErrorKind::NotFound, "job_unknown_to_service", "the job service has forgotten the job"));
    }
    Ok(ended(said, operation.kind).map_or(Begun::Accepted, Begun::Done))
}

/// What a job's end means for an operation; `None` while it has not ended.
fn ended(state: State, kind: OperationKind) -> Option<Progress> {
    let wanted = if kind == OperationKind::Drain { State::DRAINED } else { State::CANCELLED };
    match state {
        state if state == wanted => Some(Progress::new(OperationState::Succeeded)),
        State::DONE | State::FAILED | State::CANCELLED | State::DRAINED | State::UPDATED => {
            let text = format!("the job had ended by itself: {}", state.word());
            Some(Progress::new(OperationState::Failed).because(text))
        }
        _ => None,
    }
}

pub(super) async fn progress(
    context: &Context,
    job: &Job,
    operation: &Operation,
    silent: Duration,
) -> Result<Progress, Error> {
    supports(operation.kind)?;
    let jobs = jobs(context).await?;
    let now_ms = context.io.now().wall_ms;
    let Some(state) = find(&jobs, job, now_ms).map(|info| info.state) else {
        let text = "the job service does not know the job any more: it was restarted, or forgot it";
        return Ok(Progress::new(OperationState::Unknown).because(text));
    };
    Ok(ended(state, operation.kind).unwrap_or_else(|| waiting(state, operation.kind, silent)))
}

/// A drain that nobody saw arrive, and that the job does not show, did not.
fn waiting(state: State, kind: OperationKind, silent: Duration) -> Progress {
    if kind == OperationKind::Drain && state == State::RUNNING && silent >= SETTLE {
        let text = "the service does not drain the job: the request did not arrive";
        return Progress::new(OperationState::Failed).because(text);
    }
    Progress::new(OperationState::InProgress).because(format!("the job is {}", state.word()))
}
