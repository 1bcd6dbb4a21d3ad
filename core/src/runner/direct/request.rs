//! What a submission and a cancel will do, and what a local process cannot do.

use serde_json::json;

use crate::{
    error::Error,
    job::{Job, JobSpec, Operation, OperationKind},
    runner::{
        PlannedCall, ResolvedOption, Submission, options,
        python::{
            code::{self, Code, not_ours},
            outline,
        },
    },
};

/// The submission of code with resolved options.
///
/// # Errors
/// As [`code::submission`].
pub(super) fn submission(
    spec: &JobSpec,
    code: Code,
    options: Vec<ResolvedOption>,
    operator: bool,
) -> Result<Submission, Error> {
    let told = if let Code::Yaml(source) = &code { outline::notes(source) } else { Vec::new() };
    let made = code::submission(spec, code, options, &["runner"], operator)?;
    let notes = notes(&made.options).into_iter().chain(told).collect();
    Ok(Submission { calls: vec![planned(&made.argv)], notes, ..made })
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
            notes.push(
                "with FnApiRunner no window of an unbounded source ends: what follows a GroupByKey of it never comes; \
                 submit such a pipeline to a Flink target"
                    .into(),
            );
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
