use std::{collections::BTreeMap, future::Future, time::Duration};

use super::{Bearer, Begun, Build, Look, Memory, PlannedCall, Probe, Progress, Sighting, Submission, Submitted};
use crate::{
    config::Identity,
    error::Error,
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// The calls every runner answers. Each makes its own retries of what may be repeated; none touches the store.
///
/// Errors: `unsupported` with a reason and the nearest honest alternative for what the runner cannot do;
/// `unavailable` or `deadline_exceeded` when it does not answer; [`Error::landed`] tells whether a write may have
/// arrived.
pub trait Backend {
    /// Version, health, capabilities: at most two cheap calls.
    fn probe(&self) -> impl Future<Output = Result<Probe, Error>> + Send;

    /// All jobs the runner lists, in one call.
    fn list(&self) -> impl Future<Output = Result<Vec<Sighting>, Error>> + Send;

    /// The same, where `tokens` are those of jobs that are known, by the runner's ids: what a list leaves open without
    /// them may be told with them.
    fn list_known(
        &self,
        _tokens: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<Vec<Sighting>, Error>> + Send {
        self.list()
    }

    /// One job.
    fn look(&self, job: &Job) -> impl Future<Output = Result<Look, Error>> + Send;

    /// Checks a spec, stages its code and resolves its options: everything before the intent is stored. Sends nothing
    /// that lasts.
    ///
    /// `token` is the 32 hex digits of the job to be; `operator_options` is true when the caller may set options that
    /// load code or redirect traffic (security-reliability.md T25).
    fn prepare(
        &self,
        spec: &JobSpec,
        token: &str,
        operator_options: bool,
    ) -> impl Future<Output = Result<Submission, Error>> + Send;

    /// Builds what is sent, where that takes running the caller's code: before a permit to send is taken, as often as
    /// asked, and without a word to the runner. An error is one of the submission, and says that nothing was sent.
    fn build(&self, _job: &Job) -> impl Future<Output = Result<Build, Error>> + Send {
        std::future::ready(Ok(Build::Ready))
    }

    /// Submits once, with the id derived from the job's token. The caller took a permit in the store before.
    ///
    /// An error with [`crate::error::Landed::No`] says that certainly nothing runs; anything unsure is `Perhaps`.
    /// "Already submitted" for our own id is success.
    fn submit(&self, job: &Job) -> impl Future<Output = Result<Submitted, Error>> + Send;

    /// How much of a caller-made id the runner honours, and so what may be done about a submission nobody can explain.
    ///
    /// With [`Identity::Chosen`] and [`Identity::Named`] a second submission is the first (class A of
    /// security-reliability.md 4.3) and may be sent once the job is not found; with the others it would be a second job
    /// (class C), and with [`Identity::None`] the runner cannot even be asked for the first.
    fn identity(&self) -> Identity {
        Identity::Chosen
    }

    /// Whose a listed job is, where [`Backend::identity`] is [`Identity::Marker`] and the id says nothing. One that
    /// cannot be read now is left alone until it can: it may be the answer to a submission that is under way.
    fn bearer(&self, _sighting: &Sighting) -> impl Future<Output = Result<Bearer, Error>> + Send {
        std::future::ready(Ok(Bearer::Nothing))
    }

    /// How long the runner recognises a second submission under our id, where [`Backend::identity`] says it does: read
    /// before the first send and again before a repetition.
    fn memory(&self) -> impl Future<Output = Result<Memory, Error>> + Send {
        std::future::ready(Ok(Memory::Lasting))
    }

    /// How long after its arrival the runner may still not show a submission, where [`Backend::identity`] says that a
    /// second one is the first: silence counts once it has lasted that long.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Lets a held child go on; nothing to do elsewhere.
    fn release(&self, job: &Job) -> impl Future<Output = Result<(), Error>> + Send;

    /// Reads what an operation needs before it is stored, and names the calls it will make.
    fn check(&self, job: &Job, operation: &Operation) -> impl Future<Output = Result<Vec<PlannedCall>, Error>> + Send;

    /// Sends an operation once, with its trigger id where the runner takes one.
    fn begin(&self, job: &Job, operation: &Operation) -> impl Future<Output = Result<Begun, Error>> + Send;

    /// How far the runner is with an operation that was sent (`ACCEPTED` or `IN_PROGRESS`). `silent`: how long nobody
    /// can have sent it any more, by the clocks that do not jump with the wall where there are such.
    fn progress(
        &self,
        job: &Job,
        operation: &Operation,
        silent: Duration,
    ) -> impl Future<Output = Result<Progress, Error>> + Send;

    /// Metrics as they are now.
    fn metrics(&self, job: &Job) -> impl Future<Output = Result<Metrics, Error>> + Send;

    /// The stages of the job and how they feed each other.
    fn graph(&self, _job: &Job) -> impl Future<Output = Result<Graph, Error>> + Send {
        std::future::ready(Err(no_graph()))
    }

    /// Its checkpoints and savepoints, as the runner lists them.
    fn checkpoints(&self, _job: &Job) -> impl Future<Output = Result<Checkpoints, Error>> + Send {
        std::future::ready(Err(no_checkpoints()))
    }

    /// One page of the log.
    fn logs(&self, job: &Job, query: &LogQuery) -> impl Future<Output = Result<LogPage, Error>> + Send;

    /// One page of what the job's code wrote before the runner had the job; `None` where no code of it runs here.
    fn build_log(&self, _job: &Job, _query: &LogQuery) -> impl Future<Output = Result<Option<LogPage>, Error>> + Send {
        std::future::ready(Ok(None))
    }

    /// What must be cleaned up once the job has ended (an uploaded jar); errors are of no consequence.
    fn tidy(&self, job: &Job) -> impl Future<Output = Result<(), Error>> + Send;
}

pub(super) fn no_graph() -> Error {
    Error::unsupported("no_graph", "this runner shows no graph of a job's stages")
        .suggest("get_metrics names the steps that are counted")
}

pub(super) fn no_checkpoints() -> Error {
    Error::unsupported("no_checkpoints", "this runner lists no checkpoints of a job")
        .suggest("the operations of the job show the savepoints and snapshots that were asked for")
}
