//! `restore_job`: a new submission of a job's spec, from a savepoint.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Context, Hints, Submitted,
    create_job::{Ask, submit},
    registry::Define,
};
use crate::{
    auth::Scope,
    config::Target,
    error::Error,
    job::{Job, JobId, JobSpec},
    runner::options::same,
};

/// Input of `restore_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job to start again; it must have been submitted through beam-mcp.
    pub job_id: String,
    /// Savepoint or checkpoint; default: its last.
    #[serde(alias = "location")]
    pub savepoint_path: Option<String>,
    /// Name of the new job; default: the same.
    pub job_name: Option<String>,
    /// Options that replace those of the same name.
    #[serde(alias = "options")]
    pub pipeline_options: Map<String, Value>,
    /// Parallelism of the new job.
    pub parallelism: Option<u32>,
    /// New code; default: the same.
    pub code_path: Option<String>,
    /// Start although the savepoint holds state the pipeline no longer has.
    pub allow_non_restored_state: bool,
    /// Makes a repeated call answer with the job of the first.
    pub idempotency_key: Option<String>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

pub(super) struct RestoreJob;

impl Define for RestoreJob {
    const NAME: &'static str = "restore_job";
    const TITLE: &'static str = "Restore a job";
    const DESCRIPTION: &'static str = "Submits a job again from a savepoint, as a new job with a new id; options, code \
        and parallelism may change. The old job must have ended, or two would work on the same input.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    type Input = Input;
    type Output = Submitted;

    async fn run(context: Context, input: Input) -> Result<Submitted, Error> {
        let old = context.rows.job(&JobId::parse(&input.job_id)?).await?.value;
        let ask = Ask { key: input.idempotency_key.clone(), dry_run: input.dry_run, digest: input.plan_digest.clone() };
        let mut spec = restored(&old, input)?;
        let target = context.state.config.target(Some(&spec.target))?.clone();
        replace_none(&mut spec, &target);
        submit(context, spec, &target, ask, Self::NAME).await
    }
}

fn restored(old: &Job, input: Input) -> Result<JobSpec, Error> {
    if !old.state.is_terminal() && old.state != crate::job::JobState::Lost {
        return Err(Error::precondition("job_runs", "the job has not ended; two jobs would work on the same input")
            .suggest("end it first with cancel_job mode stop"));
    }
    let mut spec = old.spec.as_deref().cloned().ok_or_else(|| {
        Error::precondition("not_ours", "the job was not submitted through beam-mcp, so its code is not known")
            .suggest("submit it with create_job and `savepoint_path`")
    })?;
    let checkpoint = old.checkpoint.as_ref().map(|kept| &kept.path);
    let own = [checkpoint, old.savepoint_path.as_ref()].into_iter().flatten();
    let savepoint = input.savepoint_path.or(own.clone().next().cloned()).ok_or_else(|| {
        Error::precondition("no_savepoint", "no savepoint was named and the job has none")
            .suggest("send `savepoint_path`")
    })?;
    spec.own_savepoint = own.into_iter().any(|path| *path == savepoint);
    spec.savepoint_path = Some(savepoint);
    spec.job_name = input.job_name.unwrap_or(spec.job_name);
    if input.code_path.is_some() {
        // Other code takes the place of it, in whichever form that was.
        (spec.pipeline, spec.module, spec.yaml) = (None, None, None);
    }
    spec.code_path = input.code_path.or(spec.code_path);
    spec.allow_non_restored_state = input.allow_non_restored_state;
    // The old job may have replaced another one; a job that starts from a savepoint replaces none, unless that is said now.
    for options in [&mut spec.pipeline_options, &mut spec.preset_options] {
        options.retain(|name, _| !same(name, "update"));
    }
    let parallelism = input.parallelism.map(|value| ("parallelism".to_owned(), value.into()));
    for (name, value) in input.pipeline_options.into_iter().chain(parallelism) {
        take_place(&mut spec.pipeline_options, name, value);
    }
    Ok(spec)
}

/// Beam's `update` replaces the running job of that name: only where the caller says so now, not where the target does.
fn replace_none(spec: &mut JobSpec, target: &Target) {
    let says = |options: &Map<String, Value>| options.keys().any(|name| same(name, "update"));
    if says(&target.options) && !says(&spec.pipeline_options) {
        spec.pipeline_options.insert("update".to_owned(), false.into());
    }
}

/// Puts an option in the place of that of the same name, in whichever spelling.
pub(super) fn take_place(options: &mut Map<String, Value>, name: String, value: Value) {
    options.retain(|old, _| !same(old, &name));
    options.insert(name, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{config::RunnerKind, job::JobState};

    #[test]
    fn new_code_takes_the_place_of_a_pipeline_that_was_handed_over() {
        let id = JobId::own("flink", &"a".repeat(32));
        let spec = JobSpec { pipeline: Some("sha256:aa".into()), ..JobSpec::default() };
        let intended = Job::intended(id, RunnerKind::Flink, "p", spec, 1);
        let old = Job { state: JobState::Canceled, ..intended };
        let asked = |code_path: Option<&str>| {
            let code_path = code_path.map(str::to_owned);
            let input = Input { savepoint_path: Some("file:/s".into()), code_path, ..Input::default() };
            let spec = restored(&old, input).unwrap();
            (spec.pipeline, spec.code_path)
        };
        assert_eq!(asked(None), (Some("sha256:aa".into()), None));
        assert_eq!(asked(Some("new.py")), (None, Some("new.py".into())));
    }

    #[test]
    fn a_job_that_replaced_another_is_restored_as_a_new_one() {
        let options = |text: &str| -> Map<String, Value> { serde_json::from_str(text).unwrap() };
        let spec = JobSpec {
            pipeline_options: options(r#"{"update": true, "x": 1}"#),
            preset_options: options(r#"{"--update": "true"}"#),
            savepoint_path: Some("s".into()),
            ..JobSpec::default()
        };
        let intended = Job::intended(JobId::own("cloud", &"a".repeat(32)), RunnerKind::Dataflow, "p", spec, 1);
        let old = Job { state: JobState::Canceled, savepoint_path: Some("s".into()), ..intended };
        let spec = restored(&old, Input::default()).unwrap();
        assert_eq!((Value::Object(spec.pipeline_options), spec.preset_options.len()), (json!({"x": 1}), 0));
        let asked = Input { pipeline_options: options(r#"{"update": true}"#), ..Input::default() };
        assert_eq!(restored(&old, asked).unwrap().pipeline_options.get("update"), Some(&json!(true)));
    }

    #[test]
    fn an_option_takes_the_place_of_its_other_spelling() {
        let mut options: Map<String, Value> = serde_json::from_value(json!({"tempLocation": "a", "x": 1})).unwrap();
        take_place(&mut options, "temp_location".into(), json!("b"));
        assert_eq!(Value::Object(options), json!({"temp_location": "b", "x": 1}));
    }

    #[test]
    fn a_target_that_replaces_does_not_make_a_restore_replace() {
        let config = json!({"targets": {"cloud": {"runner": "dataflow", "project": "acme-prod", "region": "us-central1",
            "options": {"Update": true}}}});
        let config = crate::config::Config::from_json(&config).unwrap();
        let target = config.target(Some("cloud")).unwrap();
        let mut spec = JobSpec::default();
        replace_none(&mut spec, target);
        assert_eq!(spec.pipeline_options.get("update"), Some(&json!(false)));
        let says_so = Map::from_iter([("update".to_owned(), true.into())]);
        let mut asked = JobSpec { pipeline_options: says_so.clone(), ..JobSpec::default() };
        replace_none(&mut asked, target);
        assert_eq!(asked.pipeline_options, says_so);
    }
}
