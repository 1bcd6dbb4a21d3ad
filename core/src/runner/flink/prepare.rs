//! What is settled before an intent is stored: code, options, savepoint, and the calls to come.

use serde_json::{Map, Value, json};

use super::{
    Flink, jar,
    options::{self, Resolved},
    storage::check_path,
    submit::run_body,
};
use crate::{
    effect::{Recipe, Source},
    error::Error,
    job::JobSpec,
    runner::{
        PlannedCall, Submission,
        code::{origin, stage},
        python::{
            cluster::without_environment,
            code::{has_extension, is_meant},
        },
    },
};

/// Largest jar that is staged.
const JAR_BYTES: u64 = 512 << 20;

const NOTES: [&str; 2] = [
    "the program's main method runs inside the JobManager during the submission; what it builds is known only then",
    "whether the cluster has slots for the job is known only when it starts",
];

impl Flink {
    pub(super) async fn prepare_submission(
        &self,
        spec: &JobSpec,
        token: &str,
        operator: bool,
    ) -> Result<Submission, Error> {
        if is_meant(spec) {
            return self.prepare_python(spec, token, operator).await;
        }
        let code_path = code_path(spec)?;
        let (target, own) = &without_environment(&self.context.target, spec);
        let resolved = options::resolve(own, target, operator)?;
        if let Some(path) = spec.savepoint_path.as_ref().filter(|_| !spec.own_savepoint) {
            check_path(target, path, operator)?;
        }
        check_class(spec.entry_class.as_deref())?;
        let recipe = Recipe { entry_class: spec.entry_class.clone(), ..Recipe::plain(origin(code_path)?, JAR_BYTES) };
        let source = stage(&self.context.io, recipe).await?;
        if source.archive.is_none() && has_extension(&source.file_name, &["py"]) {
            return self.prepare_python(spec, token, operator).await;
        }
        check_jar(&source, spec)?;
        Ok(submission(spec, token, source, resolved))
    }
}

pub(super) fn code_path(spec: &JobSpec) -> Result<&str, Error> {
    let only_jars = |reason, what: &str| {
        Err(Error::unsupported(reason, format!("a Flink target runs jars and Python pipelines, not {what}"))
            .suggest("build the pipeline as a jar with Beam's Flink runner inside, or use a direct target"))
    };
    if spec.template_path.is_some() || !spec.template_parameters.is_empty() {
        return only_jars("template_unsupported", "Dataflow templates");
    }
    spec.code_path.as_deref().ok_or_else(|| {
        Error::invalid(
            "missing_code_path",
            "a Flink job needs `code_path`: a jar or a Python file beneath the server's roots",
        )
        .suggest("name the jar, or upload it and use artifact:sha256:<hash>")
    })
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

fn check_jar(source: &Source, spec: &JobSpec) -> Result<(), Error> {
    let Some(archive) = &source.archive else {
        return Err(Error::invalid("not_a_jar", format!("`{}` is not a jar", source.file_name))
            .suggest("name a jar, or a Python file that ends in `.py`"));
    };
    let error = match (&spec.entry_class, &archive.main_class) {
        _ if archive.main_class_present => return Ok(()),
        (Some(class), _) => format!("the jar has no class {class}"),
        (None, Some(class)) => format!("the jar's manifest names {class}, which is not in the jar"),
        (None, None) => "the jar's manifest names no main class".to_owned(),
    };
    Err(Error::invalid("no_main_class", error)
        .suggest("name the class in `entry_class`, or build the jar with Main-Class"))
}

fn submission(spec: &JobSpec, token: &str, source: Source, resolved: Resolved) -> Submission {
    let mut submission = Submission {
        settings: settings(spec, resolved.settings),
        source: Some(source.id),
        sha256: Some(source.sha256),
        file_name: Some(source.file_name),
        argv: resolved.argv,
        files: Vec::new(),
        calls: Vec::new(),
        options: resolved.options,
        notes: notes(spec),
    };
    submission.settings.insert("size".into(), source.size.into());
    submission.calls = calls(&submission, token);
    submission
}

pub(super) fn settings(spec: &JobSpec, mut settings: Map<String, Value>) -> Map<String, Value> {
    if let Some(class) = &spec.entry_class {
        settings.insert("entry_class".into(), class.as_str().into());
    }
    if let Some(path) = &spec.savepoint_path {
        settings.insert("savepoint_path".into(), path.as_str().into());
        settings.insert("allow_non_restored_state".into(), spec.allow_non_restored_state.into());
    }
    settings
}

fn notes(spec: &JobSpec) -> Vec<String> {
    NOTES.map(str::to_owned).into_iter().chain(savepoint_notes(spec)).collect()
}

pub(super) fn savepoint_notes(spec: &JobSpec) -> impl Iterator<Item = String> {
    let notes = [
        "Flink accepts a savepoint path that does not exist, and the job fails right after",
        "NO_CLAIM: the savepoint stays the caller's; on Flink 1.19 the field is called restoreMode",
    ];
    let restores = spec.savepoint_path.is_some();
    notes.into_iter().filter(move |_| restores).map(str::to_owned)
}

fn calls(submission: &Submission, token: &str) -> Vec<PlannedCall> {
    let jar = jar::code(submission).map(|code| code.name).unwrap_or_default();
    jar_calls(json!({"jarfile": jar, "bytes": submission.settings.get("size")}), submission, token)
}

/// The calls of the submission of a jar.
pub(super) fn jar_calls(jar: Value, submission: &Submission, token: &str) -> Vec<PlannedCall> {
    let call =
        |call: &str, purpose: &str, body: Value| PlannedCall { call: call.into(), purpose: purpose.into(), body };
    vec![
        call("GET /config", "read Flink's version and whether it takes jobs", Value::Null),
        call("GET /jars", "find the same jar from an earlier upload", Value::Null),
        call("POST /jars/upload", "upload the jar, unless it is there", jar),
        call("POST /jars/{jar}/run", "start the job under this id", run_body(submission, token, None)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Artifact, Origin, Refusal, Reply, SourceId},
        runner::{
            Backend, Provenance,
            flink::testing::{Played, TOKEN, play, target},
        },
    };

    fn prepare(spec: JobSpec, script: Vec<(&str, Reply)>) -> Played<Submission> {
        let mut target = target();
        target.savepoint_dir = Some("s3://bucket/savepoints".into());
        target.options = serde_json::from_value(json!({"runner": "FlinkRunner"})).unwrap();
        play(target, script, |flink| async move { flink.prepare(&spec, TOKEN, false).await })
    }

    fn spec() -> JobSpec {
        JobSpec { job_name: "words".into(), code_path: Some("jars/wordcount.jar".into()), ..JobSpec::default() }
    }

    fn jar(archive: Option<Artifact>) -> Reply {
        Reply::Staged(Source {
            id: SourceId("sha256:ab".into()),
            sha256: "ab".into(),
            size: 31_454_452,
            file_name: "word count.jar".into(),
            outline: None,
            archive,
        })
    }

    fn zip(main_class: Option<&str>, main_class_present: bool) -> Reply {
        jar(Some(Artifact { main_class: main_class.map(str::to_owned), entries: 9, main_class_present }))
    }

    #[test]
    fn a_plan_shows_the_very_body_that_will_be_sent() {
        let pipeline_options = serde_json::from_value(json!({"output": "/out", "parallelism": 2})).unwrap();
        let savepoint_path = Some("s3://bucket/savepoints/sp-1".to_owned());
        let spec = JobSpec { pipeline_options, savepoint_path, allow_non_restored_state: true, ..spec() };
        let played = prepare(spec, vec![("STAGE", zip(Some("org.example.Main"), true))]);
        assert_eq!(played.recipes[0], Recipe::plain(Origin::Path("jars/wordcount.jar".into()), 512 << 20));
        let submission = played.end.unwrap();
        let calls: Vec<_> = submission.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(calls, ["GET /config", "GET /jars", "POST /jars/upload", "POST /jars/{jar}/run"]);
        assert_eq!(submission.calls[2].body, json!({"jarfile": "ab-word_count.jar", "bytes": 31_454_452}));
        let body = json!({
            "jobId": TOKEN, "programArgsList": ["--output=/out", "--runner=FlinkRunner"], "parallelism": 2,
            "savepointPath": "s3://bucket/savepoints/sp-1", "claimMode": "NO_CLAIM", "allowNonRestoredState": true,
        });
        assert_eq!(submission.calls[3].body, body);
        assert_eq!(run_body(&submission, TOKEN, Some((2, 2))), body);
        let runner = submission.options.iter().find(|option| option.name == "runner").unwrap();
        assert_eq!(runner.from, Provenance::Target);
        assert_eq!(submission.notes.len(), 4);
    }

    #[test]
    fn code_that_cannot_run_is_refused_before_anything_is_stored() {
        for (staged, reason) in [
            (jar(None), "not_a_jar"),
            (zip(None, false), "no_main_class"),
            (zip(Some("org.example.Gone"), false), "no_main_class"),
        ] {
            assert_eq!(prepare(spec(), vec![("STAGE", staged)]).reason(), reason);
        }
        let named = JobSpec { entry_class: Some("org.example.Other".into()), ..spec() };
        let missing = prepare(named.clone(), vec![("STAGE", zip(None, false))]);
        assert_eq!(missing.recipes[0].entry_class.as_deref(), Some("org.example.Other"));
        assert_eq!(missing.reason(), "no_main_class");
        let found = prepare(named, vec![("STAGE", zip(None, true))]).end.unwrap();
        assert_eq!(found.settings["entry_class"], "org.example.Other");
        let refusal = Refusal { reason: "outside_roots".into(), detail: String::new() };
        assert_eq!(prepare(spec(), vec![("STAGE", Reply::Refused(refusal))]).reason(), "outside_roots");
    }

    #[test]
    fn what_flink_cannot_run_is_refused_before_it_is_staged() {
        let none = JobSpec { code_path: None, ..spec() };
        let module = JobSpec { module: Some("apache_beam.examples.wordcount".into()), ..none.clone() };
        let template = JobSpec { template_path: Some("gs://t".into()), ..spec() };
        let class = JobSpec { entry_class: Some("org.example; rm".into()), ..spec() };
        let artifact = JobSpec { code_path: Some("artifact:sha256:zz".into()), ..spec() };
        let elsewhere = JobSpec { savepoint_path: Some("s3://other/sp".into()), ..spec() };
        for (spec, reason) in [
            (none, "missing_code_path"),
            (module, "no_job_server"),
            (template, "template_unsupported"),
            (class, "bad_entry_class"),
            (artifact, "bad_artifact"),
            (elsewhere, "savepoint_path_not_allowed"),
        ] {
            assert_eq!(prepare(spec, vec![]).reason(), reason);
        }
    }
}
