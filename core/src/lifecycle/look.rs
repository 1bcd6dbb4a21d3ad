use std::time::Duration;

use super::{Seen, observe};
use crate::{
    error::{Error, ErrorKind},
    job::{Job, JobId, Phase},
    runner::{Backend, Runner},
    store::Stored,
    verb::Context,
};

/// A row younger than this is served as it is.
const FRESH_MS: u64 = 2_000;

/// The job, looked at anew when the last look is older than `max_age_ms` (2 s where none is given). Where the runner
/// does not answer, the row as it is: the view then says since when.
///
/// # Errors
/// `not_found`, or the store's.
pub async fn fresh(context: &Context, id: &JobId, max_age_ms: Option<u64>) -> Result<Stored<Job>, Error> {
    let stored = context.rows.job(id).await?;
    if stored.value.state.is_terminal()
        || stored.value.phase != Phase::Submitted
        || is_fresh(context, &stored, max_age_ms)
    {
        return Ok(stored);
    }
    let work = format!("look/{}/{id}", context.rows.tenant());
    let Some(_claim) = context.state.claim(work.clone()) else {
        context.io.wait(vec![(work, 0)], Duration::from_secs(2)).await?;
        return context.rows.job(id).await;
    };
    let looked = look_now(context, &stored.value).await;
    context.io.publish(work, String::new()).await?;
    match looked {
        Err(error) if is_outage(&error) => Ok(stored),
        other => other,
    }
}

fn is_fresh(context: &Context, stored: &Stored<Job>, max_age_ms: Option<u64>) -> bool {
    let last =
        stored.value.observed_ms.max(context.state.last_observed(context.rows.tenant(), &stored.value.id.to_string()));
    last.is_some_and(|at| context.now_ms().saturating_sub(at) <= max_age_ms.unwrap_or(FRESH_MS))
}

pub(super) fn is_outage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::RateLimited | ErrorKind::MalformedResponse
    ) || error.reason() == "target_removed"
}

/// Looks at the runner and stores what it says.
///
/// # Errors
/// The runner's or the store's.
pub async fn look_now(context: &Context, job: &Job) -> Result<Stored<Job>, Error> {
    let runner = context.runner(job.id.target())?;
    let look = match runner.look(job).await {
        Ok(look) => look,
        Err(error) => return Err(note_outage(context, job.id.target(), error)),
    };
    let at_ms = context.now_ms();
    context.state.set_health(job.id.target(), |health| (health.down_since_ms, health.failures) = (None, 0));
    let stored = context.rows.change_job(&job.id, "observe", |row| {
        observe(row, &Seen { look: look.clone(), at_ms });
        Ok(Vec::new())
    });
    let stored = stored.await?;
    context.state.observed(context.rows.tenant(), &job.id.to_string(), at_ms);
    tidy(&runner, job, &stored.value).await;
    Ok(stored)
}

/// Remembers that a target does not answer; gives the error back.
pub(super) fn note_outage(context: &Context, target: &str, error: Error) -> Error {
    if is_outage(&error) {
        let now = context.now_ms();
        context.state.set_health(target, |health| {
            health.down_since_ms.get_or_insert(now);
            health.failures = health.failures.saturating_add(1);
        });
    }
    error
}

/// Cleans up behind a job that has just ended. A failure leaves an uploaded jar behind, nothing else.
pub(super) async fn tidy(runner: &Runner, before: &Job, after: &Job) {
    if after.state.is_terminal() && !before.state.is_terminal() {
        let _ = runner.tidy(after).await;
    }
}
