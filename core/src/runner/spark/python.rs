//! Python pipelines and Beam YAML on Spark: the captured pipeline inside Beam's job-server jar, started as any jar is.

use serde_json::{Map, Value};

use super::{
    Spark,
    options::{self, Resolved, is_setting},
    prepare::{Jar, calls, check_folder, flags, no_savepoint, settings},
    request, response,
};
use crate::{
    error::Error,
    job::JobSpec,
    runner::{
        Submission,
        python::{
            brought::taken,
            cluster::{Cluster, Extra, Need, Options, check},
            handed,
        },
    },
    text::clean_line,
};

/// Spark, as Python pipelines meet it.
pub(super) const CLUSTER: Cluster = Cluster { name: "Spark", is_setting };
/// What the job-server jar runs.
const MAIN: &str = "org.apache.beam.runners.spark.SparkPipelineRunner";
/// Beam works it out from the Java runner's class, which portable pipelines do not name.
const STORAGE: Need = ("storage_level", "MEMORY_ONLY", "Beam's own default for this runner");
const CORES: &str =
    "whether the cluster has cores and memory for the driver and its executors is known only when it starts";

impl Spark {
    pub(super) async fn prepare_python(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        let target = &self.context.target;
        no_savepoint(spec)?;
        check(target, spec)?;
        check_folder(target)?;
        let (spec, named) = &taken(spec)?;
        let Resolved { properties, options, arguments, beams, .. } = options::resolve(spec, target, operator)?;
        let options = Options { all: options, arguments };
        let handed = handed::read(&self.context, spec).await?;
        let settings = settings(MAIN, spec, properties);
        let extra = Extra { named: named.clone(), needs: &[STORAGE], only_jars: extra(spec, beams), handed, token };
        let mut made = CLUSTER.prepare(&self.context, spec, options, extra, self.version(), operator).await?;
        made.settings.extend(settings);
        made.options.push(flags());
        made.notes.push(CORES.to_owned());
        let planned = Submission { sha256: Some("{sha256}".into()), argv: Vec::new(), ..made.clone() };
        made.calls.extend(calls(target, &planned, token, Jar::Unbuilt)?);
        Ok(made)
    }

    /// The master's, asked for once.
    async fn version(&self) -> Result<String, Error> {
        let answer = self.context.send(request::version_request(&self.context.target)).await?;
        Ok(clean_line(&response::version(&answer)?, 64))
    }
}

/// Options that Beam's Spark runner is given besides the program's: the name its application has.
fn extra(spec: &JobSpec, mut beams: Map<String, Value>) -> Map<String, Value> {
    beams.insert("app_name".into(), super::prepare::app_name(&spec.job_name).into());
    beams
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::Target,
        effect::{Artifact, Origin, Reply, Use},
        job::{Job, JobState},
        runner::{
            Backend, Build, Capability,
            python::testing::{able, begun, built, staged},
            spark::testing::{Played, TOKEN, job, play, recorded, target},
        },
    };

    fn pool() -> Target {
        let options = json!({
            "environment_type": "EXTERNAL", "environment_config": "pool:1", "parallelism": 2,
            "spark_configuration": {"spark.executor.memory": "512m"},
        });
        let options = serde_json::from_value(options).unwrap();
        Target { job_server_jar: Some("/opt/beam/job-server.jar".into()), options, ..target() }
    }

    fn spec() -> JobSpec {
        let options = json!({"output": "/out", "runner": "SparkRunner", "checkpoint_interval": 500});
        let pipeline_options = serde_json::from_value(options).unwrap();
        let code_path = Some("jobs/words.py".into());
        JobSpec { job_name: "words".into(), code_path, pipeline_options, ..JobSpec::default() }
    }

    fn prepare(target: Target, spec: JobSpec, script: Vec<(&str, Reply)>) -> Played<Submission> {
        play(target, script, |spark| async move { spark.prepare(&spec, TOKEN, false).await })
    }

    fn prepared() -> Submission {
        prepare(pool(), spec(), vec![("OBSERVE", able(None)), ("STAGE", staged("words.py", "aa", None))]).end.unwrap()
    }

    #[test]
    fn a_program_is_run_to_its_pipeline_and_a_jar_is_what_spark_runs() {
        let made = prepared();
        assert_eq!(
            made.argv,
            ["script", "code/words.py", "--environment_config=pool:1", "--environment_type=EXTERNAL", "--output=/out"]
        );
        let calls: Vec<_> = made.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(calls, ["exec python", "place the jar", "GET /", "GET /json/", "POST /v1/submissions/create"]);
        let create = &made.calls[4].body;
        assert_eq!((&create["mainClass"], &create["appArgs"]), (&json!(MAIN), &json!([])));
        assert_eq!(create["appResource"], "file:/srv/spark/shared/{sha256}.jar");
        let properties = &create["sparkProperties"];
        assert_eq!(
            (&properties["spark.cores.max"], &properties["spark.executor.memory"]),
            (&json!("2"), &json!("512m"))
        );
    }

    #[test]
    fn the_jar_is_built_and_placed_before_a_permit_is_taken() {
        let unbuilt = Job { submission: Some(prepared().into()), ..job() };
        let script = [begun("pool:1"), built("pool:1"), vec![("STAGE", staged("", "dd", None))]].concat();
        let played = play(pool(), script, |spark| async move { spark.build(&unbuilt).await });
        let [.., options, jar, copy] = played.recipes.as_slice() else { panic!("{:?}", played.recipes) };
        assert_eq!((&jar.base, jar.add.len()), (&Origin::JobServer("spark".into()), 3));
        assert_eq!(copy.place.as_deref(), Some("/srv/spark/shared"));
        let Origin::Bytes(options) = &options.base else { panic!("{options:?}") };
        let options: Value = serde_json::from_slice(options.as_slice()).unwrap();
        let expected = json!({
            "beam:option:job_name:v1": "rate-a", "beam:option:app_name:v1": "words", "beam:option:output:v1": "/out",
            "beam:option:checkpoint_duration_millis:v1": "500", "beam:option:storage_level:v1": "MEMORY_ONLY",
            "beam:option:environment_type:v1": "EXTERNAL", "beam:option:environment_config:v1": "pool:1",
        });
        assert_eq!(options, expected);
        let Build::Built(submission) = played.end.unwrap() else { panic!("not built") };
        assert_eq!((submission.sha256.as_deref(), submission.argv.len()), (Some("dd"), 0));
        assert_eq!(submission.settings["main_class"], MAIN);
        let built = Job { submission: Some((*submission).into()), ..job() };
        let again = vec![("STAGE", staged("", "dd", None))];
        let end = play(pool(), again, |spark| async move { spark.build(&built).await }).end;
        assert_eq!(end.unwrap(), Build::Ready, "it is built once, and placed again");
    }

    #[test]
    fn a_jar_that_was_built_is_let_go_after_its_job() {
        let tidied = |settings: Value| {
            let settings = serde_json::from_value(settings).unwrap();
            let source = Some(crate::effect::SourceId("sha256:dd".into()));
            let submission = Some(Submission { source, settings, ..Submission::default() }.into());
            Job { submission, state: JobState::Finished, ..job() }
        };
        let built = tidied(json!({"built": true}));
        let script = vec![("STAGE", staged("", "dd", None))];
        let played = play(pool(), script, |spark| async move { spark.tidy(&built).await });
        assert_eq!(played.recipes[0].used, Some(Use { job: TOKEN.into(), over: true }));
        let theirs = tidied(json!({}));
        play(pool(), vec![], |spark| async move { spark.tidy(&theirs).await }).end.unwrap();
    }

    #[test]
    fn what_keeps_python_from_running_is_said_before_anything_is_staged() {
        let with = |options: Value| JobSpec { pipeline_options: serde_json::from_value(options).unwrap(), ..spec() };
        let no_pool = Target { options: Map::new(), ..pool() };
        let savepoint = JobSpec { savepoint_path: Some("s3://b/sp".into()), ..spec() };
        for (target, spec, reason) in [
            (target(), spec(), "no_job_server"),
            (no_pool, spec(), "no_environment"),
            (Target { jar_folder: None, ..pool() }, spec(), "no_jar_folder"),
            (pool(), with(json!({"runner": "FlinkRunner"})), "wrong_runner"),
            (pool(), with(json!({"setup_file": "setup.py"})), "artifacts_not_staged"),
            (pool(), savepoint, "unsupported_by_runner"),
        ] {
            assert_eq!(prepare(target, spec, vec![]).reason(), reason);
        }
        let bad =
            Target { options: serde_json::from_value(json!({"environment_type": "LOOPBACK"})).unwrap(), ..pool() };
        assert_eq!(Spark::check_target(&bad).unwrap_err().reason(), "bad_environment");
    }

    #[test]
    fn a_jar_for_other_clusters_is_refused_before_anything_is_built() {
        let script = vec![("OBSERVE", able(Some("spark-3"))), ("GET /", recorded!("4.1.4/root"))];
        assert_eq!(prepare(pool(), spec(), script).reason(), "job_server_differs");
    }

    #[test]
    fn a_jar_is_not_told_where_python_runs() {
        let jar = JobSpec { code_path: Some("jobs/a.jar".into()), ..spec() };
        let archive = Artifact { main_class: Some("Main".into()), entries: 1, main_class_present: true };
        let made = prepare(pool(), jar, vec![("STAGE", staged("a.jar", "bb", Some(archive)))]).end.unwrap();
        assert_eq!(made.argv, ["--checkpointDurationMillis=500", "--output=/out", "--runner=SparkRunner"]);
    }

    #[test]
    fn a_probe_says_whether_python_can_run() {
        let probe = |root| {
            let script = vec![
                ("GET master/json/", recorded!("3.5.9/master-running")),
                ("GET /", root),
                ("OBSERVE", able(Some("spark-3"))),
            ];
            play(pool(), script, |spark| async move { spark.probe().await }).end.unwrap()
        };
        let newer = probe(recorded!("4.1.4/root"));
        assert!(!newer.capabilities.contains(&Capability::PythonSubmit), "the jar is for Spark 3");
        assert!(newer.warnings.iter().any(|warning| warning.contains("for spark 3, and the cluster runs spark 4.1.4")));
        let probe = probe(recorded!("3.5.9/root"));
        for can in [Capability::PythonSubmit, Capability::YamlSubmit, Capability::JarSubmit] {
            assert!(probe.capabilities.contains(&can), "{can:?}");
        }
        assert_eq!((&probe.facts["environment"], probe.warnings.len()), (&json!("external"), 0));
    }
}
