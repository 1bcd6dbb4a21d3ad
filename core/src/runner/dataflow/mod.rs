//! Google Cloud Dataflow over its REST API, v1b3 (runners.md section 5): one project in one region, or watched in all.
//!
//! Dataflow chooses the ids of its jobs, so a job of ours is known by its name, which ends in the 32 hex digits of our
//! id, and by a label that holds them. While a job is active Dataflow refuses a second one of its name, so a launch
//! nobody answered is looked for by name before it is sent again. What runs is a classic template, a flex template or
//! Beam YAML; whatever names code or another identity is the operator's to set.

mod check;
mod failure;
mod flow;
mod graph;
mod logs;
mod look;
mod metrics;
mod name;
mod operation;
mod options;
mod parameters;
mod prepare;
mod probe;
mod regions;
pub mod request;
mod response;
mod snapshots;
mod state;
mod submit;
mod template;
#[cfg(test)]
mod testing;
mod worker_log;

pub use submit::name_of;

use std::time::Duration;

pub(super) use probe::{CAPABILITIES, refusal};

use super::{Backend, Begun, Context, Look, Memory, PlannedCall, Probe, Progress, Sighting, Submission, Submitted};
use crate::{
    config::Identity,
    error::Error,
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// An ended job is listed for 30 days; after that nobody can say that a name was never taken.
const REMEMBERED_MS: u64 = 29 * 24 * 3_600_000;

/// One project in one region, or in all.
#[derive(Clone)]
pub struct Dataflow {
    context: Context,
}

impl Dataflow {
    /// The project and region of the context's target.
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl Backend for Dataflow {
    async fn probe(&self) -> Result<Probe, Error> {
        self.probe_region().await.map_err(|error| error.during("probe"))
    }

    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        self.list_jobs().await.map_err(|error| error.during("list"))
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        let look = async {
            let (there, own) = self.at(job)?;
            Ok(self.seen_at(job, there.look_at(&own).await?))
        };
        look.await.map_err(|error: Error| error.during("look"))
    }

    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        let prepare = async {
            self.one_region()?;
            self.prepare_launch(spec, token, operator_options).await
        };
        prepare.await.map_err(|error| error.during("prepare"))
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        self.launch(job).await.map_err(|error| error.during("submit"))
    }

    fn identity(&self) -> Identity {
        Identity::Named
    }

    async fn memory(&self) -> Result<Memory, Error> {
        Ok(Memory::Process { incarnation: "job names".into(), keeps_ms: REMEMBERED_MS })
    }

    fn lag(&self) -> Duration {
        look::LAG
    }

    /// Nothing is held back on Dataflow.
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        let (there, own) = self.at(job)?;
        there.check_operation(&own, operation).await.map_err(|error| error.during("check"))
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        let (there, own) = self.at(job)?;
        there.begin_operation(&own, operation).await.map_err(|error| error.during("begin"))
    }

    async fn progress(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        let (there, own) = self.at(job)?;
        there.progress_of(&own, operation, silent).await.map_err(|error| error.during("progress"))
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        let (there, own) = self.at(job)?;
        there.job_metrics(&own).await.map_err(|error| error.during("metrics"))
    }

    async fn graph(&self, job: &Job) -> Result<Graph, Error> {
        let (there, own) = self.at(job)?;
        there.job_graph(&own).await.map_err(|error| error.during("graph"))
    }

    async fn checkpoints(&self, job: &Job) -> Result<Checkpoints, Error> {
        let (there, own) = self.at(job)?;
        there.snapshot_list(&own).await.map_err(|error| error.during("snapshots"))
    }

    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        let (there, own) = self.at(job)?;
        there.log_page(&own, query).await.map_err(|error| error.during("logs"))
    }

    /// Dataflow cleans up its own staging.
    async fn tidy(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }
}
