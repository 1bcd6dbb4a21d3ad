//! What a look at the runner does to a job's row: pure.

use crate::{
    clock::{CLOCKS, rfc3339},
    job::{EndedBy, Job, JobState, LastCheckpoint, OperationKind, Phase},
    runner::{Look, Sighting},
};

/// A look and when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What the runner answered.
    pub look: Look,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Unix milliseconds since which the runner answers, as far as that is known.
    pub back_ms: Option<u64>,
    /// The newest checkpoint any look of this process has shown.
    pub newest: Option<LastCheckpoint>,
}

impl Seen {
    /// A look, with nothing known of those before it.
    pub fn new(look: Look, at_ms: u64) -> Self {
        Self { look, at_ms, back_ms: None, newest: None }
    }
}

/// A job that its runner does not know for this long, in two answers, is LOST. A runner that has started again answers
/// before it shows the jobs it recovers, so the time begins anew when it comes back. The row keeps that: whoever looks
/// next counts from there too.
const LOST_AFTER_MS: u64 = 60_000;
/// A row's checkpoint is older by no more than this.
const KEPT_EVERY_MS: u64 = 60_000;

/// A row's last absence is older by no more than this.
const ABSENT_EVERY_MS: u64 = 30_000;

/// Applies what the runner said. Terminal rows and illegal moves stay as they are.
pub fn observe(job: &mut Job, seen: &Seen) {
    if job.state.is_terminal() {
        return;
    }
    match &seen.look {
        Look::Seen(sighting) => {
            apply(job, sighting, seen.at_ms);
            keep(job, sighting, seen.at_ms);
        }
        Look::Absent => absent(job, seen),
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

/// Remembers from where the job can be restored. A runner that has ended a job says what is left of it.
fn keep(job: &mut Job, sighting: &Sighting, at_ms: u64) {
    let seen = sighting.savepoint_path.clone().map(|path| LastCheckpoint { path, at_ms });
    let is_old = job.checkpoint.as_ref().is_none_or(|kept| at_ms.saturating_sub(kept.at_ms) >= KEPT_EVERY_MS);
    match job.state {
        JobState::Failed => job.checkpoint = seen,
        state if state.is_terminal() => job.checkpoint = None,
        _ if is_old && seen.is_some() => job.checkpoint = seen,
        _ => {}
    }
}

fn absent(job: &mut Job, seen: &Seen) {
    if !job.state.is_live() {
        return;
    }
    // What is further ahead than clocks may differ was told before the wall was set back: the minute begins now.
    let latest_ms = seen.at_ms.saturating_add(u64::try_from(CLOCKS.as_millis()).unwrap_or(u64::MAX));
    let first = job.absent_since_ms.filter(|at| *at <= latest_ms).unwrap_or(seen.at_ms);
    let since = first.max(seen.back_ms.filter(|at| *at <= latest_ms).unwrap_or_default());
    if since > first {
        job.absences = 0;
    }
    job.absent_since_ms = Some(since);
    job.absences = job.absences.saturating_add(1).min(2);
    // A row that changes with every look is looked at without a pause.
    if seen.at_ms.saturating_sub(job.absent_ms) >= ABSENT_EVERY_MS {
        job.absent_ms = seen.at_ms;
    }
    if job.absences >= 2 && seen.at_ms.saturating_sub(since) >= LOST_AFTER_MS {
        job.state = JobState::Lost;
        let newest = seen.newest.clone().filter(|kept| is_newer(job, kept));
        job.checkpoint = newest.or(job.checkpoint.take());
        job.diagnostics = lost(job.checkpoint.as_ref());
    }
}

/// True when a checkpoint that was seen is newer than the row's. Runners show a savepoint some seconds late: what was
/// seen shortly after one may be from before it.
fn is_newer(job: &Job, seen: &LastCheckpoint) -> bool {
    job.checkpoint.as_ref().is_none_or(|kept| {
        let is_savepoint = job.savepoint_path.as_ref() == Some(&kept.path);
        kept.at_ms.saturating_add(if is_savepoint { KEPT_EVERY_MS - 1 } else { 0 }) < seen.at_ms
    })
}

fn lost(checkpoint: Option<&LastCheckpoint>) -> String {
    let rest = match checkpoint {
        Some(kept) => format!(
            "; restore_job goes on from the last checkpoint that was seen, {} at {}",
            kept.path,
            rfc3339(kept.at_ms)
        ),
        None => String::new(),
    };
    format!(
        "the runner answers and does not know this job any more, and no end of it was ever seen (a restart of the \
         runner forgets its jobs){rest}"
    )
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
        Seen::new(Look::Seen(Sighting { state: Some(state), ..sighting() }), 9)
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
    fn lost_needs_two_absences_a_minute_apart() {
        let mut running = job(JobState::Running);
        for (at_ms, state) in [(0, JobState::Running), (59_000, JobState::Running), (60_000, JobState::Lost)] {
            observe(&mut running, &Seen::new(Look::Absent, at_ms));
            assert_eq!(running.state, state);
        }
        observe(&mut running, &seen(JobState::Running));
        assert_eq!((running.state, running.absences), (JobState::Running, 0));
    }

    #[test]
    fn a_minute_that_was_told_before_the_wall_was_set_back_begins_anew() {
        let mut running = job(JobState::Running);
        observe(&mut running, &Seen::new(Look::Absent, 10_000_000));
        for (at_ms, state) in [(0, JobState::Running), (59_999, JobState::Running), (60_000, JobState::Lost)] {
            observe(&mut running, &Seen { back_ms: Some(9_000_000), ..Seen::new(Look::Absent, at_ms) });
            assert_eq!(running.state, state, "{at_ms}");
        }
        let mut near = job(JobState::Running);
        observe(&mut near, &Seen::new(Look::Absent, 900_000));
        observe(&mut near, &Seen::new(Look::Absent, 0));
        observe(&mut near, &Seen::new(Look::Absent, 959_999));
        assert_eq!(near.state, JobState::Running, "clocks may differ by a quarter of an hour");
    }

    #[test]
    fn the_first_minute_of_a_runner_that_is_back_proves_nothing() {
        let mut running = job(JobState::Running);
        let absent = |at_ms, back_ms| Seen { back_ms, ..Seen::new(Look::Absent, at_ms) };
        observe(&mut running, &absent(0, None));
        for (at_ms, state) in [(90_000, JobState::Running), (149_999, JobState::Running), (150_000, JobState::Lost)] {
            observe(&mut running, &absent(at_ms, Some(90_000)));
            assert_eq!(running.state, state, "{at_ms}");
        }
    }

    #[test]
    fn who_looks_next_counts_from_where_the_runner_came_back_too() {
        let mut running = job(JobState::Running);
        observe(&mut running, &Seen::new(Look::Absent, 0));
        let back = Seen { back_ms: Some(600_000), ..Seen::new(Look::Absent, 600_000) };
        observe(&mut running, &back);
        assert_eq!((running.state, running.absences, running.absent_ms), (JobState::Running, 1, 600_000));
        for (at_ms, state) in [(659_999, JobState::Running), (660_000, JobState::Lost)] {
            observe(&mut running, &Seen::new(Look::Absent, at_ms));
            assert_eq!(running.state, state, "{at_ms}");
        }
    }

    #[test]
    fn a_lost_job_keeps_the_newest_checkpoint_that_was_seen() {
        let mut running = job(JobState::Running);
        let shows = |path: &str, at_ms| {
            let shown = Sighting { state: Some(JobState::Running), savepoint_path: Some(path.into()), ..sighting() };
            Seen::new(Look::Seen(shown), at_ms)
        };
        for (path, at_ms, kept) in [("chk-1", 1, "chk-1"), ("chk-2", 60_000, "chk-1"), ("chk-3", 60_001, "chk-3")] {
            observe(&mut running, &shows(path, at_ms));
            assert_eq!(running.checkpoint.as_ref().unwrap().path, kept, "a row changes once a minute for this");
        }
        let newest = Some(LastCheckpoint { path: "chk-9".into(), at_ms: 90_000 });
        for at_ms in [100_000, 160_000] {
            observe(&mut running, &Seen { newest: newest.clone(), ..Seen::new(Look::Absent, at_ms) });
        }
        assert_eq!((running.state, &running.checkpoint), (JobState::Lost, &newest));
        assert!(running.diagnostics.ends_with("the last checkpoint that was seen, chk-9 at 1970-01-01T00:01:30.000Z"));
    }

    #[test]
    fn a_look_beside_a_savepoint_may_show_the_checkpoint_before_it() {
        for (seen_ms, kept) in [(10_000, "sp"), (13_000, "sp"), (71_000, "chk-8")] {
            let mut running = Job {
                savepoint_path: Some("sp".into()),
                checkpoint: Some(LastCheckpoint { path: "sp".into(), at_ms: 11_000 }),
                ..job(JobState::Running)
            };
            let newest = Some(LastCheckpoint { path: "chk-8".into(), at_ms: seen_ms });
            for at_ms in [100_000, 160_000] {
                observe(&mut running, &Seen { newest: newest.clone(), ..Seen::new(Look::Absent, at_ms) });
            }
            assert_eq!((running.state, running.checkpoint.unwrap().path.as_str()), (JobState::Lost, kept), "{seen_ms}");
        }
    }

    #[test]
    fn a_failed_job_keeps_what_its_runner_has_left_of_it() {
        for (state, left, kept) in [
            (JobState::Failed, Some("chk-7"), Some("chk-7")),
            (JobState::Failed, None, None),
            (JobState::Canceled, Some("chk-7"), None),
        ] {
            let mut ended =
                Job { checkpoint: Some(LastCheckpoint { path: "old".into(), at_ms: 1 }), ..job(JobState::Running) };
            let shown = Sighting { state: Some(state), savepoint_path: left.map(Into::into), ..sighting() };
            observe(&mut ended, &Seen::new(Look::Seen(shown), 9));
            assert_eq!(ended.checkpoint.map(|kept| kept.path).as_deref(), kept);
        }
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
        observe(&mut running, &Seen::new(Look::Seen(sighting()), 3));
        assert_eq!((running.state, running.runner_state.as_deref()), (JobState::Running, Some("X")));
    }
}
