//! `create_job`: an intent that is durable before anything is sent.

mod apply;
mod input;

pub(crate) use apply::refusal;
pub use input::Input;
pub(crate) use input::{is_off, replaces};

use serde_json::{Map, Value};

use super::{Context, Hints, Plan, Submitted, catalogue, registry::Define};
use crate::{
    auth::Scope,
    config::Target,
    error::Error,
    job::{JobId, JobSpec},
    random::{hex, hmac},
    runner::{Backend, PlannedCall, Submission},
    verb::idempotency::{Keyed, digest_of},
};

pub(super) struct CreateJob;

impl Define for CreateJob {
    const NAME: &'static str = "create_job";
    const TITLE: &'static str = "Submit a job";
    const DESCRIPTION: &'static str = "Submits a Beam pipeline to a target: a Python file, module or Beam YAML on any but \
        dataflow and simulator, a jar on flink and spark, a template or Beam YAML on dataflow, a script on simulator. code_path is a path on the server or artifact:sha256:<hex>. Send an \
        idempotency_key so that a repeated call makes no second job; dry_run shows the plan. Then use \
        wait_for_change.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    type Input = Input;
    type Output = Submitted;

    async fn run(context: Context, input: Input) -> Result<Submitted, Error> {
        let ask = Ask { key: input.idempotency_key.clone(), dry_run: input.dry_run, digest: input.plan_digest.clone() };
        let profile = match &input.context_id {
            Some(id) => Some(catalogue::usable(&context, id).await),
            None => None,
        };
        let meant = input.normalise(&context.state.config, profile)?;
        submit_asked(context, digest_of(&meant.asked), meant.meant, ask, Self::NAME).await
    }
}

/// A pipeline that an SDK has sent to our own Job API.
pub(crate) struct Prepared {
    /// Name for people.
    pub(crate) name: String,
    /// The staged request of `Prepare`: `sha256:<hex>`.
    pub(crate) source: String,
    /// Makes a repeated `Run` answer with the job of the first.
    pub(crate) key: String,
}

/// Submits a pipeline that an SDK has sent to our own Job API.
///
/// # Errors
/// As `create_job`.
pub(crate) async fn submit_prepared(context: Context, target: &Target, prepared: Prepared) -> Result<Submitted, Error> {
    let spec = JobSpec {
        job_name: prepared.name,
        target: target.name.clone(),
        pipeline: Some(prepared.source),
        ..JobSpec::default()
    };
    let ask = Ask { key: Some(prepared.key), dry_run: false, digest: None };
    submit(context, spec, target, ask, CreateJob::NAME).await
}

/// How a submission was asked for.
pub(super) struct Ask {
    pub(super) key: Option<String>,
    pub(super) dry_run: bool,
    pub(super) digest: Option<String>,
}

/// Plans a submission and carries it out, or answers with the plan.
pub(super) async fn submit(
    context: Context,
    spec: JobSpec,
    target: &Target,
    ask: Ask,
    verb: &'static str,
) -> Result<Submitted, Error> {
    submit_asked(context, digest_of(&spec), Ok((spec, target.clone())), ask, verb).await
}

/// The same; `said` is the digest of what the caller said, and a repeated call needs no preset or context that still is
/// there.
async fn submit_asked(
    context: Context,
    said: String,
    meant: Result<(JobSpec, Target), Error>,
    ask: Ask,
    verb: &'static str,
) -> Result<Submitted, Error> {
    let mut keyed = Keyed::new(&context, verb, ask.key.as_deref(), said)?;
    if let Some(id) = keyed.subject(&context).await? {
        return apply::replay(&context, &JobId::parse(&id)?).await;
    }
    let (spec, target) = meant?;
    let token = token(&context, &target, ask.key.as_deref());
    let submission =
        context.runner(&target.name)?.prepare(&spec, &token, context.call.caller.may(Scope::Admin)).await?;
    let plan = plan(&spec, &submission, &token);
    plan.confirm(ask.digest.as_deref())?;
    if ask.dry_run {
        return Ok(Submitted { plan: Some(plan.shown_to(&context.call.caller)), ..Submitted::default() });
    }
    let id = JobId::own(&target.name, &token);
    apply::apply(&context, &mut keyed, id, &target, spec, submission, verb).await
}

/// Minted once; where nothing is stored, the same for the same key.
fn token(context: &Context, target: &Target, key: Option<&str>) -> String {
    match key.filter(|_| !context.state.host.durable) {
        None => context.call.seed.hex128("job"),
        Some(key) => {
            let parts = [context.call.caller.tenant.as_bytes(), target.name.as_bytes(), key.as_bytes()];
            hex(hmac(b"job", &parts).get(..16).unwrap_or_default())
        }
    }
}

fn plan(spec: &JobSpec, submission: &Submission, token: &str) -> Plan {
    let unnamed = |call: &PlannedCall| PlannedCall { body: without(&call.body, token), ..call.clone() };
    let code = submission.file_name.as_deref().or(spec.module.as_deref()).unwrap_or("a script");
    let preset = spec.preset.as_ref().map(|name| format!(" as its preset `{name}` has it")).unwrap_or_default();
    let profile =
        spec.context_id.as_ref().map(|id| format!(" with the options of the context `{id}`")).unwrap_or_default();
    let plan = Plan {
        summary: format!("submit `{}` ({code}) to target `{}`{preset}{profile}", spec.job_name, spec.target),
        calls: submission.calls.iter().map(unnamed).collect(),
        options: submission.options.clone(),
        changes: changes(spec, submission),
        unknown: submission.notes.clone(),
        ..Plan::default()
    };
    plan.sealed(submission.sha256.as_deref().unwrap_or_default())
}

/// What there is when the runner has taken it.
fn changes(spec: &JobSpec, submission: &Submission) -> Vec<String> {
    let replaced = submission.settings.get("replaces").and_then(Value::as_str);
    let change = match replaced {
        Some(id) => format!("the running job `{id}` on `{}` ends, and a new one goes on with its state", spec.target),
        None => format!("a new job on `{}`", spec.target),
    };
    let start = spec.savepoint_path.as_ref().map(|path| format!("it starts from `{path}`"));
    [change].into_iter().chain(start).collect()
}

/// A body without the job's token, which is drawn anew for each call: a plan that is made again is the one that was
/// confirmed.
fn without(body: &Value, token: &str) -> Value {
    match body {
        Value::String(text) => text.replace(token, "{job}").into(),
        Value::Array(items) => items.iter().map(|item| without(item, token)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), without(value, token))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_names_no_token_that_is_drawn_for_each_call() {
        let spec = JobSpec::default();
        let of = |token: &str| {
            let body = json!({"jobId": token, "properties": {"name": format!("a-{token}")}, "args": [1, token]});
            let calls = vec![PlannedCall { call: "POST /run".into(), purpose: String::new(), body }];
            plan(&spec, &Submission { calls, ..Submission::default() }, token)
        };
        assert_eq!(of("01ab"), of("02cd"));
        assert_eq!(of("01ab").calls[0].body["properties"]["name"], "a-{job}");
    }
}
