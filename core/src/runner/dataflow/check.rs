//! What an operation needs before it is stored.

use super::{Dataflow, flow::native_id, operation::bounds, response::JobAnswer, state::job_type};
use crate::{
    effect::{Body, Method},
    error::{Error, Retry},
    job::{Job, JobState, JobType, Operation, OperationKind as Kind},
    runner::PlannedCall,
    text::clean_line,
    url::decode,
};

impl Dataflow {
    pub(super) async fn check_operation(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        supported(operation)?;
        let answer = self.job(native_id(job)?, false).await?;
        live(&answer)?;
        match operation.kind {
            Kind::Cancel => {}
            Kind::Drain | Kind::Savepoint | Kind::Stop => {
                streaming(&answer, job)?;
                running(&answer)?;
            }
            Kind::Scale => {
                bounds(operation)?;
                streaming(&answer, job)?;
            }
        }
        Ok(vec![self.planned(&answer.id, operation)?])
    }

    fn planned(&self, id: &str, operation: &Operation) -> Result<PlannedCall, Error> {
        let purpose = match operation.kind {
            Kind::Cancel => "end the job now; what is in flight is lost",
            Kind::Drain => "stop reading, flush what is in flight, and end the job",
            Kind::Scale => "change the bounds between which Dataflow's autoscaler chooses the number of workers",
            Kind::Savepoint | Kind::Stop => "take a snapshot; the job goes on",
        };
        let request = self.operation_request(id, operation)?;
        let method = if request.method == Method::Put { "PUT" } else { "POST" };
        let body = match request.body {
            Body::Json(body) => body,
            _ => serde_json::Value::Null,
        };
        let path = decode(&request.path, false).unwrap_or(request.path);
        Ok(PlannedCall { call: format!("{method} {path}"), purpose: purpose.to_owned(), body })
    }
}

/// What Dataflow has no counterpart of.
pub(super) fn supported(operation: &Operation) -> Result<(), Error> {
    if operation.kind == Kind::Stop {
        return Err(no_stop());
    }
    if operation.savepoint_dir.is_some() {
        return Err(Error::unsupported("no_savepoint_directory", "a Dataflow snapshot has an id and no directory")
            .suggest("leave the directory out; the answer's savepoint_path is the snapshot's id"));
    }
    Ok(())
}

pub(super) fn no_stop() -> Error {
    Error::unsupported("stop_unsupported", "Dataflow cannot end a job with a savepoint in one step")
        .suggest("take a snapshot with create_savepoint and then cancel the job, or drain it to lose nothing")
}

pub(super) fn live(answer: &JobAnswer) -> Result<(), Error> {
    if !answer.has_ended() {
        return Ok(());
    }
    let state = clean_line(&answer.current_state, 64);
    Err(Error::precondition("job_ended", format!("the job has ended: Dataflow says {state}")))
}

fn running(answer: &JobAnswer) -> Result<(), Error> {
    if answer.state() == Some(JobState::Running) {
        return Ok(());
    }
    let state = clean_line(&answer.current_state, 64);
    Err(Error::precondition("job_not_running", format!("the job is not running: Dataflow says {state}"))
        .retry_as(Retry::Safe)
        .suggest("wait until the job is RUNNING, then ask again"))
}

fn streaming(answer: &JobAnswer, job: &Job) -> Result<(), Error> {
    match job_type(&answer.r#type).or(job.job_type) {
        Some(JobType::Batch) => Err(Error::precondition(
            "not_streaming",
            "it is a batch job: Dataflow drains, snapshots and rescales streaming jobs only",
        )
        .suggest("let it end, or cancel it; a batch job's workers are bounded at submit by max_workers")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        error::ErrorKind,
        runner::{
            Backend,
            dataflow::testing::{JOB, NATIVE, Played, answer, job, operation, play, target},
        },
    };
    use serde_json::{Value, json};

    fn shown(kind: &str, state: &str) -> Reply {
        answer(200, json!({"id": NATIVE, "type": kind, "currentState": state}))
    }

    fn check(operation: Operation, script: Vec<(&'static str, Reply)>) -> Played<Vec<PlannedCall>> {
        play(target(), script, |dataflow| async move { dataflow.check(&job(), &operation).await })
    }

    #[test]
    fn an_operation_is_refused_where_dataflow_would_refuse_it() {
        let streaming = |state| vec![(JOB, shown("JOB_TYPE_STREAMING", state))];
        let batch = || vec![(JOB, shown("JOB_TYPE_BATCH", "JOB_STATE_RUNNING"))];
        let scale = |parallelism| Operation { parallelism, ..operation(Kind::Scale) };
        let elsewhere = Operation { savepoint_dir: Some("gs://b/s".into()), ..operation(Kind::Savepoint) };
        for (operation, script, reason) in [
            (operation(Kind::Stop), vec![], "stop_unsupported"),
            (elsewhere, vec![], "no_savepoint_directory"),
            (operation(Kind::Cancel), streaming("JOB_STATE_DONE"), "job_ended"),
            (operation(Kind::Drain), batch(), "not_streaming"),
            (operation(Kind::Savepoint), batch(), "not_streaming"),
            (scale(Some(2)), batch(), "not_streaming"),
            (operation(Kind::Drain), streaming("JOB_STATE_PENDING"), "job_not_running"),
            (operation(Kind::Savepoint), streaming("JOB_STATE_PAUSED"), "job_not_running"),
            (scale(None), streaming("JOB_STATE_RUNNING"), "bad_parallelism"),
            (scale(Some(1001)), streaming("JOB_STATE_RUNNING"), "bad_parallelism"),
        ] {
            let error = check(operation, script).end.unwrap_err();
            assert_eq!(error.reason(), reason);
            assert!(!error.suggestion().is_empty());
        }
        let stop = check(operation(Kind::Stop), vec![]).end.unwrap_err();
        assert_eq!(stop.kind(), ErrorKind::Unsupported);
        assert!(stop.suggestion().contains("create_savepoint"));
    }

    /// Surprise 20 of runners.md section 9.
    #[test]
    fn state_and_mask_are_never_in_one_put() {
        let streaming = || vec![(JOB, shown("JOB_TYPE_STREAMING", "JOB_STATE_RUNNING"))];
        let scale = Operation { parallelism: Some(5), min_workers: Some(2), ..operation(Kind::Scale) };
        for operation in [operation(Kind::Cancel), operation(Kind::Drain), scale] {
            let kind = operation.kind;
            let planned = check(operation, streaming()).end.unwrap().remove(0);
            let state = planned.body.get("requestedState").and_then(Value::as_str);
            assert_eq!(planned.call.contains("updateMask"), kind == Kind::Scale, "{kind:?}");
            let wanted = match kind {
                Kind::Cancel => Some("JOB_STATE_CANCELLED"),
                Kind::Drain => Some("JOB_STATE_DRAINED"),
                _ => None,
            };
            assert_eq!(state, wanted, "{kind:?}");
            if kind == Kind::Scale {
                let body = json!({"runtimeUpdatableParams": {"maxNumWorkers": 5, "minNumWorkers": 2}});
                assert_eq!(planned.body, body);
            }
        }
    }
}
