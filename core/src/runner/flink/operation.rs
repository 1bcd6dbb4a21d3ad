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

fn running(details: &JobDetails) -> Result<(), Error> {
    if job_state(&details.state) == Some(JobState::Running) {
        return Ok(());
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
