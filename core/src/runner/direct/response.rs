//! What a child left behind, read as a job: state and result files, exit, metrics.
//!
//! The files are written by `wrapper.py`, but by the same user as the pipeline's own code: all of it is untrusted.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    effect::Fact,
    job::{EndedBy, Job, JobState, Metric, MetricKind, MetricValue, Metrics, Phase},
    runner::Sighting,
    text,
};

/// What is known about a child.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub alive: bool,
    exit_code: Option<i32>,
    signal: Option<i32>,
    limit: Option<String>,
    released: bool,
    state: Option<StateFile>,
    pub result: Option<ResultFile>,
}

#[derive(Debug, Deserialize)]
struct StateFile {
    #[serde(default)]
    started_at_ms: Option<u64>,
}

/// `result.json`, recorded in `tests/vectors/direct/recorded`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultFile {
    state: String,
    #[serde(default)]
    beam_version: Option<String>,
    #[serde(default)]
    error: Option<Failure>,
    #[serde(default)]
    metrics: MetricsFile,
    #[serde(default)]
    pipeline_states: Vec<String>,
    #[serde(default)]
    finished_at_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    r#type: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MetricsFile {
    counters: Vec<Row>,
    distributions: Vec<Row>,
    gauges: Vec<Row>,
    string_sets: Vec<Row>,
    truncated: bool,
    errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    pipeline: u32,
    namespace: String,
    name: String,
    step: String,
    attempted: Option<Value>,
    committed: Option<Value>,
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
            Fact::Log { .. } | Fact::Program { .. } => {}
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
        native_id: job.id.token().unwrap_or_default().to_owned(),
        name: None,
        state,
        runner_state,
        job_type: None,
        started_ms: known.state.as_ref().and_then(|state| state.started_at_ms),
        ended_ms: known.result.as_ref().and_then(|result| result.finished_at_ms),
        parallelism: None,
        savepoint_path: None,
        ended_with_savepoint: None,
        diagnostics,
    }
}

type Reading = (Option<JobState>, String, String);

fn running(known: &Known) -> Reading {
    let (state, word) =
        if known.state.is_some() { (JobState::Running, "RUNNING") } else { (JobState::Pending, "STARTED") };
    (Some(state), word.into(), String::new())
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

/// Metrics of the result; without one, a note and what is known.
pub(super) fn metrics(known: Known, now_ms: u64) -> Metrics {
    let started = known.state.and_then(|state| state.started_at_ms);
    let mut metrics = Metrics::default();
    let Some(result) = known.result else {
        let note = if known.alive { "metrics come when the job ends" } else { "the job left no metrics" };
        metrics.notes.push(note.into());
        elapsed(&mut metrics, started, known.alive.then_some(now_ms));
        return metrics;
    };
    elapsed(&mut metrics, started, result.finished_at_ms);
    if let Some(version) = &result.beam_version {
        metrics.notes.push(format!("counted by Apache Beam {}", text::clean_line(version, 32)));
    }
    fill(&mut metrics, result.metrics, result.pipeline_states.len() > 1);
    metrics
}

fn elapsed(metrics: &mut Metrics, from: Option<u64>, to: Option<u64>) {
    if let Some(ms) = from.zip(to).and_then(|(from, to)| to.checked_sub(from)) {
        let ms = u32::try_from(ms).map_or(f64::from(u32::MAX), f64::from);
        metrics.unified.insert("elapsed_time_ms".into(), ms);
    }
}

fn fill(metrics: &mut Metrics, file: MetricsFile, several: bool) {
    let kinds = [
        (MetricKind::Counter, file.counters),
        (MetricKind::Distribution, file.distributions),
        (MetricKind::Gauge, file.gauges),
        (MetricKind::StringSet, file.string_sets),
    ];
    for (kind, row) in kinds.into_iter().flat_map(|(kind, rows)| rows.into_iter().map(move |row| (kind, row))) {
        let beams_own = row.namespace == "lineage" || row.namespace.starts_with("beam:");
        let metric = metric(kind, row, several);
        if beams_own { metrics.system.push(metric) } else { metrics.user.push(metric) }
    }
    if file.truncated {
        metrics.notes.push("there were more metrics than are kept".into());
    }
    metrics.notes.extend(file.errors.iter().map(|error| text::clean_line(error, 256)));
}

fn metric(kind: MetricKind, row: Row, several: bool) -> Metric {
    let step = text::clean_line(&row.step, 256);
    let step = if several { format!("pipeline {}: {step}", row.pipeline) } else { step };
    Metric {
        name: text::clean_line(&row.name, 256),
        namespace: text::clean_line(&row.namespace, 256),
        step: Some(step),
        kind,
        attempted: row.attempted.and_then(|cell| value(kind, &cell)),
        committed: row.committed.and_then(|cell| value(kind, &cell)),
        unit: String::new(),
    }
}

fn value(kind: MetricKind, cell: &Value) -> Option<MetricValue> {
    match kind {
        MetricKind::Counter => number(cell),
        MetricKind::Gauge => number(cell.get("value")?),
        MetricKind::StringSet => Some(MetricValue::Set(cell.as_array()?.iter().filter_map(set_item).collect())),
        MetricKind::Distribution => {
            let part = |name: &str| cell.get(name)?.as_i64();
            Some(MetricValue::Distribution {
                count: part("count")?,
                sum: part("sum")?,
                min: part("min")?,
                max: part("max")?,
            })
        }
    }
}

fn number(cell: &Value) -> Option<MetricValue> {
    cell.as_i64().map(MetricValue::Int).or_else(|| cell.as_f64().map(MetricValue::Float))
}

fn set_item(item: &Value) -> Option<String> {
    item.as_str().map(|text| text::clean_line(text, 256))
}

#[cfg(test)]
mod tests {
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

    fn after(alive: bool, exit_code: Option<i32>, signal: Option<i32>, result: Option<&str>) -> Known {
        let state = Some(state_file());
        known(&[
            Fact::Alive { alive, exit_code, signal, limit: None, released: true },
            Fact::Result { state, result: result.map(recorded) },
        ])
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
    fn metrics_are_those_of_the_result() {
        let read = metrics(after(false, Some(0), None, Some("success")), 0);
        let words = read.user.iter().find(|metric| metric.name == "words").unwrap();
        assert_eq!((words.committed.clone(), words.step.as_deref()), (Some(MetricValue::Int(23087)), Some("Extract")));
        let lengths = read.user.iter().find(|metric| metric.kind == MetricKind::Distribution).unwrap();
        assert_eq!(lengths.attempted, Some(MetricValue::Distribution { count: 23087, sum: 94276, min: 1, max: 14 }));
        assert!((read.unified["elapsed_time_ms"] - 1716.0).abs() < 0.5);
        let two = metrics(after(false, Some(0), None, Some("two_pipelines")), 0);
        assert!(two.user.iter().any(|m| m.kind == MetricKind::Gauge && m.committed == Some(MetricValue::Int(4))));
        assert!(two.user.iter().any(|m| m.step.as_deref() == Some("pipeline 1: Seen")));
    }

    #[test]
    fn a_running_job_has_a_note_instead_of_metrics() {
        let read = metrics(after(true, None, None, None), 1_795_173_315_360);
        assert!(read.user.is_empty() && read.notes[0].contains("when the job ends"));
        assert!((read.unified["elapsed_time_ms"] - 1000.0).abs() < 0.5);
    }

    #[test]
    fn a_hostile_result_is_no_result() {
        for text in ["{", "[]", "{\"state\": 1}", "null"] {
            let facts = [Fact::Result { state: None, result: Some(text.into()) }];
            assert!(known(&facts).result.is_none(), "{text}");
        }
    }
}
