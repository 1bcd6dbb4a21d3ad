//! What a child left behind, read as a job: state and result files, exit.
//!
//! The files are written by `wrapper.py`, but by the same user as the pipeline's own code: all of it is untrusted.

use serde::Deserialize;

use super::metrics::MetricsFile;
use crate::{
    effect::Fact,
    job::{EndedBy, Job, JobState, Phase},
    runner::Sighting,
    text,
};

/// What is known about a child.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) alive: bool,
    exit_code: Option<i32>,
    signal: Option<i32>,
    limit: Option<String>,
    released: bool,
    pub(super) state: Option<StateFile>,
    pub(super) result: Option<ResultFile>,
}

/// `state.json`: what a runner tells of pipelines that go on is in it from their start on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StateFile {
    pub(super) started_at_ms: Option<u64>,
    pub(super) metrics: MetricsFile,
    pub(super) metrics_at_ms: Option<u64>,
    pub(super) pipeline_states: Vec<String>,
}

/// `result.json`, recorded in `tests/vectors/direct/recorded`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultFile {
    state: String,
    #[serde(default)]
    pub(super) beam_version: Option<String>,
    #[serde(default)]
    error: Option<Failure>,
    #[serde(default)]
    pub(super) metrics: MetricsFile,
    #[serde(default)]
    pub(super) pipeline_states: Vec<String>,
    #[serde(default)]
    pub(super) finished_at_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    r#type: String,
    message: String,
}

/// Reads the facts of one observation.
pub(super) fn known(facts: &[Fact]) -> Known {
    let mut known = Known::default();
    for fact in facts {
        match fact {
            Fact::Alive { alive, exit_code, signal, limit, released } => {
                (known.alive, known.exit_code, known.signal) = (*alive, *exit_code, *signal);
                known.released = *released;
                known.limit.clone_from(limit);
            }
            Fact::Result { state, result } => {
                known.state = state.as_deref().and_then(|text| serde_json::from_str(text).ok());
                known.result = result.as_deref().and_then(|text| serde_json::from_str(text).ok());
            }
            Fact::Log { .. } | Fact::Program { .. } | Fact::File { .. } => {}
        }
    }
    known
}

/// True for a child that has done nothing and never will, while the submission is still open: start another.
pub(super) fn never_ran(job: &Job, known: &Known) -> bool {
    job.phase != Phase::Submitted && !known.released && known.result.is_none()
}

/// The job as the child shows it.
pub(super) fn sighting(job: &Job, known: &Known) -> Sighting {
    let (state, runner_state, diagnostics) = match &known.result {
        Some(result) => ended_with_result(result),
        None if known.alive => running(known),
        None => ended_without_result(known, cancel_was_asked(job)),
    };
    Sighting {
        native_id: job.token().to_owned(),
        state,
        runner_state,
        started_ms: known.state.as_ref().and_then(|state| state.started_at_ms),
        ended_ms: known.result.as_ref().and_then(|result| result.finished_at_ms),
        diagnostics,
        ..Sighting::default()
    }
}

type Reading = (Option<JobState>, String, String);

fn running(known: &Known) -> Reading {
    let Some(file) = &known.state else { return (Some(JobState::Pending), "STARTED".into(), String::new()) };
    let word = file.pipeline_states.last().map_or("RUNNING", String::as_str);
    (Some(JobState::Running), text::clean_line(word, 64), String::new())
}

fn ended_with_result(result: &ResultFile) -> Reading {
    let state = match result.state.as_str() {
        "FINISHED" => JobState::Finished,
        "CANCELED" => JobState::Canceled,
        _ => JobState::Failed,
    };
    let word = result.pipeline_states.last().unwrap_or(&result.state);
    (Some(state), text::clean_line(word, 64), result.error.as_ref().map(failure).unwrap_or_default())
}

/// The word of a result for a sentence.
pub(super) fn end_word(result: &ResultFile) -> String {
    text::clean_line(&result.state, 32)
}

fn failure(failure: &Failure) -> String {
    let said = text::clean(&format!("{}: {}", failure.r#type, failure.message), 4096);
    if failure.r#type == "ModuleNotFoundError" && failure.message.contains("'apache_beam'") {
        return format!("{said}; install apache-beam for the target's `python`");
    }
    said
}

fn ended_without_result(known: &Known, cancelled: bool) -> Reading {
    let word = match (known.signal, known.exit_code) {
        (Some(signal), _) => format!("SIGNALED {signal}"),
        (None, Some(code)) => format!("EXITED {code}"),
        (None, None) => "GONE".into(),
    };
    let state = if cancelled { JobState::Canceled } else { JobState::Failed };
    let why = if cancelled { String::new() } else { why_it_ended(known) };
    (Some(state), word, why)
}

fn why_it_ended(known: &Known) -> String {
    if !known.released && known.state.is_none() {
        return "the job was never let go: the server ended, or could not write to its disk".into();
    }
    match (known.limit.as_deref(), known.signal, known.exit_code) {
        (Some("wall_ms"), ..) => "the process was killed at its limit of wall time".into(),
        (Some("log_bytes"), ..) => "the process was killed because it wrote too much output".into(),
        (Some(limit), ..) => format!("the process was killed at its limit {}", text::clean_line(limit, 64)),
        (None, Some(signal), _) => format!("the process was ended by signal {signal}{}", hint(signal)),
        (None, None, Some(code)) => format!("the process ended with exit code {code} and left no result"),
        (None, None, None) => "abandoned: the process is gone and left no result".into(),
    }
}

/// What a signal nobody here sent usually means.
fn hint(signal: i32) -> &'static str {
    match signal {
        9 => " (often the system was out of memory)",
        11 => " (a crash in native code)",
        24 => " (its limit of CPU time)",
        25 => " (its limit of file size)",
        _ => "",
    }
}

pub(super) fn cancel_was_asked(job: &Job) -> bool {
    job.state == JobState::Cancelling
        || job.ended_by == Some(EndedBy::Cancel)
        || job.open_operations.iter().any(|id| id.contains("/cancel-"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{config::RunnerKind, job::JobId};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn recorded(name: &str) -> String {
        match name {
            "success" => include_str!("../../../../tests/vectors/direct/recorded/success.json"),
            "failure" => include_str!("../../../../tests/vectors/direct/recorded/failure.json"),
            "failed_unwaited" => include_str!("../../../../tests/vectors/direct/recorded/failed_unwaited.json"),
            "exit_three" => include_str!("../../../../tests/vectors/direct/recorded/exit_three.json"),
            "no_beam" => include_str!("../../../../tests/vectors/direct/recorded/no_beam.json"),
            "two_pipelines" => include_str!("../../../../tests/vectors/direct/recorded/two_pipelines.json"),
            other => panic!("no vector {other}"),
        }
        .to_owned()
    }

    fn state_file() -> String {
        include_str!("../../../../tests/vectors/direct/recorded/state.json").to_owned()
    }

    pub(in crate::runner::direct) fn after(
        alive: bool,
        exit_code: Option<i32>,
        signal: Option<i32>,
        result: Option<&str>,
    ) -> Known {
        let state = Some(state_file());
        known(&[
            Fact::Alive { alive, exit_code, signal, limit: None, released: true },
            Fact::Result { state, result: result.map(recorded) },
        ])
    }

    /// A child whose runner, Prism, tells of its pipeline while it goes on.
    pub(in crate::runner::direct) fn told(alive: bool) -> Known {
        let state = Some(include_str!("../../../../tests/vectors/direct/recorded/state_live.json").to_owned());
        let alive = Fact::Alive { alive, exit_code: None, signal: None, limit: None, released: true };
        known(&[alive, Fact::Result { state, result: None }])
    }

    fn seen(job: &Job, known: &Known) -> (JobState, String, String) {
        let sighting = sighting(job, known);
        (sighting.state.unwrap(), sighting.runner_state, sighting.diagnostics)
    }

    fn job() -> Job {
        crate::runner::direct::tests::job(JobId::own("local", TOKEN), RunnerKind::Direct)
    }

    #[test]
    fn a_result_decides() {
        for (name, state, word, why) in [
            ("success", JobState::Finished, "DONE", ""),
            ("failure", JobState::Failed, "FAILED", "ValueError: bad 7 [while running 'Map(check)']"),
            ("exit_three", JobState::Failed, "DONE", "SystemExit: the program called sys.exit(3)"),
            ("failed_unwaited", JobState::Failed, "FAILED", "ZeroDivisionError: division by zero"),
            ("no_beam", JobState::Failed, "FAILED", "install apache-beam"),
        ] {
            for alive in [true, false] {
                let (was, said, because) = seen(&job(), &after(alive, None, None, Some(name)));
                assert_eq!((was, said.as_str()), (state, word), "{name}");
                assert!(because.contains(why), "{name}: {because}");
            }
        }
    }

    #[test]
    fn without_a_result_the_process_decides() {
        assert_eq!(seen(&job(), &after(true, None, None, None)).0, JobState::Running);
        let alone = |alive, exit_code, released| {
            known(&[Fact::Alive { alive, exit_code, signal: None, limit: None, released }])
        };
        assert_eq!(seen(&job(), &alone(true, None, true)).0, JobState::Pending);
        let (state, word, why) = seen(&job(), &alone(false, Some(75), false));
        assert_eq!((state, word.as_str()), (JobState::Failed, "EXITED 75"));
        assert!(why.contains("never let go"), "{why}");
        let open = Job { phase: Phase::Sending, ..job() };
        for alive in [true, false] {
            assert!(never_ran(&open, &alone(alive, None, false)) && !never_ran(&open, &alone(alive, None, true)));
            assert!(!never_ran(&job(), &alone(alive, None, false)));
        }
        let (state, word, why) = seen(&job(), &after(false, None, Some(9), None));
        assert_eq!((state, word.as_str()), (JobState::Failed, "SIGNALED 9"));
        assert!(why.contains("memory"), "{why}");
        assert!(seen(&job(), &after(false, None, None, None)).2.starts_with("abandoned"));
        assert_eq!(seen(&job(), &after(false, Some(0), None, None)).0, JobState::Failed);
    }

    #[test]
    fn a_signal_after_our_cancel_is_a_cancel() {
        let mut cancelled = job();
        cancelled.open_operations.push(format!("{}/cancel-{TOKEN}", cancelled.id));
        for known in [after(false, None, Some(15), None), after(false, None, None, None)] {
            assert_eq!(seen(&cancelled, &known).0, JobState::Canceled);
        }
        assert_eq!(seen(&cancelled, &after(false, None, None, Some("success"))).0, JobState::Finished);
    }

    #[test]
    fn a_hostile_result_is_no_result() {
        for text in ["{", "[]", "{\"state\": 1}", "null"] {
            let facts = [Fact::Result { state: None, result: Some(text.into()) }];
            assert!(known(&facts).result.is_none(), "{text}");
        }
    }
}
