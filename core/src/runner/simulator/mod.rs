//! The simulator: scripted clusters that send nothing, for agents, demos and tests.
//!
//! Every answer is a pure function of the job's stored row, the target's configuration and simulated time, which is
//! `(wall time - submission) × speed`. Nothing is kept between calls, so any host, any process and any restart sees the
//! same cluster. `list_runners` prints the table of scripts.
//!
//! # Identity
//! `identity` says how much of the caller's id the cluster honours, and so how a submission nobody can explain is
//! handled (security-reliability.md 4.3):
//!
//! | identity | as on | native id | found by token | sent twice |
//! |---|---|---|---|---|
//! | `chosen` | Flink | the token | yes | is one job (class A) |
//! | `named` | Dataflow | name and token | yes | refused while active (class A) |
//! | `marker` | Spark | the cluster's own | yes | are two jobs (class C) |
//! | `none` | Job API | the cluster's own | no | are two jobs (class C) |

mod checkpoints;
mod course;
mod flow;
mod graph;
mod logs;
mod metrics;
mod plot;
mod request;
mod response;
mod script;
#[cfg(test)]
mod tests;

pub(super) use flow::{CAPABILITIES, refusal};

use std::time::Duration;

use super::{Backend, Begun, Context, Look, PlannedCall, Probe, Progress, Sighting, Submission, Submitted};
use crate::{
    config::{Identity, Target},
    error::Error,
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// One scripted cluster.
pub struct Simulator {
    context: Context,
}

impl Simulator {
    /// The calls of a target.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Checks what the configuration says about a target.
    ///
    /// # Errors
    /// `invalid_argument` for a script of no such name, and a speed that is not above 0.
    pub fn check_target(target: &Target) -> Result<(), Error> {
        plot::default_script(target)?;
        if target.speed.is_none_or(|speed| speed > 0.0 && speed <= course::FASTEST) {
            return Ok(());
        }
        Err(Error::invalid("bad_speed", format!("`speed` must be a number above 0, at most {}", course::FASTEST)))
    }
}

impl Backend for Simulator {
    async fn probe(&self) -> Result<Probe, Error> {
        flow::probe(&self.context)
    }

    /// Always empty: the jobs are what the store holds, and each live row is looked at.
    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        Ok(Vec::new())
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        flow::look(&self.context, job)
    }

    async fn prepare(&self, spec: &JobSpec, _token: &str, operator_options: bool) -> Result<Submission, Error> {
        flow::prepare(&self.context, spec, operator_options)
    }

    fn identity(&self) -> Identity {
        self.context.target.identity
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        flow::submit(&self.context, job)
    }

    /// Nothing: no child waits.
    async fn release(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }

    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        flow::check(&self.context, job, operation)
    }

    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        flow::begin(&self.context, job, operation)
    }

    async fn progress(&self, job: &Job, operation: &Operation, _silent: Duration) -> Result<Progress, Error> {
        flow::progress(&self.context, job, operation)
    }

    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        flow::metrics(&self.context, job)
    }

    async fn graph(&self, job: &Job) -> Result<Graph, Error> {
        flow::graph(&self.context, job)
    }

    async fn checkpoints(&self, job: &Job) -> Result<Checkpoints, Error> {
        flow::checkpoints(&self.context, job)
    }

    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        flow::logs(&self.context, job, query)
    }

    /// Nothing: a scripted cluster keeps nothing.
    async fn tidy(&self, _job: &Job) -> Result<(), Error> {
        Ok(())
    }
}
