//! From a program to a running pipeline: prepare, build, submit.

use std::time::Duration;

use super::{
    flow::call,
    options::{self, OWN},
    request, response,
};
use crate::{
    effect::SourceId,
    error::{Error, Landed, Retry},
    job::{Job, JobSpec},
    job_api::message,
    runner::{
        Context, ResolvedOption, Submission, Submitted,
        outbound::in_time,
        python::{
            self, capture,
            environment::{environment_of_code, resolved_environment},
            staging,
        },
    },
};

const PREPARE: Duration = Duration::from_secs(30);

/// Resolves options, stages the code, and checks what can be checked without running it.
pub(super) async fn prepare(
    context: &Context,
    spec: &JobSpec,
    _token: &str,
    operator: bool,
) -> Result<Submission, Error> {
    if spec.pipeline.is_none() {
        staging::check(&context.target, spec)?;
    }
    let options = options::resolve(&context.target, spec, operator)?;
    if let Some(pipeline) = &spec.pipeline {
        resolved_environment(&options)?;
        return Ok(prepared(pipeline, options));
    }
    environment_of_code(&options)?;
    let (code, told) = python::code::staged(context, spec, "a job service here", operator).await?;
    let made = python::code::submission(spec, code, options, &OWN, operator)?;
    Ok(Submission { calls: request::planned(&made.argv), notes: notes(told), ..made })
}

/// The submission of a pipeline an SDK has built: no code of the caller's runs here.
fn prepared(pipeline: &str, options: Vec<ResolvedOption>) -> Submission {
    Submission {
        source: Some(SourceId(pipeline.to_owned())),
        sha256: pipeline.strip_prefix("sha256:").map(str::to_owned),
        calls: request::planned(&[]).split_off(1),
        options,
        ..Submission::default()
    }
}

fn notes(told: Vec<String>) -> Vec<String> {
    let known = [
        "the pipeline is known once the code has run up to `run()`; what follows that in the code does not run",
        "relative paths in options are relative to the folder of whoever reads them: the code's own, or a worker's",
        "whether the service can run the pipeline is known when it takes it",
    ];
    known.into_iter().map(str::to_owned).chain(told).collect()
}

/// Hands the pipeline over and starts it, once.
pub(super) async fn submit(context: &Context, job: &Job) -> Result<Submitted, Error> {
    let since = context.io.now();
    let prepare = request::marked(capture::pipeline(context, job).await?, job);
    let prepared = call(context, "Prepare", prepare.write(), PREPARE).await.map_err(not_prepared)?;
    let id = message::first_text(&prepared).map_err(|error| error.landed_as(Landed::No))?;
    in_time(job, since, context.io.now())?;
    let begun = call(context, "Run", message::about(&id), PREPARE).await?;
    let id = message::first_text(&begun).map_err(|error| error.landed_as(Landed::Perhaps))?;
    Ok(Submitted::Accepted { native_id: response::with_token(&id, job.token()) })
}

/// `Prepare` runs nothing, whatever became of it.
fn not_prepared(error: Error) -> Error {
    if error.reason() != "runner_error" {
        return error.landed_as(Landed::No);
    }
    Error::invalid("refused_by_service", error.message())
        .retry_as(Retry::Never)
        .suggest("change what the service names; list_runners shows other targets")
}
