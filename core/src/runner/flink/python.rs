//! Python pipelines and Beam YAML on Flink: the captured pipeline inside Beam's job-server jar, run under our id.
//!
//! Flink is sent a jar in either case, so everything after the build is that of a jar: the id, the look before any
//! repetition, savepoints, metrics. Workers come from where the target's `environment_type` says.

use serde_json::{Map, Value, json};

use super::{
    Flink,
    options::{self, is_setting},
    prepare::{self, jar_calls},
    request,
    response::{self, Config},
    storage::check_path,
};
use crate::{
    error::Error,
    job::{JobSpec, JobType},
    runner::{
        Submission,
        options::text,
        python::{
            argv::find,
            brought::taken,
            cluster::{Cluster, Extra, Need, Options, check},
            handed,
        },
    },
    text::clean_line,
};

/// Flink, as Python pipelines meet it.
pub(super) const CLUSTER: Cluster = Cluster { name: "Flink", is_setting };
/// What the job-server jar runs.
const MAIN: &str = "org.apache.beam.runners.flink.FlinkPipelineRunner";
/// Beam's batch jobs are refused by the scheduler that Flink takes for batch since 1.20.
const BATCH: Need =
    ("execution_mode_for_batch", "BATCH_FORCED", "Flink's scheduler for batch jobs takes blocking edges only");
/// 2 to the 63rd, less one.
const LIVING: Need = (
    "shutdown_sources_after_idle_ms",
    "9223372036854775807",
    "Flink takes no savepoint once a source has ended; 0 ends a pipeline of bounded sources by itself",
);
/// Else Beam keeps what a bundle puts out at a checkpoint back until the next, and loses it where that does not come.
const WHOLE: Need = (
    "finish_bundle_before_checkpointing",
    "true",
    "what was put out and what was counted then belong to the same checkpoint",
);
/// Flink's ids of operators depend on what is chained, and that on the parallelism.
const UNCHAINED: Need =
    ("operator_chaining", "false", "a savepoint then fits the same pipeline with another parallelism");
const SLOTS: &str = "whether the cluster has slots for the job is known only when it starts";

impl Flink {
    pub(super) async fn prepare_python(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        let target = &self.context.target;
        check(target, spec)?;
        let (spec, named) = &taken(spec)?;
        let resolved = options::resolve(spec, target, operator)?;
        if let Some(path) = spec.savepoint_path.as_ref().filter(|_| !spec.own_savepoint) {
            check_path(target, path, operator)?;
        }
        let options = Options { all: resolved.options, arguments: resolved.arguments };
        let handed = handed::read(&self.context, spec).await?;
        let streams = is_streaming(spec, &options) || handed.as_ref().is_some_and(handed::is_streaming);
        let needs = if streams { vec![BATCH, LIVING, WHOLE, UNCHAINED] } else { vec![BATCH] };
        let extra = Extra { named: named.clone(), needs: &needs, only_jars: extra(&resolved.settings), handed, token };
        let made = CLUSTER.prepare(&self.context, spec, options, extra, self.version(), operator).await?;
        Ok(submission(spec, token, made, resolved.settings))
    }

    /// The cluster's, asked for once.
    async fn version(&self) -> Result<String, Error> {
        let config = self.context.send(request::config_request(&self.context.target)).await?;
        Ok(clean_line(&response::read::<Config>(&config)?.version, 64))
    }
}

fn is_streaming(spec: &JobSpec, options: &Options) -> bool {
    spec.job_type == Some(JobType::Streaming)
        || find(&options.arguments, "streaming").is_some_and(|option| option.value == true)
}

/// The run's parallelism is Beam's too.
fn extra(settings: &Map<String, Value>) -> Map<String, Value> {
    let parallelism = settings.get("parallelism").map(|number| ("parallelism".to_owned(), text(number).into()));
    parallelism.into_iter().collect()
}

fn submission(spec: &JobSpec, token: &str, mut made: Submission, settings: Map<String, Value>) -> Submission {
    let mut settings = prepare::settings(spec, settings);
    settings.insert("entry_class".into(), MAIN.into());
    let jar = json!({"jarfile": "{sha256}-pipeline.jar", "holds": "Beam's job server with the pipeline"});
    let sent = Submission { settings, ..Submission::default() };
    made.calls.extend(jar_calls(jar, &sent, token));
    made.notes.extend([SLOTS.to_owned()].into_iter().chain(prepare::savepoint_notes(spec)));
    made.settings.extend(sent.settings);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Target,
        effect::{Artifact, Fact, FaultKind, Origin, Recipe, Reply, Source},
        error::Landed,
        job::Job,
        runner::{
            Backend, Build, Capability, Probe, Provenance,
            flink::testing::{Played, TOKEN, fault, job, play, recorded, target},
            python::testing::{able, begun, built, staged},
        },
    };

    fn with_job_server(options: Value) -> Target {
        Target {
            job_server_jar: Some("/opt/beam/job-server.jar".into()),
            options: serde_json::from_value(options).unwrap(),
            ..target()
        }
    }

    fn pool() -> Value {
        json!({"environment_type": "EXTERNAL", "environment_config": "pool:1", "parallelism": 2})
    }

    fn spec() -> JobSpec {
        let pipeline_options = serde_json::from_value(json!({"output": "/out", "runner": "FlinkRunner"})).unwrap();
        JobSpec { code_path: Some("jobs/words.py".into()), pipeline_options, ..JobSpec::default() }
    }

    fn prepare(target: Target, spec: JobSpec, script: Vec<(&str, Reply)>) -> Played<Submission> {
        play(target, script, |flink| async move { flink.prepare(&spec, TOKEN, false).await })
    }

    fn prepared() -> Submission {
        let script = vec![("OBSERVE", able(None)), ("STAGE", staged("words.py", "aa", None))];
        prepare(with_job_server(pool()), spec(), script).end.unwrap()
    }

    #[test]
    fn a_program_is_run_to_its_pipeline_and_a_jar_is_what_flink_runs() {
        let made = prepared();
        assert_eq!(
            made.argv,
            ["script", "code/words.py", "--environment_config=pool:1", "--environment_type=EXTERNAL", "--output=/out"]
        );
        assert_eq!((made.settings["entry_class"].as_str(), &made.settings["parallelism"]), (Some(MAIN), &json!(2)));
        let batch = find(&made.options, BATCH.0).unwrap();
        assert_eq!((batch.from, &batch.value), (Provenance::Product, &json!("BATCH_FORCED")));
        let calls: Vec<_> = made.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(calls, ["exec python", "GET /config", "GET /jars", "POST /jars/upload", "POST /jars/{jar}/run"]);
        let run = json!({"jobId": TOKEN, "entryClass": MAIN, "parallelism": 2, "programArgsList": []});
        assert_eq!(made.calls[4].body, run);
    }

    #[test]
    fn the_sources_of_a_streaming_job_live_on() {
        let idle = |pipeline_options: Value, job_type| {
            let pipeline_options = serde_json::from_value(pipeline_options).unwrap();
            let spec = JobSpec { job_type, pipeline_options, ..spec() };
            let script = vec![("OBSERVE", able(None)), ("STAGE", staged("words.py", "aa", None))];
            let made = prepare(with_job_server(pool()), spec, script).end.unwrap();
            find(&made.options, LIVING.0).map(|option| (option.from, option.value.clone()))
        };
        let forever = Some((Provenance::Product, json!("9223372036854775807")));
        assert_eq!(idle(json!({}), Some(JobType::Streaming)), forever);
        assert_eq!(idle(json!({"streaming": true}), None), forever);
        assert_eq!(idle(json!({}), None), None);
        let own = json!({"streaming": true, "shutdownSourcesAfterIdleMs": 0});
        assert_eq!(idle(own, None), Some((Provenance::Caller, json!(0))));
    }

    #[test]
    fn what_keeps_python_from_running_is_said_before_anything_is_staged() {
        let files =
            JobSpec { pipeline_options: serde_json::from_value(json!({"setup_file": "setup.py"})).unwrap(), ..spec() };
        let module = JobSpec { module: Some("pip".into()), code_path: None, ..spec() };
        let direct =
            JobSpec { pipeline_options: serde_json::from_value(json!({"runner": "DirectRunner"})).unwrap(), ..spec() };
        let elsewhere = JobSpec { savepoint_path: Some("s3://other/sp".into()), ..spec() };
        for (target, spec, reason) in [
            (target(), spec(), "no_job_server"),
            (with_job_server(json!({})), spec(), "no_environment"),
            (with_job_server(pool()), files, "artifacts_not_staged"),
            (with_job_server(pool()), direct, "wrong_runner"),
            (with_job_server(pool()), elsewhere, "savepoint_path_not_allowed"),
        ] {
            assert_eq!(prepare(target, spec, vec![]).reason(), reason);
        }
        let module = prepare(with_job_server(pool()), module, vec![("OBSERVE", able(None))]);
        assert_eq!(module.reason(), "module_not_allowed");
        let bad = Flink::check_target(&with_job_server(json!({"environment_type": "LOOPBACK"}))).unwrap_err();
        assert_eq!(bad.reason(), "bad_environment");
    }

    /// Names of the files that lie in the program's folder, and the arguments behind the environment.
    fn bring(targets: &Value, callers: Value, names: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let mut options = pool();
        options.as_object_mut().unwrap().extend(targets.as_object().unwrap().clone());
        let spec = JobSpec { pipeline_options: serde_json::from_value(callers).unwrap(), ..spec() };
        let files = names.iter().enumerate().map(|(at, name)| ("STAGE", staged(name, &format!("f{at}"), None)));
        let able = [("OBSERVE", able(None)), ("STAGE", staged("words.py", "aa", None))];
        let script = able.into_iter().chain(files).collect();
        let made = prepare(with_job_server(options), spec, script).end.map_err(|error| error.reason().to_owned())?;
        let argv = made.argv.into_iter().skip(2).filter(|item| !item.starts_with("--environment")).collect();
        Ok((made.files.into_iter().map(|(name, _)| name).collect(), argv))
    }

    #[test]
    fn files_for_the_workers_lie_in_the_programs_folder_and_are_named_there() {
        let callers = json!({"extraPackages": ["libs/a.whl", "libs/b.tar.gz"], "requirements_file": "r.txt"});
        let (files, argv) = bring(&json!({}), callers, &["a.whl", "b.tar.gz", "r.txt"]).unwrap();
        assert_eq!(files, ["staged/a.whl", "staged/b.tar.gz", "staged/r.txt"]);
        assert_eq!(
            argv,
            ["--extra_packages=staged/a.whl", "--extra_packages=staged/b.tar.gz", "--requirements_file=staged/r.txt"]
        );
        let target = json!({"extra_packages": ["t.whl"], "requirements_file": "t.txt"});
        let callers = json!({"extraPackages": "c.whl"});
        let (files, _) = bring(&target, callers, &["t.txt", "c.whl"]).unwrap();
        assert_eq!(files, ["staged/c.whl", "staged/t.txt"], "the caller's word is over the target's");
    }

    #[test]
    fn files_that_cannot_be_brought_are_refused() {
        for (callers, names, reason) in [
            (json!({"extra_package": 7}), vec![], "bad_option_value"),
            (json!({"extra_package": "artifact:x"}), vec![], "bad_artifact"),
            (json!({"extra_package": "a.txt"}), vec!["a.txt"], "not_a_package"),
            (json!({"requirements_file": "a b"}), vec!["a b"], "bad_file_name"),
            (json!({"files_to_stage": ["a/x.txt", "b/x.txt"]}), vec!["x.txt", "x.txt"], "two_files_of_one_name"),
            (json!({"requirements_file": ["a.txt", "b.txt"]}), vec![], "bad_option_value"),
            (json!({"files_to_stage": many(101)}), vec![], "too_many_files"),
        ] {
            assert_eq!(bring(&json!({}), callers, &names).unwrap_err(), reason);
        }
        let twins = json!({"requirements_file": "a.txt", "requirementsFile": "b.txt"});
        let spec = JobSpec { pipeline_options: serde_json::from_value(twins).unwrap(), ..spec() };
        assert_eq!(prepare(with_job_server(pool()), spec, vec![]).reason(), "option_twice");
    }

    fn many(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{at}.txt")).collect()
    }

    #[test]
    fn a_file_named_again_is_brought_once_and_all_together_have_a_bound() {
        let again = json!({"requirements_file": ["r.txt"], "files_to_stage": vec!["x.txt"; 101]});
        let (files, argv) = bring(&json!({}), again, &["x.txt", "r.txt"]).unwrap();
        assert_eq!(files, ["staged/r.txt", "staged/x.txt"]);
        assert_eq!(argv, ["--files_to_stage=staged/x.txt", "--requirements_file=staged/r.txt"]);
        let large = |name: &str| match staged(name, name, None) {
            Reply::Staged(source) => Reply::Staged(Source { size: 129 << 20, ..source }),
            other => panic!("{other:?}"),
        };
        let pipeline_options = serde_json::from_value(json!({"files_to_stage": ["a.bin", "b.bin"]})).unwrap();
        let files = [staged("words.py", "aa", None), large("a.bin"), large("b.bin")].map(|reply| ("STAGE", reply));
        let script: Vec<_> = [("OBSERVE", able(None))].into_iter().chain(files).collect();
        let spec = JobSpec { pipeline_options, ..spec() };
        assert_eq!(prepare(with_job_server(pool()), spec, script).reason(), "files_too_large");
    }

    #[test]
    fn a_jar_is_not_told_where_python_runs() {
        let jar = JobSpec { code_path: Some("jobs/a.jar".into()), ..spec() };
        let archive = Artifact { main_class: Some("Main".into()), entries: 1, main_class_present: true };
        let made = prepare(with_job_server(pool()), jar, vec![("STAGE", staged("a.jar", "bb", Some(archive)))]);
        assert_eq!(made.end.unwrap().argv, ["--output=/out", "--runner=FlinkRunner"]);
    }

    fn build(script: Vec<(&'static str, Reply)>, submission: Submission) -> Played<Build> {
        let job = Job { submission: Some(submission.into()), ..job() };
        play(with_job_server(pool()), script, |flink| async move { flink.build(&job).await })
    }

    #[test]
    fn the_jar_holds_the_pipeline_under_our_name_and_options() {
        let played = build([begun("pool:1"), built("pool:1")].concat(), prepared());
        let [manifest, pipeline, options, jar] = played.recipes.as_slice() else { panic!("{:?}", played.recipes) };
        let bytes = |recipe: &Recipe| match &recipe.base {
            Origin::Bytes(blob) => String::from_utf8(blob.as_slice().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (bytes(manifest), bytes(pipeline)),
            (r#"{"defaultJobName":"pipeline"}"#.into(), r#"{"components":{}}"#.into())
        );
        let options: Value = serde_json::from_str(&bytes(options)).unwrap();
        let expected = json!({
            "beam:option:job_name:v1": "rate-a", "beam:option:output:v1": "/out", "beam:option:parallelism:v1": "2",
            "beam:option:execution_mode_for_batch:v1": "BATCH_FORCED",
            "beam:option:environment_type:v1": "EXTERNAL", "beam:option:environment_config:v1": "pool:1",
        });
        assert_eq!(options, expected);
        assert_eq!(jar.base, Origin::JobServer("flink".into()));
        let names: Vec<_> = jar.add.iter().map(|(name, id)| (name.as_str(), id.0.as_str())).collect();
        let entry = |name, id| (name, id);
        assert_eq!(
            names,
            [
                entry("BEAM-PIPELINE/pipeline-manifest.json", "sha256:c1"),
                entry("BEAM-PIPELINE/pipeline/pipeline.json", "sha256:c2"),
                entry("BEAM-PIPELINE/pipeline/pipeline-options.json", "sha256:c3"),
            ]
        );
        let Build::Built(jar) = played.end.unwrap() else { panic!("not built") };
        assert_eq!((jar.sha256.as_deref(), jar.argv.len()), (Some("dd"), 0));
        assert_eq!(jar.code_sha256(), prepared().code_sha256(), "by that it can be submitted again");
        assert_eq!(build(vec![], *jar).end.unwrap(), Build::Ready, "it is built once");
    }

    #[test]
    fn a_pipeline_for_other_workers_and_a_jar_that_is_gone_are_errors_of_nothing_sent() {
        let mut elsewhere = begun("evil:1");
        elsewhere.truncate(4);
        assert_eq!(build(elsewhere, prepared()).reason(), "environment_differs");
        let gone = crate::effect::Refusal { reason: "not_found".into(), detail: String::new() };
        let mut rest = built("pool:1");
        rest[5].1 = Reply::Refused(gone);
        let error = build([begun("pool:1"), rest].concat(), prepared()).end.unwrap_err();
        assert_eq!((error.reason(), error.landed()), ("no_job_server_jar", Landed::No));
    }

    /// What a host says whose Python or jar is not there.
    fn without(which: usize) -> Reply {
        let Reply::Facts { mut facts } = able(Some("flink-2.0")) else { panic!() };
        facts[which] = Fact::Program { found: false, version: None, beam_version: None, yaml: false };
        Reply::Facts { facts }
    }

    #[test]
    fn what_would_fail_after_the_program_has_run_is_refused_before() {
        let refused = |script| prepare(with_job_server(pool()), spec(), script).reason().to_owned();
        assert_eq!(refused(vec![("OBSERVE", without(0))]), "no_program");
        assert_eq!(refused(vec![("OBSERVE", without(1))]), "no_job_server_jar");
        assert_eq!(refused(vec![("OBSERVE", able(Some("spark-3")))]), "job_server_differs");
        let older = ("OBSERVE", able(Some("flink-1.19")));
        assert_eq!(refused(vec![older.clone(), ("GET /config", recorded!("2.2.1/config"))]), "job_server_differs");
        let code = ("STAGE", staged("words.py", "aa", None));
        let silent = vec![older, ("GET /config", fault(FaultKind::Refused)), code.clone()];
        prepare(with_job_server(pool()), spec(), silent).end.unwrap();
        let newer = ("OBSERVE", able(Some("flink-2.0")));
        let fits = vec![newer, ("GET /config", recorded!("2.2.1/config")), code];
        prepare(with_job_server(pool()), spec(), fits).end.unwrap();
    }

    #[test]
    fn a_probe_says_whether_python_can_run() {
        let probe = |target, programs| {
            let script = vec![
                ("GET /config", recorded!("2.2.1/config")),
                ("GET /overview", recorded!("2.2.1/overview")),
                ("OBSERVE", programs),
            ];
            play(target, script, |flink| async move { flink.probe().await }).end.unwrap()
        };
        let can = |probe: &Probe| probe.capabilities.contains(&Capability::PythonSubmit);
        let good = probe(with_job_server(pool()), able(Some("flink-2.0")));
        assert!(can(&good) && good.capabilities.contains(&Capability::YamlSubmit) && good.warnings.is_empty());
        assert_eq!((&good.facts["beam_version"], &good.facts["environment"]), (&json!("2.77.0"), &json!("external")));
        assert_eq!(good.facts["job_server"], "flink-2.0");
        for (programs, said) in [(able(Some("flink-1.19")), "for flink 1.19, and"), (without(1), "is not there")] {
            let bad = probe(with_job_server(pool()), programs);
            assert!(!can(&bad) && !bad.capabilities.contains(&Capability::YamlSubmit));
            assert!(bad.capabilities.contains(&Capability::JarSubmit) && bad.warnings[0].contains(said), "{bad:?}");
        }
        let unnamed = probe(with_job_server(pool()), able(None));
        assert!(can(&unnamed) && unnamed.warnings[0].contains("says which series"), "{:?}", unnamed.warnings);
        let no_pool = probe(with_job_server(json!({})), able(Some("flink-2.0")));
        assert!(!can(&no_pool) && no_pool.warnings[0].contains("environment_type"));
        let no_python = probe(with_job_server(pool()), without(0));
        assert!(!can(&no_python) && no_python.warnings[0].contains("`python`"), "{:?}", no_python.warnings);
    }
}
