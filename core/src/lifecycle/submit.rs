//! The submission protocol (security-reliability.md 4.3), from the stored intent on.
//!
//! ```text
//! Intent  --build--> Intent (the caller's code builds what is sent; elsewhere at once)
//! Intent  --permit--> Sending --accepted--> Submitted
//!                     Sending --refused, nothing unexplained before--> Intent (later) or FAILED
//!                     Sending --anything else--> Unknown --look--> Submitted | Intent again | Parked
//! ```
//! Only a runner that takes a second submission for the first is sent one ([`Backend::identity`]), while its memory is
//! the one the first was sent to ([`Backend::memory`]); elsewhere the job is looked for until nothing can be on its way
//! any more, and then waits for an operator.
//!
//! One compare-and-set is one permit for one send. A crash while `Sending` counts as unknown. What becomes of a send is
//! written only while the row still waits for exactly that send.

use std::time::Duration;

use super::{
    Seen, observe, permit,
    settle::{age_ms, is_leased, is_settled, is_silent, note_permit},
};
use crate::{
    clock::CLOCKS,
    error::{Error, ErrorKind, Landed, Retry},
    job::{Job, JobId, JobState, OperationKind, Phase},
    pace::Backoff,
    retry::LONGEST_RETRY_AFTER,
    runner::{Backend, Build, Look, Memory, Runner, Submission, Submitted},
    store::Stored,
    verb::Context,
};

/// Permits to send in one generation.
const PERMITS: u32 = 5;
/// Longest one send takes: an upload of 512 MiB and a slow `main`.
const LONGEST_SUBMISSION: Duration = Duration::from_secs(600);

/// Takes an unfinished submission one step on: at most one send.
///
/// # Errors
/// The store's; `conflict` when another process is at it. What the runner answers is in the row.
pub async fn drive_submission(context: &Context, id: &JobId) -> Result<Stored<Job>, Error> {
    let Some(_claim) = context.state.claim(format!("submit/{}/{id}", context.rows.tenant())) else {
        return context.rows.job(id).await;
    };
    let stored = context.rows.job(id).await?;
    if stored.value.state.is_terminal() {
        return Ok(stored);
    }
    if stored.value.sent_ms > 0 {
        // Seen now, its age can be told when the wall has been set back in an outage.
        age_ms(context, &stored.value);
    }
    match stored.value.phase {
        Phase::Intent if is_unwanted(&stored.value) || !pause(&stored.value, context.now_ms()).is_zero() => Ok(stored),
        Phase::Intent => send(context, stored).await,
        Phase::Sending | Phase::Unknown => find(context, stored).await,
        Phase::Submitted | Phase::Parked => Ok(stored),
    }
}

/// Time until the next try. One further ahead than any pause and any difference of two clocks was set before the wall
/// clock went back: it is due.
pub(crate) fn pause(job: &Job, now_ms: u64) -> Duration {
    let left = Duration::from_millis(job.retry_at_ms.saturating_sub(now_ms));
    if left > LONGEST_RETRY_AFTER + CLOCKS { Duration::ZERO } else { left }
}

/// True while a cancel waits: nothing of the job is sent any more. A stop or drain waits until it runs.
fn is_unwanted(job: &Job) -> bool {
    job.ending() == Some(OperationKind::Cancel)
}

async fn send(context: &Context, stored: Stored<Job>) -> Result<Stored<Job>, Error> {
    let runner = context.runner_within(stored.value.id.target(), LONGEST_SUBMISSION)?;
    let built = match runner.build(&stored.value).await {
        Ok(Build::Ready) => None,
        Ok(Build::Built(submission)) => Some(submission),
        Ok(Build::Underway) => return later(context, &stored, "the code is building its pipeline").await,
        Err(error) if error.gave_up() => return Err(error),
        Err(error) => return not_sent(context, &stored, error).await,
    };
    if stored.value.ambiguous
        && let Some(found) = look_again(context, &runner, &stored).await?
    {
        return Ok(found);
    }
    let memory = match memory(&runner).await {
        Ok(memory) => memory,
        Err(error) if error.gave_up() => return Err(error),
        Err(error) => return not_sent(context, &stored, error).await,
    };
    if stored.value.ambiguous && !is_remembered(&stored.value, &memory, age_ms(context, &stored.value)) {
        return doubt(context, &stored).await;
    }
    let job = permit(context, &stored, memory, built).await?.value;
    match runner.submit(&job).await {
        Ok(Submitted::Accepted { native_id }) => accepted(context, &runner, &job, native_id).await,
        Ok(Submitted::Held { handle }) => held(context, &runner, &job, handle).await,
        Err(error) => unsent(context, &runner, &job, error).await,
    }
}

/// Nothing is sent yet, and that counts as no try: the row says why, and when to look again.
async fn later(context: &Context, stored: &Stored<Job>, why: &str) -> Result<Stored<Job>, Error> {
    let again_ms = context.now_ms() + 1_000;
    let edit = |job: &mut Job| {
        if job.phase == Phase::Intent && job.version == stored.version {
            job.retry_at_ms = again_ms;
            why.clone_into(&mut job.diagnostics);
        }
        Ok(Vec::new())
    };
    context.rows.change_job(&stored.value.id, "later", edit).await
}

/// Read where it matters: a runner that makes two jobs of two submissions is never sent a second one.
async fn memory(runner: &Runner) -> Result<Memory, Error> {
    if runner.identity().deduplicates() { runner.memory().await } else { Ok(Memory::Unknown) }
}

/// What was not shown when the send was decided on may be by now, and a runner that shows things late may take a second
/// submission for the first only while the job is active. `None`: it is not there.
async fn look_again(context: &Context, runner: &Runner, stored: &Stored<Job>) -> Result<Option<Stored<Job>>, Error> {
    if runner.lag().is_zero() {
        return Ok(None);
    }
    match runner.look(&stored.value).await {
        Ok(Look::Absent) => Ok(None),
        Ok(look @ Look::Seen(_)) => record(context, &stored.value, look).await.map(Some),
        Err(error) if error.gave_up() => Err(error),
        Err(error) => {
            let error = super::look::note_outage(context, stored.value.id.target(), error);
            later(context, stored, error.message()).await.map(Some)
        }
    }
}

/// True when a runner whose memory is this takes the next submission for the first of this generation.
///
/// The id lives from the end of the job on, which cannot be before the first send that may have arrived, nor that before
/// its permit. Of what is kept that leaves the time in which what is sent now may still be on its way, and the greatest
/// difference of the clocks that told the age.
fn is_remembered(job: &Job, now: &Memory, age_ms: i64) -> bool {
    let clocks_ms = i64::try_from(CLOCKS.as_millis()).unwrap_or(i64::MAX);
    let Ok(at_most_ms) = u64::try_from(age_ms.saturating_add(clocks_ms)) else {
        return *now == Memory::Lasting;
    };
    let arrives_ms = at_most_ms.saturating_add(u64::try_from(LONGEST_SUBMISSION.as_millis()).unwrap_or(u64::MAX));
    *now == Memory::Lasting || job.memory.as_ref().is_some_and(|then| then.still_holds(now, arrives_ms))
}

/// The runner has forgotten what it may have been sent: nothing is sent again, also by a process whose clocks find it
/// younger, or the two would hand it to and fro.
async fn doubt(context: &Context, stored: &Stored<Job>) -> Result<Stored<Job>, Error> {
    let edit = |job: &mut Job| {
        if job.version == stored.version {
            (job.phase, job.state, job.memory) = (Phase::Unknown, JobState::SubmitUnknown, None);
        }
        Ok(Vec::new())
    };
    context.rows.change_job(&stored.value.id, "doubt", edit).await
}

async fn permit(
    context: &Context,
    stored: &Stored<Job>,
    memory: Memory,
    built: Option<Box<Submission>>,
) -> Result<Stored<Job>, Error> {
    let now = context.now_ms();
    let edit = |job: &mut Job| {
        if job.phase != Phase::Intent || job.version != stored.version {
            return Err(in_other_hands());
        }
        (job.phase, job.sent_ms) = (Phase::Sending, now);
        // Silence about this send counts from here.
        (job.absences, job.absent_since_ms, job.absent_ms) = (0, None, 0);
        job.attempts += 1;
        if let Some(submission) = &built {
            job.submission = Some((**submission).clone().into());
        }
        if !job.ambiguous {
            (job.memory, job.memory_ms) = (Some(memory.clone()).filter(|memory| *memory != Memory::Lasting), now);
        }
        Ok(Vec::new())
    };
    let permitted = context.rows.change_job(&stored.value.id, "permit", edit).await?;
    note_permit(context, &permitted.value);
    age_ms(context, &permitted.value);
    Ok(permitted)
}

fn in_other_hands() -> Error {
    Error::new(ErrorKind::Conflict, "submitting", "another process submits this job")
}

/// Edits a row that still waits for what becomes of the send `seen` shows.
pub(super) async fn edit_open(
    context: &Context,
    seen: &Job,
    label: &str,
    edit: impl Fn(&mut Job),
) -> Result<Stored<Job>, Error> {
    let change = |row: &mut Job| {
        let open = matches!(row.phase, Phase::Sending | Phase::Unknown | Phase::Parked) && !row.state.is_terminal();
        if open && (row.generation, row.attempts) == (seen.generation, seen.attempts) {
            edit(row);
        }
        Ok(Vec::new())
    };
    context.rows.change_job(&seen.id, label, change).await
}

/// The runner has it. A row that has moved on meanwhile (found by a look, ended, another generation) stays as it is.
async fn accepted(context: &Context, runner: &Runner, sent: &Job, native_id: String) -> Result<Stored<Job>, Error> {
    let result = context.audit_result("submit", &sent.id, "accepted")?;
    let change = |row: &mut Job| {
        if row.generation != sent.generation || row.phase == Phase::Submitted || row.state.is_terminal() {
            return Ok(Vec::new());
        }
        (row.phase, row.state) = (Phase::Submitted, JobState::Pending);
        row.native_id = Some(native_id.clone());
        row.diagnostics.clear();
        Ok(vec![result.clone()])
    };
    let stored = context.rows.change_job(&sent.id, "accepted", change).await?;
    match runner.look(&stored.value).await {
        Ok(look @ Look::Seen(_)) => record(context, &stored.value, look).await,
        Err(error) if error.gave_up() => Err(error),
        Ok(Look::Absent) | Err(_) => Ok(stored),
    }
}

async fn held(
    context: &Context,
    runner: &Runner,
    sent: &Job,
    handle: crate::effect::Handle,
) -> Result<Stored<Job>, Error> {
    let id = &sent.id;
    let known = context.rows.change_job(id, "held", |job| {
        let waits = job.phase == Phase::Sending && (job.generation, job.attempts) == (sent.generation, sent.attempts);
        if !waits {
            return Err(in_other_hands());
        }
        job.native_id = Some(handle.folder.clone());
        job.handle = Some(handle.clone());
        Ok(Vec::new())
    });
    runner.release(&known.await?.value).await?;
    let result = context.audit_result("submit", id, "released")?;
    // Only now is it submitted: a child that was never let go has done nothing, and may be started anew.
    let released = context.rows.change_job(id, "released", |job| {
        if job.phase != Phase::Sending || job.handle.as_ref() != Some(&handle) {
            return Ok(Vec::new());
        }
        (job.phase, job.state) = (Phase::Submitted, JobState::Pending);
        job.started_ms = Some(context.now_ms());
        job.diagnostics.clear();
        Ok(vec![result.clone()])
    });
    released.await
}

/// Nothing left: the runner could not even be asked about its memory. That spends a try, as a refusal does, unless
/// nobody could be reached.
async fn not_sent(context: &Context, stored: &Stored<Job>, error: Error) -> Result<Stored<Job>, Error> {
    let error = super::look::note_outage(context, stored.value.id.target(), error.landed_as(Landed::No));
    let (now, seed) = (context.now_ms(), context.call.seed);
    let result = context.audit_result("submit", &stored.value.id, error.reason())?;
    let edit = |job: &mut Job| {
        if job.phase != Phase::Intent || job.version != stored.version {
            return Err(in_other_hands());
        }
        job.attempts += 1;
        refused(job, &error, now, &seed);
        Ok(if job.state == JobState::Failed { vec![result.clone()] } else { Vec::new() })
    };
    context.rows.change_job(&stored.value.id, "not sent", edit).await
}

/// A send that did not succeed: refused for good, refused for now, or nobody knows.
async fn unsent(context: &Context, runner: &Runner, sent: &Job, error: Error) -> Result<Stored<Job>, Error> {
    let (now, seed) = (context.now_ms(), context.call.seed);
    let result = context.audit_result("submit", &sent.id, error.reason())?;
    let edit = |job: &mut Job| {
        let waits = job.phase == Phase::Sending && !job.state.is_terminal();
        if !waits || (job.generation, job.attempts) != (sent.generation, sent.attempts) {
            return Ok(Vec::new());
        }
        refused(job, &error, now, &seed);
        Ok(if job.phase == Phase::Intent { Vec::new() } else { vec![result.clone()] })
    };
    let job = context.rows.change_job(&sent.id, "unsent", edit).await?;
    if error.gave_up() {
        return Err(error);
    }
    if sent.submission.as_ref().is_some_and(|submission| submission.is_built()) {
        super::look::tidy(runner, sent, &job.value).await?;
    }
    Ok(job)
}

/// Rule 5: a clear refusal gives the intent back only where no earlier send is unexplained. A caller that left has
/// refused nothing.
fn refused(job: &mut Job, error: &Error, now_ms: u64, seed: &crate::random::Seed) {
    job.diagnostics = format!("{} ({})", error.message(), error.reason());
    job.unused_permits = job.unused_permits.saturating_add(u32::from(permit::is_unused(error)));
    if error.landed() != Landed::No || job.ambiguous {
        (job.phase, job.state, job.ambiguous) = (Phase::Unknown, JobState::SubmitUnknown, true);
    } else if !error.gave_up() && (error.retry() == Retry::Never || job.sends() >= PERMITS) {
        (job.state, job.ended_ms, job.phase) = (JobState::Failed, Some(now_ms), Phase::Submitted);
        // A service that gives ids again may run it yet, of a run that was meant for another.
        job.unconfirmed = true;
        job.refusal = Some(Box::new((&last_word(error)).into()));
    } else {
        job.phase = Phase::Intent;
        job.retry_at_ms = now_ms + wait_ms(error, job.attempts, seed);
    }
}

/// The error as the answer about a job that is sent no more, whatever a new one might come to.
fn last_word(error: &Error) -> Error {
    match error.retry() {
        Retry::Never => error.clone(),
        Retry::Safe | Retry::After(_) => error.clone().retry_as(Retry::Never).suggest(format!(
            "{}; this job has FAILED and is not sent again: submit it under a new idempotency key",
            error.suggestion()
        )),
    }
}

fn wait_ms(error: &Error, attempts: u32, seed: &crate::random::Seed) -> u64 {
    let delay = match error.retry() {
        Retry::After(delay) => delay.min(LONGEST_RETRY_AFTER),
        // Tries without an end are no quick ones.
        Retry::Safe if permit::is_unused(error) => crate::error::wait(seed),
        Retry::Never | Retry::Safe => Backoff::READ.delay(attempts + 1, seed),
    };
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

/// Looks for a submission nobody can explain before anything is sent again.
async fn find(context: &Context, stored: Stored<Job>) -> Result<Stored<Job>, Error> {
    let job = &stored.value;
    let runner = context.runner(job.id.target())?;
    match runner.look(job).await {
        Ok(look @ Look::Seen(_)) => record(context, job, look).await,
        Ok(Look::Absent) if is_leased(context, job) => Ok(stored),
        Ok(Look::Absent) => match may_repeat(context, &runner, job).await {
            Ok(true) => {
                let again_ms = context.now_ms() + 1_000;
                edit_open(context, job, "absent", |job| not_there(job, again_ms)).await
            }
            Ok(false) => {
                let settled = is_settled(context, job).await?;
                edit_open(context, job, "absent", |job| watched(job, settled)).await
            }
            Err(error) => unexplained(context, stored, error).await,
        },
        Err(error) => unexplained(context, stored, error).await,
    }
}

/// A second submission would be the first, the runner would show that by now, and nobody wants the job gone. How long it
/// has been silent is told by the clocks of [`is_silent`]: those of walls differ from process to process.
async fn may_repeat(context: &Context, runner: &Runner, job: &Job) -> Result<bool, Error> {
    if is_unwanted(job) || !runner.identity().deduplicates() {
        return Ok(false);
    }
    let lag = runner.lag();
    if !lag.is_zero() && !is_silent(context, job, lag).await? {
        return Ok(false);
    }
    let memory = runner.memory().await?;
    Ok(is_remembered(job, &memory, age_ms(context, job)))
}

async fn unexplained(context: &Context, stored: Stored<Job>, error: Error) -> Result<Stored<Job>, Error> {
    let job = &stored.value;
    let error = super::look::note_outage(context, job.id.target(), error);
    if error.gave_up() {
        return Err(error);
    }
    // Whoever takes it from a process that is still sending may send beside it.
    if is_leased(context, job) {
        return Ok(stored);
    }
    let edit = |job: &mut Job| {
        if job.phase != Phase::Parked {
            (job.phase, job.state, job.ambiguous) = (Phase::Unknown, JobState::SubmitUnknown, true);
            job.diagnostics = format!("nobody knows yet whether the submission arrived: {}", error.message());
        }
    };
    edit_open(context, job, "unknown", edit).await
}

/// The runner would make a second job of a second submission: nothing is sent again.
fn watched(job: &mut Job, settled: bool) {
    job.ambiguous = true;
    if settled {
        (job.phase, job.state) = (Phase::Parked, JobState::Parked);
        job.diagnostics = "parked: the submission went unanswered, the job did not show up, and a second submission \
                           could be a second job; look for it on the runner, then `adopt` it there, `abandon` it, or \
                           `resubmit` it"
            .into();
    } else if job.phase != Phase::Parked {
        (job.phase, job.state) = (Phase::Unknown, JobState::SubmitUnknown);
        job.diagnostics = "nobody knows yet whether the submission arrived: the runner does not show the job, and a \
                           second submission could be a second job"
            .into();
    }
}

/// The same id may be sent again.
fn not_there(job: &mut Job, again_ms: u64) {
    job.ambiguous = true;
    if job.phase == Phase::Parked {
        return;
    }
    if job.sends() >= PERMITS && job.phase == Phase::Sending {
        // The last send is looked for once more, as those before it were.
        (job.phase, job.state) = (Phase::Unknown, JobState::SubmitUnknown);
    } else if job.sends() >= PERMITS {
        (job.phase, job.state) = (Phase::Parked, JobState::Parked);
        job.diagnostics = format!(
            "parked: {} submissions went unanswered and the runner does not know the job; once the target is well, \
             `resubmit` it, or `abandon` it",
            job.sends()
        );
    } else {
        (job.phase, job.state, job.retry_at_ms) = (Phase::Intent, JobState::Submitting, again_ms);
    }
}

/// Takes in what a look at one generation of a job showed.
pub(super) async fn record(context: &Context, seen: &Job, look: Look) -> Result<Stored<Job>, Error> {
    let at_ms = context.now_ms();
    let stored = context.rows.change_job(&seen.id, "found", |row| {
        if row.generation == seen.generation {
            observe(row, &Seen::new(look.clone(), at_ms));
        }
        Ok(Vec::new())
    });
    let stored = stored.await?;
    context.state.observed(context.rows.tenant(), seen.id.as_str(), at_ms);
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lifecycle::observe::tests::job, random::Seed};

    #[test]
    fn a_try_is_due_once_the_wall_clock_has_gone_back_from_it() {
        let row = Job { retry_at_ms: 10_000_000, ..job(JobState::Submitting) };
        let at = |now_ms| pause(&row, now_ms).as_millis();
        assert_eq!((at(10_000_000), at(9_999_000), at(9_580_000)), (0, 1_000, 420_000), "a clock five minutes behind");
        assert_eq!((at(10_000_000 - 1_020_000), at(10_000_000 - 1_020_001)), (1_020_000, 0), "two minutes and fifteen");
    }

    #[test]
    fn an_id_is_remembered_as_long_as_no_clock_and_no_send_under_way_can_outlast_it() {
        const MINUTE: i64 = 60_000;
        let memory = Memory::Process { incarnation: "a".into(), keeps_ms: 3_600_000 };
        let row = Job { memory: Some(memory.clone()), ..job(JobState::SubmitUnknown) };
        for (age_ms, remembered) in [
            (0, true),
            (35 * MINUTE - 1, true),
            // Kept for an hour; 15 min the clocks, 10 min on its way.
            (35 * MINUTE, false),
            (59 * MINUTE, false),
            (i64::MAX, false),
            (-15 * MINUTE, true),
            // No clock that is promised is this far behind: the intent may be of any age.
            (-15 * MINUTE - 1, false),
            (i64::MIN, false),
        ] {
            assert_eq!(is_remembered(&row, &memory, age_ms), remembered, "{age_ms}");
            assert!(is_remembered(&row, &Memory::Lasting, age_ms));
        }
        let restarted = Memory::Process { incarnation: "b".into(), keeps_ms: 3_600_000 };
        assert!(!is_remembered(&row, &restarted, 0));
        assert!(!is_remembered(&job(JobState::SubmitUnknown), &memory, 0), "nobody asked before the first send");
    }

    #[test]
    fn what_was_tried_to_the_end_is_never_worth_repeating() {
        let busy = Error::new(ErrorKind::RateLimited, "runner_busy", "too many jobs")
            .suggest("wait for one of them to end")
            .retry_as(Retry::After(Duration::from_secs(9)))
            .landed_as(Landed::No);
        for (attempts, state) in [(PERMITS - 1, JobState::Submitting), (PERMITS, JobState::Failed)] {
            let mut row = Job { phase: Phase::Sending, attempts, ..job(JobState::Submitting) };
            refused(&mut row, &busy, 9, &Seed::new([0; 32]));
            assert_eq!((row.state, row.refusal.is_some()), (state, state == JobState::Failed));
            assert_eq!(row.unconfirmed, row.refusal.is_some(), "what runs of it later is canceled");
            let Some(kept) = row.refusal else { continue };
            let again = Error::from(*kept);
            assert_eq!((again.reason(), again.retry()), ("runner_busy", Retry::Never));
            assert!(again.suggestion().starts_with("wait for one of them to end; "), "{}", again.suggestion());
            assert!(again.suggestion().ends_with("under a new idempotency key"), "{}", again.suggestion());
        }
    }
}
