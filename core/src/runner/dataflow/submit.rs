//! The launch: one request, sent once, under a name that is taken once.

use serde_json::Value;

use super::{
    Dataflow,
    request::{self, Filter},
    response::{self, JobAnswer, Launched},
};
use crate::{
    config::Target,
    effect::Request,
    error::{Error, ErrorKind, Landed},
    job::Job,
    runner::{Submission, Submitted, outbound::in_time},
};

/// What of a launch tells which job it made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Launch<'a> {
    /// Name of the job.
    pub(super) name: &'a str,
    /// Dataflow's id of the job it replaces.
    pub(super) replaces: Option<&'a str>,
}

fn submission(job: &Job) -> Result<&Submission, Error> {
    job.submission.as_deref().ok_or_else(|| Error::misuse("a job without a submission"))
}

fn setting<'a>(submission: &'a Submission, name: &str) -> Option<&'a str> {
    submission.settings.get(name).and_then(Value::as_str)
}

/// What the launch of a job of ours was called.
pub(super) fn launch_of(job: &Job) -> Result<Launch<'_>, Error> {
    let submission = submission(job)?;
    let name = setting(submission, "name").ok_or_else(|| Error::misuse("a launch without a name"))?;
    Ok(Launch { name, replaces: setting(submission, "replaces") })
}

/// The name a job of ours has on Dataflow, which an update of it keeps.
pub fn name_of(job: &Job) -> Option<&str> {
    setting(job.submission.as_deref()?, "name")
}

/// The request that launches what was prepared.
pub(super) fn launch_request(target: &Target, submission: &Submission) -> Result<Request, Error> {
    let template = setting(submission, "template").ok_or_else(|| Error::misuse("a launch without a template"))?;
    let body = submission.settings.get("body").cloned().ok_or_else(|| Error::misuse("a launch without a body"))?;
    Ok(match submission.settings.get("flex").and_then(Value::as_bool) {
        Some(true) => request::launch_flex_request(target, body),
        _ => request::launch_classic_request(target, template, body),
    })
}

impl Dataflow {
    pub(super) async fn launch(&self, job: &Job) -> Result<Submitted, Error> {
        let (launch, began) = (launch_of(job)?, self.context.io.now());
        if let Some(replaces) = launch.replaces
            && let Some(there) = self.replaced_already(job, launch, replaces).await?
        {
            return Ok(accepted(there));
        }
        in_time(job, began, self.context.io.now())?;
        let request = launch_request(&self.context.target, submission(job)?)?;
        self.context.launches.note(job.token(), self.context.io.now().mono);
        match self.write(request, response::read::<Launched>).await {
            Ok(Launched { job }) if !job.id.is_empty() => Ok(accepted(job)),
            Ok(_) => Err(Error::malformed("Dataflow took the launch and named no job").landed_as(Landed::Perhaps)),
            Err(error) if error.reason() == "name_is_taken" => self.taken(job, launch, error).await,
            Err(error) => Err(error),
        }
    }

    /// An update sent twice would replace its own result: it leaves only while what it replaces still runs.
    async fn replaced_already(
        &self,
        job: &Job,
        launch: Launch<'_>,
        replaces: &str,
    ) -> Result<Option<JobAnswer>, Error> {
        let not_sent = |error: Error| error.landed_as(Landed::No);
        if let Some(there) = self.find(job, launch).await.map_err(not_sent)? {
            return Ok(Some(there));
        }
        let named = self.pages(Filter::Named(launch.name)).await.map_err(not_sent)?;
        if named.iter().any(|other| other.id == replaces && !other.has_ended()) {
            return Ok(None);
        }
        Err(Error::precondition("nothing_to_update", "the job that was to be replaced does not run any more")
            .with("native_id", replaces)
            .suggest("look at the job of this name, then decide again"))
    }

    /// The name is taken: by our own launch, which is success, or by somebody else's job.
    async fn taken(&self, job: &Job, launch: Launch<'_>, refusal: Error) -> Result<Submitted, Error> {
        let unsure = |error: Error| error.landed_as(Landed::Perhaps);
        if let Some(there) = self.find(job, launch).await.map_err(unsure)? {
            return Ok(accepted(there));
        }
        let named = self.pages(Filter::Named(launch.name)).await.map_err(unsure)?;
        if named.iter().any(|other| other.name == launch.name && !other.has_ended()) {
            return Err(refusal.suggest("another job of this name is active: send another `job_name`"));
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "taken_and_not_listed",
            "the name is taken, and no job of it is listed yet",
        )
        .landed_as(Landed::Perhaps))
    }
}

fn accepted(job: JobAnswer) -> Submitted {
    Submitted::Accepted { native_id: job.id }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            dataflow::testing::{
                JOB_ALL, NAME, NATIVE, NOW_MS, Played, TOKEN, answer, fault, job, play, refusal, target,
            },
        },
    };

    const CLASSIC: &str = "POST templates:launch?gcsPath=gs%3A%2F%2Fdataflow-templates%2Flatest%2FWord_Count";
    const FLEX: &str = "POST flexTemplates:launch";
    const NAMED: &str = "GET jobs?filter=ALL&name={name}&pageSize=200";

    fn prepared(flex: bool, replaces: Option<&str>) -> Job {
        let mut settings = json!({
            "name": NAME, "template": "gs://dataflow-templates/latest/Word_Count", "flex": flex,
            "body": {"jobName": NAME},
        });
        if let Some(id) = replaces {
            settings["replaces"] = id.into();
        }
        let settings = serde_json::from_value(settings).unwrap();
        Job { native_id: None, submission: Some(Submission { settings, ..Submission::default() }.into()), ..job() }
    }

    fn submit(job: Job, script: Vec<(&'static str, Reply)>) -> Played<Submitted> {
        play(target(), script, |it| async move { it.submit(&job).await })
    }

    fn launched() -> Reply {
        answer(200, json!({"job": {"id": NATIVE, "name": NAME}}))
    }

    fn named(jobs: impl serde::Serialize) -> (&'static str, Reply) {
        (NAMED, answer(200, json!({"jobs": jobs})))
    }

    fn taken() -> Reply {
        refusal(409, "ALREADY_EXISTS", "(78f6): There is already an active job named words.")
    }

    fn accepted_as(id: &str) -> Submitted {
        Submitted::Accepted { native_id: id.into() }
    }

    #[test]
    fn a_classic_and_a_flex_template_are_launched_by_one_request_each() {
        for (flex, call) in [(false, CLASSIC), (true, FLEX)] {
            let played = submit(prepared(flex, None), vec![(call, launched())]);
            assert_eq!(played.body()["jobName"], NAME);
            assert_eq!(played.end.unwrap(), accepted_as(NATIVE));
        }
    }

    #[test]
    fn when_a_launch_left_is_noted_whatever_becomes_of_it() {
        for reply in [launched(), fault(FaultKind::Reset)] {
            let job = prepared(false, None);
            let age = play(target(), vec![(CLASSIC, reply)], |it| async move {
                let _ = it.submit(&job).await;
                Ok(it.context.launches.age(job.token(), it.context.io.now().mono))
            });
            assert_eq!(age.end.unwrap(), Some(std::time::Duration::ZERO));
        }
    }

    /// Surprise 19 of runners.md section 9: the launch succeeded, the answer was lost, the repetition is refused.
    #[test]
    fn a_conflict_after_our_own_success_is_that_success() {
        let ours = json!({"id": NATIVE, "name": NAME, "currentState": "JOB_STATE_PENDING"});
        let script = vec![(CLASSIC, taken()), named(json!([ours]))];
        assert_eq!(submit(prepared(false, None), script).end.unwrap(), accepted_as(NATIVE));
    }

    #[test]
    fn a_name_somebody_else_took_is_a_refusal_and_an_unlisted_one_is_unsure() {
        let theirs =
            json!({"id": "x", "name": NAME, "labels": {"beam_mcp_job": "other"}, "currentState": "JOB_STATE_RUNNING"});
        let script = vec![(CLASSIC, taken()), named(json!([theirs])), named(json!([theirs]))];
        let refused = submit(prepared(false, None), script).end.unwrap_err();
        assert_eq!((refused.reason(), refused.landed()), ("name_is_taken", Landed::No));
        let script = vec![(CLASSIC, taken()), named(json!([])), named(json!([]))];
        let unsure = submit(prepared(false, None), script).end.unwrap_err();
        assert_eq!((unsure.reason(), unsure.landed()), ("taken_and_not_listed", Landed::Perhaps));
        let script = vec![(CLASSIC, taken()), (NAMED, refusal(403, "PERMISSION_DENIED", "no"))];
        assert_eq!(submit(prepared(false, None), script).end.unwrap_err().landed(), Landed::Perhaps);
    }

    #[test]
    fn what_became_of_a_launch_is_never_guessed() {
        for (reply, landed) in [
            (refusal(400, "INVALID_ARGUMENT", "no"), Landed::No),
            (refusal(429, "RESOURCE_EXHAUSTED", "no"), Landed::No),
            (refusal(503, "UNAVAILABLE", "no"), Landed::Perhaps),
            (fault(FaultKind::Refused), Landed::No),
            (fault(FaultKind::Credential), Landed::No),
            (fault(FaultKind::Reset), Landed::Perhaps),
            (answer(200, json!({"job": {}})), Landed::Perhaps),
            (answer(200, json!({})), Landed::Perhaps),
        ] {
            let error = submit(prepared(false, None), vec![(CLASSIC, reply)]).end.unwrap_err();
            assert_eq!(error.landed(), landed, "{error}");
        }
        let late = Job { sent_ms: NOW_MS - 15_001, ..prepared(false, None) };
        assert_eq!(submit(late, vec![]).reason(), "not_sent_in_time");
    }

    #[test]
    fn an_update_leaves_only_while_what_it_replaces_runs() {
        let old = json!({"id": "old", "name": NAME, "currentState": "JOB_STATE_RUNNING"});
        let update = || prepared(true, Some("old"));
        let old_whole = ("GET jobs/old?view=JOB_VIEW_ALL", answer(200, old.clone()));
        let script = vec![named(json!([old])), old_whole, named(json!([old])), (FLEX, launched())];
        assert_eq!(submit(update(), script).end.unwrap(), accepted_as(NATIVE));
        let there = json!({"id": NATIVE, "name": NAME, "replaceJobId": "old", "labels": {"beam_mcp_job": TOKEN}});
        let script = vec![named(json!([there])), (JOB_ALL, answer(200, there.clone()))];
        assert_eq!(submit(update(), script).end.unwrap(), accepted_as(NATIVE), "an earlier send arrived");
        let other = json!({"id": "x", "name": NAME, "replaceJobId": "y", "currentState": "JOB_STATE_RUNNING"});
        let gone = submit(update(), vec![named(json!([other])), named(json!([other]))]).end.unwrap_err();
        assert_eq!((gone.reason(), gone.landed()), ("nothing_to_update", Landed::No));
    }
}
