//! Metrics of a job as Flink reports them. Nothing is computed here but sums over subtasks and vertices. What Flink does
//! not give is left out; what it gives that is no number, `"NaN"`, is there in its words.
//!
//! The unified names and where they come from:
//! - `elapsed_time_ms`: the job's duration.
//! - `elements_processed`, `processing_rate`: records the source operators put out, in all and per second. After the
//!   job's end only whole vertices are counted, so it is what source vertices handed to other vertices.
//! - `worker_count`: task managers that run the job.
//! - `watermark_ms`: the slowest vertex's event time, in Unix milliseconds, once it has one and before its last.
//! - `watermark_lag_ms`: how far the slowest vertex's event time is behind the `JobManager`'s clock.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Flink,
    accumulator::{Accumulators, UserMetrics},
    flow::{NAME_BYTES, native_id, parsed},
    job_details::{JobDetails, Vertex, job_state},
    request,
    response::finite,
};
use crate::{
    error::Error,
    job::{Job, JobState, Metric, MetricKind as Kind, Metrics, Raw, Reading, Unified},
    text::clean_line,
};

/// Vertices that are noted as incomplete.
const MOST_NOTES: usize = 20;

/// Flink's name, kind and unit.
pub(super) type Row = (&'static str, Kind, &'static str);

const JOB: [Row; 8] = [
    ("numRestarts", Kind::Counter, ""),
    ("numRescales", Kind::Counter, ""),
    ("numberOfCompletedCheckpoints", Kind::Counter, ""),
    ("numberOfFailedCheckpoints", Kind::Counter, ""),
    ("numberOfInProgressCheckpoints", Kind::Gauge, ""),
    ("lastCheckpointDuration", Kind::Gauge, "ms"),
    ("lastCheckpointSize", Kind::Gauge, "bytes"),
    ("uptime", Kind::Gauge, "ms"),
];

/// Summed over the subtasks.
pub(super) const SUMMED: [Row; 6] = [
    ("numRecordsIn", Kind::Counter, ""),
    ("numRecordsOut", Kind::Counter, ""),
    ("numBytesIn", Kind::Counter, "bytes"),
    ("numBytesOut", Kind::Counter, "bytes"),
    ("numRecordsInPerSecond", Kind::Gauge, "records/s"),
    ("numRecordsOutPerSecond", Kind::Gauge, "records/s"),
];

/// One metric of a job; its value is text, `"NaN"` in places.
#[derive(Deserialize)]
struct JobMetric {
    id: String,
    #[serde(default)]
    value: Value,
}

impl Flink {
    pub(super) async fn job_metrics(&self, job: &Job) -> Result<Metrics, Error> {
        let (target, id) = (&self.context.target, native_id(job)?);
        let names = JOB.map(|(name, ..)| name);
        let others = vec![request::job_metrics_request(target, id, &names), request::accumulators_request(target, id)];
        let (details, beside) = self.details(job, others).await?;
        let mut outcomes = beside.into_iter();
        let mut metrics = Metrics { source: "Flink's JobManager".into(), ..Metrics::default() };
        add_job(&mut metrics, &details, parsed(outcomes.next()).unwrap_or_default());
        add_accumulators(&mut metrics, parsed::<Accumulators>(outcomes.next()));
        if job_state(&details.state).is_some_and(JobState::is_terminal) {
            add_ended(&mut metrics, &details);
        } else {
            self.add_subtasks(&mut metrics, &details).await?;
        }
        Ok(metrics)
    }
}

/// A metric that Flink told, if it did.
pub(super) fn metric(row: Row, step: Option<&str>, told: &Value) -> Option<Metric> {
    let (name, kind, unit) = row;
    let Reading { value, raw } = Reading::number(told)?.counted();
    Some(Metric {
        name: name.to_owned(),
        namespace: "flink".to_owned(),
        step: step.map(|name| clean_line(name, NAME_BYTES)),
        kind,
        attempted: value,
        committed: None,
        raw: Raw::of_attempted(raw),
        unit: unit.to_owned(),
    })
}

fn add_job(metrics: &mut Metrics, details: &JobDetails, reported: Vec<JobMetric>) {
    let reported: BTreeMap<String, Value> = reported.into_iter().map(|metric| (metric.id, metric.value)).collect();
    let number = |name: &str| reported.get(name).and_then(finite);
    for row in JOB {
        // -1: there was no checkpoint yet.
        let told = reported.get(row.0).filter(|_| number(row.0).is_none_or(|number| number >= 0.0));
        metrics.system.extend(told.and_then(|told| metric(row, None, told)));
    }
    if details.duration > 0 {
        metrics.unified.insert(Unified::ElapsedTime, finite(&details.duration.into()).unwrap_or_default());
    }
    if number("numRestarts").is_some_and(|restarts| restarts > 0.0) {
        metrics.notes.push("the job was restarted or rescaled: counts of records begin again with each restart".into());
    }
}

fn add_accumulators(metrics: &mut Metrics, accumulators: Result<Accumulators, Error>) {
    let Ok(accumulators) = accumulators else {
        metrics.notes.push("the job's accumulators could not be read: its own metrics are missing".into());
        return;
    };
    let UserMetrics { user, system, notes } = accumulators.metrics();
    if !user.is_empty() {
        metrics.notes.push("metrics of the pipeline are attempted: repeated work counts again".into());
    }
    metrics.user = user;
    metrics.system.extend(system);
    metrics.notes.extend(notes);
}

/// What Flink keeps of each vertex when the job has ended.
fn add_ended(metrics: &mut Metrics, details: &JobDetails) {
    for vertex in &details.vertices {
        let io = &vertex.metrics;
        let kept = [&io.read_records, &io.write_records, &io.read_bytes, &io.write_bytes];
        for (row, told) in SUMMED.into_iter().zip(kept) {
            metrics.system.extend(metric(row, Some(&vertex.name), told));
        }
    }
    let handed = |vertex: &Vertex| finite(&vertex.metrics.write_records).filter(|_| details.feeds(vertex));
    let handed: Vec<f64> = details.sources().filter_map(handed).collect();
    if !handed.is_empty() {
        metrics.unified.insert(Unified::ElementsProcessed, handed.iter().sum());
        metrics.notes.push("elements_processed is what the job's source steps handed to other steps".into());
    }
    metrics.notes.extend(incomplete_notes(details));
}

pub(super) fn incomplete_notes(details: &JobDetails) -> impl Iterator<Item = String> {
    let incomplete =
        |vertex: &&Vertex| !(vertex.metrics.read_records_complete && vertex.metrics.write_records_complete);
    details.vertices.iter().filter(incomplete).take(MOST_NOTES).map(|vertex| {
        let name = clean_line(&vertex.name, NAME_BYTES);
        format!("numbers of `{name}` are too low: Flink has not heard from all its subtasks")
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        effect::Reply,
        job::MetricValue,
        runner::{
            Backend,
            flink::testing::{job, json, play, recorded, target},
        },
    };

    pub(in crate::runner::flink) const JOB_CALL: &str = "GET /jobs/{id}/metrics?get=numRestarts,numRescales,numberOfCompletedCheckpoints,\
        numberOfFailedCheckpoints,numberOfInProgressCheckpoints,lastCheckpointDuration,lastCheckpointSize,uptime";
    fn metrics(details: Reply, accumulators: Reply) -> Metrics {
        let script = vec![
            ("GET /jobs/{id}", details),
            (JOB_CALL, json(200, serde_json::json!([]))),
            ("GET /jobs/{id}/accumulators", accumulators),
        ];
        play(target(), script, |flink| async move { flink.metrics(&job()).await }).end.unwrap()
    }

    pub(in crate::runner::flink) fn find<'a>(
        metrics: &'a [Metric],
        name: &str,
        step: Option<&str>,
    ) -> Option<&'a MetricValue> {
        let found = metrics.iter().find(|metric| metric.name == name && metric.step.as_deref() == step)?;
        found.attempted.as_ref()
    }

    #[test]
    fn after_the_end_only_what_flink_keeps_is_shown() {
        let details = || match recorded!("2.2.1/job-finished") {
            Reply::Response(response) => {
                let body = response
                    .body
                    .text()
                    .replace("0bea0000000000000000000000000006", crate::runner::flink::testing::TOKEN);
                Reply::Response(crate::effect::Response { body: body.into(), ..response })
            }
            other => panic!("{other:?}"),
        };
        let metrics = metrics(details(), recorded!("2.2.1/accumulators-finished"));
        assert_eq!(metrics.unified.get(&Unified::ElementsProcessed), Some(&500.0));
        assert!(metrics.notes.iter().any(|note| note.contains("handed to other steps")), "{:?}", metrics.notes);
        assert_eq!(find(&metrics.user, "elements", None), Some(&MetricValue::Int(500)));
        assert!(!metrics.unified.contains_key(&Unified::WorkerCount));
    }

    #[test]
    fn beams_counters_and_distributions_are_read() {
        let details = || {
            json(
                200,
                serde_json::json!({"jid": crate::runner::flink::testing::TOKEN, "name": "x",
            "state": "FINISHED", "start-time": 1, "end-time": 2}),
            )
        };
        let read = |accumulators| metrics(details(), accumulators);
        let beam = read(recorded!("1.20.5/beam-accumulators-batch"));
        let step = Some("CountWords/ExtractWords/ParMultiDo(ExtractWords)");
        assert_eq!(find(&beam.user, "lines", step), Some(&MetricValue::Int(6000)));
        let lengths = find(&beam.user, "wordLength", step).unwrap();
        assert!(matches!(lengths, MetricValue::Distribution { min: 2, max: 9, .. }), "{lengths:?}");
        assert!(beam.user.iter().all(|metric| metric.namespace == "wordcount"));
        assert!(beam.notes.iter().any(|note| note.contains("attempted")));
        assert_eq!(read(recorded!("1.20.5/beam-accumulators-starting-streaming")).user, []);
        assert_eq!(read(recorded!("1.20.5/beam-accumulators-missing-input")).user, []);
    }

    #[test]
    fn numbers_flink_calls_incomplete_are_noted() {
        let vertex = serde_json::json!({"id": "v", "name": "map", "parallelism": 1, "metrics": {"read-records": 0,
            "read-records-complete": false, "write-records": "NaN", "write-records-complete": true}});
        let details = serde_json::json!({"jid": crate::runner::flink::testing::TOKEN, "name": "x", "state": "FAILED",
            "start-time": 1, "end-time": 2, "vertices": [vertex]});
        let metrics = metrics(json(200, details), json(200, serde_json::json!({})));
        assert!(
            metrics.notes.iter().any(|note| note.starts_with("numbers of `map` are too low")),
            "{:?}",
            metrics.notes
        );
        let out = metrics.system.iter().find(|metric| metric.name == "numRecordsOut").unwrap();
        assert_eq!((&out.attempted, out.raw.attempted.as_deref()), (&None, Some("NaN")));
    }

    #[test]
    fn flinks_texts_are_read_as_they_are() {
        let told = |name: &str, value: &str| serde_json::from_value(serde_json::json!({"id": name, "value": value}));
        let rows = [
            ("lastCheckpointSize", "9007199254740993"),
            ("lastCheckpointDuration", "-1"),
            ("uptime", "n/a"),
            ("numRestarts", "2"),
        ];
        let details = serde_json::json!({"jid": "j", "name": "x", "state": "RUNNING", "start-time": 1, "end-time": -1});
        let mut metrics = Metrics::default();
        let reported = rows.map(|(name, value)| told(name, value).unwrap());
        add_job(&mut metrics, &serde_json::from_value(details).unwrap(), reported.into());
        let rows: Vec<_> =
            metrics.system.iter().map(|m| (m.name.as_str(), m.attempted.clone(), m.raw.attempted.as_deref())).collect();
        let size = Some(MetricValue::Int(9_007_199_254_740_993));
        assert_eq!(
            rows,
            [
                ("numRestarts", Some(MetricValue::Int(2)), None),
                ("lastCheckpointSize", size, Some("9007199254740993")),
                ("uptime", None, Some("n/a")),
            ],
            "-1 says that there was no checkpoint yet"
        );
        assert!(metrics.notes[0].contains("restarted"), "{:?}", metrics.notes);
    }
}
