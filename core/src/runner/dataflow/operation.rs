//! Operations on a job: sent once, and how far Dataflow is with them. "Accepted" is not "done": what counts is what the
//! job or snapshot shows afterwards.

use std::time::Duration;

use serde_json::json;

use super::{
    Dataflow,
    check::supported,
    flow::native_id,
    look::is_unseen,
    request,
    response::{self, JobAnswer, Snapshot, Snapshots},
};
use crate::{
    effect::Request,
    error::{Error, ErrorKind, Landed},
    job::{Job, JobState, Operation, OperationKind as Kind, OperationState as State},
    runner::{Begun, Progress},
    text::clean_line,
};

/// Most workers of a job: what Dataflow's own document says.
const MOST_WORKERS: u32 = 1_000;
/// Seconds a snapshot is kept: a week, Dataflow's own default.
const SNAPSHOT_S: u32 = 7 * 24 * 3_600;
/// How long a request that nobody saw arrive may still be on its way.
const SETTLE: Duration = Duration::from_secs(2 * 60);

/// Smallest and largest number of workers an operation asks for.
pub(super) fn bounds(operation: &Operation) -> Result<(u32, u32), Error> {
    let least = operation.min_workers.unwrap_or(1);
    let most = operation.parallelism.filter(|most| (1..=MOST_WORKERS).contains(most) && (1..=*most).contains(&least));
    most.map(|most| (least, most)).ok_or_else(|| {
        Error::invalid("bad_parallelism", format!("the number of workers is 1 to {MOST_WORKERS}, the least no larger"))
            .suggest("on Dataflow, `parallelism` is the largest number of workers the autoscaler may take")
    })
}

/// What tells a snapshot of ours from others.
fn description(operation: &Operation) -> String {
    format!("beam-mcp {}", operation.trigger_id)
}

impl Dataflow {
    /// The one request of an operation.
    pub(super) fn operation_request(&self, id: &str, operation: &Operation) -> Result<Request, Error> {
        let target = &self.context.target;
        Ok(match operation.kind {
            Kind::Cancel => request::state_request(target, id, "JOB_STATE_CANCELLED"),
            Kind::Drain => request::state_request(target, id, "JOB_STATE_DRAINED"),
            Kind::Scale => {
                let (least, most) = bounds(operation)?;
                request::workers_request(target, id, least, most)
            }
            Kind::Savepoint | Kind::Stop => {
                let (ttl, region) = (format!("{SNAPSHOT_S}s"), target.region.as_deref());
                let body = json!({"ttl": ttl, "description": description(operation), "location": region});
                request::snapshot_request(target, id, body)
            }
        })
    }

    pub(super) async fn begin_operation(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        supported(operation)?;
        let id = native_id(job)?;
        if operation.kind == Kind::Savepoint
            && operation.attempts > 1
            && self.snapshot_of(id, operation).await?.is_some()
        {
            return Ok(Begun::Accepted);
        }
        let request = self.operation_request(id, operation)?;
        let answer = match operation.kind {
            Kind::Savepoint | Kind::Stop => self.write(request, response::read::<Snapshot>).await.map(|_| ()),
            Kind::Cancel | Kind::Drain | Kind::Scale => {
                self.write(request, response::read::<JobAnswer>).await.map(|_| ())
            }
        };
        match answer {
            Ok(()) => Ok(Begun::Accepted),
            Err(error) if error.kind() == ErrorKind::NotFound && is_unseen(job) => Err(not_shown_yet()),
            Err(error) => self.refused(id, error).await,
        }
    }

    /// A refusal because the job has ended meanwhile is the end of the operation.
    async fn refused(&self, id: &str, error: Error) -> Result<Begun, Error> {
        if !matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::FailedPrecondition) {
            return Err(error);
        }
        let failed = |text: String| Ok(Begun::Done(Progress::new(State::Failed).because(text)));
        match self.job(id, false).await {
            Ok(answer) if answer.has_ended() => failed(ended_as(&answer)),
            Err(gone) if gone.gave_up() => Err(gone),
            Ok(_) | Err(_) => failed(error.message().to_owned()),
        }
    }

    pub(super) async fn progress_of(
        &self,
        job: &Job,
        operation: &Operation,
        silent: Duration,
    ) -> Result<Progress, Error> {
        let id = native_id(job)?;
        if matches!(operation.kind, Kind::Savepoint | Kind::Stop) {
            return self.progress_of_snapshot(id, operation, silent).await;
        }
        let answer = match self.job(id, operation.kind == Kind::Scale).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.of_nothing(job, silent)),
            answer => answer?,
        };
        Ok(match operation.kind {
            Kind::Scale => of_scale(&answer, operation, silent)?,
            Kind::Drain => of_drain(&answer, silent),
            _ => of_end(&answer, JobState::Canceled),
        })
    }

    /// A job that Dataflow does not show yet may end as it was told to; one that it shows no more will not say so.
    fn of_nothing(&self, job: &Job, silent: Duration) -> Progress {
        if self.is_young(job) || silent < SETTLE {
            return Progress::new(State::InProgress).because("Dataflow does not show the job yet");
        }
        Progress::new(State::Unknown).because("Dataflow does not know the job any more")
    }

    async fn progress_of_snapshot(&self, id: &str, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        let Some(snapshot) = self.snapshot_of(id, operation).await? else {
            return Ok(if silent < SETTLE {
                Progress::new(State::InProgress).because("Dataflow does not list the snapshot yet")
            } else {
                Progress::new(State::Unknown).because("Dataflow lists no snapshot of this operation")
            });
        };
        let word = clean_line(&snapshot.state, 64);
        Ok(match snapshot.state.as_str() {
            "READY" => {
                let mut progress = Progress::new(State::Succeeded).because("a Dataflow snapshot, kept for 7 days");
                progress.savepoint_path = Some(snapshot.id);
                progress
            }
            "FAILED" | "DELETED" => {
                Progress::new(State::Failed).because(format!("Dataflow says the snapshot is {word}"))
            }
            _ => Progress::new(State::InProgress).because(format!("the snapshot is {word}")),
        })
    }

    /// The snapshot an operation took, by its description.
    async fn snapshot_of(&self, id: &str, operation: &Operation) -> Result<Option<Snapshot>, Error> {
        let request = request::snapshots_request(&self.context.target, id);
        let all = self.read(request, response::read::<Snapshots>).await?.snapshots;
        let ours = description(operation);
        Ok(all.into_iter().find(|snapshot| snapshot.description == ours && snapshot.source_job_id == id))
    }

    /// A snapshot by its id.
    pub(super) async fn snapshot(&self, snapshot: &str) -> Result<Snapshot, Error> {
        let request = request::snapshot_by_id_request(&self.context.target, snapshot);
        self.read(request, response::read::<Snapshot>).await
    }
}

/// A drain that nobody saw arrive, and that the job does not show, did not.
fn of_drain(answer: &JobAnswer, silent: Duration) -> Progress {
    if answer.state() == Some(JobState::Running) && silent >= SETTLE {
        return Progress::new(State::Failed).because("Dataflow does not drain the job: the request did not arrive");
    }
    of_end(answer, JobState::Drained)
}

fn of_scale(answer: &JobAnswer, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
    let (least, most) = bounds(operation)?;
    let shown = answer.runtime_updatable_params.as_ref();
    let is = |workers: &response::Workers| {
        workers.max_num_workers == Some(most) && workers.min_num_workers.unwrap_or(1) == least
    };
    let mut progress = if answer.has_ended() {
        Progress::new(State::Failed).because(ended_as(answer))
    } else if shown.is_some_and(is) {
        Progress::new(State::Succeeded)
            .because(format!("Dataflow's autoscaler now chooses between {least} and {most} workers"))
    } else if silent < SETTLE {
        Progress::new(State::InProgress).because("Dataflow does not show the new bounds yet")
    } else {
        Progress::new(State::Failed).because("Dataflow took the new bounds and does not show them")
    };
    let bound = shown.and_then(|workers| workers.max_num_workers);
    progress.actual = bound.map(|bound| ("max_num_workers".to_owned(), bound)).into_iter().collect();
    Ok(progress)
}

/// Nothing was done, and will be once Dataflow shows the job it has taken.
fn not_shown_yet() -> Error {
    Error::new(ErrorKind::Unavailable, "not_shown_yet", "Dataflow took the launch and does not show the job yet")
        .landed_as(Landed::No)
}

fn ended_as(answer: &JobAnswer) -> String {
    format!("the job has ended: Dataflow says {}", clean_line(&answer.current_state, 64))
}

fn of_end(answer: &JobAnswer, wanted: JobState) -> Progress {
    match answer.state() {
        Some(state) if state == wanted => Progress::new(State::Succeeded),
        Some(state) if state.is_terminal() => Progress::new(State::Failed).because(ended_as(answer)),
        _ => Progress::new(State::InProgress),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            dataflow::testing::{
                JOB, JOB_ALL, NATIVE, NOW_MS, PUT, Played, SNAPSHOT, SNAPSHOTS, answer, fault, job, operation, play,
                refusal, target,
            },
        },
    };

    fn shown(state: &str) -> Reply {
        answer(200, json!({"id": NATIVE, "type": "JOB_TYPE_STREAMING", "currentState": state}))
    }

    fn begin(operation: Operation, script: Vec<(&'static str, Reply)>) -> Played<Begun> {
        play(target(), script, |dataflow| async move { dataflow.begin(&job(), &operation).await })
    }

    fn progress(operation: Operation, script: Vec<(&'static str, Reply)>) -> Progress {
        let silent = Duration::from_millis(operation.age_ms(NOW_MS));
        play(target(), script, move |dataflow| async move { dataflow.progress(&job(), &operation, silent).await })
            .end
            .unwrap()
    }

    fn snapshots(state: &str, of: &Operation) -> Reply {
        let ours = json!({"id": "snap-1", "state": state, "description": description(of), "sourceJobId": NATIVE});
        let other = json!({"id": "snap-0", "state": "READY", "description": "nightly", "sourceJobId": NATIVE});
        answer(200, json!({"snapshots": [other, ours]}))
    }

    #[test]
    fn a_cancel_is_done_when_the_job_shows_it() {
        let cancel = || operation(Kind::Cancel);
        assert_eq!(begin(cancel(), vec![(PUT, shown("JOB_STATE_CANCELLING"))]).end.unwrap(), Begun::Accepted);
        for (state, expected) in [
            ("JOB_STATE_CANCELLING", State::InProgress),
            ("JOB_STATE_CANCELLED", State::Succeeded),
            ("JOB_STATE_DONE", State::Failed),
        ] {
            assert_eq!(progress(cancel(), vec![(JOB, shown(state))]).state, expected);
        }
        assert_eq!(progress(operation(Kind::Drain), vec![(JOB, shown("JOB_STATE_DRAINED"))]).state, State::Succeeded);
    }

    #[test]
    fn a_job_that_is_not_shown_yet_may_end_and_one_that_is_shown_no_more_will_not_say_so() {
        for (sent_ms, silent, expected) in [
            (NOW_MS, 180, State::InProgress),
            (NOW_MS - 180_000, 180, State::Unknown),
            // The wall has gone ahead since the launch.
            (NOW_MS - 180_000, 119, State::InProgress),
        ] {
            let job = Job { sent_ms, ..job() };
            let gone = vec![(JOB, refusal(404, "NOT_FOUND", "no"))];
            let cancel = operation(Kind::Cancel);
            let played = play(target(), gone, move |dataflow| async move {
                dataflow.progress(&job, &cancel, Duration::from_secs(silent)).await
            });
            assert_eq!(played.end.unwrap().state, expected);
        }
    }

    #[test]
    fn a_refused_operation_says_whether_the_job_has_ended() {
        let refused = || (PUT, refusal(400, "FAILED_PRECONDITION", "no"));
        for (state, text) in [("JOB_STATE_DONE", "JOB_STATE_DONE"), ("JOB_STATE_RUNNING", "no")] {
            let played = begin(operation(Kind::Cancel), vec![refused(), (JOB, shown(state))]);
            let Begun::Done(done) = played.end.unwrap() else { panic!() };
            assert!(done.state == State::Failed && done.diagnostics.contains(text), "{done:?}");
        }
        let cut = begin(operation(Kind::Cancel), vec![(PUT, fault(FaultKind::Reset))]).end.unwrap_err();
        assert_eq!(cut.landed(), Landed::Perhaps);
    }

    #[test]
    fn a_cancel_waits_for_a_job_that_is_not_shown_yet() {
        let unknown = || vec![(PUT, refusal(404, "NOT_FOUND", "no"))];
        for runner_state in [None, Some("not shown yet".to_owned())] {
            let job = Job { runner_state, ..job() };
            let cancel = operation(Kind::Cancel);
            let played = play(target(), unknown(), |dataflow| async move { dataflow.begin(&job, &cancel).await });
            let error = played.end.unwrap_err();
            assert_eq!((error.reason(), error.landed()), ("not_shown_yet", Landed::No));
        }
        let shown = Job { runner_state: Some("JOB_STATE_RUNNING".into()), ..job() };
        let cancel = operation(Kind::Cancel);
        let played = play(target(), unknown(), |dataflow| async move { dataflow.begin(&shown, &cancel).await });
        assert_eq!(played.end.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_drain_that_the_job_does_not_show_did_not_arrive() {
        let drain = |ago_ms| Operation { sent_ms: NOW_MS - ago_ms, ..operation(Kind::Drain) };
        for (ago_ms, word, expected) in [
            (1, "RUNNING", State::InProgress),
            (120_000, "RUNNING", State::Failed),
            (120_000, "DRAINING", State::InProgress),
        ] {
            let answer = vec![(JOB, shown(&format!("JOB_STATE_{word}")))];
            assert_eq!(progress(drain(ago_ms), answer).state, expected, "{word}");
        }
    }

    #[test]
    fn a_scale_is_done_when_the_bounds_are_shown() {
        let scale = || Operation { parallelism: Some(5), ..operation(Kind::Scale) };
        let with = |most: u32, least: Option<u32>| {
            let mut workers = json!({"maxNumWorkers": most});
            if let Some(least) = least {
                workers["minNumWorkers"] = least.into();
            }
            vec![(
                JOB_ALL,
                answer(
                    200,
                    json!({"id": NATIVE, "currentState": "JOB_STATE_RUNNING", "runtimeUpdatableParams": workers}),
                ),
            )]
        };
        for (script, expected) in [
            (with(5, Some(1)), State::Succeeded),
            (with(5, None), State::Succeeded),
            (with(5, Some(2)), State::InProgress),
            (with(3, Some(1)), State::InProgress),
        ] {
            assert_eq!(progress(scale(), script).state, expected);
        }
        let late = Operation { sent_ms: NOW_MS - 120_000, ..scale() };
        let failed = progress(late, with(3, Some(1)));
        assert_eq!((failed.state, failed.actual["max_num_workers"]), (State::Failed, 3));
    }

    #[test]
    fn a_snapshot_is_taken_once_and_known_by_its_description() {
        let first = operation(Kind::Savepoint);
        let played = begin(first.clone(), vec![(SNAPSHOT, answer(200, json!({"id": "snap-1", "state": "PENDING"})))]);
        assert_eq!(played.body()["description"], Value::from(description(&first)));
        assert_eq!(played.body()["ttl"], "604800s");
        let again = Operation { attempts: 2, ..first.clone() };
        let found = begin(again.clone(), vec![(SNAPSHOTS, snapshots("RUNNING", &first))]);
        assert_eq!(found.end.unwrap(), Begun::Accepted, "an earlier send that nobody saw arrive is not repeated");
        let none = vec![(SNAPSHOTS, answer(200, json!({}))), (SNAPSHOT, answer(200, json!({"id": "snap-1"})))];
        assert_eq!(begin(again, none).end.unwrap(), Begun::Accepted);
        for (state, expected) in
            [("PENDING", State::InProgress), ("READY", State::Succeeded), ("FAILED", State::Failed)]
        {
            let shown = progress(first.clone(), vec![(SNAPSHOTS, snapshots(state, &first))]);
            assert_eq!(shown.state, expected);
            assert_eq!(shown.savepoint_path.is_some(), state == "READY");
        }
        let young = progress(first.clone(), vec![(SNAPSHOTS, answer(200, json!({})))]);
        assert_eq!(young.state, State::InProgress);
        let old = Operation { sent_ms: NOW_MS - 120_000, ..first };
        assert_eq!(progress(old, vec![(SNAPSHOTS, answer(200, json!({})))]).state, State::Unknown);
    }
}
