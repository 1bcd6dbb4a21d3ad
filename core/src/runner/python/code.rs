//! A spec's Python code: a file, an installed module, or Beam YAML.

use crate::{
    config::Target,
    effect::{Blob, Launch, Origin, Recipe, Source},
    error::{Error, ErrorKind},
    job::{Job, JobSpec},
    runner::{
        Context, ResolvedOption, Submission,
        code::{self, stage},
        options,
        python::{argv, capture::only_on_a_server, interpreter::program, outline},
    },
};

/// Largest Python or YAML file accepted, in bytes.
const CODE_BYTES: u64 = 16 << 20;
/// Modules that every caller may run; others need an entry in the target's `modules` or an operator.
const EXAMPLES: &str = "apache_beam.examples";
/// Beam's own program for YAML pipelines, and where ours lies in the job's folder.
const YAML_MAIN: &str = "apache_beam.yaml.main";
const YAML_FILE: &str = "code/pipeline.yaml";
/// Word of a child that is given a pipeline which an SDK has built, and where that lies.
const HANDED: &str = "pipeline";
const HANDED_FILE: &str = "code/prepare.pb";
/// Options of [`YAML_MAIN`] that name another pipeline or do something else than run it.
const YAML_OWN: [&str; 9] = [
    "yaml_pipeline",
    "yaml_pipeline_file",
    "pipeline_spec",
    "pipeline_spec_file",
    "test",
    "tests",
    "test_suite",
    "fix_tests",
    "create_test",
];

/// True for a job whose code is Python or Beam YAML, or a pipeline an SDK has built.
pub(in crate::runner) fn is_meant(spec: &JobSpec) -> bool {
    let ends = |path: &String| has_extension(path, &["py", "yaml", "yml"]);
    let is_handed = spec.pipeline.is_some();
    is_handed || spec.module.is_some() || spec.yaml.is_some() || spec.code_path.as_ref().is_some_and(ends)
}

/// True for the submission of a pipeline that an SDK program handed over.
pub(in crate::runner) fn is_handed(submission: &Submission) -> bool {
    submission.argv.first().is_some_and(|word| word == HANDED)
}

/// What the child runs.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::runner) enum Code {
    /// A staged file.
    Script(Source),
    /// An installed module.
    Module(String),
    /// A staged Beam YAML pipeline.
    Yaml(Source),
    /// A staged pipeline that an SDK has built: a request of `Prepare`.
    Pipeline(Source),
}

/// The recipe for a spec's code; `None`: a module, nothing to stage.
///
/// # Errors
/// `invalid_argument`, reasons `no_code`, `two_codes`, `bad_artifact`; `unsupported`, reasons `unsupported_by_runner`
/// and `unsupported_code`.
pub(in crate::runner) fn recipe(spec: &JobSpec, runner: &str) -> Result<Option<Recipe>, Error> {
    check_fields(spec, runner)?;
    match (&spec.code_path, &spec.module, &spec.yaml) {
        (Some(path), None, None) => {
            check_extension(path, runner)?;
            let recipe = Recipe::plain(code::origin(path)?, CODE_BYTES);
            // An artifact is known by the name it was sent under.
            Ok(Some(Recipe { outline: is_yaml(path) || path.starts_with("artifact:"), ..recipe }))
        }
        (None, Some(_), None) => Ok(None),
        (None, None, Some(text)) => {
            let recipe = Recipe::plain(Origin::Bytes(Blob::from(text.as_str())), CODE_BYTES);
            Ok(Some(Recipe { outline: true, ..recipe }))
        }
        (None, None, None) => Err(Error::invalid("no_code", "the job names no code").suggest(
            "set `code_path` to a Python or YAML file, `yaml` to a Beam YAML pipeline, or `module` to an installed \
             module",
        )),
        _ => Err(Error::invalid("two_codes", "more than one of `code_path`, `module` and `yaml` is set")
            .suggest("set one of them")),
    }
}

fn check_fields(spec: &JobSpec, runner: &str) -> Result<(), Error> {
    let (what, instead) = if spec.template_path.is_some() {
        ("templates", "submit the template to a Dataflow target")
    } else if spec.entry_class.is_some() {
        ("Java classes", "submit the jar to a Flink or Spark target")
    } else if spec.savepoint_path.is_some() {
        ("savepoints", "submit the job without `savepoint_path`; it starts from the beginning")
    } else {
        return Ok(());
    };
    Err(Error::unsupported("unsupported_by_runner", format!("{runner} runs Python code and knows no {what}"))
        .suggest(instead))
}

/// True when a path ends with one of these extensions, in whichever case.
pub(in crate::runner) fn has_extension(path: &str, one_of: &[&str]) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    one_of.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn is_yaml(path: &str) -> bool {
    has_extension(path, &["yaml", "yml"])
}

fn check_extension(path: &str, runner: &str) -> Result<(), Error> {
    let known = has_extension(path, &["py", "yaml", "yml"]);
    if known || path.starts_with("artifact:") { Ok(()) } else { Err(unsupported_code(path, runner)) }
}

fn unsupported_code(name: &str, runner: &str) -> Error {
    let jar = name.to_ascii_lowercase().ends_with(".jar");
    let instead = if jar {
        "submit the jar to a Flink or Spark target"
    } else {
        "name a Python file that ends in `.py`, or Beam YAML that ends in `.yaml`"
    };
    let text = format!("{runner} runs Python files, Python modules and Beam YAML only");
    Error::new(ErrorKind::Unsupported, "unsupported_code", text).with("code", name).suggest(instead)
}

/// Stages a spec's code and checks what can be checked without running it; with what can be told about it.
///
/// # Errors
/// As [`recipe`], [`code`] and [`outline::check_program`]; `unsupported`, reason `unsupported_by_host`.
pub(in crate::runner) async fn staged(
    context: &Context,
    spec: &JobSpec,
    runner: &str,
    operator: bool,
) -> Result<(Code, Vec<String>), Error> {
    let source = match recipe(spec, runner)? {
        Some(recipe) => Some(stage(&context.io, recipe).await.map_err(only_on_a_server)?),
        None => None,
    };
    let code = code(spec, source, &context.target, operator)?;
    let Code::Yaml(source) = &code else { return Ok((code, Vec::new())) };
    outline::check(source)?;
    outline::check_program(source, program(context).await.map_err(only_on_a_server)?.as_ref())?;
    let told = outline::notes(source);
    Ok((code, told))
}

/// The code of a spec after staging.
///
/// # Errors
/// `unsupported` for an archive; as [`check_module`].
pub(in crate::runner) fn code(
    spec: &JobSpec,
    source: Option<Source>,
    target: &Target,
    operator: bool,
) -> Result<Code, Error> {
    match (source, &spec.module) {
        (Some(source), _) if source.archive.is_some() => {
            Err(unsupported_code("a zip or jar archive", target.runner.as_str()))
        }
        (Some(source), _) if spec.yaml.is_some() || is_yaml(&source.file_name) => Ok(Code::Yaml(source)),
        (Some(source), _) => Ok(Code::Script(source)),
        (None, Some(module)) => check_module(module, target, operator).map(|()| Code::Module(module.clone())),
        (None, None) => Err(Error::misuse("neither code nor module")),
    }
}

fn check_module(module: &str, target: &Target, operator: bool) -> Result<(), Error> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if module.len() > 200 || !module.split('.').all(word) {
        return Err(Error::invalid("bad_module", "a module is a dotted Python name, for instance `my_company.daily`")
            .with("module", module));
    }
    let allowed = target.modules.iter().map(String::as_str).chain([EXAMPLES]);
    if operator || target.presets_run(module) || allowed.into_iter().any(|prefix| is_beneath(module, prefix)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        "module_not_allowed",
        "this module is not among the target's `modules`",
    )
    .with("module", module)
    .suggest("ask the operator to add it to the target's `modules`, or submit a file"))
}

fn is_beneath(module: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('.');
    module.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The submission of code with resolved options; calls and notes are left to the runner. `own` are the options of
/// which the runner sets the values.
///
/// # Errors
/// As [`options::check_args`].
pub(in crate::runner) fn submission(
    spec: &JobSpec,
    code: Code,
    options: Vec<ResolvedOption>,
    own: &[&str],
    operator: bool,
) -> Result<Submission, Error> {
    let own: Vec<&str> =
        own.iter().copied().chain(YAML_OWN.iter().filter(|_| matches!(code, Code::Yaml(_))).copied()).collect();
    options::check_args(&spec.args, &own, operator)?;
    check_own(&options, &code)?;
    let (mut argv, file, source) = match code {
        Code::Script(source) => {
            let name = script_name(&source.file_name);
            (vec!["script".to_owned(), name.clone()], Some(name), Some(source))
        }
        Code::Module(module) => (vec!["module".to_owned(), module], None, None),
        Code::Yaml(source) => {
            let file = format!("--yaml_pipeline_file={YAML_FILE}");
            (vec!["module".to_owned(), YAML_MAIN.to_owned(), file], Some(YAML_FILE.to_owned()), Some(source))
        }
        Code::Pipeline(source) => {
            (vec![HANDED.to_owned(), HANDED_FILE.to_owned()], Some(HANDED_FILE.to_owned()), Some(source))
        }
    };
    argv.extend(spec.args.iter().cloned());
    argv.extend(argv::items(&options));
    Ok(Submission {
        source: source.as_ref().map(|source| source.id.clone()),
        sha256: source.map(|source| source.sha256),
        file_name: file,
        argv,
        options,
        ..Submission::default()
    })
}

/// A YAML pipeline is the one that was staged.
fn check_own(resolved: &[ResolvedOption], code: &Code) -> Result<(), Error> {
    let own = |name: &str| YAML_OWN.iter().any(|own| options::same(own, name));
    let twice = resolved.iter().find(|option| matches!(code, Code::Yaml(_)) && own(&option.name));
    twice.map_or(Ok(()), |option| {
        Err(Error::invalid("bad_option", format!("the option `{}` does not go with `yaml`", option.name))
            .suggest("leave it out: the pipeline is the one in `yaml` or `code_path`"))
    })
}

/// Where a staged file lies in the job's folder: under its own name, so that tracebacks name it.
fn script_name(file_name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let fits = file_name.len() <= 100
        && file_name.rsplit('.').next() == Some("py")
        && file_name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && file_name.chars().all(plain);
    format!("code/{}", if fits { file_name } else { "main.py" })
}

/// The child of a stored job.
///
/// # Errors
/// `failed_precondition` for a job that was not submitted here.
pub(in crate::runner) fn launch(target: &Target, job: &Job) -> Result<Launch, Error> {
    let (Some(_), Some(submission)) = (job.id.token(), &job.submission) else { return Err(not_ours()) };
    let code = submission.file_name.iter().cloned().zip(submission.source.clone());
    let files = code.chain(submission.files.iter().cloned()).collect();
    Ok(Launch {
        target: target.name.clone(),
        program: "python".into(),
        argv: submission.argv.clone(),
        env: target.env.clone().into_iter().collect(),
        folder: job.token().to_owned(),
        files,
        limits: target.limits.clone(),
    })
}

/// The error of a job without a child here.
pub(in crate::runner) fn not_ours() -> Error {
    Error::precondition("no_process", "this job has no process on this server")
        .suggest("read the job with get_job; it was never started here")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::RunnerKind,
        effect::SourceId,
        runner::{Provenance, ResolvedOption},
    };

    fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().reason().to_owned()
    }

    fn at(path: &str) -> JobSpec {
        JobSpec { code_path: Some(path.into()), ..JobSpec::default() }
    }

    fn staged(name: &str) -> Source {
        let id = SourceId("sha256:aa".into());
        Source { id, sha256: "aa".into(), size: 3, file_name: name.into(), archive: None, outline: None }
    }

    #[test]
    fn only_python_yaml_and_modules_are_code() {
        let recipe = |spec: &JobSpec| recipe(spec, "direct");
        assert!(!recipe(&at("jobs/wordcount.py")).unwrap().unwrap().outline);
        assert!(recipe(&at("jobs/wordcount.YAML")).unwrap().unwrap().outline);
        assert_eq!(reason(recipe(&JobSpec::default())), "no_code");
        let jar = recipe(&at("jobs/a.jar")).unwrap_err();
        assert_eq!(jar.reason(), "unsupported_code");
        assert!(jar.suggestion().contains("Flink"));
        let restore = JobSpec { savepoint_path: Some("file:/s".into()), ..at("a.py") };
        assert_eq!(reason(recipe(&restore)), "unsupported_by_runner");
        let both = JobSpec { module: Some("m".into()), ..at("a.py") };
        assert_eq!(reason(recipe(&both)), "two_codes");
        let inline = JobSpec { yaml: Some("pipeline:".into()), ..JobSpec::default() };
        assert_eq!(recipe(&inline).unwrap().unwrap().base, Origin::Bytes(Blob::from("pipeline:")));
    }

    #[test]
    fn modules_are_the_operators() {
        let mut target = Target::new("local", RunnerKind::Direct);
        target.modules.push("acme.".into());
        let check = |module: &str, operator| check_module(module, &target, operator);
        check("apache_beam.examples.wordcount", false).unwrap();
        check("acme.daily", false).unwrap();
        check("pip", true).unwrap();
        for denied in ["pip", "acmes.daily", "apache_beam.examplesx"] {
            assert_eq!(reason(check(denied, false)), "module_not_allowed", "{denied}");
        }
        for bad in ["", "a..b", "a b", "-m", "a/b", "1a", "a;b"] {
            assert_eq!(reason(check(bad, true)), "bad_module", "{bad}");
        }
    }

    #[test]
    fn yaml_is_run_by_beams_own_program() {
        let option = |name: &str, value: Value| ResolvedOption {
            name: name.into(),
            value,
            from: Provenance::Caller,
            note: String::new(),
        };
        let code = Code::Yaml(staged("wordcount.yml"));
        let spec = JobSpec::default();
        let jinja = vec![option("jinja_variables", json!({"input": "a"}))];
        let made = submission(&spec, code.clone(), jinja, &["runner"], false).unwrap();
        assert_eq!(
            made.argv,
            ["module", YAML_MAIN, "--yaml_pipeline_file=code/pipeline.yaml", "--jinja_variables={\"input\":\"a\"}"]
        );
        assert_eq!(made.file_name.as_deref(), Some(YAML_FILE));
        let other = vec![option("yaml-pipeline-file", json!("/etc/x"))];
        assert_eq!(reason(submission(&spec, code.clone(), other, &["runner"], false)), "bad_option");
        let args = JobSpec { args: vec!["--yaml_pipeline=x".into()], ..spec };
        assert_eq!(reason(submission(&args, code, vec![], &["runner"], false)), "bad_argument");
    }

    #[test]
    fn a_file_keeps_its_name_when_it_is_plain() {
        for (given, kept) in [
            ("wordcount.py", "code/wordcount.py"),
            ("../x.py", "code/main.py"),
            ("-c.py", "code/main.py"),
            ("a b.py", "code/main.py"),
            ("", "code/main.py"),
        ] {
            assert_eq!(script_name(given), kept);
        }
    }
}
