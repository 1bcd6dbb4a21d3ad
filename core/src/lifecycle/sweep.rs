//! Late arrivals: a submission that shows up after its job was ended or resubmitted is canceled (rule 8).

use super::{Seen, submit};
use crate::{
    error::Error,
    job::{Job, JobState, Operation, OperationKind, OperationState, Phase},
    runner::{Backend, Look, Sighting},
    store::{Audit, Stored},
    verb::Context,
};

/// Late arrivals kept in a job's row, to write one audit row for each.
const KEPT: usize = 8;

/// Takes in a job of ours that a runner lists beyond those of the round; false while it must be shown again, however
/// little it changes: a late arrival that still runs, or what is one as soon as the job itself runs.
///
/// # Errors
/// The store's or the runner's.
pub(super) async fn take_in(context: &Context, stored: &Stored<Job>, sighting: Sighting) -> Result<bool, Error> {
    let job = &stored.value;
    if is_stray(job, &sighting) {
        sweep(context, job, &sighting).await?;
        return Ok(false);
    }
    if is_of_earlier(job, &sighting) {
        return Ok(true);
    }
    // What was never sent cannot be there; what is unexplained has just been explained.
    let unsent = job.phase == Phase::Intent && !job.ambiguous;
    let ours = job.phase != Phase::Submitted || job.native_id.as_ref() == Some(&sighting.native_id);
    if ours && !unsent && !job.state.is_terminal() {
        return super::reconcile::refresh(context, job, Some(sighting)).await;
    }
    // A service that gives ids again runs what was left prepared when it is told to run another's.
    Ok(!(unsent && runs(&sighting)))
}

fn runs(sighting: &Sighting) -> bool {
    sighting.state.is_some_and(|state| state.is_live() && state != JobState::Cancelling)
}

/// True for something that runs and nobody wants: of an earlier generation, or of a job that ended without the runner's
/// word.
fn is_stray(job: &Job, sighting: &Sighting) -> bool {
    let of_earlier = is_of_earlier(job, sighting);
    let other = job.native_id.as_ref().is_some_and(|id| *id != sighting.native_id);
    runs(sighting) && (of_earlier || other || (job.state.is_terminal() && job.unconfirmed))
}

/// True for a submission of another generation than the one the row waits for or runs.
fn is_of_earlier(job: &Job, sighting: &Sighting) -> bool {
    match &sighting.token {
        Some(token) => token != job.token(),
        None => sighting.native_id != job.token() && job.id.token() == Some(sighting.native_id.as_str()),
    }
}

/// Cancels it; the evidence is stored first, once for each late arrival.
async fn sweep(context: &Context, job: &Job, sighting: &Sighting) -> Result<(), Error> {
    let native_id = &sighting.native_id;
    let runner = context.runner(job.id.target())?;
    let subject = format!("{} as {native_id}", job.id);
    let audit = context.audit(&Audit { verb: "sweep", subject: &subject, digest: "", outcome: "" })?;
    let note = |row: &mut Job| {
        if row.swept.contains(native_id) || row.swept.len() >= KEPT {
            return Ok(Vec::new());
        }
        row.swept.push(native_id.clone());
        Ok(vec![audit.clone()])
    };
    context.rows.change_job(&job.id, "sweep", note).await?;
    let late = Job { native_id: Some(native_id.clone()), ..job.clone() };
    runner.begin(&late, &cancel(context, job)).await.map(|_| ())
}

/// The cancel of a late arrival: no operation of the job, so it has no row.
fn cancel(context: &Context, job: &Job) -> Operation {
    let trigger_id = context.call.seed.hex128("sweep");
    Operation {
        id: format!("{}/cancel-{trigger_id}", job.id),
        job_id: job.id.to_string(),
        kind: OperationKind::Cancel,
        state: OperationState::Requested,
        trigger_id,
        savepoint_dir: None,
        savepoint_path: None,
        parallelism: None,
        min_workers: None,
        actual: std::collections::BTreeMap::new(),
        force: false,
        diagnostics: String::new(),
        requested_ms: context.now_ms(),
        sent_ms: 0,
        permit_ms: 0,
        ended_ms: 0,
        attempts: 1,
        sending: false,
    }
}

/// Takes in what a list showed of a submission that was not known to have arrived.
pub(super) async fn found(context: &Context, job: &Job, sighting: Sighting) -> Result<(), Error> {
    submit::record(context, job, Look::Seen(sighting)).await.map(|_| ())
}

/// What a sighting does to a copy of a row.
pub(super) fn would_change(job: &Job, seen: &Seen) -> bool {
    let mut after = job.clone();
    super::observe(&mut after, seen);
    after != *job
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::token_of, lifecycle::observe::tests::job};

    fn shown(native_id: &str, state: JobState) -> Sighting {
        Sighting { native_id: native_id.into(), state: Some(state), runner_state: "X".into(), ..Sighting::default() }
    }

    #[test]
    fn only_what_nobody_wants_is_canceled() {
        let mut row = job(JobState::Canceled);
        let first = row.token().to_owned();
        assert!(!is_stray(&row, &shown(&first, JobState::Running)), "the runner confirmed the end: an old list");
        row.unconfirmed = true;
        assert!(is_stray(&row, &shown(&first, JobState::Running)));
        assert!(!is_stray(&row, &shown(&first, JobState::Finished)), "it does not run");
        assert!(!is_stray(&row, &shown(&first, JobState::Cancelling)), "it is being ended");

        let mut next = job(JobState::Running);
        assert!(!is_stray(&next, &shown(&first, JobState::Running)));
        next.begin_generation("default", crate::runner::Submission::default(), 7);
        assert_eq!(next.token(), token_of("default", &next.id, 2));
        let second = next.token().to_owned();
        assert!(is_stray(&next, &shown(&first, JobState::Running)), "the first generation came late");
        assert!(!is_stray(&next, &shown(&second, JobState::Running)));
        let carrying = |token| Sighting { token: Some(token), ..shown("2026-11-25_1", JobState::Running) };
        assert!(is_stray(&next, &carrying(first)), "also under an id the runner chose");
        assert!(!is_stray(&next, &carrying(second)));
    }
}
