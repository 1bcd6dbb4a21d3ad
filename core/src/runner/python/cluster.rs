//! Python pipelines and Beam YAML on a cluster that runs jars: the captured pipeline inside Beam's job-server jar.
//!
//! The cluster is sent a jar in either case, so everything after the build is that of a jar. Workers come from where the
//! target's `environment_type` says.

use serde_json::{Map, Value, json};

use super::{
    argv::{find, fold_streaming, note_flags, product, take},
    brought, capture, code,
    environment::{LOOPBACK, NO_ENVIRONMENT, environment, environment_of_code},
    handed, interpreter,
    job_server::{JOB_SERVER, JobServer},
    portable_jar, staging,
};
use crate::{
    config::Target,
    effect::Use,
    error::Error,
    job::{Job, JobSpec},
    job_api::message::Prepare,
    runner::{
        Build, Capability, Context, PlannedCall, Probe, Provenance, ResolvedOption, Submission,
        options::{same, text},
    },
};

/// Options of which we set the values.
const OWN: [&str; 3] = ["runner", "job_endpoint", "job_name"];
/// Setting of a submission whose pipeline is not built yet; its value are options that only the jar is given.
const UNBUILT: &str = "unbuilt";

const NOTES: [&str; 2] = [
    "the pipeline is known once the code has run up to `run()`; what follows that in the code does not run",
    "relative paths in options are relative to the folder of whoever reads them: the code's own, or a worker's",
];

/// What is particular about a kind of cluster.
pub(in crate::runner) struct Cluster {
    /// Its name, also in Beam's `runner`.
    pub(in crate::runner) name: &'static str,
    /// True for an option that is a setting of the submission and none of Beam's.
    pub(in crate::runner) is_setting: fn(&ResolvedOption) -> bool,
}

/// An option of Beam's Java runner that is set unless somebody says otherwise: name, value, and why.
pub(in crate::runner) type Need = (&'static str, &'static str, &'static str);

/// What a job is given besides its options.
pub(in crate::runner) struct Extra<'a> {
    /// The caller's options that name files for the workers, as [`brought::taken`] has found them.
    pub(in crate::runner) named: Map<String, Value>,
    /// Options that are set unless somebody says otherwise.
    pub(in crate::runner) needs: &'a [Need],
    /// Options that only the jar is given.
    pub(in crate::runner) only_jars: Map<String, Value>,
    /// A pipeline in the place of code, as [`super::handed::read`] has found it.
    pub(in crate::runner) handed: Option<Prepare>,
    /// The job's token.
    pub(in crate::runner) token: &'a str,
}

/// Options of a job, resolved by the runner: all of them, and those its program is given.
#[derive(Default)]
pub(in crate::runner) struct Options {
    pub(in crate::runner) all: Vec<ResolvedOption>,
    pub(in crate::runner) arguments: Vec<ResolvedOption>,
}

/// Target and job without those options of the target and the context that a jar's program must not be given: they say how
/// Python pipelines run.
pub(in crate::runner) fn without_environment(target: &Target, spec: &JobSpec) -> (Target, JobSpec) {
    let pythons = |name: &str| same(name, "environment_type") || same(name, "environment_config");
    let (mut target, mut spec) = (target.clone(), spec.clone());
    for options in [&mut target.options, &mut spec.context_options] {
        options.retain(|name, _| !pythons(name));
    }
    (target, spec)
}

/// True while the program of the job has not been turned into a jar.
pub(in crate::runner) fn is_unbuilt(job: &Job) -> bool {
    job.submission.as_ref().is_some_and(|submission| submission.settings.contains_key(UNBUILT))
}

/// The job's need of its jar, where that was put together here.
pub(in crate::runner) fn used(job: &Job, submission: &Submission, over: bool) -> Option<Use> {
    submission.is_built().then(|| Use { job: job.token().to_owned(), over })
}

/// Checks what the configuration says about a target.
///
/// # Errors
/// `invalid_argument`, reason `bad_environment`.
pub(in crate::runner) fn check_target(target: &Target) -> Result<(), Error> {
    match environment(target)? {
        Some(environment) if environment.kind == LOOPBACK => Err(Error::invalid(
            "bad_environment",
            "`options.environment_type`: LOOPBACK is for job services, whose programs come through the door",
        )
        .suggest("EXTERNAL with `environment_config` the host:port of a worker pool")),
        _ => Ok(()),
    }
}

/// Refuses what keeps Python from running there, before options are looked at.
///
/// # Errors
/// `unsupported`, reasons `no_job_server` and `artifacts_not_staged`.
pub(in crate::runner) fn check(target: &Target, spec: &JobSpec) -> Result<(), Error> {
    portable_jar::check_target(target)?;
    staging::check_cluster(target, spec)
}

impl Cluster {
    /// Stages the code, and the files `named` by options it brings for its workers. The submission is to be built;
    /// `extra` are options that only the jar is given, `needs` those it is given unless somebody says otherwise. Calls
    /// and settings are left to the runner. `version` is the cluster's, asked for where the jar depends on it.
    ///
    /// # Errors
    /// `invalid_argument`, reasons `wrong_runner` and `job_type_differs`; as [`Self::check_programs`], [`environment_of_code`], [`code::staged`],
    /// [`brought::staged`] and [`code::submission`].
    pub(in crate::runner) async fn prepare(
        &self,
        context: &Context,
        spec: &JobSpec,
        mut options: Options,
        Extra { named, needs, only_jars, handed, token }: Extra<'_>,
        version: impl Future<Output = Result<String, Error>> + Send,
        operator: bool,
    ) -> Result<Submission, Error> {
        let environment = environment_of_code(&options.all)?;
        self.fold(&mut options, spec, needs)?;
        self.check_programs(context, version).await?;
        // What the program is started with knows nothing of savepoints; the run does.
        let program = JobSpec { savepoint_path: None, ..spec.clone() };
        let (code, notes) = if let Some(handed) = handed {
            options.arguments.clear();
            (handed::staged(context, handed, &environment, token).await?, Vec::new())
        } else {
            let (code, told) = code::staged(context, &program, self.name, operator).await?;
            (code, NOTES.map(str::to_owned).into_iter().chain(told).collect())
        };
        let files = brought::staged(context, &mut options, named).await?;
        let made = code::submission(&program, code, options.arguments, &OWN, operator)?;
        let calls = vec![captured(&made.argv)];
        let settings = [(UNBUILT.to_owned(), Value::Object(only_jars))].into_iter().collect();
        Ok(Submission { calls, settings, options: options.all, notes, files, ..made })
    }

    /// Refuses what would fail once the program has run: a Python without Beam, a jar that is not there or is for other
    /// clusters. A cluster that does not answer now is asked for nothing: its own refusal comes with the submission.
    ///
    /// # Errors
    /// `failed_precondition`, reasons `no_program` and `no_job_server_jar`; `unsupported`, reason `job_server_differs`.
    async fn check_programs(
        &self,
        context: &Context,
        version: impl Future<Output = Result<String, Error>> + Send,
    ) -> Result<(), Error> {
        let facts = interpreter::programs(context, &["python", JOB_SERVER]).await;
        let facts = facts.map_err(capture::only_on_a_server)?;
        interpreter::check(facts.first())?;
        let (jar, cluster) = (JobServer::of(facts.get(1)), context.target.runner.as_str());
        let version = match jar.depends(cluster).then_some(version) {
            Some(version) => version.await.map(Some),
            None => Ok(None),
        };
        match version {
            Err(error) if error.gave_up() => Err(error),
            version => jar.fault(cluster, version.ok().flatten().as_deref()).map_or(Ok(()), Err),
        }
    }

    /// The options the program is given, and those of ours that the jar holds.
    fn fold(&self, options: &mut Options, spec: &JobSpec, needs: &[Need]) -> Result<(), Error> {
        let Options { all, arguments } = options;
        if let Some(runner) = take(arguments, "runner") {
            self.check_runner(&runner)?;
        }
        for own in OWN {
            take(arguments, own);
            take(all, own);
        }
        fold_streaming(arguments, spec.job_type)?;
        note_flags(arguments);
        let streaming = find(arguments, "streaming").filter(|_| find(all, "streaming").is_none());
        all.extend(streaming.cloned());
        for (name, value, why) in needs {
            if find(all, name).is_none() {
                all.push(product(name, (*value).into(), why));
            }
        }
        Ok(())
    }

    fn check_runner(&self, option: &ResolvedOption) -> Result<(), Error> {
        let name = text(&option.value).to_ascii_lowercase();
        let word = name.strip_suffix("runner").unwrap_or(&name);
        if word == "portable" || word.eq_ignore_ascii_case(self.name) {
            return Ok(());
        }
        Err(Error::invalid("wrong_runner", format!("this target is a {} cluster", self.name))
            .with("runner", text(&option.value))
            .suggest("leave `runner` out, or submit to a target of the other runner; list_runners shows them"))
    }

    /// Runs the program up to its pipeline and puts that into the job-server jar; `Ready` for a job that has its jar.
    ///
    /// # Errors
    /// As [`capture::run`] and [`portable_jar::build`].
    pub(in crate::runner) async fn build(&self, context: &Context, job: &Job) -> Result<Build, Error> {
        let Some(prepared) = job.submission.as_ref().filter(|_| is_unbuilt(job)) else { return Ok(Build::Ready) };
        if capture::run(context, job).await? == Build::Underway {
            return Ok(Build::Underway);
        }
        let jar = portable_jar::build(context, job, |options| self.complete(options, &job.name, prepared)).await?;
        let mut settings = prepared.settings.clone();
        settings.remove(UNBUILT);
        settings.insert("size".into(), jar.size.into());
        settings.insert(Submission::BUILT.into(), true.into());
        settings.insert(Submission::CODE.into(), json!(prepared.sha256));
        Ok(Build::Built(Box::new(Submission {
            source: Some(jar.id),
            sha256: Some(jar.sha256),
            file_name: Some("pipeline.jar".into()),
            argv: Vec::new(),
            files: Vec::new(),
            settings,
            ..Submission::clone(prepared)
        })))
    }

    /// Adds to the options of a pipeline those that Python's SDK does not know and so leaves out, and ours over all.
    fn complete(&self, options: &mut Map<String, Value>, name: &str, prepared: &Submission) {
        // What they name is staged by now, and Java's runner reads one of them.
        options.retain(|key, _| !brought::names_files(key.trim_start_matches("beam:option:").trim_end_matches(":v1")));
        let is_jars = |option: &&ResolvedOption| !(self.is_setting)(option) && !brought::names_files(&option.name);
        // A program that runs here was given them on its command line. Elsewhere Beam's client names its own defaults.
        let is_handed = code::is_handed(prepared);
        for option in prepared.options.iter().filter(|option| is_jars(option) && !option.value.is_null()) {
            let (key, value) = (jar_key(&option.name), jar_value(&option.value));
            if (is_handed && option.from != Provenance::Product) || !options.contains_key(&key) {
                options.insert(key, value);
            }
        }
        options.insert(jar_key("job_name"), name.into());
        let extra = prepared.settings.get(UNBUILT).and_then(Value::as_object).into_iter().flatten();
        options.extend(extra.map(|(name, value)| (jar_key(name), value.clone())));
    }
}

/// The name of an option in a jar. Beam's Java SDK reads `a_b` as `aB`.
fn jar_key(name: &str) -> String {
    let mut key = String::from("beam:option:");
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !key.ends_with([':', '_']) {
            key.push('_');
        }
        key.push(if letter == '-' { '_' } else { letter.to_ascii_lowercase() });
    }
    key + ":v1"
}

/// Beam's own form of a number: the workers' parser refuses the `2.0` that becomes of a whole one otherwise, and a
/// double holds no number beyond 2 to the 53rd.
fn jar_value(value: &Value) -> Value {
    if value.is_number() { text(value).into() } else { value.clone() }
}

fn captured(argv: &[String]) -> PlannedCall {
    let purpose = "runs the code in a child process of the server until it submits its pipeline, which is kept";
    PlannedCall { call: "exec python".into(), purpose: purpose.into(), body: json!({"argv": argv}) }
}

/// Adds to a probe of a cluster what it says about Python pipelines.
///
/// # Errors
/// As [`interpreter::told`] and [`environment`].
pub(in crate::runner) async fn probe(context: &Context, probe: &mut Probe) -> Result<(), Error> {
    use Capability as C;
    let target = &context.target;
    if target.job_server_jar.is_none() {
        return Ok(());
    }
    let facts = interpreter::programs(context, &["python", JOB_SERVER]).await;
    let jar = facts.as_ref().ok().map(|facts| JobServer::of(facts.get(1)));
    let fault = jar.as_ref().and_then(|jar| jar.fault(target.runner.as_str(), probe.version.as_deref()));
    let python = interpreter::told(facts.map(|facts| facts.into_iter().next()))?;
    let environment = environment(target)?;
    let able = environment.is_some() && python.submits() && fault.is_none();
    if able && probe.capabilities.contains(&C::JarSubmit) {
        probe.capabilities.push(C::PythonSubmit);
        probe.capabilities.extend(python.yaml.then_some(C::YamlSubmit));
        probe.capabilities.sort_unstable();
    }
    probe.warnings.extend(environment.is_none().then(|| NO_ENVIRONMENT.to_owned()));
    probe.warnings.extend(python.warning);
    probe.warnings.extend(fault.map(|fault| format!("{}, so no Python or YAML can be submitted", fault.message())));
    probe.warnings.extend(jar.as_ref().and_then(JobServer::warning).map(str::to_owned));
    let facts = [
        ("python_version", json!(python.version)),
        ("beam_version", json!(python.beam_version)),
        ("environment", json!(environment.map(|environment| environment.kind))),
        ("job_server", json!(jar.and_then(|jar| jar.runner))),
    ];
    probe.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::Provenance;

    const CLUSTER: Cluster = Cluster { name: "Flink", is_setting: |option| same(&option.name, "parallelism") };

    fn option(name: &str, value: Value) -> ResolvedOption {
        ResolvedOption { name: name.into(), value, from: Provenance::Caller, note: String::new() }
    }

    #[test]
    fn what_pythons_sdk_leaves_out_is_in_the_jar() {
        let options = vec![
            option("shutdownSourcesAfterIdleMs", json!(9_223_372_036_854_775_807_u64)),
            option("max-bundle-size", json!(5)),
            option("output", json!("/elsewhere")),
            option("parallelism", json!(2)),
            option("unset", Value::Null),
        ];
        let settings = [(UNBUILT.to_owned(), json!({"parallelism": "2"}))].into_iter().collect();
        let prepared = Submission { settings, options, ..Submission::default() };
        let mut jar: Map<String, Value> = [("beam:option:output:v1".to_owned(), json!("/out"))].into_iter().collect();
        CLUSTER.complete(&mut jar, "rate", &prepared);
        let expected = json!({
            "beam:option:job_name:v1": "rate", "beam:option:output:v1": "/out", "beam:option:parallelism:v1": "2",
            "beam:option:shutdown_sources_after_idle_ms:v1": "9223372036854775807",
            "beam:option:max_bundle_size:v1": "5",
        });
        assert_eq!(Value::Object(jar), expected);
    }

    #[test]
    fn defaults_of_the_client_that_handed_a_pipeline_over_yield_to_the_target() {
        let of = |name: &str, from| ResolvedOption { name: name.into(), value: json!(4), from, note: String::new() };
        let options =
            vec![of("sdk_worker_parallelism", Provenance::Target), of("max_bundle_size", Provenance::Product)];
        let told = |argv: &[&str]| {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            let prepared = Submission { argv, options: options.clone(), ..Submission::default() };
            let defaults = json!({"beam:option:sdk_worker_parallelism:v1": "1", "beam:option:max_bundle_size:v1": "9"});
            let mut jar = defaults.as_object().unwrap().clone();
            CLUSTER.complete(&mut jar, "words", &prepared);
            [jar["beam:option:sdk_worker_parallelism:v1"].clone(), jar["beam:option:max_bundle_size:v1"].clone()]
        };
        assert_eq!(told(&["pipeline", "code/prepare.pb"]), [json!("4"), json!("9")]);
        assert_eq!(told(&["script", "code/words.py"]), [json!("1"), json!("9")], "it was told on its command line");
    }

    #[test]
    fn a_need_is_ours_until_somebody_says_otherwise() {
        let needs: [Need; 1] = [("mode", "A", "because")];
        let fold = |all: Vec<ResolvedOption>| {
            let mut options = Options { arguments: all.clone(), all };
            CLUSTER.fold(&mut options, &JobSpec::default(), &needs).map(|()| options.all)
        };
        let ours = fold(vec![]).unwrap();
        assert_eq!((ours[0].from, &ours[0].value), (Provenance::Product, &json!("A")));
        let theirs = fold(vec![option("mode", json!("B"))]).unwrap();
        assert_eq!((theirs.len(), &theirs[0].value), (1, &json!("B")));
        let runners = |name| fold(vec![option("runner", json!(name))]).map(|all| all.len());
        assert_eq!((runners("FlinkRunner").unwrap(), runners("portable").unwrap()), (1, 1));
        assert_eq!(runners("SparkRunner").unwrap_err().reason(), "wrong_runner");
    }
}
