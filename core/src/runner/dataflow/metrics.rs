//! Metrics: the pipeline's own as Dataflow counts them, committed and tentative, and those of the service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Dataflow, flow::native_id, request, response};
use crate::{
    clock::moment_ms,
    error::Error,
    job::{Job, Metric, MetricKind, MetricValue, Metrics, Unified, unit_of},
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
        let Some((kind, value)) = value(&update) else {
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
        let tentative = update.name.context.get("tentative").is_some_and(|word| word == "true");
        *(if tentative { &mut metric.attempted } else { &mut metric.committed }) = Some(value);
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
    Metric { name, namespace, step, kind, attempted: None, committed: None, unit }
}

fn value(update: &Update) -> Option<(MetricKind, MetricValue)> {
    match update.kind.to_ascii_uppercase().as_str() {
        "DISTRIBUTION" => Some((MetricKind::Distribution, distribution(&update.distribution)?)),
        "GAUGE" => Some((MetricKind::Gauge, number(update.gauge.get("value").unwrap_or(&update.gauge))?)),
        "SET" => Some((MetricKind::StringSet, set(&update.set)?)),
        "MEAN" => Some((MetricKind::Gauge, mean(update)?)),
        "SUM" => Some((MetricKind::Counter, number(&update.scalar)?)),
        _ => Some((MetricKind::Gauge, number(&update.scalar)?)),
    }
}

fn mean(update: &Update) -> Option<MetricValue> {
    let (sum, count) = (float(&update.mean_sum)?, float(&update.mean_count)?);
    (count > 0.0).then(|| MetricValue::Float(sum / count))
}

fn float(value: &Value) -> Option<f64> {
    match number(value)? {
        MetricValue::Float(number) => Some(number),
        #[expect(clippy::cast_precision_loss, reason = "a mean is no count")]
        MetricValue::Int(number) => Some(number as f64),
        MetricValue::Distribution { .. } | MetricValue::Set(_) => None,
    }
}

/// A number, a truth value, or the text of a 64-bit number.
fn number(value: &Value) -> Option<MetricValue> {
    match value {
        Value::Bool(truth) => Some(MetricValue::Int(i64::from(*truth))),
        Value::String(text) => text.parse().map(MetricValue::Int).ok(),
        other => other
            .as_i64()
            .map(MetricValue::Int)
            .or_else(|| other.as_f64().filter(|number| number.is_finite()).map(MetricValue::Float)),
    }
}

fn distribution(value: &Value) -> Option<MetricValue> {
    let whole = |name: &str| match number(value.get(name)?)? {
        MetricValue::Int(number) => Some(number),
        #[expect(clippy::cast_possible_truncation, reason = "Beam's distributions are of whole numbers")]
        MetricValue::Float(number) => Some(number as i64),
        MetricValue::Distribution { .. } | MetricValue::Set(_) => None,
    };
    Some(MetricValue::Distribution {
        count: whole("count")?,
        sum: whole("sum")?,
        min: whole("min")?,
        max: whole("max")?,
    })
}

fn set(value: &Value) -> Option<MetricValue> {
    let item = |item: &Value| clean_line(&crate::runner::options::text(item), NAME_BYTES);
    Some(MetricValue::Set(value.as_array()?.iter().map(item).collect()))
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
        ]));
        let values: Vec<_> = metrics.system.iter().map(|metric| metric.committed.clone().unwrap()).collect();
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
            ]
        );
        assert!((metrics.unified[&Unified::VcpuCount] - 4.0).abs() < f64::EPSILON);
        assert!(metrics.notes[0].starts_with("1 metrics"));
    }
}
