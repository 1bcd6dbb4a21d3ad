//! Portable: any service that speaks Beam's Job API over gRPC: Prism, Beam's Python local job service, the Java job
//! servers of Flink and Spark.
//!
//! # Submission
//! A job service takes a pipeline, not a program. So the caller's program first runs unmodified in a supervised child
//! ([`super::Backend::build`], phase intent: no permit is spent, nothing reaches the service). Beam is pointed at a
//! Job API that lives inside the child, on a socket only its own user can reach; it keeps the request of `Prepare` as
//! `prepare.pb` in the job's folder, and at `Run` the child ends. What follows `run()` in the program does not run. A
//! child that was begun is never begun again: after a crash its file is found, or its end.
//!
//! Then [`super::Backend::submit`] reads the file, adds our marker to the options, and makes `Prepare` and `Run` itself.
//! `Prepare` runs nothing, so it may be repeated; `Run` runs again each time, so it is made once (class C of
//! security-reliability.md 4.3), and a `Run` nobody can explain is looked for by the marker in `GetJobs`.
//!
//! # Ids
//! Prism counts its jobs from 1 after each start. The native id of a job of ours is therefore the service's id with
//! our token behind it (`job-001.<token>`), and before each write the service must show that pair. A job of others has
//! the service's id alone; one whose id holds other characters than letters, digits, `-`, `_`, `.` is not listed.
//!
//! # What the services were seen to do
//! | | Prism | Python local | Java, with a Flink inside |
//! |---|---|---|---|
//! | unknown job | UNKNOWN, `job with id … not found` | UNKNOWN, `Exception calling application: …` | `NOT_FOUND` |
//! | cancel | ends the workers | **says CANCELLED, goes on, says DONE**: refused | yes |
//! | cancel of an unknown job | **OK without a state** | UNKNOWN | `NOT_FOUND` |
//! | drain | UNIMPLEMENTED | UNIMPLEMENTED | UNIMPLEMENTED |
//! | metrics | live; `attempted` is that of the last progress, and stays behind | at the end | live |
//! | messages kept | the last 100 | the 10 most important | from the start |
//! | `Run` twice | runs twice | runs twice | runs once, then `NOT_FOUND` |
//! | `Run` of an unknown preparation | **the process dies** | UNKNOWN | `NOT_FOUND` |

mod build;
mod flow;
mod logs;
mod metrics;
mod options;
mod probe;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub(super) use probe::{CAPABILITIES, refusal};

use std::time::Duration;

use super::{
    Backend, Begun, Build, Context, Look, PlannedCall, Probe, Progress, Sighting, Submission, Submitted,
    python::{capture, environment::environment},
};
use crate::{
    config::{Identity, Target},
    error::Error,
    job::{Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// One job service.
pub struct Portable {
    context: Context,
}

impl Portable {
    /// The calls of a target.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Checks what the configuration says about a target.
    ///
    /// # Errors
    /// `invalid_argument` for an environment in which no worker could be started.
    pub fn check_target(target: &Target) -> Result<(), Error> {
        environment(target).map(drop)
    }
}

impl Backend for Portable {
    async fn probe(&self) -> Result<Probe, Error> {
        probe::probe(&self.context).await
    }

    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        flow::list(&self.context).await
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        flow::look(&self.context, job).await
    }

    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        build::prepare(&self.context, spec, token, operator_options).await
    }

    async fn build(&self, job: &Job) -> Result<Build, Error> {
        capture::run(&self.context, job).await
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        build::submit(&self.context, job).await
    }

    fn identity(&self) -> Identity {
        Identity::Marker
    }

    /// Nothing: the service has begun.
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        flow::check(&self.context, job, operation).await
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        flow::begin(&self.context, job, operation).await
    }

    async fn progress(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        flow::progress(&self.context, job, operation, silent).await
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        metrics::metrics(&self.context, job).await
    }

    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        logs::logs(&self.context, job, query).await
    }

    async fn build_log(&self, job: &Job, query: &LogQuery) -> Result<Option<LogPage>, Error> {
        capture::logs(&self.context, job, query).await.map(Some)
    }

    /// Nothing: the folder of the child stays until the operator removes it.
    async fn tidy(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }
}
