use std::time::Duration;

use crate::{
    config::Target,
    error::{Error, ErrorKind, Kept, Retry},
    job::{Job, JobId, JobSpec, JobState, Phase},
    lifecycle::{drive_submission, fresh, pause},
    runner::Submission,
    store::{Audit, Committed, Stored, job_writes},
    verb::{Context, Submitted, idempotency::Keyed},
};

/// Longest a caller waits for the runner's acknowledgement.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(20);

/// Stores the intent, then submits until the runner acknowledges, refuses, or time runs out.
pub(super) async fn apply(
    context: &Context,
    keyed: &mut Keyed,
    id: JobId,
    target: &Target,
    spec: JobSpec,
    submission: Submission,
    verb: &str,
) -> Result<Submitted, Error> {
    let notes = submission.notes.clone();
    let principal = &context.call.caller.principal;
    let job = Job {
        submission: Some(submission.into()),
        ..Job::intended(id.clone(), target.runner, principal, spec, context.now_ms())
    };
    if let Some(replayed) = store_intent(context, keyed, &job, verb).await? {
        return Ok(replayed);
    }
    let job = acknowledged(context, &id).await?;
    Ok(Submitted { job: Some(context.view(&job.value)), notes, ..Submitted::default() })
}

/// The intent, its index rows, the idempotency row and the audit row, together. `Some`: the key was used already.
async fn store_intent(context: &Context, keyed: &mut Keyed, job: &Job, verb: &str) -> Result<Option<Submitted>, Error> {
    let id = job.id.to_string();
    let mut writes = job_writes(context.rows.tenant(), None, job)?;
    writes.push(context.audit(&Audit { verb, subject: &id, digest: keyed.digest(), outcome: "" })?);
    writes.extend(keyed.write(&id, context.now_ms())?);
    match context.rows.commit(&format!("intent {id}"), writes).await? {
        Committed::Written(_) => {
            context.io.intent_is_durable();
            Ok(None)
        }
        Committed::Conflict { .. } => match keyed.subject(context).await? {
            Some(other) => replay(context, &JobId::parse(&other)?).await.map(Some),
            None if context.rows.find_job(&job.id).await?.is_some() => replay(context, &job.id).await.map(Some),
            None => Err(Error::new(ErrorKind::Conflict, "busy", "the intent could not be stored; call again")
                .retry_as(Retry::Safe)),
        },
    }
}

/// The answer to a repeated call: the job of the first, as it is now. One that was refused is refused again (G5).
pub(super) async fn replay(context: &Context, id: &JobId) -> Result<Submitted, Error> {
    let job = fresh(context, id, None).await?.value;
    not_refused(&job)?;
    Ok(Submitted { job: Some(context.view(&job)), replayed: true, ..Submitted::default() })
}

fn not_refused(job: &Job) -> Result<(), Error> {
    refusal(job).map_or(Ok(()), Err)
}

/// Why a submission was refused for good.
pub(crate) fn refusal(job: &Job) -> Option<Error> {
    let refusal = job.refusal.as_ref()?;
    Some(Error::from(Kept::clone(refusal)).with("job_id", &job.id))
}

/// Another process may be at the same submission: its steps count as well.
async fn acknowledged(context: &Context, id: &JobId) -> Result<Stored<Job>, Error> {
    let until = context.until(ACKNOWLEDGED_WITHIN);
    // Before the first step: it may be a large upload.
    context.tell("job", JobState::Submitting.as_str()).await;
    loop {
        let job = match drive_submission(context, id).await {
            Err(error) if error.kind() == ErrorKind::Conflict => context.rows.job(id).await?,
            other => other?,
        };
        not_refused(&job.value)?;
        if matches!(job.value.phase, Phase::Submitted | Phase::Parked) || job.value.state == JobState::Failed {
            return Ok(job);
        }
        let pause = pause(&job.value, context.now_ms()).max(Duration::from_millis(500));
        if context.io.now().mono + pause >= until {
            return Ok(job);
        }
        context.tell("job", job.value.state.as_str()).await;
        context.io.sleep(pause).await?;
    }
}
