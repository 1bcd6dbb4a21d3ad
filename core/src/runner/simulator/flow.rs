//! The calls: each computes its answer, or the refusal its script has in store.

use std::time::Duration;

use serde_json::{Map, json};

use super::{checkpoints, course, course::Course, graph, logs, metrics, plot, request, response, script};
use crate::{
    config::Identity,
    error::{Error, ErrorKind, Landed, Retry},
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
    runner::{Begun, Capability, Context, Look, PlannedCall, Probe, Progress, Submission, Submitted},
};

/// What every scripted cluster can do; single jobs refuse what their kind cannot.
pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[
        C::Batch,
        C::Streaming,
        C::Cancel,
        C::Drain,
        C::Stop,
        C::Savepoints,
        C::Restore,
        C::Checkpointing,
        C::Rescale,
        C::Metrics,
        C::Logging,
        C::Graph,
        C::CheckpointList,
    ]
};

pub(in crate::runner) fn refusal(lacks: Capability) -> Option<Error> {
    lacks.sample().map(|_| {
        Error::unsupported("no_code_is_loaded", "the simulator runs scripts and loads no code")
            .suggest("run the code on a target of another runner; here its name is accepted and not read")
    })
}

pub(super) fn probe(context: &Context) -> Result<Probe, Error> {
    let target = &context.target;
    let script = plot::default_script(target)?;
    let mut facts = Map::new();
    facts.insert("simulated".into(), json!(true));
    facts.insert("speed".into(), json!(course::speed(target)));
    facts.insert("script".into(), json!(script.name));
    facts.insert("identity".into(), json!(target.identity));
    facts.insert("scripts".into(), script::table());
    let warnings = vec!["a scripted cluster: nothing is sent and no pipeline runs".to_owned()];
    Ok(Probe { version: None, capabilities: CAPABILITIES.to_vec(), facts, warnings })
}

pub(super) fn prepare(context: &Context, spec: &JobSpec, operator: bool) -> Result<Submission, Error> {
    request::submission(&context.target, spec, operator)
}

pub(super) fn submit(context: &Context, job: &Job) -> Result<Submitted, Error> {
    let course = Course::of(&context.target, job)?;
    answers(context, &course)?;
    match response::arrived(&course, job) {
        None => Err(too_many_calls()),
        Some(first) if first == job.attempts && job.generation == 1 && course.script.loses_answer => Err(lost_answer()),
        Some(first) => again(context, &course, job, first),
    }
}

/// A submission after the first one that arrived: what becomes of it is the cluster's identity.
fn again(context: &Context, course: &Course, job: &Job, first: u32) -> Result<Submitted, Error> {
    let identity = context.target.identity;
    let active = !course.state(course.at(context.io.now().wall_ms)).is_terminal();
    if identity == Identity::Named && job.attempts > first && active {
        return Err(Error::new(ErrorKind::Conflict, "name_in_use", "an active job of the cluster has this name")
            .suggest("look for the job before it is submitted again")
            .landed_as(Landed::Perhaps));
    }
    Ok(Submitted::Accepted { native_id: request::native_id(identity, job, job.attempts) })
}

pub(super) fn look(context: &Context, job: &Job) -> Result<Look, Error> {
    reads(context, job)?;
    response::look(&context.target, job, context.io.now().wall_ms)
}

pub(super) fn check(context: &Context, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
    let course = reads(context, job)?;
    let state = course.state(course.lived(context.io.now().wall_ms));
    if state.is_terminal() || job.state.is_terminal() {
        return Err(Error::precondition("job_ended", format!("the job has ended ({})", state.as_str()))
            .suggest("read it with get_job; restore_job or create_job begins anew"));
    }
    request::supports(&course.plot, operation)?;
    Ok(request::calls(&course.plot, job, operation))
}

pub(super) fn begin(context: &Context, job: &Job, operation: &Operation) -> Result<Begun, Error> {
    let course = Course::of(&context.target, job)?;
    answers(context, &course)?;
    if course.script.limits_rate && operation.attempts <= 1 {
        return Err(too_many_calls());
    }
    request::supports(&course.plot, operation)?;
    Ok(Begun::Accepted)
}

pub(super) fn progress(context: &Context, job: &Job, operation: &Operation) -> Result<Progress, Error> {
    reads(context, job)?;
    response::progress(&context.target, job, operation, context.io.now().wall_ms)
}

pub(super) fn metrics(context: &Context, job: &Job) -> Result<Metrics, Error> {
    let course = reads(context, job)?;
    Ok(metrics::of(&course, job, course.lived(context.io.now().wall_ms)))
}

pub(super) fn graph(context: &Context, job: &Job) -> Result<Graph, Error> {
    let course = reads(context, job)?;
    Ok(graph::of(&course, job, course.lived(context.io.now().wall_ms)))
}

pub(super) fn checkpoints(context: &Context, job: &Job) -> Result<Checkpoints, Error> {
    let course = reads(context, job)?;
    checkpoints::of(&course, course.lived(context.io.now().wall_ms))
}

pub(super) fn logs(context: &Context, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
    let course = reads(context, job)?;
    logs::page(&course, job, query, context.io.now().wall_ms)
}

/// The course of a job that is read, unless the script answers the read otherwise.
fn reads(context: &Context, job: &Job) -> Result<Course, Error> {
    let course = Course::of(&context.target, job)?;
    answers(context, &course)?;
    let second = context.io.now().wall_ms.saturating_sub(job.created_ms) / 1_000;
    if course.script.limits_rate && second % 3 == 2 { Err(too_many_calls()) } else { Ok(course) }
}

fn answers(context: &Context, course: &Course) -> Result<(), Error> {
    let at_ms = course.at(context.io.now().wall_ms);
    if course.script.outage.is_some_and(|cycle| cycle.holds(at_ms)) {
        return Err(
            Error::new(ErrorKind::Unavailable, "connection_refused", "simulated: nobody answers").landed_as(Landed::No)
        );
    }
    Ok(())
}

fn too_many_calls() -> Error {
    Error::new(ErrorKind::RateLimited, "too_many_calls", "simulated: the cluster answers 429")
        .retry_as(Retry::After(Duration::from_secs(1)))
        .landed_as(Landed::No)
}

fn lost_answer() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "timeout", "simulated: the cluster did not answer in time")
        .landed_as(Landed::Perhaps)
}
