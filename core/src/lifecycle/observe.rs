//! What a look at the runner does to a job's row: pure.

use crate::{
    job::{EndedBy, Job, JobState, OperationKind, Phase},
    runner::{Look, Sighting},
};

/// A look and when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What the runner answered.
    pub look: Look,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// A job unknown to a healthy runner for this long, twice, is LOST.
const LOST_AFTER_MS: u64 = 5_000;

/// Applies what the runner said. Terminal rows and illegal moves stay as they are.
pub fn observe(job: &mut Job, seen: &Seen) {
    if job.state.is_terminal() {
        return;
    }
    match &seen.look {
        Look::Seen(sighting) => apply(job, sighting, seen.at_ms),
        Look::Absent => absent(job, seen.at_ms),
    }
}

fn apply(job: &mut Job, sighting: &Sighting, at_ms: u64) {
    job.phase = Phase::Submitted;
    (job.absences, job.absent_since_ms) = (0, None);
    job.native_id = Some(sighting.native_id.clone());
    job.runner_state = Some(sighting.runner_state.clone());
    job.diagnostics.clone_from(&sighting.diagnostics);
    job.started_ms = sighting.started_ms.or(job.started_ms);
    job.job_type = job.job_type.or(sighting.job_type);
    job.parallelism = sighting.parallelism.or(job.parallelism);
    if job.name.is_empty() {
        job.name = sighting.name.clone().unwrap_or_default();
    }
    let ended_elsewhere = job.ending().is_none() && sighting.ended_with_savepoint == Some(true);
    let state = match sighting.state {
        // Somebody else stopped it: Flink calls that FINISHED too.
        Some(JobState::Finished) if ended_elsewhere => Some(JobState::Canceled),
        other => other,
    };
    if ended_elsewhere {
        job.savepoint_path = sighting.savepoint_path.clone().or(job.savepoint_path.take());
    }
    if let Some(state) = state.and_then(|state| target_state(job, state)) {
        step(job, state, sighting.ended_ms, at_ms);
    }
}

/// The state a runner's state means for this job, given what was asked of it. `None`: wait for the operation to end.
fn target_state(job: &Job, state: JobState) -> Option<JobState> {
    match (state, job.ending()) {
        (JobState::Finished, Some(_)) if is_being_stopped(job) => None,
        (JobState::Failed, Some(OperationKind::Cancel)) if job.handle.is_some() => None,
        (JobState::Running, Some(OperationKind::Drain)) if job.state == JobState::Draining => None,
        (JobState::Running | JobState::Pending | JobState::Recovering, Some(OperationKind::Cancel))
            if job.state == JobState::Cancelling =>
        {
            None
        }
        _ => Some(state),
    }
}

/// A drain or stop is under way, perhaps behind a cancel: how it ends says what the runner's word means.
fn is_being_stopped(job: &Job) -> bool {
    let mut kinds = job.open_operations.iter().filter_map(|id| OperationKind::of_id(id));
    kinds.any(|kind| matches!(kind, OperationKind::Drain | OperationKind::Stop))
}

fn step(job: &mut Job, state: JobState, ended_ms: Option<u64>, at_ms: u64) {
    if state == job.state || !job.state.may_become(state) {
        return;
    }
    job.state = state;
    if state.is_terminal() {
        job.ended_ms = ended_ms.or(Some(at_ms));
        job.observed_ms = Some(at_ms);
        job.ended_by = match (state, job.ending()) {
            (JobState::Canceled, Some(OperationKind::Cancel)) => Some(EndedBy::Cancel),
            (JobState::Drained, Some(OperationKind::Drain)) => Some(EndedBy::Drain),
            _ => job.ended_by,
        };
    }
}

fn absent(job: &mut Job, at_ms: u64) {
    if !job.state.is_live() {
        return;
    }
    let since = *job.absent_since_ms.get_or_insert(at_ms);
    job.absences = job.absences.saturating_add(1).min(2);
    if job.absences >= 2 && at_ms.saturating_sub(since) >= LOST_AFTER_MS {
        job.state = JobState::Lost;
        job.diagnostics = "the runner answers and does not know this job any more, and no end of it was ever seen \
                           (a restart of the runner forgets its jobs)"
            .into();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        config::RunnerKind,
        job::{JobId, JobSpec},
    };

    pub(crate) fn job(state: JobState) -> Job {
        let id = JobId::own("t", "0123456789abcdef0123456789abcdef");
        Job { state, phase: Phase::Submitted, ..Job::intended(id, RunnerKind::Flink, "p", JobSpec::default(), 1) }
    }

    fn seen(state: JobState) -> Seen {
        Seen { look: Look::Seen(Sighting { state: Some(state), ..sighting() }), at_ms: 9 }
    }

    fn sighting() -> Sighting {
        Sighting { native_id: "n".into(), runner_state: "X".into(), ..Sighting::default() }
    }

    #[test]
    fn terminal_is_absorbing() {
        let mut done = job(JobState::Canceled);
        observe(&mut done, &seen(JobState::Finished));
        assert_eq!((done.state, done.runner_state), (JobState::Canceled, None));
    }

    #[test]
    fn lost_needs_two_absences_some_seconds_apart() {
        let mut running = job(JobState::Running);
        for (at_ms, state) in [(0, JobState::Running), (1_000, JobState::Running), (6_000, JobState::Lost)] {
            observe(&mut running, &Seen { look: Look::Absent, at_ms });
            assert_eq!(running.state, state);
        }
        observe(&mut running, &seen(JobState::Running));
        assert_eq!((running.state, running.absences), (JobState::Running, 0));
    }

    #[test]
    fn a_finish_under_a_drain_waits_for_the_drain_to_say_how_it_ended() {
        let mut draining = job(JobState::Draining);
        draining.open_operations = vec![format!("{}/drain-0", draining.id)];
        observe(&mut draining, &seen(JobState::Finished));
        assert_eq!(draining.state, JobState::Draining);
        draining.open_operations.insert(0, format!("{}/cancel-0", draining.id));
        observe(&mut draining, &seen(JobState::Finished));
        assert_eq!(draining.state, JobState::Draining, "also when a cancel came in between");
    }

    #[test]
    fn an_unknown_raw_state_changes_nothing_but_is_kept() {
        let mut running = job(JobState::Running);
        observe(&mut running, &Seen { look: Look::Seen(sighting()), at_ms: 3 });
        assert_eq!((running.state, running.runner_state.as_deref()), (JobState::Running, Some("X")));
    }
}
