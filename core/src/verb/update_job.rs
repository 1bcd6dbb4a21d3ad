//! `update_job`: S0's door to scaling.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Changed, Context, Hints,
    create_job::{Ask, submit},
    operate::How,
    registry::Define,
    restore_job,
    scale_job::scale,
};
use crate::{
    auth::Scope,
    config::RunnerKind,
    error::Error,
    job::JobId,
    runner::{dataflow, options_are_fixed},
};

/// Input of `update_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job.
    pub job_id: String,
    /// What changes.
    pub scaling: Scaling,
    /// Options to change: on Dataflow a streaming job is replaced in place by another one that has its state; refused
    /// elsewhere.
    pub update_options: Map<String, Value>,
    /// Makes a repeated call answer with the operation of the first.
    pub idempotency_key: Option<String>,
    /// Longest to wait for the runner to show it, in seconds; default 20.
    pub wait_seconds: Option<f64>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

/// New size of a job. The names of the seeds mean the same on a runner that scales by parallelism.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Scaling {
    /// Parallelism of every step.
    pub parallelism: Option<u32>,
    /// Same as `parallelism`.
    pub num_workers: Option<u32>,
    /// Largest number of workers; same as `parallelism`.
    pub max_workers: Option<u32>,
    /// Smallest number of workers; only 1 is possible on Flink, any up to `max_workers` on Dataflow.
    pub min_workers: Option<u32>,
}

pub(super) struct UpdateJob;

impl Define for UpdateJob {
    const NAME: &'static str = "update_job";
    const TITLE: &'static str = "Update a job";
    const DESCRIPTION: &'static str = "Changes a running job: its scaling, the same as scale_job; on Dataflow also its \
        options, by replacing it in place with a new job that has its state. Elsewhere use restore_job to start again \
        from a savepoint with other options.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        if !input.update_options.is_empty() {
            return Box::pin(replace(context, input)).await;
        }
        let least = least(&context, &input)?;
        let how = How {
            verb: Self::NAME,
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            plan_digest: input.plan_digest,
            wait_seconds: input.wait_seconds,
            ..How::default()
        };
        scale(&context, &input.job_id, (least, parallelism(&input.scaling)?), how).await
    }
}

/// Options change by replacing the job in place, on a runner that does that: another job with the same name and state.
async fn replace(context: Context, input: Input) -> Result<Changed, Error> {
    let old = context.rows.job(&JobId::parse(&input.job_id)?).await?.value;
    let named = dataflow::name_of(&old).filter(|_| old.runner == RunnerKind::Dataflow).map(str::to_owned);
    let (Some(name), Some(mut spec)) = (named, old.spec.as_deref().cloned()) else {
        let option = input.update_options.keys().next().map(String::as_str).unwrap_or_default();
        return Err(options_are_fixed().with("option", option));
    };
    if input.scaling != Scaling::default() {
        return Err(Error::invalid("two_changes", "`scaling` changes a job, `update_options` replaces it")
            .suggest("send one of them"));
    }
    (spec.job_name, spec.savepoint_path) = (name, None);
    for (name, value) in input.update_options.into_iter().chain([("update".to_owned(), true.into())]) {
        restore_job::take_place(&mut spec.pipeline_options, name, value);
    }
    let target = context.state.config.target(Some(&spec.target))?.clone();
    let ask = Ask { key: input.idempotency_key, dry_run: input.dry_run, digest: input.plan_digest };
    let mut changed = Changed::replaced(submit(context, spec, &target, ask, UpdateJob::NAME).await?);
    changed.notes.push(format!("the job {} is replaced in place by another one, which this answer is about", old.id));
    Ok(changed)
}

/// The smallest number of workers, where the runner chooses between bounds.
fn least(context: &Context, input: &Input) -> Result<Option<u32>, Error> {
    let job = JobId::parse(&input.job_id)?;
    let bounded = context.state.target(job.target()).is_some_and(|target| target.runner == RunnerKind::Dataflow);
    match input.scaling.min_workers {
        None | Some(1) => Ok(None),
        least if bounded => Ok(least),
        Some(_) => Err(Error::unsupported("lower_bound_is_one", "`min_workers` other than 1 cannot be promised")),
    }
}

fn parallelism(scaling: &Scaling) -> Result<u32, Error> {
    let named = [scaling.parallelism, scaling.num_workers, scaling.max_workers];
    let mut values = named.into_iter().flatten();
    let first = values.next().ok_or_else(|| {
        Error::invalid("nothing_to_update", "no change was named").suggest("send {\"scaling\": {\"parallelism\": 4}}")
    })?;
    if values.any(|other| other != first) {
        return Err(super::create_savepoint::contradiction("parallelism", "num_workers` or `max_workers"));
    }
    Ok(first)
}
