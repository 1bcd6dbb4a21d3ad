//! `adopt_job`: the operator has found a job on the runner that nobody could explain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Changed, Context, Hints, Plan,
    registry::Define,
    resolve::{self, Ask},
};
use crate::{
    auth::Scope,
    error::{Error, ErrorKind},
    job::{Job, JobId},
    lifecycle::{Seen, observe},
    runner::{Backend, Bearer, Look, Sighting},
    store::{Owner, Stored, Write, job_removal, owner_key},
};

/// Input of `adopt_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job that is `PARKED`, `SUBMIT_UNKNOWN` or `LOST`.
    pub job_id: String,
    /// The runner's own id of the job it shows.
    pub native_id: String,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// Makes a repeated call answer as the first.
    pub idempotency_key: Option<String>,
    /// Only show the plan.
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    pub plan_digest: Option<String>,
}

#[derive(Serialize)]
struct Said<'a> {
    job_id: &'a str,
    native_id: &'a str,
}

pub(super) struct AdoptJob;

impl Define for AdoptJob {
    const NAME: &'static str = "adopt_job";
    const TITLE: &'static str = "Adopt a job found on the runner";
    const DESCRIPTION: &'static str = "Binds a job that is PARKED, SUBMIT_UNKNOWN or LOST to a job the runner shows, by \
        the runner's own id. The runner is asked first, and must show it. For operators.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Write;
    const TOOL: bool = false;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        let said = Said { job_id: &input.job_id, native_id: &input.native_id };
        let ask = Ask {
            verb: Self::NAME,
            job_id: JobId::parse(&input.job_id)?,
            reason: resolve::reason(input.reason.as_deref())?,
            key: input.idempotency_key.as_deref(),
            dry_run: input.dry_run,
            plan_digest: input.plan_digest.as_deref(),
            digest: super::idempotency::digest_of(&said),
        };
        let mut keyed = ask.keyed(&context)?;
        if let Some(before) = ask.replayed(&context, &mut keyed).await? {
            return Ok(before);
        }
        let job = resolve::open_job(&context, &ask.job_id, resolve::UNEXPLAINED).await?;
        let sighting = shown(&context, &job.value, &input.native_id).await?;
        let extra = freed(&context, &job.value, &sighting).await?;
        let plan = plan(&job.value, &sighting);
        if let Some(answer) = ask.confirm(&plan)? {
            return Ok(answer);
        }
        let seen = Seen::new(Look::Seen(sighting), context.now_ms());
        let mut new = job.value.clone();
        // As from LOST, any state the runner shows may follow.
        (new.native_id, new.state) = (Some(input.native_id.clone()), crate::job::JobState::Lost);
        observe(&mut new, &seen);
        ask.apply(&context, &job, new, extra, &keyed).await
    }
}

/// The job as the runner shows it under this id.
async fn shown(context: &Context, job: &Job, native_id: &str) -> Result<Sighting, Error> {
    JobId::parse(&JobId::foreign(job.id.target(), native_id).to_string()).map_err(|_| bad_native_id(native_id))?;
    let there = Job { native_id: Some(native_id.to_owned()), ..job.clone() };
    match context.runner(job.id.target())?.look(&there).await? {
        Look::Seen(sighting) if sighting.native_id == native_id && sighting.state.is_some() => Ok(sighting),
        Look::Seen(_) | Look::Absent => {
            Err(Error::precondition("not_on_the_runner", "the runner shows no job under this id")
                .with("native_id", native_id)
                .suggest("list_jobs shows what the target runs; take `native_id` from there"))
        }
    }
}

fn bad_native_id(native_id: &str) -> Error {
    Error::invalid("bad_native_id", "a native id is letters, digits and `-_.`, at most 256")
        .with("native_id", native_id)
        .suggest("take `native_id` from list_jobs")
}

/// The writes that free the runner's job from whatever it was known as; another job of ours is not given away, by its id
/// or by the token it bears: that one may not have been found yet.
async fn freed(context: &Context, job: &Job, sighting: &Sighting) -> Result<Vec<Write>, Error> {
    let native_id = &sighting.native_id;
    let token = borne(context, job, sighting).await?;
    for known_as in [Some(native_id), token.as_ref()].into_iter().flatten() {
        let owner = context.rows.read::<Owner>(owner_key(job.id.target(), known_as)).await?;
        if owner.is_some_and(|owner| owner.value.job_id != job.id || owner.value.tenant != context.rows.tenant()) {
            return Err(already_bound(native_id));
        }
    }
    let foreign: Option<Stored<Job>> = context.rows.find_job(&JobId::foreign(job.id.target(), native_id)).await?;
    Ok(foreign.map(|foreign| job_removal(context.rows.tenant(), &foreign)).unwrap_or_default())
}

/// The token the runner's job bears. One that cannot be read now is left to the operator, who is there to know better.
async fn borne(context: &Context, job: &Job, sighting: &Sighting) -> Result<Option<String>, Error> {
    let runner = context.runner(job.id.target())?;
    if sighting.token.is_some() || !runner.identity().is_marker() {
        return Ok(sighting.token.clone());
    }
    match runner.bearer(sighting).await? {
        Bearer::Token(token) => Ok(Some(token)),
        Bearer::Nothing | Bearer::Unreadable => Ok(None),
    }
}

fn already_bound(native_id: &str) -> Error {
    Error::new(ErrorKind::Conflict, "already_bound", "the runner's job belongs to another job already")
        .with("native_id", native_id)
        .suggest("list_jobs shows which; abandon this one if the other is it")
}

fn plan(job: &Job, sighting: &Sighting) -> Plan {
    let named = sighting.name.as_deref().unwrap_or_default();
    let plan = Plan {
        summary: format!("take `{}` ({named}) on `{}` for this job", sighting.native_id, job.id.target()),
        changes: vec![
            format!("the job is bound to `{}`, which is {}", sighting.native_id, sighting.runner_state),
            "a job listed as found there is not listed by itself any more".into(),
        ],
        unknown: vec!["whether what runs there is what was submitted: the runner does not say who started it".into()],
        ..Plan::default()
    };
    plan.sealed(&format!("{} {} {}", job.id, job.generation, sighting.native_id))
}
