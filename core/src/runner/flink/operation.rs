//! Operations on a running job: what they need, and sending them once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Flink,
    checkpoint::{CheckpointKind, Checkpoints},
    failure::rescale_unsupported,
    flow::{NAME_BYTES, native_id, parsed},
    request,
    response::{self, Config, JobDetails, Vertex, job_state},
    storage::check_path,
};
use crate::{
    effect::Request,
    error::{Error, Landed},
    job::{Job, JobState, JobType, Operation, OperationKind as Kind, OperationState},
    runner::{Begun, PlannedCall, Progress},
    text::clean_line,
};

/// Flink forgets a savepoint's trigger id after five minutes, and would take the same one for a new savepoint then.
const REMEMBERED_MS: u64 = 4 * 60 * 1000;

impl Flink {
    pub(super) async fn check_operation(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        let target = &self.context.target;
        let (details, beside) = self.details(job, vec![request::config_request(target)]).await?;
        live(&details)?;
        match operation.kind {
            Kind::Cancel => {}
            Kind::Savepoint | Kind::Stop | Kind::Drain => {
                streaming(&details, job)?;
                running(&details)?;
                operation.savepoint_dir.as_deref().map_or(Ok(()), |path| check_path(target, path, false))?;
            }
            Kind::Scale => {
                let config = parsed::<Config>(beside.into_iter().next())?;
                scalable(&config, &details, job, operation)?;
            }
        }
        Ok(vec![self.planned(&details, operation)?])
    }

    fn planned(&self, details: &JobDetails, operation: &Operation) -> Result<PlannedCall, Error> {
        let (call, purpose) = match operation.kind {
            Kind::Cancel => ("PATCH /jobs/{id}?mode=cancel", "end the job now; no savepoint is taken"),
            Kind::Savepoint => ("POST /jobs/{id}/savepoints", "take a savepoint; the job goes on"),
            Kind::Stop => ("POST /jobs/{id}/stop", "take a savepoint to resume from, and end the job"),
            Kind::Drain => ("POST /jobs/{id}/stop", "flush all windows, take a savepoint, and end the job"),
            Kind::Scale => ("PUT /jobs/{id}/resource-requirements", "ask for another parallelism; the job restarts"),
        };
        let request = self.operation_request(&details.jid, Some(details), operation)?;
        let body = match request.body {
            crate::effect::Body::Json(body) => body,
            _ => Value::Null,
        };
        Ok(PlannedCall { call: call.replace("{id}", &details.jid), purpose: purpose.to_owned(), body })
    }

    /// The one request of an operation; `details` are needed to scale.
    fn operation_request(
        &self,
        id: &str,
        details: Option<&JobDetails>,
        operation: &Operation,
    ) -> Result<Request, Error> {
        let target = &self.context.target;
        let (trigger, directory) = (operation.trigger_id.as_str(), self.directory(operation));
        Ok(match operation.kind {
            Kind::Cancel => request::cancel_request(target, id),
            Kind::Savepoint => request::savepoint_request(target, id, request::savepoint_body(directory, trigger)),
            Kind::Stop => request::stop_request(target, id, request::stop_body(directory, false, trigger)),
            Kind::Drain => request::stop_request(target, id, request::stop_body(directory, true, trigger)),
            Kind::Scale => {
                let details = details.ok_or_else(|| Error::misuse("a scale without the job's vertices"))?;
                let wish = wished(operation)?;
                let bounds = details.vertices.iter().map(|vertex| (vertex.id.clone(), upper_bound(vertex, wish)));
                request::put_requirements_request(target, id, request::requirements_body(bounds))
            }
        })
    }

    /// Where a savepoint goes; `None` leaves it to Flink's own configuration.
    fn directory<'a>(&'a self, operation: &'a Operation) -> Option<&'a str> {
        operation.savepoint_dir.as_deref().or(self.context.target.savepoint_dir.as_deref())
    }

    pub(super) async fn begin_operation(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        let id = native_id(job)?;
        match operation.kind {
            Kind::Cancel => self.begin_cancel(id, operation).await,
            Kind::Savepoint | Kind::Stop | Kind::Drain => self.begin_savepoint(id, operation).await,
            Kind::Scale => self.begin_scale(job, operation).await,
        }
    }

    async fn begin_cancel(&self, id: &str, operation: &Operation) -> Result<Begun, Error> {
        let request = self.operation_request(id, None, operation)?;
        match self.write(request, response::read::<Value>).await {
            Err(error) if error.reason() == "already_ended" => Ok(failed(error.message())),
            other => other.map(|_| Begun::Accepted),
        }
    }

    async fn begin_savepoint(&self, id: &str, operation: &Operation) -> Result<Begun, Error> {
        if let Some(done) = self.found_already(id, operation).await? {
            return Ok(done);
        }
        let request = self.operation_request(id, None, operation)?;
        let taken = self.write(request, response::trigger_id).await?;
        if taken.eq_ignore_ascii_case(&operation.trigger_id) {
            return Ok(Begun::Accepted);
        }
        Err(Error::malformed("Flink took the savepoint under another id").landed_as(Landed::Perhaps))
    }

    /// Before a late repetition: what an earlier send that nobody explained has left behind.
    async fn found_already(&self, id: &str, operation: &Operation) -> Result<Option<Begun>, Error> {
        let age = self.context.io.now().wall_ms.saturating_sub(operation.sent_ms);
        if operation.attempts < 2 || operation.sent_ms == 0 || age < REMEMBERED_MS {
            return Ok(None);
        }
        let request = request::checkpoints_request(&self.context.target, id);
        let checkpoints = self.read(request, response::read::<Checkpoints>).await?;
        let found = checkpoints.savepoint_since(kind_of(operation.kind), operation.sent_ms);
        Ok(found.and_then(|savepoint| savepoint.kept_path()).map(|path| {
            let mut progress = Progress::new(OperationState::Succeeded).because("found among the job's checkpoints");
            progress.savepoint_path = Some(path.to_owned());
            Begun::Done(progress)
        }))
    }

    async fn begin_scale(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        let (details, _) = self.details(job, Vec::new()).await.map_err(|error| error.landed_as(Landed::No))?;
        if let Err(error) = live(&details) {
            return Ok(failed(error.message()));
        }
        let request = self.operation_request(&details.jid, Some(&details), operation)?;
        self.write(request, response::read::<Value>).await.map(|_| Begun::Accepted)
    }
}

/// The kind of savepoint an operation takes.
pub(super) fn kind_of(kind: Kind) -> CheckpointKind {
    if kind == Kind::Savepoint { CheckpointKind::Savepoint } else { CheckpointKind::SyncSavepoint }
}

fn failed(message: &str) -> Begun {
    Begun::Done(Progress::new(OperationState::Failed).because(message))
}

fn wished(operation: &Operation) -> Result<u32, Error> {
    operation
        .parallelism
        .filter(|wish| (1..=32_768).contains(wish))
        .ok_or_else(|| Error::invalid("bad_parallelism", "parallelism is a whole number from 1 to 32768"))
}

/// A vertex never runs wider than its maximum; one that is not parallel by nature has the maximum 1.
pub(super) fn upper_bound(vertex: &Vertex, wish: u32) -> u32 {
    match u32::try_from(vertex.max_parallelism) {
        Ok(most) if most > 0 => wish.min(most),
        _ => wish,
    }
}

/// Parallelism per vertex name as Flink shows it; vertices that share a name are told apart by their ids.
pub(super) fn parallelism_by_name(details: &JobDetails) -> BTreeMap<String, u32> {
    let mut actual = BTreeMap::new();
    for vertex in &details.vertices {
        let name = clean_line(&vertex.name, NAME_BYTES);
        let parallelism = u32::try_from(vertex.parallelism).unwrap_or(0);
        let name = if actual.contains_key(&name) { format!("{name} ({})", vertex.id) } else { name };
        actual.insert(name, parallelism);
    }
    actual
}

fn live(details: &JobDetails) -> Result<(), Error> {
    match job_state(&details.state) {
        Some(state) if state.is_terminal() => Err(Error::precondition(
            "job_ended",
            format!("the job has ended: Flink says {}", clean_line(&details.state, 64)),
        )),
        _ => Ok(()),
    }
}

/// Flink takes a savepoint only when all tasks run.
fn running(details: &JobDetails) -> Result<(), Error> {
    if job_state(&details.state) == Some(JobState::Running) {
        if details.vertices.iter().all(Vertex::settled) {
            return Ok(());
        }
        return Err(Error::precondition("job_starting", "some of the job's tasks are still starting")
            .retry_as(crate::error::Retry::Safe)
            .suggest("wait a few seconds, then ask again"));
    }
    let state = clean_line(&details.state, 64);
    Err(Error::precondition("job_not_running", format!("the job is not running yet or restarts: Flink says {state}"))
        .suggest("wait until the job is RUNNING, then ask again"))
}

fn streaming(details: &JobDetails, job: &Job) -> Result<(), Error> {
    match details.job_type().or(job.job_type) {
        Some(JobType::Batch) => Err(Error::precondition(
            "not_streaming",
            "the job runs in batch mode: Flink takes no savepoint of it and cannot stop, drain or rescale it",
        )
        .suggest("let it end, or cancel it and create it again")),
        _ => Ok(()),
    }
}

fn scalable(config: &Config, details: &JobDetails, job: &Job, operation: &Operation) -> Result<(), Error> {
    let wish = wished(operation)?;
    if !config.features.web_rescale {
        return Err(rescale_unsupported());
    }
    streaming(details, job)?;
    let widest = details.vertices.iter().map(|vertex| upper_bound(vertex, wish)).max();
    match widest {
        None => Err(Error::precondition("job_not_running", "the job has no steps yet: wait until it is RUNNING")),
        Some(widest) if widest < wish => Err(Error::invalid(
            "above_max_parallelism",
            format!("no step of the job can run {wish} times: the largest maximum is {widest}"),
        )
        .with("details", json!({"desired": wish, "maximum": widest}))
        .suggest("ask for less, or create the job again with a larger pipeline.max-parallelism")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        error::ErrorKind,
        runner::{
            Backend,
            flink::testing::{NOW_MS, Played, TRIGGER, fault, job, json as answer, operation, play, recorded, target},
        },
    };

    const JOB: &str = "GET /jobs/{id}";

    fn check(operation: Operation, details: Reply, config: Reply) -> Played<Vec<PlannedCall>> {
        let script = vec![(JOB, details), ("GET /config", config)];
        play(target(), script, |flink| async move { flink.check(&job(), &operation).await })
    }

    fn begin(operation: Operation, script: Vec<(&str, Reply)>) -> Played<Begun> {
        play(target(), script, |flink| async move { flink.begin(&job(), &operation).await })
    }

    fn scale(parallelism: u32) -> Operation {
        Operation { parallelism: Some(parallelism), ..operation(Kind::Scale) }
    }

    #[test]
    fn what_is_planned_is_what_is_sent() {
        let directory = || {
            let mut target = target();
            target.savepoint_dir = Some("file:///srv/flink/savepoints".into());
            target
        };
        for (kind, answer, call) in [
            (Kind::Cancel, recorded!("2.2.1/cancel"), "PATCH /jobs/{id}?mode=cancel"),
            (Kind::Savepoint, recorded!("2.2.1/savepoint-trigger"), "POST /jobs/{id}/savepoints"),
            (Kind::Stop, accepted(), "POST /jobs/{id}/stop"),
            (Kind::Drain, accepted(), "POST /jobs/{id}/stop"),
        ] {
            let script =
                vec![(JOB, recorded!("2.2.1/job-running")), ("GET /config", recorded!("2.2.1/config")), (call, answer)];
            let played = play(directory(), script, move |flink| async move {
                let planned = flink.check(&job(), &operation(kind)).await?;
                Ok((planned, flink.begin(&job(), &operation(kind)).await?))
            });
            let sent = match &played.requests.last().unwrap().body {
                crate::effect::Body::Json(body) => body.clone(),
                _ => Value::Null,
            };
            let (planned, begun) = played.end.unwrap();
            assert_eq!((&planned[0].body, begun), (&sent, Begun::Accepted), "{kind:?}");
            if kind != Kind::Cancel {
                let spelling = if kind == Kind::Savepoint { "target-directory" } else { "targetDirectory" };
                assert_eq!(
                    (&sent[spelling], &sent["triggerId"]),
                    (&json!("file:///srv/flink/savepoints"), &json!(TRIGGER))
                );
                assert_eq!(sent.get("drain").cloned(), (kind != Kind::Savepoint).then(|| json!(kind == Kind::Drain)));
            }
        }
    }

    fn accepted() -> Reply {
        answer(202, json!({"request-id": TRIGGER}))
    }

    #[test]
    fn an_operation_is_refused_where_flink_would_only_pretend() {
        let config = || recorded!("2.2.1/config");
        let finished = || details("FINISHED", "STREAMING");
        let elsewhere = Operation { savepoint_dir: Some("s3://mine/x".into()), ..operation(Kind::Savepoint) };
        for (operation, details, config, reason) in [
            (operation(Kind::Cancel), finished(), config(), "job_ended"),
            (operation(Kind::Savepoint), finished(), config(), "job_ended"),
            (operation(Kind::Savepoint), details("RESTARTING", "STREAMING"), config(), "job_not_running"),
            (operation(Kind::Drain), details("CREATED", "STREAMING"), config(), "job_not_running"),
            (operation(Kind::Savepoint), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (operation(Kind::Stop), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (scale(2), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (operation(Kind::Stop), starting(), config(), "job_starting"),
            (elsewhere, recorded!("2.2.1/job-running"), config(), "savepoint_path_not_allowed"),
            (scale(0), recorded!("2.2.1/job-running"), config(), "bad_parallelism"),
            (operation(Kind::Scale), recorded!("2.2.1/job-running"), config(), "bad_parallelism"),
            (scale(100), recorded!("2.2.1/job-running"), config(), "above_max_parallelism"),
            (scale(2), details("CREATED", "STREAMING"), config(), "job_not_running"),
            (scale(4), recorded!("2.2.1/job-running"), no_rescale(), "rescale_needs_adaptive_scheduler"),
            (operation(Kind::Stop), recorded!("2.2.1/job-unknown"), config(), "job_unknown_to_flink"),
        ] {
            assert_eq!(check(operation, details, config).reason(), reason);
        }
        let unsupported = check(scale(4), recorded!("2.2.1/job-running"), no_rescale()).end.unwrap_err();
        assert_eq!(unsupported.kind(), ErrorKind::Unsupported);
        assert!(unsupported.suggestion().contains("savepoint"));
        check(operation(Kind::Cancel), details("CREATED", "BATCH"), config()).end.unwrap();
    }

    fn details(state: &str, kind: &str) -> Reply {
        let jid = crate::runner::flink::testing::TOKEN;
        answer(200, json!({"jid": jid, "name": "x", "state": state, "job-type": kind, "start-time": 1, "end-time": -1}))
    }

    fn starting() -> Reply {
        let vertex = json!({"id": "v", "name": "map", "parallelism": 1, "tasks": {"INITIALIZING": 1}});
        let jid = crate::runner::flink::testing::TOKEN;
        answer(
            200,
            json!({"jid": jid, "name": "x", "state": "RUNNING", "job-type": "STREAMING", "start-time": 1,
            "end-time": -1, "vertices": [vertex]}),
        )
    }

    fn no_rescale() -> Reply {
        answer(200, json!({"flink-version": "1.20.5", "features": {"web-submit": true, "web-rescale": false}}))
    }

    #[test]
    fn a_scale_names_all_steps_with_the_lower_bound_one() {
        let script = vec![
            (JOB, recorded!("2.2.1/job-running")),
            ("PUT /jobs/{id}/resource-requirements", recorded!("2.2.1/resource-requirements-put")),
        ];
        let played = begin(scale(4), script);
        let bounds = json!({"parallelism": {"lowerBound": 1, "upperBound": 4}});
        let body = json!({"ca88eee0095684d687a1b6495617f957": bounds, "b71731f1c0df9c3076c4a455334d0ad6": bounds});
        assert_eq!(*played.body(), body);
        assert_eq!(played.end.unwrap(), Begun::Accepted);
    }

    #[test]
    fn a_step_that_cannot_be_parallel_stays_alone() {
        let vertex = |id: &str, most: i64| json!({"id": id, "name": id, "parallelism": 1, "maxParallelism": most});
        let jid = crate::runner::flink::testing::TOKEN;
        let details = json!({"jid": jid, "name": "x", "state": "RUNNING", "job-type": "STREAMING", "start-time": 1,
            "end-time": -1, "vertices": [vertex("wide", 128), vertex("alone", 1), vertex("unset", -1)]});
        let played = check(scale(8), answer(200, details), recorded!("2.2.1/config"));
        let body = &played.end.unwrap()[0].body;
        let upper = |id: &str| body[id]["parallelism"]["upperBound"].as_u64();
        assert_eq!([upper("wide"), upper("alone"), upper("unset")], [Some(8), Some(1), Some(8)]);
    }

    #[test]
    fn answers_to_a_cancel() {
        const CANCEL: &str = "PATCH /jobs/{id}?mode=cancel";
        let cancel = |answer| begin(operation(Kind::Cancel), vec![(CANCEL, answer)]);
        assert_eq!(cancel(recorded!("2.2.1/cancel")).end.unwrap(), Begun::Accepted);
        assert_eq!(cancel(recorded!("2.2.1/cancel-canceled")).end.unwrap(), Begun::Accepted);
        for ended in
            [recorded!("2.2.1/cancel-finished"), recorded!("1.20.5/cancel-finished"), recorded!("2.2.1/cancel-failed")]
        {
            let Begun::Done(progress) = cancel(ended).end.unwrap() else { panic!() };
            assert_eq!(progress.state, OperationState::Failed);
            assert!(progress.diagnostics.contains("another terminal state"), "{}", progress.diagnostics);
        }
        assert_eq!(cancel(recorded!("2.2.1/cancel-unknown")).reason(), "job_unknown_to_flink");
        assert_eq!(cancel(fault(FaultKind::Timeout)).end.unwrap_err().landed(), Landed::Perhaps);
    }

    #[test]
    fn answers_to_a_savepoint() {
        const SAVEPOINT: &str = "POST /jobs/{id}/savepoints";
        let savepoint = |answer| begin(operation(Kind::Savepoint), vec![(SAVEPOINT, answer)]).end;
        let other = savepoint(answer(202, json!({"request-id": "0"}))).unwrap_err();
        assert_eq!((other.reason(), other.landed()), ("malformed_response", Landed::Perhaps));
        let refused = savepoint(recorded!("2.2.1/savepoint-trigger-bad-id")).unwrap_err();
        assert_eq!((refused.kind(), refused.landed()), (ErrorKind::InvalidArgument, Landed::No));
        assert_eq!(savepoint(fault(FaultKind::Reset)).unwrap_err().landed(), Landed::Perhaps);
    }

    #[test]
    fn a_late_repetition_looks_for_what_the_first_send_left() {
        const CHECKPOINTS: &str = "GET /jobs/{id}/checkpoints";
        let again = |sent_ms| Operation { attempts: 2, sent_ms, ..operation(Kind::Savepoint) };
        let found = begin(again(1_795_173_501_000), vec![(CHECKPOINTS, recorded!("2.2.1/checkpoints-scaled"))]);
        let Begun::Done(progress) = found.end.unwrap() else { panic!() };
        assert_eq!(progress.state, OperationState::Succeeded);
        let none = vec![
            (CHECKPOINTS, recorded!("2.2.1/checkpoints-running")),
            ("POST /jobs/{id}/savepoints", recorded!("2.2.1/savepoint-trigger")),
        ];
        assert_eq!(begin(again(NOW_MS - REMEMBERED_MS), none).end.unwrap(), Begun::Accepted);
        let soon = vec![("POST /jobs/{id}/savepoints", recorded!("2.2.1/savepoint-trigger-again"))];
        assert_eq!(begin(again(NOW_MS - 1000), soon).end.unwrap(), Begun::Accepted, "Flink still knows the id");
    }
}
