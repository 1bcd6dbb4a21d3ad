//! How far Flink is with an operation. "Accepted" is not "done": what counts is what the job shows afterwards.

use super::{
    Flink,
    checkpoint::{AsyncOperation, Checkpoints, Settled},
    flow::{native_id, parsed},
    operation::{kind_of, parallelism_by_name, upper_bound},
    request,
    response::{self, JobDetails, job_state},
};
use crate::{
    error::Error,
    job::{Job, JobState, Operation, OperationKind as Kind, OperationState as State},
    runner::Progress,
    text::clean_line,
};

impl Flink {
    pub(super) async fn progress_of(&self, job: &Job, operation: &Operation) -> Result<Progress, Error> {
        let progress = match operation.kind {
            Kind::Cancel => self.details(job, Vec::new()).await.map(|(details, _)| of_cancel(&details)),
            Kind::Scale => self.details(job, Vec::new()).await.map(|(details, _)| of_scale(&details, operation)),
            Kind::Savepoint => self.of_savepoint(job, operation).await,
            Kind::Stop | Kind::Drain => self.of_stop(job, operation).await,
        };
        match progress {
            Err(error) if error.reason() == "job_unknown_to_flink" => Ok(Progress::new(State::Unknown)
                .because("Flink does not know the job any more: its JobManager restarted, or the job ended long ago")),
            other => other,
        }
    }

    async fn of_savepoint(&self, job: &Job, operation: &Operation) -> Result<Progress, Error> {
        let request = self.status_request(job, operation)?;
        match self.read(request, response::read::<AsyncOperation>).await {
            Ok(status) => Ok(settled(status.settled(), operation.kind)),
            Err(error) if error.reason() == "operation_forgotten" => self.of_forgotten(job, operation).await,
            Err(error) => Err(error),
        }
    }

    /// A stop is done when its savepoint is written and the job has ended.
    async fn of_stop(&self, job: &Job, operation: &Operation) -> Result<Progress, Error> {
        let (details, beside) = self.details(job, vec![self.status_request(job, operation)?]).await?;
        match parsed::<AsyncOperation>(beside.into_iter().next()) {
            Ok(status) => Ok(ended(settled(status.settled(), operation.kind), &details)),
            Err(error) if error.reason() == "operation_forgotten" => {
                Ok(ended(self.of_forgotten(job, operation).await?, &details))
            }
            Err(error) => Err(error),
        }
    }

    fn status_request(&self, job: &Job, operation: &Operation) -> Result<crate::effect::Request, Error> {
        let id = native_id(job)?;
        Ok(request::savepoint_status_request(&self.context.target, id, &operation.trigger_id))
    }

    /// The proof that remains: a savepoint of the right kind among the job's checkpoints.
    async fn of_forgotten(&self, job: &Job, operation: &Operation) -> Result<Progress, Error> {
        let request = request::checkpoints_request(&self.context.target, native_id(job)?);
        let checkpoints = self.read(request, response::read::<Checkpoints>).await?;
        let found = checkpoints.savepoint_since(kind_of(operation.kind), operation.sent_ms);
        Ok(match found.and_then(|savepoint| savepoint.kept_path()) {
            Some(path) => done(Some(path.to_owned()), operation.kind)
                .because("Flink has forgotten the operation; its savepoint is among the job's checkpoints"),
            None => Progress::new(State::Unknown)
                .because("Flink has forgotten the operation, and no savepoint of it is among the job's checkpoints"),
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

fn of_scale(details: &JobDetails, operation: &Operation) -> Progress {
    let wish = operation.parallelism.unwrap_or(1);
    let equal = details.vertices.iter().all(|vertex| vertex.parallelism == i64::from(upper_bound(vertex, wish)));
    let state = match job_state(&details.state) {
        Some(state) if state.is_terminal() => State::Failed,
        Some(JobState::Running) if equal && !details.vertices.is_empty() => State::Succeeded,
        _ => State::InProgress,
    };
    let mut progress = Progress::new(state);
    progress.actual = parallelism_by_name(details);
    progress.diagnostics = match state {
        State::Failed => format!("the job ended {} before it was rescaled", word(details)),
        State::InProgress => format!(
            "desired {wish}, actual {}: Flink waits for free slots and for the time it leaves between rescales",
            details.parallelism().unwrap_or(0)
        ),
        _ => String::new(),
    };
    progress
}

fn word(details: &JobDetails) -> String {
    clean_line(&details.state, 64)
}
