//! Listing and looking; and how every other flow here reads and writes.

use std::time::Duration;

use super::{
    Flink,
    checkpoint::Checkpoints,
    request, response,
    response::{JobDetails, JobLine, job_state, moment},
};
use crate::{
    effect::{Request, Response},
    error::Error,
    job::{Job, JobState},
    pace::Backoff,
    retry::retry,
    runner::{Look, Sighting},
    text::clean_line,
};

/// Longest name of a job or step that is kept.
pub(super) const NAME_BYTES: usize = 256;

/// Time that must be left for a call to be made, and what is kept back of it for the way.
const LEAST: Duration = Duration::from_millis(200);
const RESERVE: Duration = Duration::from_millis(100);

/// How an answer is read.
pub(super) type Parse<T> = fn(&Response) -> Result<T, Error>;

/// What came of the requests beside the one that decides.
pub(super) type Beside = Vec<Result<Response, Error>>;

impl Flink {
    /// The request within the time that is left.
    pub(super) fn within(&self, mut request: Request) -> Result<Request, Error> {
        let left = self.context.deadline.saturating_sub(self.context.io.now().mono);
        if left < LEAST {
            return Err(Error::deadline("no time is left to ask Flink"));
        }
        let most = u64::try_from(left.saturating_sub(RESERVE).as_millis()).unwrap_or(u64::MAX);
        request.timeout_ms = request.timeout_ms.min(most);
        Ok(request)
    }

    /// Reads, and repeats what repeating may cure.
    pub(super) async fn read<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        self.read_beside(request, Vec::new(), parse).await.map(|(answer, _)| answer)
    }

    /// Reads several things side by side. The first decides; the outcomes of the others come back as they are.
    pub(super) async fn read_beside<T>(
        &self,
        first: Request,
        others: Vec<Request>,
        parse: Parse<T>,
    ) -> Result<(T, Beside), Error> {
        self.read_within(Backoff::READ, first, others, parse).await
    }

    pub(super) async fn read_within<T>(
        &self,
        backoff: Backoff,
        first: Request,
        others: Vec<Request>,
        parse: Parse<T>,
    ) -> Result<(T, Beside), Error> {
        let context = &self.context;
        let call = || async {
            let mut outcomes = self.send_all([vec![first.clone()], others.clone()].concat()).await?.into_iter();
            let answer = outcomes.next().ok_or_else(|| Error::misuse("no outcome"))??;
            Ok((parse(&answer)?, outcomes.collect()))
        };
        retry(&context.io, backoff, context.deadline, &context.seed, call).await
    }

    /// Sends requests side by side, once; one alone goes by itself.
    pub(super) async fn send_all(&self, requests: Vec<Request>) -> Result<Beside, Error> {
        let mut requests = requests.into_iter().map(|request| self.within(request)).collect::<Result<Vec<_>, _>>()?;
        if requests.len() > 1 {
            return self.context.io.send_all(requests).await;
        }
        match requests.pop() {
            Some(request) => self.context.io.send(request).await.map(|response| vec![Ok(response)]),
            None => Ok(Vec::new()),
        }
    }

    /// Sends once; the caller holds the permit.
    pub(super) async fn write<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        parse(&self.context.io.send(self.within(request)?).await?)
    }

    /// One look at a job as Flink has it.
    pub(super) async fn details(&self, job: &Job, others: Vec<Request>) -> Result<(JobDetails, Beside), Error> {
        let id = native_id(job)?;
        let request = request::job_request(&self.context.target, id);
        let (details, beside) = self.read_beside(request, others, response::read::<JobDetails>).await?;
        if details.jid == id {
            Ok((details, beside))
        } else {
            Err(Error::malformed("Flink answered about another job"))
        }
    }

    pub(super) async fn list_jobs(&self) -> Result<Vec<Sighting>, Error> {
        let request = request::jobs_overview_request(&self.context.target);
        let overview = self.read(request, response::read::<response::JobsOverview>).await?;
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
            "FAILED" => Ok(super::exception::of_failed(self.beside(vec![result, exceptions]).await?)),
            "FAILING" | "RESTARTING" => Ok(super::exception::of_restarting(self.beside(vec![exceptions]).await?)),
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

/// Flink's own id of a job.
pub(super) fn native_id(job: &Job) -> Result<&str, Error> {
    let known = job.native_id.as_deref().or_else(|| job.id.token()).or_else(|| job.id.foreign_id());
    known.ok_or_else(|| Error::misuse("a job without an id"))
}

/// What one of several requests brought.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(outcome: Option<Result<Response, Error>>) -> Result<T, Error> {
    response::read(&outcome.ok_or_else(|| Error::misuse("no outcome"))??)
}

fn listed(line: JobLine) -> Sighting {
    Sighting {
        native_id: line.jid,
        name: Some(clean_line(&line.name, NAME_BYTES)),
        state: job_state(&line.state),
        runner_state: clean_line(&line.state, 64),
        job_type: None,
        started_ms: moment(line.start_time),
        ended_ms: moment(line.end_time),
        parallelism: None,
        savepoint_path: None,
        ended_with_savepoint: None,
        diagnostics: String::new(),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        error::ErrorKind,
        runner::{
            Backend,
            flink::testing::{self, fault, job, json, play, recorded, target},
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
    fn reads_are_repeated_unless_the_cause_is_known() {
        let refused = || fault(FaultKind::Refused);
        let list = |script| play(target(), script, |flink| async move { flink.list().await });
        let played = list(vec![
            ("GET /jobs/overview", refused()),
            ("GET /jobs/overview", json(500, serde_json::json!({"errors": ["Internal server error."]}))),
            ("GET /jobs/overview", recorded!("2.2.1/jobs-overview")),
        ]);
        assert_eq!((played.end.unwrap().len(), played.slept), (7, 2));
        let played = list((0..6).map(|_| ("GET /jobs/overview", refused())).collect());
        assert_eq!((played.reason(), played.slept), ("connection_refused", 5));
        let final_500 = || recorded!("2.2.1/resource-requirements-put-unknown");
        assert_eq!(list(vec![("GET /jobs/overview", final_500())]).reason(), "job_unknown_to_flink");
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

    #[test]
    fn a_busy_flink_is_asked_again_when_it_says() {
        let busy = Reply::Response(Response {
            status: 503,
            headers: vec![("retry-after".into(), "400".into())],
            body: "Service temporarily unavailable due to an ongoing leader election. Please refresh.".into(),
        });
        let script = vec![("GET /jobs/overview", busy), ("GET /jobs/overview", recorded!("2.2.1/jobs-overview-empty"))];
        let played = play(target(), script, |flink| async move {
            let jobs = flink.list().await?;
            Ok((jobs.len(), flink.context.io.now().mono))
        });
        assert_eq!(played.end.unwrap(), (0, Duration::from_secs(121)), "Retry-After counts, at most two minutes");
    }

    fn job_with(token: &str) -> Job {
        Job { native_id: Some(token.to_owned()), ..job() }
    }

    fn text(body: &str) -> Response {
        Response { status: 200, headers: vec![], body: body.into() }
    }
}
