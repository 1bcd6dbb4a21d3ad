//! Apache Spark 3.5 and 4.x, standalone, over the submission REST API of its master and the web pages of master,
//! workers, drivers and history server (runners.md section 3).
//!
//! # Identity
//! Spark chooses the ids. A driver of ours bears the token of its job as `spark.beam.jobId`, which its launch command
//! shows, also long after its end. A second submission would be a second driver, so none is ever sent while the first is
//! unexplained: it is looked for among the master's drivers.
//!
//! # Where the code comes from
//! Spark takes no uploads. The checked copy of a jar is put into the target's `jar_folder` under its hash, and workers
//! read it from there (`jar_url`, where they know the folder by another name).
//!
//! # Servers
//! The target's `url` is the submission API, `master_url` the master's page, `history_url` the history server. Pages of
//! workers and drivers are read where the master says they are, if the configuration admits the host.

mod address;
mod application;
mod beam_metrics;
mod failure;
mod find;
mod flow;
mod graph;
mod log_page;
mod logs;
mod look;
mod metrics;
mod operation;
mod options;
mod page;
mod place;
mod prepare;
mod probe;
mod properties;
mod python;
pub mod request;
mod response;
mod stage;
mod state;
mod stderr;
mod submit;
#[cfg(test)]
mod testing;

pub(super) use probe::{CAPABILITIES, refusal};
pub(in crate::runner) use properties::is_operators_property;

use std::{collections::BTreeMap, time::Duration};

use super::{
    Backend, Bearer, Begun, Build, Context, Look, PlannedCall, Probe, Progress, Sighting, Submission, Submitted,
    python::{capture, cluster},
};
use crate::{
    config::{Identity, Target},
    error::Error,
    job::{Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// One Spark cluster.
#[derive(Clone)]
pub struct Spark {
    context: Context,
}

impl Spark {
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

impl Backend for Spark {
    async fn probe(&self) -> Result<Probe, Error> {
        self.probe_cluster().await.map_err(|error| error.during("probe"))
    }

    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        self.list_known(&BTreeMap::new()).await
    }

    async fn list_known(&self, tokens: &BTreeMap<String, String>) -> Result<Vec<Sighting>, Error> {
        self.list_drivers(tokens).await.map_err(|error| error.during("list"))
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        self.look_at(job).await.map_err(|error| error.during("look"))
    }

    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        self.prepare_submission(spec, token, operator_options).await.map_err(|error| error.during("prepare"))
    }

    async fn build(&self, job: &Job) -> Result<Build, Error> {
        self.build_jar(job).await.map_err(|error| error.during("build"))
    }

    fn identity(&self) -> Identity {
        Identity::Marker
    }

    async fn bearer(&self, sighting: &Sighting) -> Result<Bearer, Error> {
        self.bearer_of(sighting).await.map_err(|error| error.during("look"))
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        self.submit_job(job).await.map_err(|error| error.during("submit"))
    }

    /// Nothing is held back on Spark.
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        self.check_operation(job, operation).await.map_err(|error| error.during("check"))
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        self.begin_operation(job, operation).await.map_err(|error| error.during("begin"))
    }

    async fn progress(&self, job: &Job, operation: &Operation, _silent: Duration) -> Result<Progress, Error> {
        self.progress_of(job, operation).await.map_err(|error| error.during("progress"))
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        self.job_metrics(job).await.map_err(|error| error.during("metrics"))
    }

    async fn graph(&self, job: &Job) -> Result<Graph, Error> {
        self.job_graph(job).await.map_err(|error| error.during("graph"))
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
        self.let_go(job).await.map_err(|error| error.during("tidy"))
    }
}
