//! The metrics in a result, as Beam counted them.

use serde::Deserialize;
use serde_json::Value;

use super::response::{Known, StateFile};
use crate::{
    job::{Metric, MetricKind, MetricValue, Metrics, Raw, Reading, Unified},
    runner::beam_name,
    text,
};

/// `metrics` of `result.json`, and of `state.json` while a runner tells them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MetricsFile {
    counters: Vec<Row>,
    distributions: Vec<Row>,
    gauges: Vec<Row>,
    string_sets: Vec<Row>,
    others: Vec<Row>,
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

/// Metrics of the result; without one, what the runner told last, or a note.
pub(super) fn metrics(known: Known, now_ms: u64) -> Metrics {
    let state = known.state.unwrap_or_default();
    let started = state.started_at_ms;
    let mut metrics = Metrics { source: "the job's process".into(), ..Metrics::default() };
    let Some(result) = known.result else {
        elapsed(&mut metrics, started, known.alive.then_some(now_ms));
        told_last(&mut metrics, state, known.alive);
        return metrics;
    };
    elapsed(&mut metrics, started, result.finished_at_ms);
    metrics.as_of_ms = result.finished_at_ms;
    if let Some(version) = &result.beam_version {
        metrics.source = format!("Apache Beam {} in the job's process", text::clean_line(version, 32));
    }
    fill(&mut metrics, result.metrics, result.pipeline_states.len() > 1);
    metrics
}

/// What a runner told while its pipelines went on.
fn told_last(metrics: &mut Metrics, state: StateFile, alive: bool) {
    metrics.as_of_ms = state.metrics_at_ms;
    match (state.metrics_at_ms, alive) {
        (Some(_), true) => {}
        (Some(_), false) => metrics.notes.push("the process ended without a result: the last it told".into()),
        (None, true) => metrics.notes.push("metrics come when the job ends".into()),
        (None, false) => metrics.notes.push("the job left no metrics".into()),
    }
    fill(metrics, state.metrics, state.pipeline_states.len() > 1);
}

fn elapsed(metrics: &mut Metrics, from: Option<u64>, to: Option<u64>) {
    if let Some(ms) = from.zip(to).and_then(|(from, to)| to.checked_sub(from)) {
        let ms = u32::try_from(ms).map_or(f64::from(u32::MAX), f64::from);
        metrics.unified.insert(Unified::ElapsedTime, ms);
    }
}

fn fill(metrics: &mut Metrics, file: MetricsFile, several: bool) {
    let kinds = [
        (MetricKind::Counter, file.counters),
        (MetricKind::Distribution, file.distributions),
        (MetricKind::Gauge, file.gauges),
        (MetricKind::StringSet, file.string_sets),
        (MetricKind::Other, file.others),
    ];
    for (kind, row) in kinds.into_iter().flat_map(|(kind, rows)| rows.into_iter().map(move |row| (kind, row))) {
        let list = if is_beams_own(&row) { &mut metrics.system } else { &mut metrics.user };
        list.push(metric(kind, &row, several));
    }
    if file.truncated {
        metrics.notes.push("there were more metrics than are kept".into());
    }
    metrics.notes.extend(file.errors.iter().map(|error| text::clean_line(error, 256)));
}

/// Beam's results of job services tell what Beam measures beside what the pipeline counts.
fn is_beams_own(row: &Row) -> bool {
    row.namespace == "lineage" || row.namespace.starts_with("beam:") || is_measured(row)
}

fn is_measured(row: &Row) -> bool {
    row.namespace == beam_name::NAMESPACE && row.name.starts_with("metric:")
}

fn metric(kind: MetricKind, row: &Row, several: bool) -> Metric {
    let name = if is_measured(row) { beam_name::metric(&row.name) } else { &row.name };
    let step = text::clean_line(beam_name::transform(&row.step), 256);
    let step = if several { format!("pipeline {}: {step}", row.pipeline) } else { step };
    let [attempted, committed] = [row.attempted.as_ref(), row.committed.as_ref()]
        .map(|told| told.and_then(|told| reading(kind, told)).unwrap_or_default());
    Metric {
        name: text::clean_line(name, 256),
        namespace: text::clean_line(&row.namespace, 256),
        step: Some(step).filter(|step| !step.is_empty()),
        kind,
        attempted: attempted.value,
        committed: committed.value,
        raw: Raw { attempted: attempted.raw, committed: committed.raw },
        unit: String::new(),
    }
}

/// What the process told of a value; none where it told nothing.
fn reading(kind: MetricKind, told: &Value) -> Option<Reading> {
    match kind {
        MetricKind::Counter => Reading::number(told),
        MetricKind::Gauge => Reading::number(told.get("value")?),
        MetricKind::Distribution => Reading::distribution(told),
        MetricKind::StringSet => {
            Some(Reading::of(MetricValue::Set(told.as_array()?.iter().filter_map(set_item).collect())))
        }
        MetricKind::Other => told.as_str().map(Reading::unread),
    }
}

fn set_item(item: &Value) -> Option<String> {
    item.as_str().map(|text| text::clean_line(text, 256))
}

#[cfg(test)]
mod tests {
    use super::{
        super::response::tests::{after, told},
        *,
    };

    #[test]
    fn metrics_are_those_of_the_result() {
        let read = metrics(after(false, Some(0), None, Some("success")), 0);
        let words = read.user.iter().find(|metric| metric.name == "words").unwrap();
        assert_eq!((words.committed.clone(), words.step.as_deref()), (Some(MetricValue::Int(23087)), Some("Extract")));
        let lengths = read.user.iter().find(|metric| metric.kind == MetricKind::Distribution).unwrap();
        assert_eq!(lengths.attempted, Some(MetricValue::Distribution { count: 23087, sum: 94276, min: 1, max: 14 }));
        assert!((read.unified[&Unified::ElapsedTime] - 1716.0).abs() < 0.5);
        let two = metrics(after(false, Some(0), None, Some("two_pipelines")), 0);
        assert!(two.user.iter().any(|m| m.kind == MetricKind::Gauge && m.committed == Some(MetricValue::Int(4))));
        assert!(two.user.iter().any(|m| m.step.as_deref() == Some("pipeline 1: Seen")));
    }

    #[test]
    fn what_is_no_number_is_told_as_the_process_told_it() {
        let row = |name: &str, told: Value| serde_json::json!({"namespace": "t", "name": name, "step": "S", "attempted": told, "committed": null});
        let file = serde_json::json!({
            "counters": [row("nan", "nan".into()), row("wide", "9223372036854775808".into()), row("none", Value::Null)],
            "gauges": [row("level", serde_json::json!({"value": "inf", "timestamp_ms": 1}))],
            "distributions": [row("sizes", serde_json::json!({"count": 1, "sum": 0.5, "min": 0.5, "max": 0.5}))],
            "others": [row("trie", "{...}".into())],
        });
        let mut metrics = Metrics::default();
        fill(&mut metrics, serde_json::from_value(file).unwrap(), false);
        let words: Vec<_> =
            metrics.user.iter().map(|m| (m.name.as_str(), m.attempted.is_some(), m.raw.attempted.as_deref())).collect();
        assert_eq!(
            words,
            [
                ("nan", false, Some("nan")),
                ("wide", true, Some("9223372036854775808")),
                ("none", false, None),
                ("sizes", true, Some(r#"{"count":1,"max":0.5,"min":0.5,"sum":0.5}"#)),
                ("level", false, Some("inf")),
                ("trie", false, Some("{...}")),
            ]
        );
    }

    #[test]
    fn a_running_job_has_a_note_instead_of_metrics() {
        let read = metrics(after(true, None, None, None), 1_795_173_315_360);
        assert!(read.user.is_empty() && read.notes[0].contains("when the job ends"));
        assert!((read.unified[&Unified::ElapsedTime] - 1000.0).abs() < 0.5);
    }

    #[test]
    fn what_a_runner_tells_is_told_as_of_then() {
        let read = metrics(told(true), 1_795_173_315_360);
        assert_eq!((read.user[0].name.as_str(), &read.user[0].attempted), ("seen", &Some(MetricValue::Int(9))));
        assert_eq!((read.user[0].step.as_deref(), read.user.len()), (Some("Seen"), 1));
        let counted = read.system.iter().find(|metric| metric.name == "element_count").unwrap();
        assert_eq!((counted.namespace.as_str(), &counted.step), ("beam", &None));
        assert_eq!((read.as_of_ms, read.notes.len()), (Some(1_795_759_897_947), 0), "{:?}", read.notes);
        let gone = metrics(told(false), 1_795_173_315_360);
        assert_eq!((gone.user.len(), gone.notes[0].contains("the last it told")), (1, true), "{:?}", gone.notes);
    }
}
