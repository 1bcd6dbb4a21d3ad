//! The submission protocol (security-reliability.md 4.3), from the stored intent on.
//!
//! ```text
//! Intent  --permit--> Sending --accepted--> Submitted
//!                     Sending --refused, nothing unexplained before--> Intent (later) or FAILED
//!                     Sending --anything else--> Unknown --look--> Submitted | Intent again | Parked
//! ```
//! Only a runner that takes a second submission for the first is sent one ([`Backend::identity`]); elsewhere the job is
//! looked for until nothing can be on its way any more, and then waits for an operator.
//!
//! One compare-and-set is one permit for one send. A crash while `Sending` counts as unknown.

use std::time::Duration;

use crate::{
    error::{Error, Landed, Retry},
    job::{Job, JobId, JobState, Phase},
    pace::Backoff,
    runner::{Backend, Look, Runner, Submitted},
    store::Stored,
    verb::Context,
};

use super::{Seen, observe};

/// A class C submission is given up on after this many looks over this long: on wall time, since other processes may
/// take it up (security-reliability.md 4.3, rule 7).
const SETTLE_LOOKS: u32 = 10;
const SETTLE_MS: u64 = 15 * 60 * 1000;
/// Permits to send in one generation.
const PERMITS: u32 = 5;
/// Longest one send takes: an upload of 512 MiB and a slow `main`.
const LONGEST_SUBMISSION: Duration = Duration::from_secs(600);

/// A submission after one step.
pub struct Driven {
    /// The job as it is then.
    pub job: Stored<Job>,
    /// Why it was refused for good, when this step learnt that.
    pub refusal: Option<Error>,
}

impl From<Stored<Job>> for Driven {
    fn from(job: Stored<Job>) -> Self {
        Self { job, refusal: None }
    }
}

/// Takes an unfinished submission one step on: at most one send.
///
/// # Errors
/// The store's; `conflict` when another process is at it. What the runner answers is in the row.
pub async fn drive_submission(context: &Context, id: &JobId) -> Result<Driven, Error> {
    let Some(_claim) = context.state.claim(format!("submit/{}/{id}", context.rows.tenant())) else {
        return context.rows.job(id).await.map(Driven::from);
    };
    let stored = context.rows.job(id).await?;
    match stored.value.phase {
        Phase::Intent if stored.value.ending().is_some() || stored.value.retry_at_ms > context.now_ms() => {
            Ok(stored.into())
        }
        Phase::Intent => send(context, stored).await,
        Phase::Sending | Phase::Unknown => find(context, stored).await.map(Driven::from),
        Phase::Submitted | Phase::Parked => Ok(stored.into()),
    }
}

async fn send(context: &Context, stored: Stored<Job>) -> Result<Driven, Error> {
    let id = stored.value.id.clone();
    let runner = context.runner_within(id.target(), LONGEST_SUBMISSION)?;
    let permit = context.rows.change_job(&id, "permit", |job| {
        if job.phase != Phase::Intent || job.version != stored.version {
            return Err(Error::new(crate::ErrorKind::Conflict, "submitting", "another process submits this job"));
        }
        job.phase = Phase::Sending;
        job.attempts += 1;
        Ok(Vec::new())
    });
    let job = permit.await?.value;
    match runner.submit(&job).await {
        Ok(Submitted::Accepted { native_id }) => accepted(context, &runner, &id, native_id).await.map(Driven::from),
        Ok(Submitted::Held { handle }) => held(context, &runner, &id, handle).await.map(Driven::from),
        Err(error) => {
            let job = unsent(context, &id, &error).await?;
            let refused = job.value.state == JobState::Failed;
            Ok(Driven { job, refusal: Some(error).filter(|_| refused) })
        }
    }
}

async fn accepted(context: &Context, runner: &Runner, id: &JobId, native_id: String) -> Result<Stored<Job>, Error> {
    let stored = context.rows.change_job(id, "accepted", |job| {
        (job.phase, job.state) = (Phase::Submitted, JobState::Pending);
        job.native_id = Some(native_id.clone());
        job.diagnostics.clear();
        Ok(Vec::new())
    });
    let stored = stored.await?;
    match runner.look(&stored.value).await {
        Ok(look @ Look::Seen(_)) => record(context, id, look).await,
        Ok(Look::Absent) | Err(_) => Ok(stored),
    }
}

async fn held(
    context: &Context,
    runner: &Runner,
    id: &JobId,
    handle: crate::effect::Handle,
) -> Result<Stored<Job>, Error> {
    let known = context.rows.change_job(id, "held", |job| {
        if job.phase != Phase::Sending {
            return Err(Error::new(crate::ErrorKind::Conflict, "submitting", "another process submits this job"));
        }
        job.native_id = Some(handle.folder.clone());
        job.handle = Some(handle.clone());
        Ok(Vec::new())
    });
    runner.release(&known.await?.value).await?;
    // Only now is it submitted: a child that was never let go has done nothing, and may be started anew.
    let released = context.rows.change_job(id, "released", |job| {
        if job.phase == Phase::Sending && job.handle.as_ref() == Some(&handle) {
            (job.phase, job.state) = (Phase::Submitted, JobState::Pending);
            job.started_ms = Some(context.now_ms());
            job.diagnostics.clear();
        }
        Ok(Vec::new())
    });
    released.await
}

/// A send that did not succeed: refused for good, refused for now, or nobody knows.
async fn unsent(context: &Context, id: &JobId, error: &Error) -> Result<Stored<Job>, Error> {
    let now = context.now_ms();
    let seed = context.call.seed;
    let edit = |job: &mut Job| {
        job.diagnostics = format!("{} ({})", error.message(), error.reason());
        let explained = error.landed() == Landed::No && !job.ambiguous;
        if !explained {
            (job.phase, job.state, job.ambiguous) = (Phase::Unknown, JobState::SubmitUnknown, true);
        } else if error.retry() == Retry::Never || job.attempts >= PERMITS {
            (job.state, job.ended_ms, job.phase) = (JobState::Failed, Some(now), Phase::Submitted);
        } else {
            job.phase = Phase::Intent;
            job.retry_at_ms = now + wait_ms(error, job.attempts, &seed);
        }
        Ok(Vec::new())
    };
    context.rows.change_job(id, "unsent", edit).await
}

fn wait_ms(error: &Error, attempts: u32, seed: &crate::random::Seed) -> u64 {
    let delay = match error.retry() {
        Retry::After(delay) => delay.min(crate::retry::LONGEST_RETRY_AFTER),
        Retry::Never | Retry::Safe => Backoff::READ.delay(attempts + 1, seed),
    };
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

/// Looks for a submission nobody can explain before anything is sent again.
async fn find(context: &Context, stored: Stored<Job>) -> Result<Stored<Job>, Error> {
    let id = stored.value.id.clone();
    let runner = context.runner(id.target())?;
    match runner.look(&stored.value).await {
        Ok(look @ Look::Seen(_)) => record(context, &id, look).await,
        Ok(Look::Absent) => {
            let (now, again) = (context.now_ms(), runner.identity().deduplicates());
            let edit = |job: &mut Job| if again { not_there(job, now) } else { watched(job, now) };
            context.rows.change_job(&id, "absent", edit).await
        }
        Err(error) => unexplained(context, &id, super::look::note_outage(context, id.target(), error)).await,
    }
}

async fn unexplained(context: &Context, id: &JobId, error: Error) -> Result<Stored<Job>, Error> {
    if error.gave_up() {
        return Err(error);
    }
    let edit = |job: &mut Job| {
        (job.phase, job.state, job.ambiguous) = (Phase::Unknown, JobState::SubmitUnknown, true);
        job.diagnostics = format!("nobody knows yet whether the submission arrived: {}", error.message());
        Ok(Vec::new())
    };
    context.rows.change_job(id, "unknown", edit).await
}

/// The runner would make a second job of a second submission: nothing is sent again.
#[expect(clippy::unnecessary_wraps, reason = "an edit of `Rows::change_job`")]
fn watched(job: &mut Job, now_ms: u64) -> Result<Vec<crate::store::Write>, Error> {
    let since = *job.absent_since_ms.get_or_insert(now_ms);
    job.absences = job.absences.saturating_add(1).min(SETTLE_LOOKS);
    job.ambiguous = true;
    if job.absences >= SETTLE_LOOKS && now_ms.saturating_sub(since) >= SETTLE_MS {
        (job.phase, job.state) = (Phase::Parked, JobState::Parked);
        job.diagnostics = "parked: the submission went unanswered, the job did not show up, and a second submission \
                           could be a second job; look for it on the runner, then cancel this one and submit anew"
            .into();
    } else {
        (job.phase, job.state) = (Phase::Unknown, JobState::SubmitUnknown);
        job.diagnostics = "nobody knows yet whether the submission arrived: the runner does not show the job, and a \
                           second submission could be a second job"
            .into();
    }
    Ok(Vec::new())
}

/// The same id may be sent again.
#[expect(clippy::unnecessary_wraps, reason = "an edit of `Rows::change_job`")]
fn not_there(job: &mut Job, now_ms: u64) -> Result<Vec<crate::store::Write>, Error> {
    job.ambiguous = true;
    if job.attempts >= PERMITS {
        (job.phase, job.state) = (Phase::Parked, JobState::Parked);
        job.diagnostics = format!(
            "parked: {} submissions went unanswered and the runner does not know the job; cancel it, or submit anew \
             once the target is well",
            job.attempts
        );
    } else {
        (job.phase, job.state) = (Phase::Intent, JobState::Submitting);
        job.retry_at_ms = now_ms + 1_000;
    }
    Ok(Vec::new())
}

async fn record(context: &Context, id: &JobId, look: Look) -> Result<Stored<Job>, Error> {
    let at_ms = context.now_ms();
    let stored = context.rows.change_job(id, "found", |job| {
        observe(job, &Seen { look: look.clone(), at_ms });
        Ok(Vec::new())
    });
    let stored = stored.await?;
    context.state.observed(context.rows.tenant(), &id.to_string(), at_ms);
    Ok(stored)
}
