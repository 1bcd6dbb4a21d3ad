use super::{Backend, Begun, Context, Look, PlannedCall, Probe, Progress, Sighting, Submission, Submitted};
use crate::{
    config::RunnerKind,
    error::Error,
    job::{Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// The runner of a target.
pub enum Runner {}

impl Runner {
    /// The runner of the context's target.
    ///
    /// # Errors
    /// `unsupported` for runners this version cannot drive.
    pub fn open(context: Context) -> Result<Self, Error> {
        Err(not_driven(context.target.runner))
    }
}

fn not_driven(kind: RunnerKind) -> Error {
    Error::unsupported("runner_not_driven", format!("this version of beam-mcp does not drive {} yet", kind.as_str()))
        .suggest("use a flink, direct or simulator target; list_runners shows them")
}

impl Backend for Runner {
    async fn probe(&self) -> Result<Probe, Error> {
        match *self {}
    }
    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        match *self {}
    }
    async fn look(&self, _job: &Job) -> Result<Look, Error> {
        match *self {}
    }
    async fn prepare(&self, _spec: &JobSpec, _token: &str, _operator_options: bool) -> Result<Submission, Error> {
        match *self {}
    }
    async fn submit(&self, _job: &Job) -> Result<Submitted, Error> {
        match *self {}
    }
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        match *self {}
    }
    async fn check(&self, _job: &Job, _operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        match *self {}
    }
    async fn begin(&self, _job: &Job, _operation: &Operation) -> Result<Begun, Error> {
        match *self {}
    }
    async fn progress(&self, _job: &Job, _operation: &Operation) -> Result<Progress, Error> {
        match *self {}
    }
    async fn metrics(&self, _job: &Job) -> Result<Metrics, Error> {
        match *self {}
    }
    async fn logs(&self, _job: &Job, _query: &LogQuery) -> Result<LogPage, Error> {
        match *self {}
    }
    async fn tidy(&self, _job: &Job) -> Result<(), Error> {
        match *self {}
    }
}
