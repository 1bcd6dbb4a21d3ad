//! Direct: a user's Python file, module or Beam YAML under Beam's `FnApiRunner`, in a supervised child of the server.
//! Where the target has Prism, a job may name `PrismRunner` instead: the child then starts it for itself.
//!
//! The child waits on a pipe until its identity is stored (security-reliability.md R9), so a job runs at most once. It
//! leaves `state.json` when it starts and `result.json` when it ends; how it ended otherwise only the host that
//! started it can tell. Output goes to files, so logs are live; metrics are known at the end, because `FnApiRunner`
//! blocks in `run()`; Prism's are told while it runs. The child's working folder is the job's own: relative paths in
//! options are relative to it.

mod argv;
mod flow;
mod metrics;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub(super) use flow::{CAPABILITIES, refusal};

use std::time::Duration;

use super::{Backend, Begun, Context, Look, PlannedCall, Probe, Progress, Sighting, Submission, Submitted};
use crate::{
    config::Target,
    error::Error,
    job::{Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// One Direct target.
pub struct Direct {
    context: Context,
}

impl Direct {
    /// The calls of a target.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Checks what the configuration says about a target.
    ///
    /// # Errors
    /// `invalid_argument` for a Prism that is no file.
    pub fn check_target(target: &Target) -> Result<(), Error> {
        argv::check_prism(target)
    }
}

impl Backend for Direct {
    async fn probe(&self) -> Result<Probe, Error> {
        flow::probe(&self.context).await
    }

    /// Always empty: children are known by the folder and process id in their rows, so the store is the list, and each
    /// live row is looked at.
    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        Ok(Vec::new())
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        flow::look(&self.context, job).await
    }

    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        flow::prepare(&self.context, spec, token, operator_options).await
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        flow::submit(&self.context, job).await
    }

    async fn release(&self, job: &Job) -> Result<(), Error> {
        flow::release(&self.context, job).await
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        request::check(job, operation)
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        flow::begin(&self.context, job, operation).await
    }

    async fn progress(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        flow::progress(&self.context, job, operation, silent).await
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        flow::metrics(&self.context, job).await
    }

    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        flow::logs(&self.context, job, query).await
    }

    /// Nothing: the folder with the output stays until the operator removes it.
    async fn tidy(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }
}
