//! Metrics: the pipeline's own as Dataflow counts them, committed and tentative, and those of the service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Dataflow, flow::native_id, request, response};
use crate::{
    clock::moment_ms,
    error::Error,
    job::{Job, Metric, MetricKind, MetricValue, Metrics, Raw, Reading, Unified, unit_of},
    text::clean_line,
};

/// Longest name of a metric or step that is kept, and how many metrics.
const NAME_BYTES: usize = 256;
const MOST: usize = 5_000;
/// Metrics of the service that have a unified name.
const UNIFIED: [(&str, Unified); 2] = [("CurrentVcpuCount", Unified::VcpuCount), ("SystemLag", Unified::SystemLag)];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobMetrics {
    metric_time: String,
    metrics: Vec<Update>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Update {
    name: Named,
    kind: String,
    scalar: Value,
    mean_sum: Value,
    mean_count: Value,
    distribution: Value,
    gauge: Value,
    set: Value,
    bounded_trie: Value,
    trie: Value,
    internal: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    origin: String,
    #[serde(rename = "name")]
    word: String,
    context: BTreeMap<String, String>,
}

impl Dataflow {
    pub(super) async fn job_metrics(&self, job: &Job) -> Result<Metrics, Error> {
        let request = request::metrics_request(&self.context.target, native_id(job)?);
        Ok(metrics(self.read(request, response::read::<JobMetrics>).await?))
    }
}

/// A metric's origin, namespace, name and step.
type Key = (bool, String, String, Option<String>);

fn metrics(answer: JobMetrics) -> Metrics {
    let mut found: BTreeMap<Key, Metric> = BTreeMap::new();
    let mut left_out = 0_usize;
    for update in answer.metrics {
        let Some((kind, Reading { value, raw })) = reading(&update) else {
            left_out += 1;
            continue;
        };
        let key = key(&update.name);
        if found.len() >= MOST && !found.contains_key(&key) {
            left_out += 1;
            continue;
        }
        let metric = found.entry(key.clone()).or_insert_with(|| blank(key, kind));
        // Tentative counts work that may be done again.
        if update.name.context.get("tentative").is_some_and(|word| word == "true") {
            (metric.attempted, metric.raw.attempted) = (value, raw);
        } else {
            (metric.committed, metric.raw.committed) = (value, raw);
        }
    }
    let mut metrics = Metrics::default();
    for ((is_user, ..), metric) in found {
        if is_user { metrics.user.push(metric) } else { metrics.system.push(metric) }
    }
    metrics.unified = unified(&metrics.system);
    "Dataflow's jobs.getMetrics".clone_into(&mut metrics.source);
    metrics.as_of_ms = moment_ms(&answer.metric_time);
    metrics.notes = notes(&metrics, left_out);
    metrics
}

fn notes(metrics: &Metrics, left_out: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if metrics.user.is_empty() && metrics.system.is_empty() {
        notes.push("Dataflow has measured nothing of the job yet".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{left_out} metrics without a value, or beyond the first {MOST}, are left out"));
    }
    notes
}

fn key(name: &Named) -> Key {
    let part = |word: &str| name.context.get(word).map(|text| clean_line(text, NAME_BYTES));
    let is_user = name.origin == "user";
    let namespace = part("namespace").unwrap_or_else(|| clean_line(&name.origin, NAME_BYTES));
    let step = part("step").or_else(|| part("output_user_name")).or_else(|| part("execution_step"));
    (is_user, namespace, clean_line(&name.word, NAME_BYTES), step)
}

fn blank((is_user, namespace, name, step): Key, kind: MetricKind) -> Metric {
    let unit = if is_user { "" } else { unit_of(&name) }.to_owned();
    Metric { name, namespace, step, kind, attempted: None, committed: None, raw: Raw::default(), unit }
}

/// Kind and value of an update; none where it has no value.
fn reading(update: &Update) -> Option<(MetricKind, Reading)> {
    let (kind, read) = match update.kind.to_ascii_uppercase().as_str() {
        "DISTRIBUTION" => (MetricKind::Distribution, Reading::distribution(&update.distribution)),
        "GAUGE" => (MetricKind::Gauge, Reading::number(update.gauge.get("value").unwrap_or(&update.gauge))),
        "SET" => (MetricKind::StringSet, set(&update.set)),
        "MEAN" => (MetricKind::Gauge, mean(update)),
        "SUM" => (MetricKind::Counter, Reading::number(&update.scalar)),
        _ => (MetricKind::Gauge, Reading::number(&update.scalar)),
    };
    read.map(|read| (kind, read)).or_else(|| Some((MetricKind::Other, other(update)?)))
}

/// A value of a kind that is not read here.
fn other(update: &Update) -> Option<Reading> {
    let told = [&update.bounded_trie, &update.trie, &update.internal].into_iter().find(|told| !told.is_null())?;
    Some(Reading::unread(&crate::runner::options::text(told)))
}

/// A sum by its count, which are both exact in Dataflow's own words.
fn mean(update: &Update) -> Option<Reading> {
    let (sum, count) = (&update.mean_sum, &update.mean_count);
    if sum.is_null() || count.is_null() {
        return None;
    }
    let told = serde_json::json!({"meanSum": sum, "meanCount": count}).to_string();
    Some(match [sum, count].map(float) {
        [Some(sum), Some(count)] if count > 0.0 => Reading::near(MetricValue::Float(sum / count), &told),
        _ => Reading::unread(&told),
    })
}

fn float(told: &Value) -> Option<f64> {
    match Reading::number(told)?.value? {
        MetricValue::Float(number) => Some(number),
        #[expect(clippy::cast_precision_loss, reason = "a mean is no count")]
        MetricValue::Int(number) => Some(number as f64),
        MetricValue::Distribution { .. } | MetricValue::Set(_) => None,
    }
}

fn set(told: &Value) -> Option<Reading> {
    let item = |item: &Value| clean_line(&crate::runner::options::text(item), NAME_BYTES);
    Some(match told {
        Value::Null => return None,
        Value::Array(items) => Reading::of(MetricValue::Set(items.iter().map(item).collect())),
        other => Reading::unread(&other.to_string()),
    })
}

fn unified(system: &[Metric]) -> BTreeMap<Unified, f64> {
    let value = |metric: &Metric| match metric.committed.as_ref()? {
        MetricValue::Float(number) => Some(*number),
        #[expect(clippy::cast_precision_loss, reason = "counts of processors and seconds")]
        MetricValue::Int(number) => Some(*number as f64),
        MetricValue::Distribution { .. } | MetricValue::Set(_) => None,
    };
    let named = |metric: &Metric| {
        let (_, name) = UNIFIED.iter().find(|(theirs, _)| *theirs == metric.name && metric.step.is_none())?;
        Some((*name, value(metric)?))
    };
    system.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        clock::rfc3339,
        runner::{
            Backend,
            dataflow::testing::{answer, job, play, target},
        },
    };

    fn read(metrics: impl serde::Serialize) -> Metrics {
        let body = json!({"metricTime": "2026-11-25T20:00:00.000Z", "metrics": metrics});
        play(target(), vec![("GET jobs/{id}/metrics", answer(200, body))], |it| async move { it.metrics(&job()).await })
            .end
            .unwrap()
    }

    #[test]
    fn committed_and_tentative_are_two_values_of_one_metric() {
        let user = |scalar: Value, tentative: bool| {
            let mut context = json!({"namespace": "words", "step": "s2"});
            if tentative {
                context["tentative"] = "true".into();
            }
            json!({"name": {"origin": "user", "name": "lines", "context": context}, "kind": "SUM", "scalar": scalar})
        };
        let metrics = read(json!([user(json!(7), false), user(json!("9"), true)]));
        let [lines] = metrics.user.as_slice() else { panic!("{metrics:?}") };
        assert_eq!(
            (lines.namespace.as_str(), lines.name.as_str(), lines.step.as_deref()),
            ("words", "lines", Some("s2"))
        );
        assert_eq!(lines.committed, Some(MetricValue::Int(7)));
        assert_eq!(lines.attempted, Some(MetricValue::Int(9)));
        assert_eq!(metrics.as_of_ms.map(rfc3339).unwrap().get(..10), Some("2026-11-25"));
        assert!(metrics.notes.is_empty(), "{:?}", metrics.notes);
    }

    #[test]
    fn each_kind_of_the_document_is_read_and_what_has_no_value_is_told() {
        let of = |name: &str, kind: &str, more: Value| {
            let mut metric = json!({"name": {"origin": "dataflow/v1b3", "name": name}, "kind": kind});
            metric.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            metric
        };
        let metrics = read(json!([
            of("a", "Distribution", json!({"distribution": {"count": 2, "sum": "28", "min": 0, "max": 7}})),
            of("b", "Mean", json!({"meanSum": 9, "meanCount": "2"})),
            of("c", "Set", json!({"set": ["x", 1]})),
            of("d", "Gauge", json!({"gauge": {"value": "5", "timestamp": "t"}})),
            of("e", "Max", json!({"scalar": 2.5})),
            of("f", "And", json!({"scalar": true})),
            of("CurrentVcpuCount", "Sum", json!({"scalar": 4})),
            of("g", "Sum", json!({})),
            of("h", "BOUNDED_TRIE", json!({"boundedTrie": {"bound": 100}})),
            of("i", "Max", json!({"scalar": "NaN"})),
            of("j", "Sum", json!({"scalar": "9007199254740993"})),
        ]));
        let values: Vec<_> = metrics.system.iter().filter_map(|metric| metric.committed.clone()).collect();
        assert_eq!(
            values,
            [
                MetricValue::Int(4),
                MetricValue::Distribution { count: 2, sum: 28, min: 0, max: 7 },
                MetricValue::Float(4.5),
                MetricValue::Set(vec!["x".into(), "1".into()]),
                MetricValue::Int(5),
                MetricValue::Float(2.5),
                MetricValue::Int(1),
                MetricValue::Int(9_007_199_254_740_993),
            ]
        );
        let words: Vec<_> =
            metrics.system.iter().filter_map(|m| Some((m.name.as_str(), m.raw.committed.as_deref()?))).collect();
        assert_eq!(
            words,
            [
                ("b", r#"{"meanCount":"2","meanSum":9}"#),
                ("f", "true"),
                ("h", r#"{"bound":100}"#),
                ("i", "NaN"),
                ("j", "9007199254740993"),
            ]
        );
        assert!((metrics.unified[&Unified::VcpuCount] - 4.0).abs() < f64::EPSILON);
        assert!(metrics.notes[0].starts_with("1 metrics"));
    }

    #[test]
    fn a_distribution_of_floats_is_rounded_and_exact_beside() {
        let of = |tentative: bool, sum: f64| {
            let context = if tentative { json!({"tentative": "true"}) } else { json!({}) };
            let held = json!({"count": "3", "sum": sum, "min": 0.6, "max": 2.9, "mean": 1.25});
            json!({"name": {"origin": "user", "name": "latency", "context": context}, "kind": "DISTRIBUTION",
                "distribution": held})
        };
        let metrics = read(json!([of(false, 3.75), of(true, 4.0)]));
        let [latency] = metrics.user.as_slice() else { panic!("{metrics:?}") };
        assert_eq!(latency.committed, Some(MetricValue::Distribution { count: 3, sum: 4, min: 1, max: 3 }));
        assert_eq!(
            latency.raw.committed.as_deref(),
            Some(r#"{"count":"3","max":2.9,"mean":1.25,"min":0.6,"sum":3.75}"#)
        );
        assert!(latency.raw.attempted.as_deref().unwrap().contains(r#""sum":4.0"#), "{latency:?}");
    }
}
