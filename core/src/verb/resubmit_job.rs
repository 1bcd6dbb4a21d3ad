//! `resubmit_job`: the operator has a parked submission sent again, as a new generation under a new token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Changed, Context, Hints, Plan,
    registry::Define,
    resolve::{self, Ask},
};
use crate::{
    auth::Scope,
    error::Error,
    job::{Job, JobId, JobState, OperationKind, token_of},
    lifecycle::drive_submission,
    runner::{Backend, Look, Submission},
};

/// Input of `resubmit_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job that is `PARKED`.
    pub job_id: String,
    /// Why the first submission is known not to have arrived; kept in the audit.
    pub reason: String,
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
    reason: &'a str,
}

pub(super) struct ResubmitJob;

impl Define for ResubmitJob {
    const NAME: &'static str = "resubmit_job";
    const TITLE: &'static str = "Submit a parked job again";
    const DESCRIPTION: &'static str = "Submits a PARKED job again under a new token, as its next generation. If the \
        first submission shows up after all, it is canceled on the runner; until then both may run. Refused while the \
        runner shows the job. For operators.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    const TOOL: bool = false;
    type Input = Input;
    type Output = Changed;

    async fn run(context: Context, input: Input) -> Result<Changed, Error> {
        let reason = resolve::reason(Some(&input.reason))?.unwrap_or_default();
        let said = Said { job_id: &input.job_id, reason: &reason };
        let ask = Ask {
            verb: Self::NAME,
            job_id: JobId::parse(&input.job_id)?,
            reason: Some(reason.clone()),
            key: input.idempotency_key.as_deref(),
            dry_run: input.dry_run,
            plan_digest: input.plan_digest.as_deref(),
            digest: super::idempotency::digest_of(&said),
        };
        let mut keyed = ask.keyed(&context)?;
        if let Some(before) = ask.replayed(&context, &mut keyed).await? {
            return Ok(before);
        }
        let job = resolve::open_job(&context, &ask.job_id, &[JobState::Parked]).await?;
        nobody_ends(&job.value)?;
        absent(&context, &job.value).await?;
        let submission = prepared(&context, &job.value).await?;
        let plan = plan(&job.value, &submission).shown_to(&context.call.caller);
        if let Some(answer) = ask.confirm(&plan)? {
            return Ok(answer);
        }
        let mut new = job.value.clone();
        new.begin_generation(context.rows.tenant(), submission, context.now_ms());
        new.diagnostics = format!("resubmitted by {}: {reason}", context.call.caller.principal);
        ask.apply(&context, &job, new, Vec::new(), &keyed).await?;
        // A refusal is in the row; what is unfinished goes on with the reconciler.
        match drive_submission(&context, &ask.job_id).await {
            Ok(job) => resolve::changed(&context, &job.value),
            Err(error) if error.gave_up() => Err(error),
            Err(_) => resolve::changed(&context, &context.rows.job(&ask.job_id).await?.value),
        }
    }
}

fn nobody_ends(job: &Job) -> Result<(), Error> {
    if job.ending() != Some(OperationKind::Cancel) {
        return Ok(());
    }
    Err(Error::precondition("cancel_asked_for", "a cancel of the job was asked for")
        .suggest("wait for it with get_operation, or abandon the job"))
}

/// A submission that shows up now is the job; nothing is sent beside it.
async fn absent(context: &Context, job: &Job) -> Result<(), Error> {
    match context.runner(job.id.target())?.look(job).await? {
        Look::Absent => Ok(()),
        Look::Seen(sighting) => Err(Error::precondition("on_the_runner", "the runner shows the job")
            .with("runner_state", sighting.runner_state)
            .suggest("read it with get_job")),
    }
}

/// The same code under the token of the next generation.
async fn prepared(context: &Context, job: &Job) -> Result<Submission, Error> {
    let (Some(spec), Some(before)) = (&job.spec, &job.submission) else {
        return Err(Error::precondition("not_ours", "the job was not submitted through beam-mcp"));
    };
    let token = token_of(context.rows.tenant(), &job.id, job.generation + 1);
    let operator = context.call.caller.may(Scope::Admin);
    let submission = context.runner(job.id.target())?.prepare(spec, &token, operator).await?;
    if submission.code_sha256() == before.code_sha256() {
        return Ok(submission);
    }
    Err(Error::precondition("code_changed", "the code is not what was submitted first")
        .suggest("put the code back, or abandon this job and submit the new code with create_job"))
}

fn plan(job: &Job, submission: &Submission) -> Plan {
    let plan = Plan {
        summary: format!("submit `{}` to `{}` again", job.name, job.id.target()),
        calls: submission.calls.clone(),
        options: submission.options.clone(),
        changes: vec![
            format!("generation {} of the job, under a token of its own", job.generation + 1),
            "if an earlier submission shows up on the runner, it is canceled there".into(),
        ],
        unknown: [
            "whether an earlier submission arrived: until it is seen and canceled, two may run".to_owned(),
            "what an earlier submission has written, if it ran and ended unseen".to_owned(),
        ]
        .into_iter()
        .chain(submission.notes.clone())
        .collect(),
        ..Plan::default()
    };
    plan.sealed(&format!("{} {}", job.id, job.generation))
}
