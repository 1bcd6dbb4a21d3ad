//! Python pipelines and Beam YAML on Flink: the captured pipeline inside Beam's job-server jar, run under our id.
//!
//! Flink is sent a jar in either case, so everything after the build is that of a jar: the id, the look before any
//! repetition, savepoints, metrics. Workers come from where the target's `environment_type` says.

use serde_json::{Map, Value, json};

use super::{
    Flink,
    options::{self, Resolved},
    prepare::{self, jar_calls},
    storage::check_path,
};
use crate::{
    config::Target,
    error::Error,
    job::{Job, JobSpec},
    runner::{
        Build, PlannedCall, Probe, ResolvedOption, Submission,
        options::{same, text},
        python::{
            self,
            argv::{find, fold_streaming, note_flags, product, take},
            capture,
            environment::{NO_ENVIRONMENT, environment, resolved_environment},
            interpreter, portable_jar,
        },
    },
};

/// What the job-server jar runs.
const MAIN: &str = "org.apache.beam.runners.flink.FlinkPipelineRunner";
/// Options of which we set the values.
const OWN: [&str; 3] = ["runner", "job_endpoint", "job_name"];
/// Setting of a submission whose pipeline is not built yet.
const UNBUILT: &str = "unbuilt";
/// Beam's option without which its batch jobs are refused by the scheduler that Flink takes for batch since 1.20.
const BATCH_MODE: &str = "execution_mode_for_batch";

const NOTES: [&str; 3] = [
    "the pipeline is known once the code has run up to `run()`; what follows that in the code does not run",
    "relative paths in options are relative to the folder of whoever reads them: the code's own, or a worker's",
    "whether the cluster has slots for the job is known only when it starts",
];

/// The options of a target that a jar's program must not be given: they say how Python pipelines run.
pub(super) fn without_environment(target: &Target) -> Target {
    let pythons = |name: &str| same(name, "environment_type") || same(name, "environment_config");
    let mut target = target.clone();
    target.options.retain(|name, _| !pythons(name));
    target
}

/// True while the program of the job has not been turned into a jar.
pub(super) fn is_unbuilt(job: &Job) -> bool {
    job.submission.as_ref().is_some_and(|submission| submission.settings.contains_key(UNBUILT))
}

impl Flink {
    /// Checks what the configuration says about a target.
    ///
    /// # Errors
    /// `invalid_argument`, reason `bad_environment`.
    pub fn check_target(target: &Target) -> Result<(), Error> {
        environment(target).map(drop)
    }

    pub(super) async fn prepare_python(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        let target = &self.context.target;
        portable_jar::check_target(target)?;
        let mut resolved = options::resolve(spec, target, operator)?;
        resolved_environment(&resolved.options)?;
        if let Some(path) = spec.savepoint_path.as_ref().filter(|_| !spec.own_savepoint) {
            check_path(target, path, operator)?;
        }
        let arguments = arguments(&mut resolved, spec)?;
        // What the program is started with knows nothing of savepoints; the run does.
        let program = JobSpec { savepoint_path: None, ..spec.clone() };
        let (code, told) = python::code::staged(&self.context, &program, "Flink", operator).await?;
        let made = python::code::submission(&program, code, arguments, &OWN, operator)?;
        Ok(submission(spec, token, made, resolved, told))
    }

    /// Runs the program up to its pipeline and puts that into the job-server jar.
    pub(super) async fn build_python(&self, job: &Job) -> Result<Build, Error> {
        let Some(prepared) = job.submission.as_ref().filter(|_| is_unbuilt(job)) else { return Ok(Build::Ready) };
        if capture::run(&self.context, job).await? == Build::Underway {
            return Ok(Build::Underway);
        }
        let jar = portable_jar::build(&self.context, job, &ours(&job.name, prepared)).await?;
        let mut settings = prepared.settings.clone();
        settings.remove(UNBUILT);
        settings.insert("size".into(), jar.size.into());
        Ok(Build::Built(Box::new(Submission {
            source: Some(jar.id),
            sha256: Some(jar.sha256),
            file_name: Some("pipeline.jar".into()),
            argv: Vec::new(),
            settings,
            ..Submission::clone(prepared)
        })))
    }

    /// What a probe of the cluster says about Python pipelines.
    pub(super) async fn probe_python(&self, probe: &mut Probe) -> Result<(), Error> {
        use crate::runner::Capability as C;
        let target = &self.context.target;
        if target.job_server_jar.is_none() {
            return Ok(());
        }
        let (python, environment) = (interpreter::ask(&self.context).await?, environment(target)?);
        if environment.is_some() && python.submits() && probe.capabilities.contains(&C::JarSubmit) {
            probe.capabilities.push(C::PythonSubmit);
            probe.capabilities.extend(python.yaml.then_some(C::YamlSubmit));
            probe.capabilities.sort_unstable();
        }
        probe.warnings.extend(environment.is_none().then(|| NO_ENVIRONMENT.to_owned()));
        probe.warnings.extend(python.warning);
        let facts = [
            ("python_version", json!(python.version)),
            ("beam_version", json!(python.beam_version)),
            ("environment", json!(environment.map(|environment| environment.kind))),
        ];
        probe.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
        Ok(())
    }
}

/// The options the program is given, and those of ours that the jar holds.
fn arguments(resolved: &mut Resolved, spec: &JobSpec) -> Result<Vec<ResolvedOption>, Error> {
    let mut arguments = std::mem::take(&mut resolved.arguments);
    if let Some(runner) = take(&mut arguments, "runner") {
        check_runner(&runner)?;
    }
    for own in OWN {
        take(&mut arguments, own);
        take(&mut resolved.options, own);
    }
    fold_streaming(&mut arguments, spec.job_type)?;
    note_flags(&mut arguments);
    let streaming = find(&arguments, "streaming").filter(|_| find(&resolved.options, "streaming").is_none());
    resolved.options.extend(streaming.cloned());
    if find(&resolved.options, BATCH_MODE).is_none() {
        let note = "Flink's scheduler for batch jobs takes blocking edges only";
        resolved.options.push(product(BATCH_MODE, "BATCH_FORCED".into(), note));
    }
    Ok(arguments)
}

fn check_runner(option: &ResolvedOption) -> Result<(), Error> {
    let name = text(&option.value).to_ascii_lowercase();
    if matches!(name.strip_suffix("runner").unwrap_or(&name), "flink" | "portable") {
        return Ok(());
    }
    Err(Error::invalid("wrong_runner", "this target is a Flink cluster")
        .with("runner", text(&option.value))
        .suggest("leave `runner` out, or submit to a target of the other runner; list_runners shows them"))
}

/// Options in the jar over those the program was built with.
fn ours(name: &str, prepared: &Submission) -> Map<String, Value> {
    let mode = find(&prepared.options, BATCH_MODE).map_or(Value::Null, |option| option.value.clone());
    // Beam's own form of a whole number: the workers' parser refuses the `2.0` that becomes of it otherwise.
    let parallelism = prepared.settings.get("parallelism").map_or(Value::Null, |number| text(number).into());
    let rows = [("job_name", name.into()), (BATCH_MODE, mode), ("parallelism", parallelism)];
    rows.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn submission(spec: &JobSpec, token: &str, made: Submission, resolved: Resolved, told: Vec<String>) -> Submission {
    let mut settings = prepare::settings(spec, resolved.settings);
    settings.insert("entry_class".into(), MAIN.into());
    let sent = Submission { settings: settings.clone(), ..Submission::default() };
    settings.insert(UNBUILT.into(), true.into());
    let notes = NOTES.map(str::to_owned).into_iter().chain(told).chain(prepare::savepoint_notes(spec)).collect();
    Submission { calls: calls(&made, &sent, token), settings, options: resolved.options, notes, ..made }
}

fn calls(made: &Submission, sent: &Submission, token: &str) -> Vec<PlannedCall> {
    let purpose = "runs the code in a child process of the server until it submits its pipeline, which is kept";
    let exec = PlannedCall { call: "exec python".into(), purpose: purpose.into(), body: json!({"argv": made.argv}) };
    let jar = json!({"jarfile": "{sha256}-pipeline.jar", "holds": "Beam's job server with the pipeline"});
    [exec].into_iter().chain(jar_calls(jar, sent, token)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Artifact, Blob, Fact, Held, Origin, Recipe, Reply, Source, SourceId},
        error::Landed,
        job_api::{message::Prepare, protobuf::Encoder, structure},
        runner::{
            Backend, Capability, Provenance,
            flink::testing::{Played, TOKEN, job, play, recorded, target},
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

    fn staged(name: &str, hex: &str, archive: Option<Artifact>) -> Reply {
        let (id, sha256) = (SourceId(format!("sha256:{hex}")), hex.to_owned());
        Reply::Staged(Source { id, sha256, size: 7, file_name: name.into(), archive, outline: None })
    }

    fn prepare(target: Target, spec: JobSpec, script: Vec<(&str, Reply)>) -> Played<Submission> {
        play(target, script, |flink| async move { flink.prepare(&spec, TOKEN, false).await })
    }

    fn prepared() -> Submission {
        let script = vec![("STAGE", staged("words.py", "aa", None))];
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
        let batch = find(&made.options, BATCH_MODE).unwrap();
        assert_eq!((batch.from, &batch.value), (Provenance::Product, &json!("BATCH_FORCED")));
        let calls: Vec<_> = made.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(calls, ["exec python", "GET /config", "GET /jars", "POST /jars/upload", "POST /jars/{jar}/run"]);
        let run = json!({"jobId": TOKEN, "entryClass": MAIN, "parallelism": 2, "programArgsList": []});
        assert_eq!(made.calls[4].body, run);
    }

    #[test]
    fn what_keeps_python_from_running_is_said_before_anything_is_staged() {
        let module = JobSpec { module: Some("pip".into()), code_path: None, ..spec() };
        let direct =
            JobSpec { pipeline_options: serde_json::from_value(json!({"runner": "DirectRunner"})).unwrap(), ..spec() };
        let elsewhere = JobSpec { savepoint_path: Some("s3://other/sp".into()), ..spec() };
        for (target, spec, reason) in [
            (target(), spec(), "no_job_server"),
            (with_job_server(json!({})), spec(), "no_environment"),
            (with_job_server(pool()), direct, "wrong_runner"),
            (with_job_server(pool()), elsewhere, "savepoint_path_not_allowed"),
            (with_job_server(pool()), module, "module_not_allowed"),
        ] {
            assert_eq!(prepare(target, spec, vec![]).reason(), reason);
        }
        let bad = Flink::check_target(&with_job_server(json!({"environment_type": "LOOPBACK"}))).unwrap_err();
        assert_eq!(bad.reason(), "bad_environment");
    }

    #[test]
    fn a_jar_is_not_told_where_python_runs() {
        let jar = JobSpec { code_path: Some("jobs/a.jar".into()), ..spec() };
        let archive = Artifact { main_class: Some("Main".into()), entries: 1, main_class_present: true };
        let made = prepare(with_job_server(pool()), jar, vec![("STAGE", staged("a.jar", "bb", Some(archive)))]);
        assert_eq!(made.end.unwrap().argv, ["--output=/out", "--runner=FlinkRunner"]);
    }

    /// A pipeline whose one environment is the pool at this address, as the child keeps it.
    fn captured(address: &str) -> Reply {
        let url = Encoder::new().text(1, address).finish();
        let payload = Encoder::new().bytes(1, &url).finish();
        let environment = Encoder::new().text(2, "beam:env:external:v1").bytes(3, &payload).finish();
        let components = Encoder::new().entry(5, "e", &environment).finish();
        let options = json!({"beam:option:job_name:v1": "job", "beam:option:output:v1": "/out"});
        let options = structure::write(options.as_object().unwrap());
        let pipeline = Encoder::new().bytes(1, &components).finish();
        let prepare = Prepare { pipeline, options, job_name: "job".into() };
        file(prepare.write().into())
    }

    fn file(data: Blob) -> Reply {
        Reply::Facts { facts: vec![Fact::File { size: Some(data.as_slice().len() as u64), data }] }
    }

    fn begun(address: &str) -> Vec<(&'static str, Reply)> {
        let ended = vec![
            Fact::Alive { alive: false, exit_code: Some(0), signal: None, limit: None, released: true },
            Fact::Result { state: None, result: Some(json!({"state": "CAPTURED"}).to_string()) },
        ];
        vec![
            ("LAUNCH", Reply::Held(Held { pid: 7, start_time: 1 })),
            ("SIGNAL", Reply::Ok),
            ("OBSERVE", Reply::Facts { facts: ended }),
            ("OBSERVE", captured(address)),
        ]
    }

    fn build(script: Vec<(&'static str, Reply)>, submission: Submission) -> Played<Build> {
        let job = Job { submission: Some(submission.into()), ..job() };
        play(with_job_server(pool()), script, |flink| async move { flink.build(&job).await })
    }

    #[test]
    fn the_jar_holds_the_pipeline_under_our_name_and_options() {
        let rest = vec![
            ("OBSERVE", captured("pool:1")),
            ("OBSERVE", file("{\"components\":{}}".into())),
            ("STAGE", staged("", "c1", None)),
            ("STAGE", staged("", "c2", None)),
            ("STAGE", staged("", "c3", None)),
            ("STAGE", staged("", "dd", None)),
        ];
        let played = build(begun("pool:1").into_iter().chain(rest).collect(), prepared());
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
        let Build::Built(built) = played.end.unwrap() else { panic!("not built") };
        assert_eq!((built.sha256.as_deref(), built.argv.len()), (Some("dd"), 0));
        assert_eq!(build(vec![], *built).end.unwrap(), Build::Ready, "it is built once");
    }

    #[test]
    fn a_pipeline_for_other_workers_and_a_jar_that_is_gone_are_errors_of_nothing_sent() {
        let mut elsewhere = begun("evil:1");
        elsewhere.truncate(4);
        assert_eq!(build(elsewhere, prepared()).reason(), "environment_differs");
        let gone = crate::effect::Refusal { reason: "not_found".into(), detail: String::new() };
        let rest = vec![
            ("OBSERVE", captured("pool:1")),
            ("OBSERVE", file("{}".into())),
            ("STAGE", staged("", "c1", None)),
            ("STAGE", staged("", "c2", None)),
            ("STAGE", staged("", "c3", None)),
            ("STAGE", Reply::Refused(gone)),
        ];
        let error = build(begun("pool:1").into_iter().chain(rest).collect(), prepared()).end.unwrap_err();
        assert_eq!((error.reason(), error.landed()), ("no_job_server_jar", Landed::No));
    }

    #[test]
    fn a_probe_says_whether_python_can_run() {
        let program = |found| Reply::Facts {
            facts: vec![Fact::Program {
                found,
                version: Some("3.11.7".into()),
                beam_version: Some("2.77.0".into()),
                yaml: true,
            }],
        };
        let probe = |target, found| {
            let script = vec![
                ("GET /config", recorded!("2.2.1/config")),
                ("GET /overview", recorded!("2.2.1/overview")),
                ("OBSERVE", program(found)),
            ];
            play(target, script, |flink| async move { flink.probe().await }).end.unwrap()
        };
        let can = |probe: &Probe| probe.capabilities.contains(&Capability::PythonSubmit);
        let good = probe(with_job_server(pool()), true);
        assert!(can(&good) && good.capabilities.contains(&Capability::YamlSubmit) && good.warnings.is_empty());
        assert_eq!((&good.facts["beam_version"], &good.facts["environment"]), (&json!("2.77.0"), &json!("external")));
        let no_pool = probe(with_job_server(json!({})), true);
        assert!(!can(&no_pool) && no_pool.warnings[0].contains("environment_type"));
        let no_python = probe(with_job_server(pool()), false);
        assert!(!can(&no_python) && no_python.warnings[0].contains("`python`"), "{:?}", no_python.warnings);
    }
}
