//! The jar of a job where workers read it.

use super::{Spark, python::CLUSTER, submit::JAR_BYTES};
use crate::{
    effect::{Origin, Recipe},
    error::Error,
    job::Job,
    runner::{Build, Submission, code::stage, python::cluster::used},
};

impl Spark {
    /// What is sent, and the jar where workers read it: again before each send, since somebody may have cleaned up.
    pub(super) async fn build_jar(&self, job: &Job) -> Result<Build, Error> {
        let build = CLUSTER.build(&self.context, job).await?;
        match (&build, &job.submission) {
            (Build::Built(submission), _) => self.place(job, submission, false).await?,
            (Build::Ready, Some(submission)) => self.place(job, submission, false).await?,
            (Build::Ready, None) => return Err(Error::misuse("a build without a submission")),
            (Build::Underway, _) => {}
        }
        Ok(build)
    }

    /// A jar that was put together for a job goes some time after its end. Others stay: other jobs may run the same one.
    pub(super) async fn let_go(&self, job: &Job) -> Result<(), Error> {
        match &job.submission {
            Some(submission) if used(job, submission, true).is_some() => self.place(job, submission, true).await,
            _ => Ok(()),
        }
    }

    async fn place(&self, job: &Job, submission: &Submission, over: bool) -> Result<(), Error> {
        let Some(source) = submission.source.clone() else {
            return Err(Error::misuse("a Spark submission without a staged jar"));
        };
        let (place, used) = (self.context.target.jar_folder.clone(), used(job, submission, over));
        let recipe = Recipe { place, used, ..Recipe::plain(Origin::Artifact(source), JAR_BYTES) };
        stage(&self.context.io, recipe).await.map(drop)
    }
}
