//! A captured pipeline inside Beam's job-server jar: what a cluster that runs jars runs a Python pipeline from.
//!
//! # Source
//! `PortablePipelineJarUtils` of Apache Beam 2.77 (Java) and `flink_uber_jar_job_server.py` (Python): the names of the
//! entries and their form.

use serde_json::{Map, Value, json};

use super::{capture, job_server};
use crate::{
    config::Target,
    effect::{Blob, Origin, Recipe, Source, Use},
    error::Error,
    job::Job,
    job_api::{
        environment::{ARTIFACTS, artifacts},
        structure,
    },
    runner::{Context, code::stage},
};

/// The pipeline as JSON, in the job's folder.
const PIPELINE: &str = "pipeline.json";
const PIPELINE_BYTES: u64 = 32 << 20;
/// Largest file that is staged for workers; what stages them bounds all of them together.
const ARTIFACT_BYTES: u64 = 256 << 20;
/// Largest jar.
const JAR_BYTES: u64 = 512 << 20;

/// Refuses a target whose configuration names no job-server jar.
///
/// # Errors
/// `unsupported`, reason `no_job_server`.
pub(super) fn check_target(target: &Target) -> Result<(), Error> {
    if target.job_server_jar.is_some() {
        return Ok(());
    }
    Err(Error::unsupported("no_job_server", "this target runs jars, and knows no job server for Python pipelines").suggest(
        "ask the operator to set `targets.<name>.job_server_jar` to Beam's job-server jar for this cluster, or use a \
         direct target",
    ))
}

/// The jar of the pipeline that [`capture::run`] kept, with the files that were staged for its workers; `complete` adds to
/// the options of the program.
///
/// # Errors
/// As [`capture::pipeline`]; `invalid_argument`, reason `no_pipeline`, for files it was not brought; `failed_precondition`, reason `no_job_server_jar`, when the configured file is not there.
pub(super) async fn build(
    context: &Context,
    job: &Job,
    complete: impl FnOnce(&mut Map<String, Value>),
) -> Result<Source, Error> {
    let prepare = capture::pipeline(context, job).await?;
    let mut options = structure::read(&prepare.options)?;
    complete(&mut options);
    let pipeline = capture::file(context, job, PIPELINE, PIPELINE_BYTES).await?;
    let manifest = json!({"defaultJobName": "pipeline"});
    let mut add = Vec::new();
    for (name, bytes) in [
        ("BEAM-PIPELINE/pipeline-manifest.json", text(&manifest)),
        ("BEAM-PIPELINE/pipeline/pipeline.json", pipeline),
        ("BEAM-PIPELINE/pipeline/pipeline-options.json", text(&options.into())),
    ] {
        let entry = used(job, Recipe::plain(Origin::Bytes(bytes), PIPELINE_BYTES));
        add.push((name.to_owned(), stage(&context.io, entry).await?.id));
    }
    for name in
        artifacts(&prepare.pipeline).map_err(|_| capture::failed("it needs files that were not staged for it"))?
    {
        let left = Origin::Left { job: job.token().to_owned(), name: name.clone() };
        let source = stage(&context.io, used(job, Recipe::plain(left, ARTIFACT_BYTES))).await?;
        add.push((format!("{ARTIFACTS}{name}"), source.id));
    }
    let base = Origin::JobServer(context.target.name.clone());
    let jar = used(job, Recipe { add, ..Recipe::plain(base, JAR_BYTES) });
    stage(&context.io, jar).await.map_err(no_jar)
}

fn used(job: &Job, recipe: Recipe) -> Recipe {
    Recipe { used: Some(Use { job: job.token().to_owned(), over: false }), ..recipe }
}

fn text(value: &Value) -> Blob {
    Blob::from(value.to_string().as_str())
}

fn no_jar(error: Error) -> Error {
    if error.reason() == "not_found" { job_server::missing().landed_as(error.landed()) } else { error }
}
