//! What is asked of the host: code to stage, a child to start, and the checks before either.

use serde_json::json;

use super::argv;
use crate::{
    config::Target,
    effect::{Launch, Recipe, Source},
    error::{Error, ErrorKind},
    job::{Job, JobSpec, Operation, OperationKind},
    runner::{PlannedCall, ResolvedOption, Submission, code, options},
};

/// Largest Python file accepted, in bytes.
const CODE_BYTES: u64 = 16 << 20;
/// Modules that every caller may run; others need an entry in the target's `modules` or an operator.
const EXAMPLES: &str = "apache_beam.examples";

/// What the child runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Code {
    /// A staged file.
    Script(Source),
    /// An installed module.
    Module(String),
}

/// The recipe for a spec's code; `None`: a module, nothing to stage.
pub(super) fn recipe(spec: &JobSpec) -> Result<Option<Recipe>, Error> {
    check_fields(spec)?;
    match (&spec.code_path, &spec.module) {
        (Some(path), None) => {
            check_extension(path)?;
            Ok(Some(Recipe::plain(code::origin(path)?, CODE_BYTES)))
        }
        (None, Some(_)) => Ok(None),
        (None, None) => Err(Error::invalid("no_code", "the job names no code")
            .suggest("set `code_path` to a Python file, or `module` to an installed module")),
        (Some(_), Some(_)) => {
            Err(Error::invalid("two_codes", "`code_path` and `module` are both set").suggest("set one of them"))
        }
    }
}

fn check_fields(spec: &JobSpec) -> Result<(), Error> {
    let (what, instead) = if spec.template_path.is_some() {
        ("templates", "submit the template to a Dataflow target")
    } else if spec.entry_class.is_some() {
        ("Java classes", "submit the jar to a Flink or Spark target")
    } else if spec.savepoint_path.is_some() {
        ("savepoints", "submit the job without `savepoint_path`; it starts from the beginning")
    } else {
        return Ok(());
    };
    Err(Error::unsupported("unsupported_by_runner", format!("Direct runs Python code and knows no {what}"))
        .suggest(instead))
}

fn check_extension(path: &str) -> Result<(), Error> {
    let python = path.rsplit('.').next().is_some_and(|extension| extension.eq_ignore_ascii_case("py"));
    if python || path.starts_with("artifact:") { Ok(()) } else { Err(unsupported_code(path)) }
}

fn unsupported_code(name: &str) -> Error {
    let jar = name.to_ascii_lowercase().ends_with(".jar");
    let instead =
        if jar { "submit the jar to a Flink or Spark target" } else { "name a Python file that ends in `.py`" };
    Error::new(ErrorKind::Unsupported, "unsupported_code", "Direct runs Python files and modules only")
        .with("code", name)
        .suggest(instead)
}

/// The code of a spec after staging.
pub(super) fn code(spec: &JobSpec, source: Option<Source>, target: &Target, operator: bool) -> Result<Code, Error> {
    match (source, &spec.module) {
        (Some(source), _) if source.archive.is_some() => Err(unsupported_code("a zip or jar archive")),
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
    if operator || allowed.into_iter().any(|prefix| is_beneath(module, prefix)) {
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

/// The submission of code with resolved options.
///
/// # Errors
/// As [`options::check_args`].
pub(super) fn submission(
    spec: &JobSpec,
    code: Code,
    options: Vec<ResolvedOption>,
    operator: bool,
) -> Result<Submission, Error> {
    options::check_args(&spec.args, &["runner"], operator)?;
    let (kind, entry, source) = match code {
        Code::Script(source) => ("script", script_name(&source.file_name), Some(source)),
        Code::Module(module) => ("module", module, None),
    };
    let mut argv = vec![kind.to_owned(), entry.clone()];
    argv.extend(spec.args.iter().cloned());
    argv.extend(argv::items(&options));
    Ok(Submission {
        calls: vec![planned(&argv)],
        notes: notes(&options),
        source: source.as_ref().map(|source| source.id.clone()),
        sha256: source.as_ref().map(|source| source.sha256.clone()),
        file_name: source.map(|_| entry),
        argv,
        options,
        ..Submission::default()
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

fn planned(argv: &[String]) -> PlannedCall {
    PlannedCall {
        call: "exec python".into(),
        purpose: "runs the code in a child process of the server, in a folder of its own".into(),
        body: json!({"argv": argv}),
    }
}

fn notes(options: &[ResolvedOption]) -> Vec<String> {
    let value = |name| options.iter().find(|option| options::same(&option.name, name)).map(|o| options::text(&o.value));
    let mut notes = vec![
        "whether the code can be imported is known when it runs".to_owned(),
        "relative paths in options are relative to the job's own folder".to_owned(),
    ];
    if value("runner").as_deref() == Some("FnApiRunner") {
        notes.push("FnApiRunner tells metrics only at the end".into());
        if value("streaming").as_deref() == Some("true") {
            notes
                .push("FnApiRunner reads bounded input; for unbounded input set runner=BundleBasedDirectRunner".into());
        }
    }
    let one_process = matches!(value("direct_running_mode").as_deref(), None | Some("in_memory"));
    if one_process && value("direct_num_workers").is_some_and(|count| count != "1") {
        notes.push(
            "more than one worker takes effect with direct_running_mode multi_threading or multi_processing".into(),
        );
    }
    notes
}

/// The launch of a stored job.
///
/// # Errors
/// `failed_precondition` for a job that was not submitted here.
pub(super) fn launch(target: &Target, job: &Job) -> Result<Launch, Error> {
    let (Some(_), Some(submission)) = (job.id.token(), &job.submission) else { return Err(not_ours()) };
    let files = submission.file_name.iter().cloned().zip(submission.source.clone()).collect();
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

pub(super) fn not_ours() -> Error {
    Error::precondition("no_process", "this job has no process on this server")
        .suggest("read the job with get_job; it was never started here")
}

/// Checks an operation and names its call.
///
/// # Errors
/// `unsupported` for everything but cancel.
pub(super) fn check(job: &Job, operation: &Operation) -> Result<Vec<PlannedCall>, Error> {
    supports(operation.kind)?;
    let handle = job.handle.as_ref().ok_or_else(not_ours)?;
    let (signal, purpose) = if operation.force {
        ("SIGKILL", "ends the job's processes at once")
    } else {
        ("SIGTERM", "asks the job's processes to end; those that live 10 s later are killed")
    };
    let call = format!("{signal} to process group {}", handle.pid);
    Ok(vec![PlannedCall { call, purpose: purpose.into(), body: serde_json::Value::Null }])
}

/// Refuses what a local process cannot do.
pub(super) fn supports(kind: OperationKind) -> Result<(), Error> {
    let (what, instead) = match kind {
        OperationKind::Cancel => return Ok(()),
        OperationKind::Drain => ("drain", "cancel it; a bounded pipeline ends by itself"),
        OperationKind::Stop => ("stop with a savepoint", "cancel it; a new submission starts from the beginning"),
        OperationKind::Savepoint => ("savepoint", "run the pipeline on a Flink target, which has savepoints"),
        OperationKind::Scale => {
            ("change of parallelism", "cancel it and submit it again with another `direct_num_workers`")
        }
    };
    Err(Error::unsupported("unsupported_by_runner", format!("a local process has no {what}")).suggest(instead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunnerKind;

    fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().reason().to_owned()
    }

    fn at(path: &str) -> JobSpec {
        JobSpec { code_path: Some(path.into()), ..JobSpec::default() }
    }

    #[test]
    fn only_python_files_and_modules_are_code() {
        assert!(recipe(&at("jobs/wordcount.py")).unwrap().is_some());
        assert_eq!(reason(recipe(&JobSpec::default())), "no_code");
        let jar = recipe(&at("jobs/a.jar")).unwrap_err();
        assert_eq!(jar.reason(), "unsupported_code");
        assert!(jar.suggestion().contains("Flink"));
        let restore = JobSpec { savepoint_path: Some("file:/s".into()), ..at("a.py") };
        assert_eq!(reason(recipe(&restore)), "unsupported_by_runner");
        let both = JobSpec { module: Some("m".into()), ..at("a.py") };
        assert_eq!(reason(recipe(&both)), "two_codes");
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
