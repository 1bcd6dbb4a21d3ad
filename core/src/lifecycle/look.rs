use std::{sync::Arc, time::Duration};

use super::{Seen, observe, settle::outlives};
use crate::{
    error::{Error, ErrorKind},
    flow::Wake,
    guard,
    job::{Job, JobId, LastCheckpoint, Phase},
    runner::{Backend, Look, Runner},
    store::Stored,
    verb::Context,
};

/// Longest wait for a look of another flow.
const PATIENCE: Duration = Duration::from_secs(2);
/// A row younger than this is served as it is.
const FRESH_MS: u64 = 2_000;
/// A list that is younger is one of the last rounds, which are 2 s apart.
const LISTED: Duration = Duration::from_secs(5);
/// Where processes come and go, a schedule has jobs looked at every minute; without an answer for this long, the runner
/// was silent.
const UNLOOKED_MS: u64 = 180_000;

/// The job, looked at anew when the last look is older than `max_age_ms` (2 s where none is given). Where the runner
/// does not answer, the row as it is: the view then says since when.
///
/// # Errors
/// `not_found`, or the store's.
pub async fn fresh(context: &Context, id: &JobId, max_age_ms: Option<u64>) -> Result<Stored<Arc<Job>>, Error> {
    let (stored, seen_ms) = row(context, id).await?;
    if is_settled(&stored.value) || is_fresh(context, seen_ms, max_age_ms) {
        return Ok(stored);
    }
    // In a box, as most calls find a row that is fresh, and every runner's look has its place in this.
    Box::pin(refreshed(context, id, stored, max_age_ms)).await
}

/// True for a job about which its runner has nothing new to say.
fn is_settled(job: &Job) -> bool {
    job.state.is_terminal() || job.phase != Phase::Submitted
}

/// The job for one who waits for news of it, of whom there may be many: while the reconciler has its runner's list every
/// few seconds, what the list shows comes with a commit, and nobody asks for one job.
///
/// # Errors
/// As [`fresh`].
pub async fn awaited(context: &Context, id: &JobId) -> Result<Stored<Arc<Job>>, Error> {
    let (stored, seen_ms) = row(context, id).await?;
    if is_settled(&stored.value) || is_fresh(context, seen_ms, None) {
        return Ok(stored);
    }
    let Some(age) = listed(context, &stored.value) else {
        return Box::pin(refreshed(context, id, stored, None)).await;
    };
    let at_ms = context.now_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    context.state.observed(context.rows.tenant(), id.as_str(), seen_ms.unwrap_or(0).max(at_ms));
    Ok(stored)
}

/// How long ago a list of the last rounds showed the job as it was taken in.
fn listed(context: &Context, job: &Job) -> Option<Duration> {
    let name = format!("{}/{}", job.id.target(), job.native_id.as_ref()?);
    let at = context.state.watch(|watch| watch.last_shown(&name))?;
    Some(context.io.now().mono.saturating_sub(at)).filter(|age| *age <= LISTED)
}

/// The job after a look: its own, or that of another flow which is at one.
async fn refreshed(
    context: &Context,
    id: &JobId,
    stored: Stored<Arc<Job>>,
    max_age_ms: Option<u64>,
) -> Result<Stored<Arc<Job>>, Error> {
    let work = format!("look/{}/{id}", context.rows.tenant());
    let Some(claim) = context.state.claim(work.clone()) else {
        return looked_by_another(context, id, work, max_age_ms).await;
    };
    let looked = look_now(context, &stored.value).await;
    drop(claim);
    context.io.publish(work, String::new()).await?;
    match looked {
        Err(error) if is_outage(&error) => Ok(stored),
        other => other.map(|Stored { value, version }| Stored { value: value.into(), version }),
    }
}

/// Waits for the look another flow of this process is at.
async fn looked_by_another(
    context: &Context,
    id: &JobId,
    work: String,
    max_age_ms: Option<u64>,
) -> Result<Stored<Arc<Job>>, Error> {
    let (until, mut seen) = (context.until(PATIENCE), 0);
    loop {
        let left = until.saturating_sub(context.io.now().mono);
        let woken = context.io.wait(vec![(work.clone(), seen)], left).await?;
        let (stored, seen_ms) = row(context, id).await?;
        match woken {
            // A wake may tell of a look before the one that is under way.
            Wake::Topics(moved) if !is_fresh(context, seen_ms, max_age_ms) && context.state.is_busy(&work) => {
                seen = moved.iter().map(|(_, seq, _)| *seq).max().unwrap_or(seen);
            }
            Wake::Topics(_) | Wake::Elapsed => return Ok(stored),
        }
    }
}

/// The row, and when the runner last answered about it. A look is remembered after it was stored, so the memory is
/// read first: it never speaks of a look that the row does not show.
async fn row(context: &Context, id: &JobId) -> Result<(Stored<Arc<Job>>, Option<u64>), Error> {
    let last = context.state.last_observed(context.rows.tenant(), id.as_str());
    let stored = context.rows.seen_job(id).await?;
    let seen_ms = stored.value.observed_ms.max(last);
    Ok((stored, seen_ms))
}

fn is_fresh(context: &Context, seen_ms: Option<u64>, max_age_ms: Option<u64>) -> bool {
    seen_ms.is_some_and(|at| context.now_ms().saturating_sub(at) <= max_age_ms.unwrap_or(FRESH_MS))
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
    context.state.answered(job.id.target(), at_ms);
    let seen = seen(context, job, look, at_ms);
    let stored = context.rows.change_job(&job.id, "observe", |row| {
        if row.generation == job.generation {
            observe(row, &seen);
        }
        Ok(Vec::new())
    });
    let stored = stored.await?;
    if stored.value.state != job.state {
        // The next list that shows something else is news again.
        let shown = stored.value.native_id.as_ref().map(|id| format!("{}/{id}", job.id.target()));
        context.state.watch(|watch| shown.iter().for_each(|name| watch.forget(name)));
    }
    context.state.observed(context.rows.tenant(), job.id.as_str(), at_ms);
    tidy(&runner, job, &stored.value).await?;
    Ok(stored)
}

/// The look, beside what this process remembers of the runner and of the job.
fn seen(context: &Context, job: &Job, look: Look, at_ms: u64) -> Seen {
    let name = format!("{}/{}", context.rows.tenant(), job.id);
    let shown = match &look {
        Look::Seen(sighting) => sighting.savepoint_path.clone().map(|path| LastCheckpoint { path, at_ms }),
        Look::Absent => None,
    };
    let newest = context.state.watch(|watch| watch.newest_checkpoint(&name, shown, at_ms));
    let known = context.state.health(job.id.target()).back_ms;
    let told = if outlives(&context.state.host.kind) { None } else { told_by_row(job, at_ms) };
    Seen { look, at_ms, back_ms: known.max(told), newest }
}

/// Where processes come and go, none of them knows since when a runner answers, and each would wait its minute for
/// ever: the row tells when the job was missed last, and where that is long ago, the runner counts as back now.
fn told_by_row(job: &Job, at_ms: u64) -> Option<u64> {
    let is_old = job.absences > 0 && at_ms.saturating_sub(job.absent_ms) > UNLOOKED_MS;
    is_old.then_some(at_ms)
}

/// Remembers that a target does not answer; gives the error back. A call that was not made says nothing.
pub fn note_outage(context: &Context, target: &str, error: Error) -> Error {
    if is_outage(&error) && !guard::is_refusal(&error) && error.reason() != "deadline" {
        let now = context.now_ms();
        context.state.set_health(target, |health| {
            health.down_since_ms.get_or_insert(now);
            health.failures = health.failures.saturating_add(1);
        });
    }
    error
}

/// Cleans up behind a job that has just ended. A failure leaves an uploaded jar behind, nothing else.
///
/// # Errors
/// `cancelled` and `misuse`: the flow ends with them.
pub(super) async fn tidy(runner: &Runner, before: &Job, after: &Job) -> Result<(), Error> {
    if !after.state.is_terminal() || before.state.is_terminal() {
        return Ok(());
    }
    runner.tidy(after).await.or_else(|error| if error.gave_up() { Err(error) } else { Ok(()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::JobState, lifecycle::observe::tests::job};

    #[test]
    fn where_processes_come_and_go_the_row_tells_of_a_silence() {
        let mut running = job(JobState::Running);
        let states = [0, 600_000, 601_000, 630_000, 659_999, 660_000].map(|at_ms| {
            let seen = Seen { back_ms: told_by_row(&running, at_ms), ..Seen::new(Look::Absent, at_ms) };
            observe(&mut running, &seen);
            running.state
        });
        assert_eq!(states[..5], [JobState::Running; 5], "one absence before a long silence is none after it");
        assert_eq!(states[5], JobState::Lost, "and no process has to live for a minute");
    }
}
