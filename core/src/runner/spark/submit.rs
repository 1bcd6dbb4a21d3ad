//! Submission: the jar in its folder, version and master, then exactly one `create`. What became of it is read, never
//! assumed, and never sent again while it is unexplained.

use serde_json::{Map, Value, json};

use super::{
    Spark, request,
    response::{self, Created, Master, series},
    stderr::{MARKER, is_plain_id},
};
use crate::{
    config::Target,
    error::{Error, ErrorKind, Landed},
    job::Job,
    runner::{Submission, Submitted, outbound::in_time, stack_trace::digest},
};

/// Largest jar that is placed.
pub(super) const JAR_BYTES: u64 = 512 << 20;
/// Property of the driver's JVM options.
pub(super) const DRIVER_OPTIONS: &str = "spark.driver.extraJavaOptions";
/// What Spark opens for itself where `spark-submit` starts it; drivers that the submission API of 3.x starts get none of
/// it, and fail on Java 17. Java 8 is told to ignore what it does not know.
const MODULES: [&str; 13] = [
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
];

/// The module flags a driver of Spark 3 needs on Java 17.
pub(super) fn module_flags() -> String {
    let opens = MODULES.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
    format!("-XX:+IgnoreUnrecognizedVMOptions {}", opens.join(" "))
}

/// Where workers find the jar of a submission.
pub(super) fn jar_url(target: &Target, submission: &Submission) -> Result<String, Error> {
    let (Some(folder), Some(sha256)) = (&target.jar_folder, &submission.sha256) else {
        return Err(Error::misuse("a Spark submission without a jar or a folder for it"));
    };
    let base = target.jar_url.clone().unwrap_or_else(|| format!("file:{folder}"));
    Ok(format!("{}/{sha256}.jar", base.trim_end_matches('/')))
}

/// Body of a `create`. `version` is the master's; what is sent to Spark 3 serves also where it is not known yet.
pub(super) fn create_body(
    target: &Target,
    submission: &Submission,
    token: &str,
    version: Option<&str>,
    master: &str,
) -> Result<Value, Error> {
    let jar = jar_url(target, submission)?;
    let setting = |name: &str| submission.settings.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut properties: Map<String, Value> =
        submission.settings.get("spark_properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let jars = properties.get("spark.jars").and_then(Value::as_str).map(|more| format!("{jar},{more}"));
    if version.and_then(series).is_none_or(|series| series < (4, 0)) {
        let own = properties.get(DRIVER_OPTIONS).and_then(Value::as_str).unwrap_or_default();
        let options = format!("{} {own}", module_flags());
        properties.insert(DRIVER_OPTIONS.into(), options.trim_end().into());
    }
    for (name, value) in [
        ("spark.jars", jars.unwrap_or_else(|| jar.clone())),
        ("spark.app.name", format!("{}-{token}", setting("app_name"))),
        ("spark.master", master.to_owned()),
        ("spark.submit.deployMode", "cluster".to_owned()),
        (MARKER, token.to_owned()),
    ] {
        properties.insert(name.into(), value.into());
    }
    Ok(json!({
        "action": "CreateSubmissionRequest",
        "appResource": jar,
        "mainClass": setting("main_class"),
        "appArgs": submission.argv,
        "clientSparkVersion": version.unwrap_or("3.5.0"),
        "environmentVariables": {},
        "sparkProperties": properties,
    }))
}

impl Spark {
    pub(super) async fn submit_job(&self, job: &Job) -> Result<Submitted, Error> {
        let began = self.context.io.now();
        let submission = job.submission.as_ref().ok_or_else(|| Error::misuse("a submit without a submission"))?;
        let ready = self.ready().await;
        let (version, master) = ready.map_err(|error| error.landed_as(Landed::No))?;
        let body = create_body(&self.context.target, submission, job.token(), Some(&version), &master)?;
        in_time(job, began, self.context.io.now())?;
        let created = self.write(request::create_request(&self.context.target, body), response::read::<Created>);
        accepted(created.await?)
    }

    /// Version, and the master's address for drivers.
    async fn ready(&self) -> Result<(String, String), Error> {
        let target = &self.context.target;
        let version = self.read(request::version_request(target), response::version).await?;
        let master: Master = self.master().await?;
        let address = target.spark_master.clone().unwrap_or(master.url);
        if address.starts_with("spark://") {
            return Ok((version, address));
        }
        Err(Error::precondition("no_master_address", "the master does not say how drivers reach it")
            .suggest("ask the operator to set the target's `spark_master` to spark://host:7077"))
    }
}

fn accepted(created: Created) -> Result<Submitted, Error> {
    match created.submission_id {
        Some(id) if created.success && is_plain_id(&id) => Ok(Submitted::Accepted { native_id: id }),
        _ if created.success => {
            Err(Error::malformed("Spark took the driver and did not name it").landed_as(Landed::Perhaps))
        }
        _ => {
            let said = created.message.as_deref().map(digest).unwrap_or_default();
            Err(Error::new(ErrorKind::Unavailable, "not_taken", format!("Spark did not take the driver: {said}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Refusal, Reply, SourceId},
        runner::{
            Backend, Build,
            python::testing::staged,
            spark::testing::{self, DRIVER, NOW_MS, TOKEN, fault, job, json as answer, play, recorded, target},
        },
    };

    const CREATE: &str = "POST /v1/submissions/create";

    fn submitted() -> Job {
        let properties = json!({"spark.executor.memory": "512m", "spark.cores.max": "2"});
        let settings = json!({
            "main_class": "org.beammcp.examples.SparkRateJob", "app_name": "rate", "spark_properties": properties,
        });
        let submission = Submission {
            source: Some(SourceId("sha256:aaaa".into())),
            sha256: Some("aaaa".into()),
            file_name: Some("sparkrate.jar".into()),
            argv: vec!["--rate=5".into()],
            settings: serde_json::from_value(settings).unwrap(),
            ..Submission::default()
        };
        Job { submission: Some(submission.into()), native_id: None, ..job() }
    }

    fn before(version: Reply) -> Vec<(&'static str, Reply)> {
        vec![("GET /", version), ("GET master/json/", recorded!("3.5.9/master-idle"))]
    }

    fn submit(version: Reply, create: Reply) -> testing::Played<Submitted> {
        let script = [before(version), vec![(CREATE, create)]].concat();
        play(target(), script, |spark| async move { spark.submit(&submitted()).await })
    }

    #[test]
    fn a_driver_is_marked_and_reads_the_checked_jar() {
        let played = submit(recorded!("3.5.9/root"), recorded!("3.5.9/create-running"));
        let body = json!({
            "action": "CreateSubmissionRequest", "appResource": "file:/srv/spark/shared/aaaa.jar",
            "mainClass": "org.beammcp.examples.SparkRateJob", "appArgs": ["--rate=5"], "clientSparkVersion": "3.5.9",
            "environmentVariables": {},
            "sparkProperties": {
                "spark.jars": "file:/srv/spark/shared/aaaa.jar", "spark.app.name": format!("rate-{TOKEN}"),
                "spark.master": "spark://127.0.0.1:7077", "spark.submit.deployMode": "cluster",
                "spark.beam.jobId": TOKEN, "spark.executor.memory": "512m", "spark.cores.max": "2",
                "spark.driver.extraJavaOptions": module_flags(),
            },
        });
        assert_eq!(*played.body(), body);
        assert_eq!(played.requests.last().unwrap().timeout_ms, 15_000);
        assert_eq!(played.end.unwrap(), Submitted::Accepted { native_id: DRIVER.into() });
    }

    #[test]
    fn spark_4_sets_the_module_flags_itself_and_the_operators_come_last() {
        let played = submit(recorded!("4.1.4/root"), recorded!("4.1.4/create-running"));
        assert_eq!(played.body()["sparkProperties"].get(DRIVER_OPTIONS), None);
        assert_eq!(played.body()["clientSparkVersion"], "4.1.4");
        let mut target = target();
        (target.jar_url, target.spark_master) =
            (Some("hdfs://nn/jars/".into()), Some("spark://ha1:7077,ha2:7077".into()));
        let mut submission = std::sync::Arc::unwrap_or_clone(submitted().submission.unwrap());
        let own = json!({DRIVER_OPTIONS: "-Xss4m", "spark.jars": "hdfs://nn/driver.jar"});
        submission.settings.insert("spark_properties".into(), own);
        let body = create_body(&target, &submission, TOKEN, Some("3.5.9"), "spark://x").unwrap();
        let properties = &body["sparkProperties"];
        assert_eq!(properties["spark.jars"], "hdfs://nn/jars/aaaa.jar,hdfs://nn/driver.jar");
        assert!(properties[DRIVER_OPTIONS].as_str().unwrap().ends_with("=ALL-UNNAMED -Xss4m"));
    }

    fn outcome(create: Reply) -> (String, Landed) {
        let error = submit(recorded!("3.5.9/root"), create).end.unwrap_err();
        (error.reason().to_owned(), error.landed())
    }

    #[test]
    fn what_may_have_arrived_is_never_taken_for_a_refusal() {
        for (create, reason, landed) in [
            (fault(FaultKind::Refused), "connection_refused", Landed::No),
            (fault(FaultKind::Timeout), "timeout", Landed::Perhaps),
            (fault(FaultKind::Reset), "connection_reset", Landed::Perhaps),
            (testing::text(500, "boom"), "runner_error", Landed::Perhaps),
            (testing::text(503, ""), "runner_unavailable", Landed::Perhaps),
            (testing::text(200, "<html>"), "malformed_response", Landed::Perhaps),
            (answer(200, json!({"success": true})), "malformed_response", Landed::Perhaps),
            (answer(200, json!({"success": true, "submissionId": "../x"})), "malformed_response", Landed::Perhaps),
            (answer(200, json!({"success": false, "message": "not ALIVE"})), "not_taken", Landed::No),
            (recorded!("3.5.9/create-missing-fields"), "refused_by_spark", Landed::No),
            (recorded!("3.5.9/wrong-protocol"), "protocol_unsupported", Landed::No),
        ] {
            assert_eq!(outcome(create), (reason.to_owned(), landed));
        }
    }

    #[test]
    fn nothing_is_sent_before_all_is_ready_or_long_after_the_permit() {
        let refused = Reply::Refused(Refusal { reason: "no_folder".into(), detail: String::new() });
        let build =
            |reply| play(target(), vec![("STAGE", reply)], |spark| async move { spark.build(&submitted()).await });
        let error = build(refused).end.unwrap_err();
        assert_eq!((error.reason(), error.landed()), ("no_folder", Landed::No));
        let copied = build(staged("", "aaaa", None));
        assert_eq!(copied.recipes[0].place.as_deref(), Some("/srv/spark/shared"));
        assert_eq!(copied.end.unwrap(), Build::Ready);
        let late = Job { sent_ms: NOW_MS - 16_000, ..submitted() };
        let played = play(target(), before(recorded!("3.5.9/root")), |spark| async move { spark.submit(&late).await });
        assert_eq!(played.reason(), "not_sent_in_time");
    }
}
