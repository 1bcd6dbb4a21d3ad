//! Operations on a running job, each sent once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Flink,
    check::live,
    checkpoint::{CheckpointKind, Checkpoints},
    flow::{NAME_BYTES, native_id},
    job_details::{JobDetails, Vertex},
    request, response,
};
use crate::{
    effect::Request,
    error::{Error, Landed},
    job::{Job, Operation, OperationKind as Kind, OperationState},
    runner::{Begun, Progress},
    text::clean_line,
};

/// Flink forgets a savepoint's trigger id after five minutes, and would take the same one for a new savepoint then.
const REMEMBERED_MS: u64 = 4 * 60 * 1000;

impl Flink {
    /// The one request of an operation; `details` are needed to scale.
    pub(super) fn operation_request(
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
        if operation.sent_ms == 0 || age < REMEMBERED_MS {
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

pub(super) fn wished(operation: &Operation) -> Result<u32, Error> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
