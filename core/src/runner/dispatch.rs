use std::{collections::BTreeMap, time::Duration};

use super::{
    Backend, Bearer, Begun, Build, Context, Look, Memory, PlannedCall, Probe, Progress, Sighting, Submission,
    Submitted, dataflow::Dataflow, direct::Direct, flink::Flink, portable::Portable, simulator::Simulator,
    spark::Spark,
};
use crate::{
    config::{Identity, RunnerKind, Target},
    error::Error,
    job::{Checkpoints, Graph, Job, JobSpec, LogPage, LogQuery, Metrics, Operation},
};

/// The runner of a target.
pub enum Runner {
    /// Google Cloud Dataflow.
    Dataflow(Dataflow),
    /// A supervised child.
    Direct(Direct),
    /// A scripted cluster.
    Simulator(Simulator),
    /// Apache Flink.
    Flink(Flink),
    /// A job service.
    Portable(Portable),
    /// Apache Spark.
    Spark(Spark),
}

macro_rules! each {
    ($self:ident, $runner:ident => $call:expr) => {
        match $self {
            Runner::Dataflow($runner) => $call.await,
            Runner::Direct($runner) => $call.await,
            Runner::Simulator($runner) => $call.await,
            Runner::Flink($runner) => $call.await,
            Runner::Portable($runner) => $call.await,
            Runner::Spark($runner) => $call.await,
        }
    };
}

impl Runner {
    /// The runner of the context's target.
    pub fn open(context: Context) -> Self {
        match context.target.runner {
            RunnerKind::Dataflow => Self::Dataflow(Dataflow::new(context)),
            RunnerKind::Direct => Self::Direct(Direct::new(context)),
            RunnerKind::Simulator => Self::Simulator(Simulator::new(context)),
            RunnerKind::Flink => Self::Flink(Flink::new(context)),
            RunnerKind::Portable => Self::Portable(Portable::new(context)),
            RunnerKind::Spark => Self::Spark(Spark::new(context)),
        }
    }
}

/// Checks what the configuration says about a target, as far as its runner can without a call.
///
/// # Errors
/// `invalid_argument` that names the target.
pub fn check_target(target: &Target) -> Result<(), Error> {
    match target.runner {
        RunnerKind::Direct => Direct::check_target(target).map_err(|error| error.with("target", &target.name)),
        RunnerKind::Flink => Flink::check_target(target).map_err(|error| error.with("target", &target.name)),
        RunnerKind::Portable => Portable::check_target(target).map_err(|error| error.with("target", &target.name)),
        RunnerKind::Simulator => Simulator::check_target(target).map_err(|error| error.with("target", &target.name)),
        RunnerKind::Spark => Spark::check_target(target).map_err(|error| error.with("target", &target.name)),
        RunnerKind::Dataflow => Ok(()),
    }
}

impl Backend for Runner {
    async fn probe(&self) -> Result<Probe, Error> {
        each!(self, runner => runner.probe())
    }
    async fn list(&self) -> Result<Vec<Sighting>, Error> {
        each!(self, runner => runner.list())
    }
    async fn list_known(&self, tokens: &BTreeMap<String, String>) -> Result<Vec<Sighting>, Error> {
        match self {
            Self::Spark(runner) => runner.list_known(tokens).await,
            other => other.list().await,
        }
    }
    async fn look(&self, job: &Job) -> Result<Look, Error> {
        each!(self, runner => runner.look(job))
    }
    async fn prepare(&self, spec: &JobSpec, token: &str, operator_options: bool) -> Result<Submission, Error> {
        each!(self, runner => runner.prepare(spec, token, operator_options))
    }
    async fn build(&self, job: &Job) -> Result<Build, Error> {
        each!(self, runner => runner.build(job))
    }
    async fn submit(&self, job: &Job) -> Result<Submitted, Error> {
        each!(self, runner => runner.submit(job))
    }
    fn identity(&self) -> Identity {
        match self {
            Self::Dataflow(runner) => runner.identity(),
            Self::Direct(runner) => runner.identity(),
            Self::Flink(runner) => runner.identity(),
            Self::Portable(runner) => runner.identity(),
            Self::Simulator(runner) => runner.identity(),
            Self::Spark(runner) => runner.identity(),
        }
    }
    async fn bearer(&self, sighting: &Sighting) -> Result<Bearer, Error> {
        each!(self, runner => runner.bearer(sighting))
    }
    async fn memory(&self) -> Result<Memory, Error> {
        each!(self, runner => runner.memory())
    }
    fn lag(&self) -> Duration {
        match self {
            Self::Dataflow(runner) => runner.lag(),
            Self::Direct(runner) => runner.lag(),
            Self::Flink(runner) => runner.lag(),
            Self::Portable(runner) => runner.lag(),
            Self::Simulator(runner) => runner.lag(),
            Self::Spark(runner) => runner.lag(),
        }
    }
    async fn release(&self, job: &Job) -> Result<(), Error> {
        each!(self, runner => runner.release(job))
    }
    async fn check(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        each!(self, runner => runner.check(job, operation))
    }
    async fn begin(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        each!(self, runner => runner.begin(job, operation))
    }
    async fn progress(&self, job: &Job, operation: &Operation, silent: Duration) -> Result<Progress, Error> {
        each!(self, runner => runner.progress(job, operation, silent))
    }
    async fn metrics(&self, job: &Job) -> Result<Metrics, Error> {
        each!(self, runner => runner.metrics(job))
    }
    async fn graph(&self, job: &Job) -> Result<Graph, Error> {
        each!(self, runner => runner.graph(job))
    }
    async fn checkpoints(&self, job: &Job) -> Result<Checkpoints, Error> {
        each!(self, runner => runner.checkpoints(job))
    }
    async fn logs(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        each!(self, runner => runner.logs(job, query))
    }
    async fn build_log(&self, job: &Job, query: &LogQuery) -> Result<Option<LogPage>, Error> {
        each!(self, runner => runner.build_log(job, query))
    }
    async fn tidy(&self, job: &Job) -> Result<(), Error> {
        each!(self, runner => runner.tidy(job))
    }
}
