//! `abandon_job`: the operator declares that a job nobody can explain does not run.

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
    job::{EndedBy, Job, JobId, JobState, Operation, OperationKind, OperationState, Phase},
    runner::{Backend, Look},
    store::{Write, operation_write},
};

/// Input of `abandon_job`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The job that is `PARKED`, `SUBMIT_UNKNOWN` or `LOST`.
    pub job_id: String,
    /// Why it is known not to run; kept with the job and in the audit.
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

pub(super) struct AbandonJob;

impl Define for AbandonJob {
    const NAME: &'static str = "abandon_job";
    const TITLE: &'static str = "Declare a job not running";
    const DESCRIPTION: &'static str = "Ends a job that is PARKED, SUBMIT_UNKNOWN or LOST without the runner's word: \
        FAILED, or CANCELED where a cancel was asked for. Refused while the runner shows it. What shows up there later \
        is canceled. For operators.";
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
        let job = resolve::open_job(&context, &ask.job_id, resolve::UNEXPLAINED).await?;
        let silent = not_shown(&context, &job.value).await?;
        let plan = plan(&job.value, silent.as_deref());
        if let Some(answer) = ask.confirm(&plan)? {
            return Ok(answer);
        }
        let operations = ended_operations(&context, &job.value).await?;
        let new = abandoned(&context, &job.value, &reason);
        ask.apply(&context, &job, new, operations, &keyed).await
    }
}

/// Refuses while the runner shows the job; `Some`: why the runner could not be asked.
async fn not_shown(context: &Context, job: &Job) -> Result<Option<String>, Error> {
    let runner = match context.runner(job.id.target()) {
        Ok(runner) => runner,
        Err(error) => return Ok(Some(error.message().to_owned())),
    };
    match runner.look(job).await {
        Ok(Look::Absent) => Ok(None),
        Ok(Look::Seen(sighting)) => Err(Error::precondition("on_the_runner", "the runner shows the job")
            .with("runner_state", sighting.runner_state)
            .with("native_id", sighting.native_id)
            .suggest("read it with get_job; end it with cancel_job")),
        Err(error) if error.gave_up() => Err(error),
        Err(error) => Ok(Some(error.message().to_owned())),
    }
}

fn plan(job: &Job, silent: Option<&str>) -> Plan {
    let mut unknown = vec![match job.state {
        JobState::Lost => "how the job ended: no end of it was ever seen".to_owned(),
        _ => "whether the submission arrived, and whether the pipeline ran and wrote anything".to_owned(),
    }];
    unknown.extend(silent.map(|why| format!("what the runner would say: it cannot be asked now ({why})")));
    let plan = Plan {
        summary: format!("declare the job on `{}` not running", job.id.target()),
        changes: vec![
            format!("the job ends {}", end_of(job).as_str()),
            "operations that wait for it end UNKNOWN".into(),
            "if it shows up on the runner later, it is canceled there".into(),
        ],
        unknown,
        ..Plan::default()
    };
    plan.sealed(&format!("{} {} {}", job.id, job.generation, job.state.as_str()))
}

fn end_of(job: &Job) -> JobState {
    if job.ending() == Some(OperationKind::Cancel) { JobState::Canceled } else { JobState::Failed }
}

fn abandoned(context: &Context, job: &Job, reason: &str) -> Job {
    let (state, now) = (end_of(job), context.now_ms());
    let known = if job.state == JobState::Lost {
        "no end of it was seen on the runner"
    } else {
        "whether its submission arrived is not known"
    };
    Job {
        state,
        ended_by: (state == JobState::Canceled).then_some(EndedBy::Cancel),
        ended_ms: Some(now),
        unconfirmed: true,
        phase: Phase::Submitted,
        open_operations: Vec::new(),
        diagnostics: format!("abandoned by {}: {reason}; {known}", context.call.caller.principal),
        ..job.clone()
    }
}

/// The open operations of a job, ended: nobody can say what became of them.
async fn ended_operations(context: &Context, job: &Job) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    for id in &job.open_operations {
        let old = context.rows.operation(id).await?;
        let new = Operation {
            state: OperationState::Unknown,
            diagnostics: "the job was abandoned by an operator".into(),
            ended_ms: context.now_ms(),
            ..old.value.clone()
        };
        writes.push(operation_write(context.rows.tenant(), Some(&old), &new)?);
    }
    Ok(writes)
}
