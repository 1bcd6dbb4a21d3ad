//! Listing jobs and looking at one.

use super::{
    Flink,
    checkpoint::Checkpoints,
    exception,
    flow::{Beside, NAME_BYTES, native_id, parsed},
    job_details::{JobDetails, JobLine, JobsOverview, job_state},
    request, response,
    response::moment,
};
use crate::{
    effect::Request,
    error::Error,
    job::{Job, JobState},
    runner::{Look, Sighting},
    text::clean_line,
};

impl Flink {
    pub(super) async fn list_jobs(&self) -> Result<Vec<Sighting>, Error> {
        let request = request::jobs_overview_request(&self.context.target);
        let overview = self.read(request, response::read::<JobsOverview>).await?;
        Ok(overview.jobs.into_iter().map(listed).collect())
    }

    pub(super) async fn look_at(&self, job: &Job) -> Result<Look, Error> {
        let others = vec![request::checkpoints_request(&self.context.target, native_id(job)?)];
        let (details, beside) = match self.details(job, others).await {
            Err(error) if error.reason() == "job_unknown_to_flink" => return Ok(Look::Absent),
            other => other?,
        };
        let checkpoints = parsed::<Checkpoints>(beside.into_iter().next()).ok();
        let diagnostics = self.diagnose(&details).await?;
        Ok(Look::Seen(sighting(&details, checkpoints.as_ref(), diagnostics)))
    }

    /// Why a job failed or restarts; a cancelled flow ends here, every other trouble leaves the state as it was read.
    async fn diagnose(&self, details: &JobDetails) -> Result<String, Error> {
        let target = &self.context.target;
        let exceptions = request::exceptions_request(target, &details.jid, 1);
        let result = request::execution_result_request(target, &details.jid);
        match details.state.as_str() {
            "FAILED" => Ok(exception::of_failed(self.beside(vec![result, exceptions]).await?)),
            "FAILING" | "RESTARTING" => Ok(exception::of_restarting(self.beside(vec![exceptions]).await?)),
            _ => Ok(String::new()),
        }
    }

    async fn beside(&self, requests: Vec<Request>) -> Result<Beside, Error> {
        match self.send_all(requests).await {
            Err(error) if !error.gave_up() => Ok(vec![Err(error)]),
            other => other,
        }
    }
}

fn listed(line: JobLine) -> Sighting {
    Sighting {
        native_id: line.jid,
        name: Some(clean_line(&line.name, NAME_BYTES)),
        state: job_state(&line.state),
        runner_state: clean_line(&line.state, 64),
        started_ms: moment(line.start_time),
        ended_ms: moment(line.end_time),
        ..Sighting::default()
    }
}

fn sighting(details: &JobDetails, checkpoints: Option<&Checkpoints>, diagnostics: String) -> Sighting {
    let state = job_state(&details.state);
    let finished = state == Some(JobState::Finished);
    Sighting {
        native_id: details.jid.clone(),
        name: Some(clean_line(&details.name, NAME_BYTES)),
        state,
        runner_state: clean_line(&details.state, 64),
        job_type: details.job_type(),
        started_ms: moment(details.start_time),
        ended_ms: moment(details.end_time),
        parallelism: details.parallelism(),
        savepoint_path: checkpoints.and_then(Checkpoints::newest_kept_path).map(str::to_owned),
        ended_with_savepoint: checkpoints.filter(|_| finished).map(Checkpoints::ended_with_savepoint),
        diagnostics,
        ..Sighting::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Reply, Response},
        error::ErrorKind,
        runner::{
            Backend,
            flink::testing::{self, job, json, play, recorded, target},
        },
    };

    const UNKNOWN_CHECKPOINTS: &str = "GET /jobs/{id}/checkpoints";

    fn look(script: Vec<(&str, Reply)>) -> testing::Played<Look> {
        play(target(), script, |flink| async move { flink.look(&job()).await })
    }

    fn seen(script: Vec<(&str, Reply)>) -> Sighting {
        match look(script).end.unwrap() {
            Look::Seen(sighting) => sighting,
            Look::Absent => panic!("absent"),
        }
    }

    #[test]
    fn a_running_job_shows_its_type_parallelism_and_newest_checkpoint() {
        for (details, checkpoints) in [
            (recorded!("2.2.1/job-running"), recorded!("2.2.1/checkpoints-running")),
            (recorded!("1.20.5/job-running"), recorded!("1.20.5/checkpoints-running")),
        ] {
            let sighting = seen(vec![("GET /jobs/{id}", details), (UNKNOWN_CHECKPOINTS, checkpoints)]);
            assert_eq!((sighting.state, sighting.runner_state.as_str()), (Some(JobState::Running), "RUNNING"));
            assert_eq!((sighting.job_type, sighting.parallelism), (Some(crate::job::JobType::Streaming), Some(2)));
            assert!(sighting.savepoint_path.unwrap().starts_with("file:/srv/flink/checkpoints/0bea"));
            assert_eq!((sighting.ended_ms, sighting.ended_with_savepoint), (None, None));
        }
    }

    #[test]
    fn the_end_says_whether_a_savepoint_ended_the_job() {
        let token = "0bea0000000000000000000000000002";
        let drained = job_with(token);
        let script = vec![
            ("GET /jobs/0bea0000000000000000000000000002", recorded!("2.2.1/job-drained")),
            ("GET /jobs/0bea0000000000000000000000000002/checkpoints", recorded!("2.2.1/checkpoints-drained")),
        ];
        let played = play(target(), script, |flink| async move { flink.look(&drained).await });
        let Look::Seen(sighting) = played.end.unwrap() else { panic!() };
        assert_eq!((sighting.state, sighting.ended_with_savepoint), (Some(JobState::Finished), Some(true)));
        assert_eq!(
            sighting.savepoint_path.as_deref(),
            Some("file:/srv/flink/savepoints/savepoint-0bea00-0570f0b50527"),
            "discarded checkpoints are no path to restore from"
        );
    }

    #[test]
    fn a_failed_job_tells_why_in_two_lines() {
        let failed = job_with("0bea0000000000000000000000000005");
        let at = |rest: &str| format!("GET /jobs/0bea0000000000000000000000000005{rest}");
        let calls = [at(""), at("/checkpoints"), at("/execution-result"), at("/exceptions?maxExceptions=1")];
        let script = vec![
            (calls[0].as_str(), recorded!("2.2.1/job-failed")),
            (calls[1].as_str(), recorded!("2.2.1/checkpoints-failed")),
            (calls[2].as_str(), recorded!("2.2.1/execution-result-failed")),
            (calls[3].as_str(), recorded!("2.2.1/exceptions-failed-one")),
        ];
        let played = play(target(), script, |flink| async move { flink.look(&failed).await });
        let Look::Seen(sighting) = played.end.unwrap() else { panic!() };
        assert_eq!((sighting.state, sighting.savepoint_path), (Some(JobState::Failed), None));
        assert_eq!(
            sighting.diagnostics,
            "org.apache.flink.runtime.JobException: Recovery is suppressed by \
             FixedDelayRestartBackoffTimeStrategy(maxNumberRestartAttempts=2, backoffTimeMS=500)\n\
             Caused by: java.lang.IllegalStateException: ratejob: told to fail at 60"
        );
    }

    #[test]
    fn only_a_flink_that_names_the_job_makes_it_absent() {
        for unknown in
            [recorded!("2.2.1/job-unknown"), recorded!("1.20.5/job-unknown"), recorded!("2.2.1/job-status-unknown")]
        {
            let played = look(vec![("GET /jobs/{id}", unknown.clone()), (UNKNOWN_CHECKPOINTS, unknown)]);
            assert_eq!(played.end.unwrap(), Look::Absent);
        }
        let proxy = || json(404, serde_json::json!({"errors": ["Unable to load requested file /jobs."]}));
        let played = look(vec![("GET /jobs/{id}", proxy()), (UNKNOWN_CHECKPOINTS, proxy())]);
        assert_eq!(played.end.unwrap_err().kind(), ErrorKind::MalformedResponse);
    }

    #[test]
    fn another_job_or_form_is_refused() {
        let other = look(vec![
            ("GET /jobs/{id}", recorded!("2.2.1/job-drained")),
            (UNKNOWN_CHECKPOINTS, recorded!("2.2.1/checkpoints-drained")),
        ]);
        assert_eq!(other.reason(), "malformed_response");
        let list = |body| play(target(), vec![("GET /jobs/overview", body)], |flink| async move { flink.list().await });
        for body in
            [json(200, serde_json::json!({"jobs": 1})), recorded!("2.2.1/config"), Reply::Response(text("<html>"))]
        {
            assert_eq!(list(body).reason(), "malformed_response");
        }
    }

    #[test]
    fn words_of_flink_are_ours() {
        use JobState as S;
        let played =
            play(target(), vec![("GET /jobs/overview", recorded!("2.2.1/jobs-overview"))], |flink| async move {
                flink.list().await
            });
        let states: Vec<_> = played.end.unwrap().into_iter().map(|sighting| sighting.state.unwrap()).collect();
        assert_eq!(states, [S::Finished, S::Failed, S::Canceled, S::Canceled, S::Failed, S::Finished, S::Finished]);
        assert_eq!(job_state("EXPLODED"), None);
    }

    fn job_with(token: &str) -> Job {
        Job { native_id: Some(token.to_owned()), ..job() }
    }

    fn text(body: &str) -> Response {
        Response { status: 200, headers: vec![], body: body.into() }
    }
}
