//! Submission: version, jar, run. Exactly one run is sent; what became of it is read, never assumed.

use serde_json::{Value, json};

use super::{
    Flink,
    flow::native_id,
    request,
    response::{self, Config},
};
use crate::{
    error::{Error, ErrorKind, Landed},
    job::Job,
    runner::{Look, Submission, Submitted, outbound::in_time},
};

/// Body of a run, of the fields the release knows: up to 1.19 the claim mode is called `restoreMode`.
///
/// Flink ignores unknown fields and runs anyway, so nothing else is ever in it.
pub(super) fn run_body(submission: &Submission, token: &str, series: Option<(u32, u32)>) -> Value {
    let mut body = plan_body(submission);
    let Some(map) = body.as_object_mut() else { return body };
    map.insert("jobId".into(), token.into());
    if let Some(path) = submission.settings.get("savepoint_path") {
        let claim_mode = if series.is_some_and(|series| series < (1, 20)) { "restoreMode" } else { "claimMode" };
        let lenient = submission.settings.get("allow_non_restored_state").cloned().unwrap_or(false.into());
        map.insert("savepointPath".into(), path.clone());
        map.insert(claim_mode.into(), "NO_CLAIM".into());
        map.insert("allowNonRestoredState".into(), lenient);
    }
    body
}

/// Body of a plan: what of a run says what `main` is called with.
pub(super) fn plan_body(submission: &Submission) -> Value {
    let mut body = json!({"programArgsList": submission.argv});
    let fields =
        [("entry_class", "entryClass"), ("parallelism", "parallelism"), ("flink_configuration", "flinkConfiguration")];
    for (setting, field) in fields {
        if let (Some(map), Some(value)) = (body.as_object_mut(), submission.settings.get(setting)) {
            map.insert(field.to_owned(), value.clone());
        }
    }
    body
}

fn submission(job: &Job) -> Result<&Submission, Error> {
    job.submission.as_deref().ok_or_else(|| Error::misuse("a submit without a submission"))
}

impl Flink {
    pub(super) async fn submit_job(&self, job: &Job) -> Result<Submitted, Error> {
        let (submission, token) = (submission(job)?, native_id(job)?);
        let began = self.context.io.now();
        let series = self.ready_to_submit().await.map_err(|error| error.landed_as(Landed::No))?;
        let jar = self.jar_id(submission).await?;
        let body = run_body(submission, token, series);
        // A jar that took too long to upload is there the next time.
        in_time(job, began, self.context.io.now())?;
        let run = request::run_request(&self.context.target, &jar, body);
        match self.write(run, response::job_id_of_run).await {
            Ok(id) if id == token => Ok(Submitted::Accepted { native_id: id }),
            Ok(_) => Err(Error::malformed("Flink took the job under another id").landed_as(Landed::Perhaps)),
            Err(error) if matches!(error.reason(), "duplicate_job" | "main_failed") => self.verify(job, error).await,
            Err(error) => Err(error),
        }
    }

    /// The release, when the cluster takes jobs.
    async fn ready_to_submit(&self) -> Result<Option<(u32, u32)>, Error> {
        let config = self.read(request::config_request(&self.context.target), response::read::<Config>).await?;
        if config.features.web_submit {
            return Ok(config.series());
        }
        Err(web_submit_disabled())
    }

    /// Looks for the job after a refusal that leaves open whether it runs: a duplicate of our own id, or a `main` that
    /// failed, which it may do after it has submitted the job.
    async fn verify(&self, job: &Job, refusal: Error) -> Result<Submitted, Error> {
        match self.look_at(job).await {
            Ok(Look::Seen(sighting)) => Ok(Submitted::Accepted { native_id: sighting.native_id }),
            Ok(Look::Absent) if refusal.reason() == "main_failed" => Err(refusal),
            Ok(Look::Absent) => Err(Error::new(
                ErrorKind::Conflict,
                "submitted_before_and_forgotten",
                "Flink says it had this job before, and does not know it any more",
            )
            .landed_as(Landed::Perhaps)),
            Err(error) => Err(error.landed_as(Landed::Perhaps)),
        }
    }

    /// What `main` would submit, by Flink's own plan: name, type and steps. Uploads the jar and runs `main` inside the
    /// `JobManager`, but starts no job.
    ///
    /// # Errors
    /// As a submission.
    pub async fn plan(&self, job: &Job) -> Result<Value, Error> {
        let submission = submission(job)?;
        self.ready_to_submit().await?;
        let jar = self.jar_id(submission).await?;
        let request = request::plan_request(&self.context.target, &jar, plan_body(submission));
        let answer: Value = self.write(request, response::read).await.map_err(|error| error.landed_as(Landed::No))?;
        answer.get("plan").cloned().ok_or_else(|| Error::malformed("Flink's answer has no plan"))
    }
}

pub(super) fn web_submit_disabled() -> Error {
    Error::unsupported("web_submit_disabled", "this Flink cluster takes no jobs over REST")
        .suggest("ask the operator to set web.submit.enable to true on the cluster")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Body, FaultKind, Reply, SourceId},
        runner::{
            Backend,
            flink::testing::{NOW_MS, Played, TOKEN, fault, job, json, play, recorded, target},
        },
    };

    const JAR: &str = "aaaa-ratejob.jar";
    const RUN: &str = "POST /jars/ce2878db-e571-4a88-902a-adc8bff06e63_ratejob.jar/run";

    fn submitted() -> Job {
        let settings = json!({"size": 5_000_000, "parallelism": 2, "entry_class": "org.beammcp.examples.RateJob"});
        let submission = Submission {
            source: Some(SourceId("sha256:aaaa".into())),
            sha256: Some("aaaa".into()),
            file_name: Some("ratejob.jar".into()),
            argv: vec!["--rate".into(), "200".into()],
            settings: serde_json::from_value(settings).unwrap(),
            ..Submission::default()
        };
        Job { submission: Some(submission.into()), native_id: None, ..job() }
    }

    fn jars(uploaded: &[(&str, u64)]) -> Reply {
        let files: Vec<_> =
            uploaded.iter().map(|(id, at)| json!({"id": id, "name": JAR, "uploaded": at, "entry": []})).collect();
        json(200, json!({"address": "x", "files": files}))
    }

    fn submit(rest: Vec<(&'static str, Reply)>) -> Played<Submitted> {
        let mut script = vec![
            ("GET /config", recorded!("2.2.1/config")),
            ("GET /jars", recorded!("2.2.1/jars")),
            ("POST /jars/upload", recorded!("2.2.1/jars-upload")),
        ];
        script.extend(rest);
        play(target(), script, |flink| async move { flink.submit(&submitted()).await })
    }

    fn outcome(played: Played<Submitted>) -> Result<(), (String, Landed, crate::error::Retry)> {
        played.end.map(|_| ()).map_err(|error| (error.reason().to_owned(), error.landed(), error.retry()))
    }

    #[test]
    fn a_jar_is_uploaded_under_its_hash_and_run_under_our_id() {
        let played = submit(vec![(RUN, recorded!("2.2.1/run"))]);
        let body = json!({
            "jobId": TOKEN, "entryClass": "org.beammcp.examples.RateJob", "parallelism": 2,
            "programArgsList": ["--rate", "200"],
        });
        assert_eq!(*played.body(), body);
        let upload = &played.requests[2];
        let Body::Multipart(parts) = &upload.body else { panic!("{:?}", upload.body) };
        assert_eq!((parts[0].name.as_str(), parts[0].file_name.as_str()), ("jarfile", JAR));
        assert_eq!((upload.timeout_ms, played.requests[3].timeout_ms), (65_000, 60_000));
        assert_eq!(played.end.unwrap(), Submitted::Accepted { native_id: TOKEN.into() });
    }

    #[test]
    fn a_jar_that_is_there_is_not_uploaded_again() {
        let script = vec![
            ("GET /config", recorded!("1.20.5/config")),
            ("GET /jars", jars(&[("old_x.jar", 1), ("new_x.jar", 2)])),
            ("POST /jars/new_x.jar/run", recorded!("1.20.5/run")),
        ];
        let played = play(target(), script, |flink| async move { flink.submit(&submitted()).await });
        assert_eq!(played.end.unwrap(), Submitted::Accepted { native_id: TOKEN.into() });
    }

    #[test]
    fn a_duplicate_of_our_id_is_success_when_flink_shows_the_job() {
        let known = || [("GET /jobs/{id}", recorded!("2.2.1/job-running")), no_checkpoints()];
        for refusal in [
            recorded!("2.2.1/run-duplicate"),
            recorded!("2.2.1/run-duplicate-of-finished"),
            recorded!("1.20.5/run-duplicate"),
            recorded!("1.20.5/beam-run-attached"),
        ] {
            let script = [vec![(RUN, refusal)], known().into()].concat();
            assert_eq!(outcome(submit(script)), Ok(()));
        }
        let gone = || [("GET /jobs/{id}", recorded!("2.2.1/job-unknown")), no_checkpoints()];
        let played = submit([vec![(RUN, recorded!("2.2.1/run-duplicate"))], gone().into()].concat());
        let (reason, landed, _) = outcome(played).unwrap_err();
        assert_eq!((reason.as_str(), landed), ("submitted_before_and_forgotten", Landed::Perhaps));
    }

    fn no_checkpoints() -> (&'static str, Reply) {
        ("GET /jobs/{id}/checkpoints", recorded!("2.2.1/job-checkpoints-unknown"))
    }

    #[test]
    fn a_main_that_fails_is_an_error_when_flink_does_not_know_the_job() {
        for refusal in [recorded!("2.2.1/run-main-throws"), recorded!("2.2.1/run-parallelism-zero")] {
            let gone = vec![(RUN, refusal), ("GET /jobs/{id}", recorded!("2.2.1/job-unknown")), no_checkpoints()];
            let error = submit(gone).end.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, "main_failed"));
            assert_eq!((error.landed(), error.retry()), (Landed::No, crate::error::Retry::Never));
            assert!(!error.message().contains("\tat ") && !error.message().contains("/srv/"), "{}", error.message());
        }
        let unsure = vec![(RUN, recorded!("2.2.1/run-main-throws"))];
        let down = (0..6).map(|at| {
            (if at % 2 == 0 { "GET /jobs/{id}" } else { "GET /jobs/{id}/checkpoints" }, fault(FaultKind::Refused))
        });
        let (reason, landed, _) = outcome(submit(unsure.into_iter().chain(down).collect())).unwrap_err();
        assert_eq!((reason.as_str(), landed), ("connection_refused", Landed::Perhaps));
    }

    #[test]
    fn what_flink_says_decides_whether_the_job_may_run() {
        use crate::error::Retry::{Never, Safe};
        let five_hundred = || json(500, json!({"errors": ["Internal server error.", "<Exception on server side:\nx"]}));
        for (answer, reason, landed, retry) in [
            (recorded!("2.2.1/run-unknown-entry-class"), "unknown_entry_class", Landed::No, Never),
            (recorded!("2.2.1/run-without-main"), "no_main_class", Landed::No, Never),
            (recorded!("2.2.1/run-unreadable-jar"), "not_a_jar", Landed::No, Never),
            (recorded!("2.2.1/run-unknown-jar"), "jar_gone", Landed::No, Safe),
            (recorded!("2.2.1/run-bad-job-id"), "refused_by_flink", Landed::No, Never),
            (recorded!("1.20.5/run-unknown-entry-class"), "unknown_entry_class", Landed::No, Never),
            (json(429, json!({})), "runner_busy", Landed::No, Safe),
            (json(503, json!({})), "runner_unavailable", Landed::Perhaps, Safe),
            (json(403, json!({})), "credential_refused", Landed::No, Never),
            (five_hundred(), "runner_error", Landed::Perhaps, Safe),
            (json(200, json!({"jobid": "0123"})), "malformed_response", Landed::Perhaps, Never),
            (json(200, json!({})), "malformed_response", Landed::Perhaps, Never),
            (fault(FaultKind::Timeout), "timeout", Landed::Perhaps, Safe),
            (fault(FaultKind::Reset), "connection_reset", Landed::Perhaps, Safe),
            (fault(FaultKind::Refused), "connection_refused", Landed::No, Safe),
        ] {
            assert_eq!(outcome(submit(vec![(RUN, answer)])), Err((reason.to_owned(), landed, retry)));
        }
    }

    #[test]
    fn before_the_run_nothing_has_landed() {
        let fail = |script| {
            let played = play(target(), script, |flink| async move { flink.submit(&submitted()).await });
            outcome(played).unwrap_err()
        };
        let upload = vec![
            ("GET /config", recorded!("2.2.1/config")),
            ("GET /jars", recorded!("2.2.1/jars-empty")),
            ("POST /jars/upload", fault(FaultKind::Timeout)),
        ];
        assert_eq!(fail(upload), ("timeout".into(), Landed::No, crate::error::Retry::Safe));
        let off = json(200, json!({"flink-version": "2.2.1", "features": {"web-submit": false}}));
        assert_eq!(fail(vec![("GET /config", off)]).0, "web_submit_disabled");
        let slow = (0..6).map(|_| ("GET /config", fault(FaultKind::Timeout))).collect();
        assert_eq!(fail(slow).1, Landed::No);
    }

    #[test]
    fn a_restore_never_claims_the_savepoint() {
        let mut submission = std::sync::Arc::unwrap_or_clone(submitted().submission.unwrap());
        submission.settings.insert("savepoint_path".into(), "s3://b/sp".into());
        for (series, field) in [
            (Some((1, 19)), "restoreMode"),
            (Some((1, 20)), "claimMode"),
            (Some((2, 2)), "claimMode"),
            (None, "claimMode"),
        ] {
            let body = run_body(&submission, TOKEN, series);
            assert_eq!((&body["savepointPath"], &body[field]), (&json!("s3://b/sp"), &json!("NO_CLAIM")));
            assert_eq!(body["allowNonRestoredState"], false);
            assert_eq!(body.as_object().unwrap().len(), 7);
        }
    }

    #[test]
    fn a_plan_submits_nothing() {
        let script = vec![
            ("GET /config", recorded!("2.2.1/config")),
            ("GET /jars", jars(&[("x_y.jar", 1)])),
            ("POST /jars/x_y.jar/plan", recorded!("2.2.1/jar-plan")),
        ];
        let played = play(target(), script, |flink| async move { flink.plan(&submitted()).await });
        assert!(played.body().get("jobId").is_none());
        assert_eq!(played.end.unwrap()["type"], "STREAMING");
    }

    #[test]
    fn only_an_old_jar_of_an_ended_job_is_deleted() {
        use crate::job::JobState as S;
        let tidy = |state, script| {
            let job = Job { state, ..submitted() };
            play(target(), script, |flink| async move { flink.tidy(&job).await }).end.unwrap();
        };
        tidy(S::Running, vec![]);
        tidy(S::Finished, vec![("GET /jars", jars(&[]))]);
        tidy(S::Finished, vec![("GET /jars", jars(&[("x_y.jar", NOW_MS - 599_000)]))]);
        let old = jars(&[("x_y.jar", NOW_MS - 600_000)]);
        tidy(S::Failed, vec![("GET /jars", old), ("DELETE /jars/x_y.jar", recorded!("2.2.1/jar-delete"))]);
    }
}
