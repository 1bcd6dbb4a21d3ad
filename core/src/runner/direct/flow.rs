//! The sequences: what is asked of the host for each call, in order.

use std::time::Duration;

use serde_json::{Map, json};

use super::{argv, metrics, request, response};
use crate::{
    effect::{Fact, Handle, Query, Signal},
    error::{Error, ErrorKind, Landed},
    job::{Job, JobSpec, LogPage, LogQuery, Metrics, Operation, OperationState},
    runner::{
        Begun, Capability, Context, Look, Probe, Progress, Submission, Submitted, code,
        python::{self, child_log, code::Code, environment, handed, interpreter, outline},
    },
};

/// How long a process has after SIGTERM before its group is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Asks whether the target's interpreter is there and which Beam it can import; starts nothing that lasts.
pub(super) async fn probe(context: &Context) -> Result<Probe, Error> {
    match program(context).await? {
        Some(Fact::Program { found, version, beam_version, yaml }) => {
            Ok(probed(context, found, version.as_deref(), beam_version, yaml))
        }
        _ => Err(Error::misuse("no fact about the program")),
    }
}

async fn program(context: &Context) -> Result<Option<Fact>, Error> {
    interpreter::program(context).await.map_err(only_on_a_server)
}

pub(in crate::runner) const CAPABILITIES: &[Capability] = {
    use Capability as C;
    &[C::Batch, C::Streaming, C::PythonSubmit, C::YamlSubmit, C::Cancel, C::Logging]
};

pub(in crate::runner) fn refusal(lacks: Capability) -> Option<Error> {
    let operation = lacks.refused_by(request::supports);
    operation.or_else(|| python::code::recipe(&lacks.sample()?, "Direct").err())
}

fn probed(context: &Context, found: bool, python: Option<&str>, beam: Option<String>, yaml: bool) -> Probe {
    use Capability as C;
    let mut facts = Map::new();
    facts.insert("python_version".into(), json!(python));
    facts.insert("prism".into(), json!(context.target.prism.is_some()));
    facts.insert("max_jobs".into(), json!(context.target.max_jobs.unwrap_or(crate::config::DEFAULT_MAX_JOBS)));
    let warning = if !found {
        Some("the target's `python` cannot be started: set `targets.<name>.python` to an interpreter with apache_beam")
    } else if beam.is_none() {
        Some("the target's `python` cannot import apache_beam: install it there, or set `targets.<name>.python`")
    } else {
        None
    };
    // What ran before may still run, and is canceled and read without the interpreter.
    let submits = found && beam.is_some();
    let has = |one: &&C| match one {
        C::PythonSubmit => submits,
        C::YamlSubmit => submits && yaml,
        _ => true,
    };
    let capabilities = CAPABILITIES.iter().filter(has).copied().collect();
    Probe { version: beam, capabilities, facts, warnings: warning.into_iter().map(str::to_owned).collect() }
}

pub(super) async fn prepare(
    context: &Context,
    spec: &JobSpec,
    token: &str,
    operator: bool,
) -> Result<Submission, Error> {
    let mut options = argv::resolve(&context.target, spec, operator)?;
    if let Some(handed) = handed::read(context, spec).await? {
        argv::check_handed(&mut options)?;
        interpreter::check(program(context).await?.as_ref())?;
        let code = handed::staged(context, handed, &environment::embedded(), token).await?;
        return request::submission(spec, code, options, operator);
    }
    let source = match python::code::recipe(spec, "Direct")? {
        Some(recipe) => Some(code::stage(&context.io, recipe).await.map_err(only_on_a_server)?),
        None => None,
    };
    let code = python::code::code(spec, source, &context.target, operator)?;
    let yaml = if let Code::Yaml(source) = &code { Some(source.clone()) } else { None };
    if let Some(source) = &yaml {
        outline::check(source)?;
    }
    let made = request::submission(spec, code, options, operator)?;
    let said = program(context).await?;
    interpreter::check(said.as_ref())?;
    if let Some(source) = &yaml {
        outline::check_program(source, said.as_ref())?;
    }
    Ok(made)
}

/// Starts the child, which waits. The host refuses a second start of one folder.
pub(super) async fn submit(context: &Context, job: &Job) -> Result<Submitted, Error> {
    let launch = python::code::launch(&context.target, job)?;
    let folder = launch.folder.clone();
    let held = context.io.launch(launch).await.map_err(only_on_a_server)?.map_err(|refusal| code::refused(&refusal))?;
    Ok(Submitted::Held { handle: Handle { folder, pid: held.pid, start_time: held.start_time } })
}

pub(super) async fn release(context: &Context, job: &Job) -> Result<(), Error> {
    context.io.signal(handle(job)?, Signal::Release).await.map_err(only_on_a_server)
}

pub(super) async fn look(context: &Context, job: &Job) -> Result<Look, Error> {
    if job.handle.is_none() {
        return Ok(Look::Absent);
    }
    let known = observe(context, job).await?;
    if response::never_ran(job, &known) { Ok(Look::Absent) } else { Ok(Look::Seen(response::sighting(job, &known))) }
}

async fn observe(context: &Context, job: &Job) -> Result<response::Known, Error> {
    let queries = vec![Query::Alive, Query::Result];
    let facts = context.io.observe(handle(job)?, queries).await.map_err(only_on_a_server)?;
    Ok(response::known(&facts))
}

pub(super) async fn begin(context: &Context, job: &Job, operation: &Operation) -> Result<Begun, Error> {
    request::supports(operation.kind)?;
    let signal = if operation.force { Signal::Kill } else { Signal::Term };
    context.io.signal(handle(job)?, signal).await.map_err(only_on_a_server)?;
    Ok(Begun::Accepted)
}

/// Done when the process is gone; kills its group when it outlived [`GRACE`].
pub(super) async fn progress(
    context: &Context,
    job: &Job,
    operation: &Operation,
    silent: Duration,
) -> Result<Progress, Error> {
    request::supports(operation.kind)?;
    let known = observe(context, job).await?;
    if !known.alive {
        return Ok(gone(&known));
    }
    if operation.force || silent >= GRACE {
        context.io.signal(handle(job)?, Signal::Kill).await?;
        return Ok(Progress::new(OperationState::InProgress).because("still alive after SIGTERM: SIGKILL was sent"));
    }
    Ok(Progress::new(OperationState::InProgress).because("SIGTERM was sent"))
}

fn gone(known: &response::Known) -> Progress {
    match &known.result {
        Some(result) => Progress::new(OperationState::Failed)
            .because(format!("the job had ended by itself: {}", response::end_word(result))),
        None => Progress::new(OperationState::Succeeded),
    }
}

pub(super) async fn metrics(context: &Context, job: &Job) -> Result<Metrics, Error> {
    let known = observe(context, job).await?;
    Ok(metrics::metrics(known, context.io.now().wall_ms))
}

pub(super) async fn logs(context: &Context, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
    child_log::read(context, handle(job)?, job, query, None).await.map_err(only_on_a_server)
}

fn handle(job: &Job) -> Result<Handle, Error> {
    job.handle.clone().ok_or_else(python::code::not_ours)
}

/// Hosts without files and processes answer `unsupported`; what that means here.
fn only_on_a_server(error: Error) -> Error {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    Error::unsupported("unsupported_by_host", "Direct runs only on a beam-mcp-server: this host starts no processes")
        .suggest("start a beam-mcp-server where the code is, or submit to a target of another runner")
        .landed_as(Landed::No)
}
