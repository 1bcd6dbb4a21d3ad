//! How far Flink is with an operation. "Accepted" is not "done": what counts is what the job shows afterwards.

use std::time::Duration;

use super::{
    Flink,
    checkpoint::{AsyncOperation, Checkpoints, Settled},
    flow::{native_id, parsed},
    job_details::{JobDetails, Vertex, job_state},
    operation::{kind_of, parallelism_by_name, upper_bound},
    request, response,
};
use crate::{
    clock::CLOCKS,
    error::Error,
    job::{Job, JobState, Operation, OperationKind as Kind, OperationState as State},
    runner::Progress,
    text::clean_line,
};

/// How long a request that nobody saw arrive may still be on its way.
const SETTLE: Duration = Duration::from_secs(30);
/// How long a scale may take: Flink keeps the wish for ever, an operation does not wait for ever.
const SCALE: Duration = Duration::from_secs(10 * 60);

impl Flink {
    pub(super) async fn progress_of(
        &self,
        job: &Job,
        operation: &Operation,
        silent: Duration,
    ) -> Result<Progress, Error> {
        let progress = match operation.kind {
            Kind::Cancel => self.details(job, Vec::new()).await.map(|(details, _)| of_cancel(&details)),
            Kind::Scale => {
                let late = silent >= SCALE || self.by_wall(operation) >= SCALE + CLOCKS;
                self.details(job, Vec::new()).await.map(|(details, _)| of_scale(&details, operation, late))
            }
            Kind::Savepoint => self.of_savepoint(job, operation, silent).await,
            Kind::Stop | Kind::Drain => self.of_stop(job, operation, silent).await,
        };
        match progress {
            Err(error) if error.reason() == "job_unknown_to_flink" => Ok(Progress::new(State::Unknown)
                .because("Flink does not know the job any more: its JobManager restarted, or the job ended long ago")),
            other => other,
        }
    }

    /// By the wall a scale ends too, where no process lives as long.
    fn by_wall(&self, operation: &Operation) -> Duration {
        Duration::from_millis(operation.age_ms(self.context.io.now().wall_ms))
    }

    async fn of_savepoint(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        let request = self.status_request(job, operation)?;
        match self.read(request, response::read::<AsyncOperation>).await {
            Ok(status) => Ok(settled(status.settled(), operation.kind)),
            Err(error) if error.reason() == "operation_forgotten" => self.of_forgotten(job, operation, silent).await,
            Err(error) => Err(error),
        }
    }

    /// A stop is done when its savepoint is written and the job has ended.
    async fn of_stop(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        let (details, beside) = self.details(job, vec![self.status_request(job, operation)?]).await?;
        match parsed::<AsyncOperation>(beside.into_iter().next()) {
            Ok(status) => Ok(ended(settled(status.settled(), operation.kind), &details)),
            Err(error) if error.reason() == "operation_forgotten" => {
                Ok(ended(self.of_forgotten(job, operation, silent).await?, &details))
            }
            Err(error) => Err(error),
        }
    }

    fn status_request(&self, job: &Job, operation: &Operation) -> Result<crate::effect::Request, Error> {
        let id = native_id(job)?;
        Ok(request::savepoint_status_request(&self.context.target, id, &operation.trigger_id))
    }

    /// The proof that remains: a savepoint of the right kind among the job's checkpoints.
    async fn of_forgotten(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        let request = request::checkpoints_request(&self.context.target, native_id(job)?);
        let checkpoints = self.read(request, response::read::<Checkpoints>).await?;
        let found = checkpoints.savepoint_since(kind_of(operation.kind), operation.sent_ms);
        Ok(match found.and_then(|savepoint| savepoint.kept_path()) {
            Some(path) => done(Some(path.to_owned()), operation.kind)
                .because("Flink has forgotten the operation; its savepoint is among the job's checkpoints"),
            None if silent < SETTLE => {
                Progress::new(State::InProgress).because("Flink has not shown the operation yet")
            }
            None => Progress::new(State::Unknown).because(
                "Flink does not know the operation (any more), and no savepoint of it is among the job's checkpoints",
            ),
        })
    }
}

fn settled(settled: Settled, kind: Kind) -> Progress {
    match settled {
        Settled::Not => Progress::new(State::InProgress),
        Settled::Done(location) => done(location, kind),
        Settled::Failed(thrown) if thrown.is_job_not_found() => {
            Progress::new(State::Failed).because("the job had ended before the savepoint began")
        }
        Settled::Failed(thrown) => Progress::new(State::Failed).because(thrown.digest()),
    }
}

fn done(location: Option<String>, kind: Kind) -> Progress {
    let Some(path) = location else {
        return Progress::new(State::Failed).because("Flink says it is done but names no savepoint");
    };
    // A stop is not over while the job still runs: `ended` decides.
    let state = if kind == Kind::Savepoint { State::Succeeded } else { State::InProgress };
    let mut progress = Progress::new(state);
    progress.savepoint_path = Some(path);
    progress
}

/// Joins a stop's savepoint with the state of its job.
fn ended(mut progress: Progress, details: &JobDetails) -> Progress {
    let state = job_state(&details.state);
    let terminal = state.is_some_and(JobState::is_terminal);
    match (progress.state, progress.savepoint_path.is_some()) {
        (State::InProgress, true) if state == Some(JobState::Finished) => progress.state = State::Succeeded,
        (State::InProgress, true) if terminal => {
            progress.state = State::Failed;
            progress.diagnostics = format!("the savepoint was written, but the job ended {}", word(details));
        }
        (State::InProgress, true) => progress.diagnostics = "the savepoint is written; the job is ending".into(),
        (State::Failed, _) if !terminal => {
            progress.diagnostics = format!("the job goes on: {}", progress.diagnostics);
        }
        _ => {}
    }
    progress
}

fn of_cancel(details: &JobDetails) -> Progress {
    match job_state(&details.state) {
        Some(JobState::Canceled) => Progress::new(State::Succeeded),
        Some(state) if state.is_terminal() => {
            Progress::new(State::Failed).because(format!("the job had already ended {}", word(details)))
        }
        _ => Progress::new(State::InProgress),
    }
}

fn of_scale(details: &JobDetails, operation: &Operation, late: bool) -> Progress {
    let wish = operation.parallelism.unwrap_or(1);
    // Before its tasks run again, Flink refuses what comes next (a stop, a savepoint).
    let reached = |vertex: &Vertex| vertex.parallelism == i64::from(upper_bound(vertex, wish)) && vertex.settled();
    let equal = details.vertices.iter().all(reached);
    let actual = details.parallelism().unwrap_or(0);
    let (state, diagnostics) = match job_state(&details.state) {
        Some(state) if state.is_terminal() => {
            (State::Failed, format!("the job ended {} before it was rescaled", word(details)))
        }
        Some(JobState::Running) if equal && !details.vertices.is_empty() => (State::Succeeded, String::new()),
        _ if late => (
            State::Failed,
            format!("desired {wish}, actual {actual} after ten minutes; Flink keeps the wish and may still follow it"),
        ),
        _ => (
            State::InProgress,
            format!("desired {wish}, actual {actual}: Flink waits for free slots and between rescales"),
        ),
    };
    let mut progress = Progress::new(state).because(diagnostics);
    progress.actual = parallelism_by_name(details);
    progress
}

fn word(details: &JobDetails) -> String {
    clean_line(&details.state, 64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        effect::Reply,
        runner::{
            Backend,
            flink::testing::{self, NOW_MS, job, json, operation, play, recorded, target},
        },
    };

    const JOB: &str = "GET /jobs/{id}";
    const STATUS: &str = "GET /jobs/{id}/savepoints/{op}";
    const CHECKPOINTS: &str = "GET /jobs/{id}/checkpoints";

    fn progress(operation: Operation, script: Vec<(&str, Reply)>) -> Progress {
        let silent = Duration::from_millis(operation.age_ms(NOW_MS));
        play(target(), script, move |flink| async move { flink.progress(&job(), &operation, silent).await })
            .end
            .unwrap()
    }

    fn sent(kind: Kind, ago_ms: u64) -> Operation {
        Operation { sent_ms: NOW_MS - ago_ms, ..operation(kind) }
    }

    #[test]
    fn completed_is_success_only_with_a_path() {
        for (status, state, text) in [
            (recorded!("2.2.1/savepoint-in-progress"), State::InProgress, ""),
            (recorded!("2.2.1/savepoint-completed"), State::Succeeded, ""),
            (recorded!("1.20.5/savepoint-completed"), State::Succeeded, ""),
            (json(200, json!({"status": {"id": "COMPLETED"}, "operation": {}})), State::Failed, "names no savepoint"),
            (recorded!("2.2.1/savepoint-finished-job-failed"), State::Failed, "the job had ended"),
            (recorded!("2.2.1/savepoint-bad-directory-failed"), State::Failed, "IO-problem detected"),
        ] {
            let progress = progress(operation(Kind::Savepoint), vec![(STATUS, status)]);
            assert_eq!(progress.state, state);
            assert_eq!(progress.savepoint_path.is_some(), state == State::Succeeded);
            assert!(progress.diagnostics.contains(text) && progress.diagnostics.len() < 2100, "{progress:?}");
            assert!(!progress.diagnostics.contains("/proc/nowhere"), "{progress:?}");
        }
    }

    #[test]
    fn a_forgotten_savepoint_is_found_among_the_checkpoints_or_unknown() {
        // The recorded savepoint was triggered at 1795173503197.
        let forgotten = |sent_ms| {
            let operation = Operation { sent_ms, ..operation(Kind::Savepoint) };
            let script = vec![
                (STATUS, recorded!("2.2.1/savepoint-unknown-trigger")),
                (CHECKPOINTS, recorded!("2.2.1/checkpoints-scaled")),
            ];
            progress(operation, script)
        };
        let found = forgotten(1_795_173_501_000);
        assert_eq!(found.state, State::Succeeded);
        assert_eq!(found.savepoint_path.as_deref(), Some("file:/srv/flink/savepoints/savepoint-0bea00-40105ed00d20"));
        let other = forgotten(NOW_MS - 30_000);
        assert_eq!((other.state, other.savepoint_path), (State::Unknown, None));
        assert_eq!(forgotten(NOW_MS).state, State::InProgress, "it may still be on its way");
    }

    #[test]
    fn a_stop_is_done_when_the_job_has_ended() {
        let stop = |details, status| progress(operation(Kind::Stop), vec![(JOB, details), (STATUS, status)]);
        let running = || recorded!("2.2.1/job-after-failed-stop");
        let done = stop(recorded!("2.2.1/job-stopped"), recorded!("2.2.1/stop-completed"));
        assert_eq!(done.state, State::Succeeded);
        assert!(done.savepoint_path.is_some());
        let ending = stop(running(), recorded!("2.2.1/stop-completed"));
        assert_eq!((ending.state, ending.savepoint_path.is_some()), (State::InProgress, true));
        assert_eq!(stop(running(), recorded!("2.2.1/stop-in-progress")).state, State::InProgress);
        let failed = stop(running(), recorded!("2.2.1/stop-bad-directory-failed"));
        assert_eq!(failed.state, State::Failed);
        assert!(failed.diagnostics.starts_with("the job goes on: "), "{}", failed.diagnostics);
        let crashed = json(200, with_state("FAILED"));
        let crashed = stop(crashed, recorded!("2.2.1/stop-completed"));
        assert_eq!((crashed.state, crashed.savepoint_path.is_some()), (State::Failed, true));
    }

    #[test]
    fn a_forgotten_stop_is_proved_by_its_own_kind_of_savepoint() {
        let script = || {
            vec![
                (JOB, recorded!("2.2.1/job-stopped")),
                (STATUS, recorded!("2.2.1/savepoint-unknown-trigger")),
                (CHECKPOINTS, recorded!("2.2.1/checkpoints-stopped")),
            ]
        };
        let stop = Operation { sent_ms: 1_795_173_513_000, ..operation(Kind::Stop) };
        let found = progress(stop, script());
        assert_eq!(found.savepoint_path.as_deref(), Some("file:/srv/flink/savepoints/savepoint-0bea00-20a1c827d51e"));
        assert_eq!(found.state, State::Succeeded);
        assert_eq!(progress(sent(Kind::Stop, 30_000), script()).state, State::Unknown);
    }

    #[test]
    fn a_job_flink_does_not_know_leaves_its_operations_unknown() {
        for kind in [Kind::Cancel, Kind::Scale] {
            let progress = progress(operation(kind), vec![(JOB, recorded!("2.2.1/job-unknown"))]);
            assert_eq!(progress.state, State::Unknown);
        }
        let script =
            vec![(JOB, recorded!("2.2.1/job-unknown")), (STATUS, recorded!("2.2.1/savepoint-unknown-trigger"))];
        assert_eq!(progress(operation(Kind::Drain), script).state, State::Unknown);
    }

    #[test]
    fn a_cancel_that_came_too_late_failed() {
        for (word, state) in [
            ("CANCELED", State::Succeeded),
            ("FINISHED", State::Failed),
            ("FAILED", State::Failed),
            ("CANCELLING", State::InProgress),
            ("RUNNING", State::InProgress),
            ("NEW_WORD", State::InProgress),
        ] {
            let progress = progress(operation(Kind::Cancel), vec![(JOB, json(200, with_state(word)))]);
            assert_eq!(progress.state, state, "{word}");
        }
    }

    #[test]
    fn a_scale_is_done_when_all_steps_show_it() {
        let scale = |parallelism, ago_ms, details| {
            let operation = Operation { parallelism: Some(parallelism), ..sent(Kind::Scale, ago_ms) };
            progress(operation, vec![(JOB, details)])
        };
        let done = scale(4, 1000, recorded!("2.2.1/job-scaled"));
        assert_eq!(done.state, State::Succeeded);
        let actual: Vec<_> = done.actual.into_iter().collect();
        assert_eq!(actual, [("Source: numbers -> throttle".into(), 4), ("count -> discard: Writer".into(), 4)]);
        let pending = scale(4, 1000, recorded!("2.2.1/job-scale-pending"));
        assert_eq!(pending.state, State::InProgress);
        assert!(pending.diagnostics.starts_with("desired 4, actual 2"), "{}", pending.diagnostics);
        let never = scale(12, 600_000, recorded!("2.2.1/job-scale-above-slots"));
        assert_eq!(never.state, State::Failed);
        assert!(never.diagnostics.starts_with("desired 12, actual "), "{}", never.diagnostics);
        assert_eq!(scale(4, 1000, json(200, with_state("FAILED"))).state, State::Failed);
        let tasks = json!({"RUNNING": 1, "INITIALIZING": 1, "CREATED": 0});
        let mut starting = with_state("RUNNING");
        starting["vertices"] = json!([{"id": "v", "name": "map", "parallelism": 2, "tasks": tasks}]);
        assert_eq!(scale(2, 1000, json(200, starting)).state, State::InProgress);
    }

    fn with_state(word: &str) -> serde_json::Value {
        json!({"jid": testing::TOKEN, "name": "x", "state": word, "start-time": 1, "end-time": -1, "vertices": []})
    }
}
