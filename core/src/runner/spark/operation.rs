//! Operations. Spark has one: kill. The others are refused with the reason and what can be done instead, and never
//! emulated: a scale by killing and submitting again would lose the work.

use serde_json::Value;

use super::{
    Spark, request,
    response::{self, Killed, Status},
    state::driver_state,
    stderr::is_plain_id,
};
use crate::{
    error::{Error, Landed},
    job::{Job, JobState, Operation, OperationKind as Kind, OperationState as State},
    runner::{Begun, PlannedCall, Progress},
    text::clean_line,
};

impl Spark {
    pub(super) async fn check_operation(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        supported(operation.kind)?;
        let id = self.known_driver(job).await?;
        let (status, _) = self.status(&id).await?;
        match status.driver_state.as_deref() {
            Some(word) if driver_state(word).is_some_and(JobState::is_terminal) => {
                Err(Error::precondition("job_ended", format!("the job has ended: Spark says {}", clean_line(word, 64))))
            }
            _ => Ok(vec![PlannedCall {
                call: format!("POST /v1/submissions/kill/{id}"),
                purpose: "kill the driver, and its executors with it; work in progress is lost".to_owned(),
                body: Value::Null,
            }]),
        }
    }

    pub(super) async fn begin_operation(&self, job: &Job, operation: &Operation) -> Result<Begun, Error> {
        supported(operation.kind)?;
        let id = self.known_driver(job).await?;
        let killed = self.write(request::kill_request(&self.context.target, &id), response::read::<Killed>).await?;
        if killed.success {
            return Ok(Begun::Accepted);
        }
        // It has ended, or the master has forgotten it: its state says which. Whatever becomes of that read, the kill
        // has reached Spark.
        match self.of_kill(&id).await.map_err(|error| error.landed_as(Landed::Perhaps))? {
            progress if progress.state == State::InProgress => {
                let said = clean_line(killed.message.as_deref().unwrap_or_default(), 512);
                Err(Error::precondition("kill_refused", format!("Spark refused to kill the driver: {said}")))
            }
            progress => Ok(Begun::Done(progress)),
        }
    }

    pub(super) async fn progress_of(&self, job: &Job, operation: &Operation) -> Result<Progress, Error> {
        supported(operation.kind)?;
        let id = self.known_driver(job).await?;
        self.of_kill(&id).await
    }

    async fn of_kill(&self, id: &str) -> Result<Progress, Error> {
        let (status, master) = self.status(id).await?;
        if status.driver_state.is_none() {
            // Said by a master that is not ALIVE it means nothing.
            master?;
        }
        Ok(of_kill(&status))
    }

    async fn known_driver(&self, job: &Job) -> Result<String, Error> {
        let found = self.find_driver(job).await?.filter(|id| is_plain_id(id));
        found.ok_or_else(|| Error::not_found("driver_not_found", "the master shows no driver of this job"))
    }
}

fn of_kill(status: &Status) -> Progress {
    match status.driver_state.as_deref() {
        Some("KILLED") => Progress::new(State::Succeeded),
        Some(word) if driver_state(word).is_some_and(JobState::is_terminal) => {
            Progress::new(State::Failed).because(format!("the job had already ended: Spark says {word}"))
        }
        Some(_) => Progress::new(State::InProgress),
        None => Progress::new(State::Unknown)
            .because("the master does not know the driver any more: it restarted, or the driver ended long ago"),
    }
}

/// # Errors
/// `unsupported`, reason `unsupported_by_runner`, for all but a kill.
pub(super) fn supported(kind: Kind) -> Result<(), Error> {
    let (message, suggestion) = match kind {
        Kind::Cancel => return Ok(()),
        Kind::Savepoint | Kind::Stop => NO_SAVEPOINT,
        Kind::Scale => (
            "Spark cannot change the size of a running job: it is fixed at submission",
            "set spark.cores.max and spark.executor.* in `spark_configuration` when the job is created, or let Spark \
             scale by itself with spark.dynamicAllocation.*",
        ),
        Kind::Drain => (
            "Spark cannot be told to drain a job: a kill ends it after the tasks in progress at best, and may lose them",
            "let the pipeline end by itself, or cancel the job and create it again with the same checkpoint folder",
        ),
    };
    Err(Error::unsupported("unsupported_by_runner", message).suggest(suggestion))
}

/// What savepoint, stop and restore are answered.
pub(super) const NO_SAVEPOINT: (&str, &str) = (
    "Spark has no savepoints of a job: structured streaming and DStreams recover from the application's own checkpoint \
     folder, and only for an unchanged query",
    "create the job again with the same checkpoint folder (Beam: checkpointDir); it goes on from there",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        error::ErrorKind,
        runner::{
            Backend,
            spark::testing::{self, job, operation, play, recorded, target},
        },
    };

    const STATUS: &str = "GET /v1/submissions/status/{id}";
    const MASTER: &str = "GET master/json/";
    const KILL: &str = "POST /v1/submissions/kill/{id}";

    fn status(answer: Reply) -> Vec<(&'static str, Reply)> {
        vec![(STATUS, answer), (MASTER, recorded!("3.5.9/master-idle"))]
    }

    fn begin(script: Vec<(&str, Reply)>) -> testing::Played<Begun> {
        play(target(), script, |spark| async move { spark.begin(&job(), &operation(Kind::Cancel)).await })
    }

    #[test]
    fn a_cancel_kills_the_driver_and_is_done_when_spark_says_so() {
        let check = play(target(), status(recorded!("3.5.9/status-running")), |spark| async move {
            spark.check(&job(), &operation(Kind::Cancel)).await
        });
        assert_eq!(check.end.unwrap()[0].call, "POST /v1/submissions/kill/driver-20261125195840-0002");
        let begun = begin(vec![(KILL, recorded!("3.5.9/kill"))]);
        assert_eq!(begun.end.unwrap(), Begun::Accepted);
        for (answer, state) in [
            (recorded!("3.5.9/status-running"), State::InProgress),
            (recorded!("3.5.9/status-killed"), State::Succeeded),
            (recorded!("3.5.9/status-finished"), State::Failed),
            (recorded!("3.5.9/status-unknown"), State::Unknown),
        ] {
            let played = play(target(), status(answer), |spark| async move {
                spark.progress(&job(), &operation(Kind::Cancel), std::time::Duration::ZERO).await
            });
            assert_eq!(played.end.unwrap().state, state);
        }
    }

    #[test]
    fn a_kill_of_what_has_ended_ends_as_the_driver_did() {
        for (answer, state) in [
            (recorded!("3.5.9/status-finished"), State::Failed),
            (recorded!("3.5.9/status-killed"), State::Succeeded),
            (recorded!("3.5.9/status-unknown"), State::Unknown),
        ] {
            let script = [vec![(KILL, recorded!("3.5.9/kill-finished"))], status(answer)].concat();
            match begin(script).end.unwrap() {
                Begun::Done(progress) => assert_eq!(progress.state, state),
                Begun::Accepted => panic!("accepted"),
            }
        }
        let script =
            [vec![(KILL, recorded!("3.5.9/kill-finished"))], status(recorded!("3.5.9/status-running"))].concat();
        assert_eq!(begin(script).reason(), "kill_refused");
        let script = vec![
            (KILL, recorded!("3.5.9/kill-finished")),
            (STATUS, testing::text(404, "")),
            (MASTER, recorded!("3.5.9/master-idle")),
        ];
        let unread = begin(script).end.unwrap_err();
        assert_eq!((unread.reason(), unread.landed()), ("unknown_to_spark", Landed::Perhaps), "the kill has arrived");
        let check = play(target(), status(recorded!("3.5.9/status-finished")), |spark| async move {
            spark.check(&job(), &operation(Kind::Cancel)).await
        });
        assert_eq!(check.reason(), "job_ended");
    }

    #[test]
    fn what_spark_cannot_do_is_refused_with_what_can_be_done_and_nothing_is_sent() {
        for (kind, alternative) in [
            (Kind::Savepoint, "checkpoint folder"),
            (Kind::Stop, "checkpoint folder"),
            (Kind::Drain, "checkpoint folder"),
            (Kind::Scale, "spark.dynamicAllocation"),
        ] {
            let check = play(target(), vec![], move |spark| async move { spark.check(&job(), &operation(kind)).await });
            let begun = play(target(), vec![], move |spark| async move { spark.begin(&job(), &operation(kind)).await });
            for error in [check.end.unwrap_err(), begun.end.unwrap_err()] {
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Unsupported, "unsupported_by_runner"));
                assert!(error.suggestion().contains(alternative), "{}", error.suggestion());
            }
        }
    }
}
