//! `get_metrics`: what the runner and the pipeline count, nothing made up.

use std::collections::{BTreeMap, btree_map::Entry};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Context, Hints, registry::Define};
use crate::{
    auth::Scope,
    clock::rfc3339,
    error::Error,
    job::{Job, JobId, Metric, MetricKind, MetricValue, Phase},
    lifecycle::fresh,
    runner::Backend,
};

/// Input of `get_metrics`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The job.
    pub job_id: String,
}

/// Output of `get_metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The job.
    pub job_id: String,
    /// RFC 3339 of the answer.
    pub timestamp: String,
    /// RFC 3339 of the values: what the source says of it, else when it was read.
    pub as_of: String,
    /// Where they were read.
    pub source: String,
    /// Unified names this runner really reports: `elements_processed`, `processing_rate`, `worker_count`,
    /// `elapsed_time_ms`, `watermark_ms` (Unix), `watermark_lag_ms`, … and the pipeline's own counters as
    /// `<namespace>.<name>`. `source` and `as_of` are of all of them.
    pub metrics: Map<String, Value>,
    /// Unit of each unified name in `metrics`: `ms`, `s`, `records/s`, or `1` of a count, as UCUM writes it. Of the
    /// pipeline's own nobody says one.
    pub units: BTreeMap<&'static str, &'static str>,
    /// Metrics the pipeline counts.
    pub user: Vec<Metric>,
    /// Metrics of Beam and the runner.
    pub system: Vec<Metric>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

pub(super) struct GetMetrics;

impl Define for GetMetrics {
    const NAME: &'static str = "get_metrics";
    const TITLE: &'static str = "Get metrics";
    const DESCRIPTION: &'static str = "Metrics of a job as its runner gives them, and the pipeline's own counters and \
        distributions. notes say what is missing and why.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        context.interface_on("metrics", &context.state.config.interfaces.metrics)?;
        let job = fresh(&context, &JobId::parse(&input.job_id)?, None).await?.value;
        submitted(&job)?;
        let mut metrics = context.runner(job.id.target())?.metrics(&job).await?;
        let units = metrics.unified.keys().map(|measure| (measure.name(), measure.unit())).collect();
        let mut all: Map<String, Value> =
            metrics.unified.iter().map(|(k, v)| (k.name().to_owned(), Value::from(*v))).collect();
        let whole = of_the_pipeline(&metrics.user);
        if whole.values().any(Option::is_none) {
            metrics
                .notes
                .push("what has no number, or one of its own in each of several steps, is in `user` alone".into());
        }
        metrics.notes.extend(inexact(&metrics.user));
        let named = whole.into_iter().filter_map(|(name, value)| Some((name, serde_json::to_value(value?).ok()?)));
        all.extend(named);
        Ok(Output {
            job_id: job.id.to_string(),
            timestamp: rfc3339(context.now_ms()),
            as_of: rfc3339(metrics.as_of_ms.unwrap_or_else(|| context.now_ms())),
            source: metrics.source,
            metrics: all,
            units,
            user: metrics.user,
            system: metrics.system,
            notes: metrics.notes,
        })
    }
}

/// Values by `<namespace>.<name>`: what several steps count is counted together. `None` where that says nothing, as of
/// the latest values of two steps, or where a part has no value.
fn of_the_pipeline(user: &[Metric]) -> BTreeMap<String, Option<MetricValue>> {
    let mut all: BTreeMap<String, Option<MetricValue>> = BTreeMap::new();
    for metric in user {
        let value = metric.committed.as_ref().or(metric.attempted.as_ref()).cloned();
        match all.entry(format!("{}.{}", metric.namespace, metric.name)) {
            Entry::Vacant(place) => drop(place.insert(value)),
            Entry::Occupied(mut place) => {
                let before = place.get_mut().take().filter(|_| metric.kind != MetricKind::Gauge);
                *place.get_mut() = before.zip(value).and_then(|(before, value)| before.with(value));
            }
        }
    }
    all
}

/// What a reader of distributions should know.
fn inexact(user: &[Metric]) -> Option<String> {
    let is_inexact = |metric: &&Metric| {
        let value = metric.committed.as_ref().or(metric.attempted.as_ref());
        matches!(value, Some(MetricValue::Distribution { .. })) && !metric.raw.is_empty()
    };
    let count = user.iter().filter(is_inexact).count();
    let told =
        || format!("{count} distributions hold numbers that are not whole or beyond 2^53: `raw` has them exactly");
    (count > 0).then(told)
}

/// Refuses a job that never reached its runner.
pub(super) fn submitted(job: &Job) -> Result<(), Error> {
    if job.phase == Phase::Submitted && job.native_id.is_some() {
        return Ok(());
    }
    Err(Error::precondition("not_submitted", format!("the job has not reached its runner ({})", job.state.as_str()))
        .with("diagnostics", &job.diagnostics))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::job::Raw;

    fn metric(step: &str, kind: MetricKind, value: MetricValue) -> Metric {
        let (name, namespace, step) = ("seen".into(), "ns".into(), Some(step.into()));
        Metric {
            name,
            namespace,
            step,
            kind,
            attempted: Some(value),
            committed: None,
            raw: Raw::default(),
            unit: String::new(),
        }
    }

    fn together(kind: MetricKind, values: [MetricValue; 2]) -> Option<MetricValue> {
        let [first, second] = values;
        let all = of_the_pipeline(&[metric("a", kind, first), metric("b", kind, second)]);
        assert_eq!(all.len(), 1);
        all["ns.seen"].clone()
    }

    #[test]
    fn what_two_steps_count_under_one_name_is_counted_together() {
        use MetricValue::{Distribution, Float, Int, Set};
        assert_eq!(together(MetricKind::Counter, [Int(100), Int(7)]), Some(Int(107)));
        assert_eq!(together(MetricKind::Counter, [Float(0.5), Float(1.0)]), Some(Float(1.5)));
        let (small, large) =
            (Distribution { count: 1, sum: 2, min: 2, max: 2 }, Distribution { count: 2, sum: 10, min: 1, max: 9 });
        let both = Distribution { count: 3, sum: 12, min: 1, max: 9 };
        assert_eq!(together(MetricKind::Distribution, [small, large]), Some(both));
        let sets = [Set(vec!["b".into()]), Set(vec!["a".into(), "b".into()])];
        assert_eq!(together(MetricKind::StringSet, sets), Some(Set(vec!["a".into(), "b".into()])));
    }

    #[test]
    fn a_distribution_that_is_rounded_is_told() {
        let value = MetricValue::Distribution { count: 1, sum: 1, min: 1, max: 1 };
        let mut rounded = metric("a", MetricKind::Distribution, value);
        assert_eq!(inexact(&[rounded.clone()]), None);
        rounded.raw.attempted = Some("{}".into());
        assert!(inexact(&[rounded.clone()]).unwrap().starts_with("1 distributions"));
        rounded.attempted = None;
        assert_eq!(inexact(&[rounded]), None);
    }

    #[test]
    fn a_sum_without_one_of_its_parts_is_none() {
        let counted = metric("a", MetricKind::Counter, MetricValue::Int(100));
        let mut unread = metric("b", MetricKind::Counter, MetricValue::Int(0));
        (unread.attempted, unread.raw.attempted) = (None, Some("NaN".into()));
        assert_eq!(of_the_pipeline(&[counted.clone(), unread.clone()])["ns.seen"], None);
        assert_eq!(of_the_pipeline(&[unread, counted])["ns.seen"], None);
    }

    #[test]
    fn the_latest_values_of_two_steps_are_no_value_of_both() {
        assert_eq!(together(MetricKind::Gauge, [MetricValue::Int(1), MetricValue::Int(2)]), None);
        assert_eq!(together(MetricKind::Counter, [MetricValue::Int(1), MetricValue::Float(2.0)]), None);
        let one = of_the_pipeline(&[metric("a", MetricKind::Gauge, MetricValue::Int(1))]);
        assert_eq!(one["ns.seen"], Some(MetricValue::Int(1)));
    }
}
