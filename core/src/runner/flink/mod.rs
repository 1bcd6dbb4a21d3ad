//! Apache Flink 1.19 to 2.2 over its REST API (runners.md section 2).
//!
//! The id of a job of ours on Flink is the 32 hex digits of our own, so a repeated submission is refused by Flink
//! itself, and a savepoint's trigger id is that of our operation. A job jar runs its `main` inside the `JobManager`.

mod accumulator;
mod check;
mod checkpoint;
mod checkpoint_list;
mod configuration;
mod exception;
mod failure;
mod flow;
mod graph;
mod jar;
mod job_details;
mod log_cursor;
mod log_page;
mod logs;
mod look;
mod memory;
mod metrics;
mod operation;
mod options;
mod prepare;
mod probe;
mod progress;
mod python;
pub mod request;
mod response;
mod storage;
mod submit;
mod subtask;
#[cfg(test)]
pub(super) mod testing;

pub(in crate::runner) use configuration::is_operators_entry;
pub use exception::JobException;
pub(super) use probe::{CAPABILITIES, refusal};

use std::time::Duration;

use super::{
    Backend, Begun, Build, Context, Look, Memory, PlannedCall, Probe, Progress, Sighting, Submission, Submitted,
    python::{capture, cluster},
};
use crate::{
    config::Target,
    error::Error,
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// One Flink cluster.
#[derive(Clone)]
pub struct Flink {
    context: Context,
}

impl Flink {
    /// The cluster of the context's target.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Checks what the configuration says about a target.
    ///
    /// # Errors
    /// `invalid_argument`, reason `bad_environment`.
    pub fn check_target(target: &Target) -> Result<(), Error> {
        cluster::check_target(target)
    }
}

impl Backend for Flink {
    async fn probe(&self) -> Result<Probe, Error> {
        self.probe_cluster().await.map_err(|error| error.during("probe"))
    }

    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        self.list_jobs().await.map_err(|error| error.during("list"))
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        self.look_at(job).await.map_err(|error| error.during("look"))
    }

    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        self.prepare_submission(spec, token, operator_options).await.map_err(|error| error.during("prepare"))
    }

    async fn build(&self, job: &Job) -> Result<Build, Error> {
        python::CLUSTER.build(&self.context, job).await.map_err(|error| error.during("build"))
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        self.submit_job(job).await.map_err(|error| error.during("submit"))
    }

    async fn memory(&self) -> Result<Memory, Error> {
        self.memory_of_ids().await.map_err(|error| error.during("memory"))
    }

    /// Nothing is held back on Flink.
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        self.check_operation(job, operation).await.map_err(|error| error.during("check"))
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        self.begin_operation(job, operation).await.map_err(|error| error.during("begin"))
    }

    async fn progress(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        self.progress_of(job, operation, silent).await.map_err(|error| error.during("progress"))
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        self.job_metrics(job).await.map_err(|error| error.during("metrics"))
    }

    async fn graph(&self, job: &Job) -> Result<Graph, Error> {
        self.job_graph(job).await.map_err(|error| error.during("graph"))
    }

    async fn checkpoints(&self, job: &Job) -> Result<Checkpoints, Error> {
        self.checkpoint_list(job).await.map_err(|error| error.during("checkpoints"))
    }

    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        self.log_page(job, query).await.map_err(|error| error.during("logs"))
    }

    async fn build_log(&self, job: &Job, query: &LogQuery) -> Result<Option<LogPage>, Error> {
        if !cluster::is_unbuilt(job) {
            return Ok(None);
        }
        capture::logs(&self.context, job, query).await.map(Some).map_err(|error| error.during("logs"))
    }

    async fn tidy(&self, job: &Job) -> Result<(), Error> {
        self.delete_jar(job).await.map_err(|error| error.during("tidy"))
    }
}
