//! Metrics of a scripted job.

use super::course::Course;
use crate::job::{Job, Metric, MetricKind, MetricValue, Metrics, Raw, Unified};

/// Namespace of every metric, so that nobody takes one for measured.
const NAMESPACE: &str = "simulator";
/// Smallest and largest record, and the mean of both, in bytes.
const RECORD_BYTES: (i64, i64, i64) = (64, 192, 128);

/// The metrics of a job that has lived so long.
pub(super) fn of(course: &Course, job: &Job, at_ms: u64) -> Metrics {
    let (processed, rate) = (course.processed(at_ms), course.rate(at_ms));
    let workers = u64::from(job.parallelism.unwrap_or(course.plot.parallelism));
    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    let unified = [
        (Unified::ElementsProcessed, processed as f64),
        (Unified::ProcessingRate, rate as f64),
        (Unified::WorkerCount, workers as f64),
        (Unified::ElapsedTime, at_ms as f64),
    ];
    Metrics {
        user: user(processed),
        system: system(course, at_ms, processed, rate, workers),
        unified: unified.into(),
        source: "the simulator's script".into(),
        as_of_ms: None,
        notes: vec!["simulated: computed from the script, in simulated time; nothing was measured".into()],
    }
}

/// What the scripted pipeline counts.
fn user(processed: u64) -> Vec<Metric> {
    let (min, max, mean) = RECORD_BYTES;
    let count = int(processed);
    let bytes = MetricValue::Distribution { count, sum: count.saturating_mul(mean), min, max };
    let bytes = if count == 0 { MetricValue::Distribution { count, sum: 0, min: 0, max: 0 } } else { bytes };
    vec![
        metric("records", MetricKind::Counter, MetricValue::Int(count), "", Some("ParseEvents")),
        metric("record_bytes", MetricKind::Distribution, bytes, "bytes", Some("ParseEvents")),
    ]
}

fn system(course: &Course, at_ms: u64, processed: u64, rate: u64, workers: u64) -> Vec<Metric> {
    let backlog = course.arrived(at_ms).saturating_sub(processed);
    let count = |name, value| metric(name, MetricKind::Counter, MetricValue::Int(int(value)), "", None);
    let gauge = |name, value, unit| metric(name, MetricKind::Gauge, MetricValue::Int(int(value)), unit, None);
    vec![
        count("elements_processed", processed),
        gauge("processing_rate", rate, "records/s"),
        back_pressure(course, rate),
        gauge("backlog", backlog, "records"),
        count("restarts", course.restarts(at_ms)),
        count("checkpoints_completed", course.checkpoints(at_ms)),
        gauge("worker_count", workers, ""),
        gauge("elapsed_time_ms", at_ms, "ms"),
    ]
}

/// Share of the time the busiest step is held back, 0 to 1.
fn back_pressure(course: &Course, rate: u64) -> Metric {
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let ratio = if rate > 0 { course.script.held_back_percent as f64 / 100.0 } else { 0.0 };
    metric("back_pressure_ratio", MetricKind::Gauge, MetricValue::Float(ratio), "", Some("ParseEvents"))
}

fn metric(name: &str, kind: MetricKind, value: MetricValue, unit: &str, step: Option<&str>) -> Metric {
    Metric {
        name: name.into(),
        namespace: NAMESPACE.into(),
        step: step.map(str::to_owned),
        kind,
        attempted: Some(value),
        committed: None,
        raw: Raw::default(),
        unit: unit.into(),
    }
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
