//! What is settled before an intent is stored: code, options, and the calls to come.

use serde_json::{Map, Value, json};

use super::{
    Spark,
    operation::NO_SAVEPOINT,
    options::{self, Resolved},
    properties::CONFIGURATION,
    submit::{DRIVER_OPTIONS, JAR_BYTES, create_body, jar_url, module_flags},
};
use crate::{
    config::Target,
    effect::{Recipe, Source},
    error::Error,
    job::JobSpec,
    runner::{
        PlannedCall, Provenance, ResolvedOption, Submission,
        code::{origin, stage},
        python::{
            cluster::without_environment,
            code::{has_extension, is_meant},
        },
    },
};

/// Longest part of an application's name that comes from the job's.
const NAME_CHARS: usize = 80;

const NOTES: [&str; 3] = [
    "the program's main method runs on a worker; what it builds, and whether it fails, is known only then",
    "whether the cluster has cores and memory for the driver and its executors is known only when it starts; without \
     `parallelism` or spark.cores.max an application takes every core that is free",
    "the version of the master decides whether the module flags of Java 17 are sent: Spark 3 needs them, Spark 4 sets \
     them itself",
];

impl Spark {
    pub(super) async fn prepare_submission(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        self.check_complete()?;
        if is_meant(spec) {
            return self.prepare_python(spec, token, operator).await;
        }
        let code_path = code_path(spec)?;
        let (target, own) = &without_environment(&self.context.target, spec);
        check_folder(target)?;
        let resolved = options::resolve(own, target, operator)?;
        check_class(spec.entry_class.as_deref())?;
        let recipe = Recipe { entry_class: spec.entry_class.clone(), ..Recipe::plain(origin(code_path)?, JAR_BYTES) };
        let source = stage(&self.context.io, recipe).await?;
        if source.archive.is_none() && has_extension(&source.file_name, &["py"]) {
            return self.prepare_python(spec, token, operator).await;
        }
        let class = main_class(&source, spec)?;
        submission(target, spec, token, source, &class, resolved)
    }
}

pub(super) fn code_path(spec: &JobSpec) -> Result<&str, Error> {
    let only_jars = |reason, what: &str| {
        Err(Error::unsupported(reason, format!("a Spark target runs jars and Python pipelines, not {what}"))
            .suggest("build the pipeline as a jar with Beam's Spark runner inside, or use a direct target"))
    };
    if spec.template_path.is_some() || !spec.template_parameters.is_empty() {
        return only_jars("template_unsupported", "Dataflow templates");
    }
    no_savepoint(spec)?;
    spec.code_path.as_deref().ok_or_else(|| {
        Error::invalid(
            "missing_code_path",
            "a Spark job needs `code_path`: a jar or a Python file beneath the server's roots",
        )
        .suggest("name the jar, or upload it and use artifact:sha256:<hash>")
    })
}

pub(super) fn no_savepoint(spec: &JobSpec) -> Result<(), Error> {
    if spec.savepoint_path.is_none() && !spec.allow_non_restored_state {
        return Ok(());
    }
    let (message, suggestion) = NO_SAVEPOINT;
    Err(Error::unsupported("unsupported_by_runner", message).suggest(suggestion))
}

pub(super) fn check_folder(target: &Target) -> Result<(), Error> {
    if target.jar_folder.is_some() {
        return Ok(());
    }
    Err(Error::precondition("no_jar_folder", "Spark takes no uploads, and the target names no folder for jars").suggest(
        "ask the operator to set the target's `jar_folder` to a folder that this server writes and every worker reads",
    ))
}

fn check_class(entry_class: Option<&str>) -> Result<(), Error> {
    let plain = |name: &str| {
        !name.is_empty() && name.len() <= 512 && name.chars().all(|c| c.is_alphanumeric() || "._$".contains(c))
    };
    if entry_class.is_none_or(plain) {
        return Ok(());
    }
    Err(Error::invalid("bad_entry_class", "entry_class is the full name of a Java class, such as org.example.Main"))
}

/// The class that runs; Spark itself reads no manifest where a jar is submitted over REST.
fn main_class(source: &Source, spec: &JobSpec) -> Result<String, Error> {
    let Some(archive) = &source.archive else {
        return Err(Error::invalid("not_a_jar", format!("`{}` is not a jar", source.file_name))
            .suggest("name a jar, or a Python file that ends in `.py`"));
    };
    let class = spec.entry_class.as_ref().or(archive.main_class.as_ref());
    let error = match class {
        Some(class) if archive.main_class_present => return Ok(class.clone()),
        Some(class) if spec.entry_class.is_some() => format!("the jar has no class {class}"),
        Some(class) => format!("the jar's manifest names {class}, which is not in the jar"),
        None => "the jar's manifest names no main class".to_owned(),
    };
    Err(Error::invalid("no_main_class", error)
        .suggest("name the class in `entry_class`, or build the jar with Main-Class"))
}

fn submission(
    target: &Target,
    spec: &JobSpec,
    token: &str,
    source: Source,
    class: &str,
    resolved: Resolved,
) -> Result<Submission, Error> {
    check_class(Some(class))?;
    let mut submission = Submission {
        settings: settings(class, spec, resolved.properties),
        source: Some(source.id),
        sha256: Some(source.sha256),
        file_name: Some(source.file_name),
        argv: resolved.argv,
        files: Vec::new(),
        calls: Vec::new(),
        options: resolved.options,
        notes: NOTES.map(str::to_owned).into(),
    };
    submission.options.push(flags());
    submission.calls = calls(target, &submission, token, Jar::Bytes(source.size))?;
    Ok(submission)
}

pub(super) fn settings(class: &str, spec: &JobSpec, properties: Map<String, Value>) -> Map<String, Value> {
    let mut settings = Map::new();
    settings.insert("main_class".into(), class.into());
    settings.insert("app_name".into(), app_name(&spec.job_name).into());
    settings.insert("spark_properties".into(), properties.into());
    settings
}

/// The module flags, as people are shown them.
pub(super) fn flags() -> ResolvedOption {
    ResolvedOption {
        name: format!("{CONFIGURATION}.{DRIVER_OPTIONS}"),
        value: module_flags().into(),
        from: Provenance::Product,
        note: "for Spark 3 on Java 17; the operator's own value, if any, comes after it".into(),
    }
}

/// A job's name as part of an application's: nothing that could pretend another property.
pub(super) fn app_name(job_name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-".contains(c) { c } else { '_' };
    job_name.chars().map(plain).take(NAME_CHARS).collect()
}

/// What is known of a jar before it is placed.
#[derive(Clone, Copy)]
pub(super) enum Jar {
    /// Its size.
    Bytes(u64),
    /// That it holds the pipeline.
    Unbuilt,
}

/// The calls of the submission of a jar.
pub(super) fn calls(
    target: &Target,
    submission: &Submission,
    token: &str,
    jar: Jar,
) -> Result<Vec<PlannedCall>, Error> {
    let call =
        |call: &str, purpose: &str, body: Value| PlannedCall { call: call.into(), purpose: purpose.into(), body };
    let master = target.spark_master.as_deref().unwrap_or("{url of the master}");
    let url = jar_url(target, submission)?;
    let placed = match jar {
        Jar::Bytes(size) => json!({"jar": url, "bytes": size}),
        Jar::Unbuilt => json!({"jar": url, "holds": "Beam's job server with the pipeline"}),
    };
    Ok(vec![
        call("place the jar", "put the checked copy of the jar where workers read it, unless it is there", placed),
        call("GET /", "read Spark's version", Value::Null),
        call("GET /json/", "see that the master is ALIVE, and how drivers reach it", Value::Null),
        call(
            "POST /v1/submissions/create",
            "start the driver, marked with this job's id",
            create_body(target, submission, token, None, master)?,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Artifact, Origin, Refusal, Reply, SourceId},
        runner::{
            Backend,
            spark::testing::{Played, TOKEN, play, target},
        },
    };

    fn prepare(spec: JobSpec, target: Target, script: Vec<(&str, Reply)>) -> Played<Submission> {
        play(target, script, |spark| async move { spark.prepare(&spec, TOKEN, false).await })
    }

    fn spec() -> JobSpec {
        JobSpec { job_name: "words\" \"-Dx=y".into(), code_path: Some("a/wordcount.jar".into()), ..JobSpec::default() }
    }

    fn jar(archive: Option<Artifact>) -> Reply {
        Reply::Staged(Source {
            id: SourceId("sha256:ab".into()),
            sha256: "ab".into(),
            size: 32,
            file_name: "wordcount.jar".into(),
            archive,
            outline: None,
        })
    }

    fn zip(main_class: Option<&str>, main_class_present: bool) -> Reply {
        jar(Some(Artifact { main_class: main_class.map(str::to_owned), entries: 9, main_class_present }))
    }

    #[test]
    fn a_plan_shows_the_body_that_will_be_sent_to_spark_3() {
        let pipeline_options = serde_json::from_value(json!({"output": "/out", "parallelism": 2})).unwrap();
        let spec = JobSpec { pipeline_options, ..spec() };
        let target = Target { spark_master: Some("spark://m:7077".into()), ..target() };
        let played = prepare(spec, target.clone(), vec![("STAGE", zip(Some("org.example.Main"), true))]);
        assert_eq!(played.recipes[0], Recipe::plain(Origin::Path("a/wordcount.jar".into()), 512 << 20));
        let submission = played.end.unwrap();
        let calls: Vec<_> = submission.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(calls, ["place the jar", "GET /", "GET /json/", "POST /v1/submissions/create"]);
        let sent = create_body(&target, &submission, TOKEN, Some("3.5.0"), "spark://m:7077").unwrap();
        assert_eq!(submission.calls[3].body, sent);
        let properties = &sent["sparkProperties"];
        assert_eq!(properties["spark.app.name"], format!("words_ _-Dx_y-{TOKEN}"), "a name pretends no property");
        assert_eq!((&sent["mainClass"], &properties["spark.cores.max"]), (&"org.example.Main".into(), &"2".into()));
        let flags = submission.options.iter().find(|option| option.name.ends_with(DRIVER_OPTIONS)).unwrap();
        assert_eq!(flags.from, Provenance::Product);
    }

    #[test]
    fn code_that_cannot_run_is_refused_before_anything_is_stored() {
        for (staged, reason) in [
            (jar(None), "not_a_jar"),
            (zip(None, false), "no_main_class"),
            (zip(Some("org.example.Gone"), false), "no_main_class"),
            (zip(Some("org.example; rm"), true), "bad_entry_class"),
            (Reply::Refused(Refusal { reason: "outside_roots".into(), detail: String::new() }), "outside_roots"),
        ] {
            assert_eq!(prepare(spec(), target(), vec![("STAGE", staged)]).reason(), reason);
        }
        let named = JobSpec { entry_class: Some("org.example.Other".into()), ..spec() };
        let found = prepare(named, target(), vec![("STAGE", zip(None, true))]).end.unwrap();
        assert_eq!(found.settings["main_class"], "org.example.Other");
    }

    #[test]
    fn what_spark_cannot_run_is_refused_before_it_is_staged() {
        let none = JobSpec { code_path: None, ..spec() };
        for (spec, reason) in [
            (none.clone(), "missing_code_path"),
            (JobSpec { module: Some("apache_beam.examples.wordcount".into()), ..none }, "no_job_server"),
            (JobSpec { template_path: Some("gs://t".into()), ..spec() }, "template_unsupported"),
            (JobSpec { savepoint_path: Some("s3://sp".into()), ..spec() }, "unsupported_by_runner"),
            (JobSpec { entry_class: Some("org.example; rm".into()), ..spec() }, "bad_entry_class"),
            (JobSpec { code_path: Some("artifact:sha256:zz".into()), ..spec() }, "bad_artifact"),
        ] {
            assert_eq!(prepare(spec, target(), vec![]).reason(), reason);
        }
        assert_eq!(prepare(spec(), Target { jar_folder: None, ..target() }, vec![]).reason(), "no_jar_folder");
        assert_eq!(prepare(spec(), Target { url: None, ..target() }, vec![]).reason(), "target_incomplete");
    }
}
