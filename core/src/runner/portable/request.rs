//! What is sent: our marker, names, and what a service cannot do.

use serde_json::{Map, json};

use crate::{
    error::Error,
    job::{Job, OperationKind},
    job_api::{message::Prepare, structure},
    runner::PlannedCall,
};

/// The option a job of ours is known by.
pub(super) const MARKER: &str = "beam:option:beam_mcp_job:v1";
/// The id of a job that no service has.
pub(super) const NOBODY: &str = "beam-mcp-probe";
const NAME_BYTES: usize = 64;

/// The captured request under our name and with our marker.
pub(super) fn marked(captured: Prepare, job: &Job) -> Prepare {
    let mut marker = Map::new();
    marker.insert(MARKER.to_owned(), job.token().into());
    let mut options = captured.options;
    options.extend(structure::write(&marker));
    Prepare { options, job_name: service_name(&job.name), ..captured }
}

/// A name as every service takes it: lower-case letters, digits and `-`.
pub(super) fn service_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = name.chars().map(plain).take(NAME_BYTES).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "job-");
    }
    name.trim_end_matches('-').to_owned()
}

/// The calls of a submission.
pub(super) fn planned(argv: &[String]) -> Vec<PlannedCall> {
    let call = |call: &str, purpose: &str, body| PlannedCall { call: call.into(), purpose: purpose.into(), body };
    vec![
        call(
            "exec python",
            "runs the code in a child process of the server until it submits its pipeline, which is kept",
            json!({"argv": argv}),
        ),
        call("JobService/Prepare", "hands the pipeline with our marker to the job service", json!({"marker": MARKER})),
        call("JobService/Run", "starts it, once", json!(null)),
    ]
}

/// Refuses what the Job API has no call for.
pub(super) fn supports(kind: OperationKind) -> Result<(), Error> {
    let (what, instead) = match kind {
        OperationKind::Cancel | OperationKind::Drain => return Ok(()),
        OperationKind::Stop => ("stop with a savepoint", "cancel it; a new submission starts from the beginning"),
        OperationKind::Savepoint => {
            ("savepoint", "on a Flink behind the job server, take it there with a flink target for the same cluster")
        }
        OperationKind::Scale => ("change of parallelism", "submit the pipeline again with other options"),
    };
    Err(unsupported(format!("Beam's Job API has no {what}")).suggest(instead))
}

pub(super) fn unsupported(message: impl Into<String>) -> Error {
    Error::unsupported("unsupported_by_runner", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for (given, sent) in [
            ("Word Count.py", "word-count-py"),
            ("2026", "job-2026"),
            ("", "job"),
            ("ünï", "job--n"),
            (&"x".repeat(99), &"x".repeat(64)),
        ] {
            assert_eq!(service_name(given), sent, "{given}");
        }
    }
}
