//! What an operation needs before it is stored: Flink answers 202 to some it never carries out.

use serde_json::{Value, json};

use super::{
    Flink,
    failure::rescale_unsupported,
    flow::parsed,
    job_details::{JobDetails, Vertex, job_state},
    operation::{upper_bound, wished},
    request,
    response::Config,
    storage::check_path,
};
use crate::{
    effect::Body,
    error::{Error, Retry},
    job::{Job, JobState, JobType, Operation, OperationKind as Kind},
    runner::PlannedCall,
    text::clean_line,
};

impl Flink {
    pub(super) async fn check_operation(&self, job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
        let target = &self.context.target;
        let (details, beside) = self.details(job, vec![request::config_request(target)]).await?;
        live(&details)?;
        match operation.kind {
            Kind::Cancel => {}
            Kind::Savepoint | Kind::Stop | Kind::Drain => {
                streaming(&details, job)?;
                running(&details)?;
                operation.savepoint_dir.as_deref().map_or(Ok(()), |path| check_path(target, path, false))?;
            }
            Kind::Scale => {
                let config = parsed::<Config>(beside.into_iter().next())?;
                scalable(&config, &details, job, operation)?;
            }
        }
        Ok(vec![self.planned(&details, operation)?])
    }

    fn planned(&self, details: &JobDetails, operation: &Operation) -> Result<PlannedCall, Error> {
        let (call, purpose) = match operation.kind {
            Kind::Cancel => ("PATCH /jobs/{id}?mode=cancel", "end the job now; no savepoint is taken"),
            Kind::Savepoint => ("POST /jobs/{id}/savepoints", "take a savepoint; the job goes on"),
            Kind::Stop => ("POST /jobs/{id}/stop", "take a savepoint to resume from, and end the job"),
            Kind::Drain => ("POST /jobs/{id}/stop", "flush all windows, take a savepoint, and end the job"),
            Kind::Scale => ("PUT /jobs/{id}/resource-requirements", "ask for another parallelism; the job restarts"),
        };
        let request = self.operation_request(&details.jid, Some(details), operation)?;
        let body = match request.body {
            Body::Json(body) => body,
            _ => Value::Null,
        };
        Ok(PlannedCall { call: call.replace("{id}", &details.jid), purpose: purpose.to_owned(), body })
    }
}

pub(super) fn live(details: &JobDetails) -> Result<(), Error> {
    match job_state(&details.state) {
        Some(state) if state.is_terminal() => Err(Error::precondition(
            "job_ended",
            format!("the job has ended: Flink says {}", clean_line(&details.state, 64)),
        )),
        _ => Ok(()),
    }
}

/// Flink takes a savepoint only when all tasks run.
fn running(details: &JobDetails) -> Result<(), Error> {
    if job_state(&details.state) == Some(JobState::Running) {
        if details.vertices.iter().all(Vertex::settled) {
            return Ok(());
        }
        return Err(Error::precondition("job_starting", "some of the job's tasks are still starting")
            .retry_as(Retry::Safe)
            .suggest("wait a few seconds, then ask again"));
    }
    let state = clean_line(&details.state, 64);
    Err(Error::precondition("job_not_running", format!("the job is not running yet or restarts: Flink says {state}"))
        .suggest("wait until the job is RUNNING, then ask again"))
}

fn streaming(details: &JobDetails, job: &Job) -> Result<(), Error> {
    match details.job_type().or(job.job_type) {
        Some(JobType::Batch) => Err(Error::precondition(
            "not_streaming",
            "the job runs in batch mode: Flink takes no savepoint of it and cannot stop, drain or rescale it",
        )
        .suggest("let it end, or cancel it and create it again")),
        _ => Ok(()),
    }
}

fn scalable(config: &Config, details: &JobDetails, job: &Job, operation: &Operation) -> Result<(), Error> {
    let wish = wished(operation)?;
    if !config.features.web_rescale {
        return Err(rescale_unsupported());
    }
    streaming(details, job)?;
    let widest = details.vertices.iter().map(|vertex| upper_bound(vertex, wish)).max();
    match widest {
        None => Err(Error::precondition("job_not_running", "the job has no steps yet: wait until it is RUNNING")),
        Some(widest) if widest < wish => Err(Error::invalid(
            "above_max_parallelism",
            format!("no step of the job can run {wish} times: the largest maximum is {widest}"),
        )
        .with("details", json!({"desired": wish, "maximum": widest}))
        .suggest("ask for less, or create the job again with a larger pipeline.max-parallelism")),
        Some(_) => Ok(()),
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
            flink::testing::{Played, TOKEN, job, json as answer, operation, play, recorded, target},
        },
    };

    const JOB: &str = "GET /jobs/{id}";

    fn scale(parallelism: u32) -> Operation {
        Operation { parallelism: Some(parallelism), ..operation(Kind::Scale) }
    }

    fn check(operation: Operation, details: Reply, config: Reply) -> Played<Vec<PlannedCall>> {
        let script = vec![(JOB, details), ("GET /config", config)];
        play(target(), script, |flink| async move { flink.check(&job(), &operation).await })
    }

    fn details(state: &str, kind: &str) -> Reply {
        answer(
            200,
            json!({"jid": TOKEN, "name": "x", "state": state, "job-type": kind, "start-time": 1, "end-time": -1}),
        )
    }

    fn starting() -> Reply {
        let vertex = json!({"id": "v", "name": "map", "parallelism": 1, "tasks": {"INITIALIZING": 1}});
        answer(
            200,
            json!({"jid": TOKEN, "name": "x", "state": "RUNNING", "job-type": "STREAMING", "start-time": 1,
            "end-time": -1, "vertices": [vertex]}),
        )
    }

    fn no_rescale() -> Reply {
        answer(200, json!({"flink-version": "1.20.5", "features": {"web-submit": true, "web-rescale": false}}))
    }

    #[test]
    fn an_operation_is_refused_where_flink_would_only_pretend() {
        let config = || recorded!("2.2.1/config");
        let finished = || details("FINISHED", "STREAMING");
        let elsewhere = Operation { savepoint_dir: Some("s3://mine/x".into()), ..operation(Kind::Savepoint) };
        for (operation, details, config, reason) in [
            (operation(Kind::Cancel), finished(), config(), "job_ended"),
            (operation(Kind::Savepoint), finished(), config(), "job_ended"),
            (operation(Kind::Savepoint), details("RESTARTING", "STREAMING"), config(), "job_not_running"),
            (operation(Kind::Drain), details("CREATED", "STREAMING"), config(), "job_not_running"),
            (operation(Kind::Savepoint), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (operation(Kind::Stop), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (scale(2), details("RUNNING", "BATCH"), config(), "not_streaming"),
            (operation(Kind::Stop), starting(), config(), "job_starting"),
            (elsewhere, recorded!("2.2.1/job-running"), config(), "savepoint_path_not_allowed"),
            (scale(0), recorded!("2.2.1/job-running"), config(), "bad_parallelism"),
            (operation(Kind::Scale), recorded!("2.2.1/job-running"), config(), "bad_parallelism"),
            (scale(100), recorded!("2.2.1/job-running"), config(), "above_max_parallelism"),
            (scale(2), details("CREATED", "STREAMING"), config(), "job_not_running"),
            (scale(4), recorded!("2.2.1/job-running"), no_rescale(), "rescale_needs_adaptive_scheduler"),
            (operation(Kind::Stop), recorded!("2.2.1/job-unknown"), config(), "job_unknown_to_flink"),
        ] {
            assert_eq!(check(operation, details, config).reason(), reason);
        }
        let unsupported = check(scale(4), recorded!("2.2.1/job-running"), no_rescale()).end.unwrap_err();
        assert_eq!(unsupported.kind(), ErrorKind::Unsupported);
        assert!(unsupported.suggestion().contains("savepoint"));
        check(operation(Kind::Cancel), details("CREATED", "BATCH"), config()).end.unwrap();
    }

    #[test]
    fn a_step_that_cannot_be_parallel_stays_alone() {
        let vertex = |id: &str, most: i64| json!({"id": id, "name": id, "parallelism": 1, "maxParallelism": most});
        let details = json!({"jid": TOKEN, "name": "x", "state": "RUNNING", "job-type": "STREAMING", "start-time": 1,
            "end-time": -1, "vertices": [vertex("wide", 128), vertex("alone", 1), vertex("unset", -1)]});
        let played = check(scale(8), answer(200, details), recorded!("2.2.1/config"));
        let body = &played.end.unwrap()[0].body;
        let upper = |id: &str| body[id]["parallelism"]["upperBound"].as_u64();
        assert_eq!([upper("wide"), upper("alone"), upper("unset")], [Some(8), Some(1), Some(8)]);
    }
}
