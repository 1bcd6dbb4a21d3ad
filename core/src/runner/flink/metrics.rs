//! Metrics of a job as Flink reports them. Nothing is computed here but sums over subtasks and vertices, and a number
//! Flink does not give is left out.
//!
//! The unified names and where they come from:
//! - `elapsed_time_ms`: the job's duration.
//! - `elements_processed`, `processing_rate`: records the source operators put out, in all and per second. After the
//!   job's end only whole vertices are counted, so it is what source vertices handed to other vertices.
//! - `worker_count`: task managers that run the job.
//! - `watermark_lag_ms`: how far the slowest vertex's event time is behind the `JobManager`'s clock.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Flink,
    accumulator::{Accumulators, UserMetrics},
    flow::{Beside, NAME_BYTES, native_id, parsed},
    request,
    response::{JobDetails, Vertex, finite, job_state},
};
use crate::{
    effect::Request,
    error::Error,
    job::{Job, JobState, JobType, Metric, MetricKind as Kind, MetricValue, Metrics},
    text::clean_line,
};

/// Vertices whose subtasks are asked; two requests each, at most 64 side by side.
const MOST_VERTICES: usize = 30;

/// Flink's name, kind and unit.
type Row = (&'static str, Kind, &'static str);

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
const SUMMED: [Row; 6] = [
    ("numRecordsIn", Kind::Counter, ""),
    ("numRecordsOut", Kind::Counter, ""),
    ("numBytesIn", Kind::Counter, "bytes"),
    ("numBytesOut", Kind::Counter, "bytes"),
    ("numRecordsInPerSecond", Kind::Gauge, "records/s"),
    ("numRecordsOutPerSecond", Kind::Gauge, "records/s"),
];

/// Averaged over the subtasks.
const AVERAGED: [Row; 3] = [
    ("busyTimeMsPerSecond", Kind::Gauge, "ms/s"),
    ("idleTimeMsPerSecond", Kind::Gauge, "ms/s"),
    ("backPressuredTimeMsPerSecond", Kind::Gauge, "ms/s"),
];

const WATERMARK: &str = "currentInputWatermark";

/// One metric of a job; its value is text, `"NaN"` in places.
#[derive(Deserialize)]
struct JobMetric {
    id: String,
    #[serde(default)]
    value: Value,
}

/// One metric of a vertex over its subtasks.
#[derive(Deserialize)]
struct Aggregate {
    id: String,
    #[serde(default)]
    min: Value,
    #[serde(default)]
    sum: Value,
    #[serde(default)]
    avg: Value,
}

/// Answer of `/jobs/:id/vertices/:vid/taskmanagers`.
#[derive(Deserialize)]
pub(super) struct VertexTaskManagers {
    taskmanagers: Vec<VertexTaskManager>,
}

#[derive(Deserialize)]
struct VertexTaskManager {
    #[serde(rename = "taskmanager-id")]
    id: String,
}

impl VertexTaskManagers {
    /// Ids of real task managers; before a subtask is placed Flink writes `(unassigned)`.
    pub(super) fn ids(self) -> impl Iterator<Item = String> {
        self.taskmanagers.into_iter().map(|manager| manager.id).filter(|id| !id.starts_with('('))
    }
}

impl Flink {
    pub(super) async fn job_metrics(&self, job: &Job) -> Result<Metrics, Error> {
        let (target, id) = (&self.context.target, native_id(job)?);
        let names = JOB.map(|(name, ..)| name);
        let others = vec![request::job_metrics_request(target, id, &names), request::accumulators_request(target, id)];
        let (details, beside) = self.details(job, others).await?;
        let mut outcomes = beside.into_iter();
        let mut metrics = Metrics::default();
        add_job(&mut metrics, &details, parsed(outcomes.next()).unwrap_or_default());
        add_accumulators(&mut metrics, parsed::<Accumulators>(outcomes.next()));
        if job_state(&details.state).is_some_and(JobState::is_terminal) {
            add_ended(&mut metrics, &details);
        } else {
            self.add_live(&mut metrics, &details).await?;
        }
        Ok(metrics)
    }

    async fn add_live(&self, metrics: &mut Metrics, details: &JobDetails) -> Result<(), Error> {
        let vertices: Vec<&Vertex> = details.vertices.iter().take(MOST_VERTICES).collect();
        if vertices.len() < details.vertices.len() {
            metrics.notes.push(format!("only the first {MOST_VERTICES} of {} steps are read", details.vertices.len()));
        }
        let requests = vertices.iter().flat_map(|vertex| self.vertex_requests(details, vertex)).collect();
        let outcomes = self.send_all(requests).await?;
        let live = Live::read(details, &vertices, outcomes);
        live.add_to(metrics, details);
        Ok(())
    }

    fn vertex_requests(&self, details: &JobDetails, vertex: &Vertex) -> [Request; 2] {
        let target = &self.context.target;
        let mut names: Vec<String> = SUMMED.iter().chain(&AVERAGED).map(|(name, ..)| (*name).to_owned()).collect();
        names.push(WATERMARK.to_owned());
        if details.sources().any(|source| source.id == vertex.id) {
            let operator = source_operator(&vertex.name);
            names.extend(["numRecordsOut", "numRecordsOutPerSecond"].map(|name| format!("{operator}.{name}")));
        }
        [
            request::vertex_metrics_request(target, &details.jid, &vertex.id, &names),
            request::vertex_taskmanagers_request(target, &details.jid, &vertex.id),
        ]
    }
}

/// Flink's name for metrics of the first operator of a chain: at most 80 characters, some of them replaced.
fn source_operator(vertex_name: &str) -> String {
    let chain = vertex_name.strip_prefix("CHAIN ").unwrap_or(vertex_name);
    let first = chain.split(" -> ").next().unwrap_or(chain);
    first.chars().take(80).map(|c| if matches!(c, ' ' | '.' | ':' | ',') { '_' } else { c }).collect()
}

fn metric(row: Row, step: Option<&str>, number: f64) -> Metric {
    let (name, kind, unit) = row;
    Metric {
        name: name.to_owned(),
        namespace: "flink".to_owned(),
        step: step.map(|name| clean_line(name, NAME_BYTES)),
        kind,
        attempted: Some(value(number)),
        committed: None,
        unit: unit.to_owned(),
    }
}

fn value(number: f64) -> MetricValue {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return MetricValue::Int(number as i64);
    }
    MetricValue::Float(number)
}

fn add_job(metrics: &mut Metrics, details: &JobDetails, reported: Vec<JobMetric>) {
    let reported: BTreeMap<String, f64> =
        reported.into_iter().filter_map(|metric| Some((metric.id, finite(&metric.value)?))).collect();
    for row in JOB {
        // -1: there was no checkpoint yet.
        if let Some(number) = reported.get(row.0).filter(|number| **number >= 0.0) {
            metrics.system.push(metric(row, None, *number));
        }
    }
    if details.duration > 0 {
        metrics.unified.insert("elapsed_time_ms".into(), finite(&details.duration.into()).unwrap_or_default());
    }
    if reported.get("numRestarts").is_some_and(|restarts| *restarts > 0.0) {
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
        let kept = [io.read_records, io.write_records, io.read_bytes, io.write_bytes];
        for (row, number) in SUMMED.into_iter().zip(kept) {
            metrics.system.extend(number.map(|number| metric(row, Some(&vertex.name), number)));
        }
    }
    let handed = |vertex: &Vertex| details.feeds(vertex).then_some(vertex.metrics.write_records).flatten();
    let handed: Vec<f64> = details.sources().filter_map(handed).collect();
    if !handed.is_empty() {
        metrics.unified.insert("elements_processed".into(), handed.iter().sum());
        metrics.notes.push("elements_processed is what the job's source steps handed to other steps".into());
    }
    note_incomplete(metrics, details);
}

fn note_incomplete(metrics: &mut Metrics, details: &JobDetails) {
    let incomplete =
        |vertex: &&Vertex| !(vertex.metrics.read_records_complete && vertex.metrics.write_records_complete);
    for vertex in details.vertices.iter().filter(incomplete).take(MOST_VERTICES) {
        let name = clean_line(&vertex.name, NAME_BYTES);
        metrics.notes.push(format!("numbers of `{name}` are too low: Flink has not heard from all its subtasks"));
    }
}

/// What the subtasks of a running job report.
#[derive(Default)]
struct Live {
    system: Vec<Metric>,
    emitted: Option<f64>,
    rate: Option<f64>,
    workers: BTreeSet<String>,
    watermark: Option<f64>,
}

impl Live {
    fn read(details: &JobDetails, vertices: &[&Vertex], outcomes: Beside) -> Self {
        let mut live = Self::default();
        let mut outcomes = outcomes.into_iter();
        for vertex in vertices {
            let aggregates = parsed::<Vec<Aggregate>>(outcomes.next()).unwrap_or_default();
            live.add_vertex(details, vertex, &aggregates);
            if let Ok(managers) = parsed::<VertexTaskManagers>(outcomes.next()) {
                live.workers.extend(managers.ids());
            }
        }
        live
    }

    fn add_vertex(&mut self, details: &JobDetails, vertex: &Vertex, aggregates: &[Aggregate]) {
        let find = |name: &str| aggregates.iter().find(|aggregate| aggregate.id == name);
        let sum = |name: &str| find(name).and_then(|aggregate| finite(&aggregate.sum));
        let average = |name: &str| find(name).and_then(|aggregate| finite(&aggregate.avg));
        for row in SUMMED {
            self.system.extend(sum(row.0).map(|number| metric(row, Some(&vertex.name), number)));
        }
        for row in AVERAGED {
            self.system.extend(average(row.0).map(|number| metric(row, Some(&vertex.name), number)));
        }
        if details.sources().any(|source| source.id == vertex.id) {
            let operator = source_operator(&vertex.name);
            add(&mut self.emitted, sum(&format!("{operator}.numRecordsOut")));
            add(&mut self.rate, sum(&format!("{operator}.numRecordsOutPerSecond")));
        } else {
            let lowest = find(WATERMARK).and_then(|aggregate| finite(&aggregate.min));
            self.watermark = [self.watermark, lowest].into_iter().flatten().reduce(f64::min);
        }
    }

    fn add_to(self, metrics: &mut Metrics, details: &JobDetails) {
        metrics.system.extend(self.system);
        let workers = u32::try_from(self.workers.len()).ok().filter(|count| *count > 0).map(f64::from);
        let lag = self.watermark.filter(|_| details.job_type() == Some(JobType::Streaming));
        let rows = [
            ("elements_processed", self.emitted),
            ("processing_rate", self.rate),
            ("worker_count", workers),
            ("watermark_lag_ms", lag.and_then(|watermark| lag_ms(details.now, watermark))),
        ];
        metrics.unified.extend(rows.into_iter().filter_map(|(name, number)| Some((name.to_owned(), number?))));
        note_incomplete(metrics, details);
    }
}

fn add(total: &mut Option<f64>, number: Option<f64>) {
    if let Some(number) = number {
        *total = Some(total.unwrap_or(0.0) + number);
    }
}

/// Flink writes the smallest long before the first watermark and the largest after the last.
fn lag_ms(now: i64, watermark: f64) -> Option<f64> {
    let now = finite(&now.into())?;
    (watermark > 0.0 && watermark <= now).then_some(now - watermark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        runner::{
            Backend,
            flink::testing::{Played, fault, job, json, play, recorded, target},
        },
    };

    const JOB_CALL: &str = "GET /jobs/{id}/metrics?get=numRestarts,numRescales,numberOfCompletedCheckpoints,\
        numberOfFailedCheckpoints,numberOfInProgressCheckpoints,lastCheckpointDuration,lastCheckpointSize,uptime";
    const ALL: &str = "numRecordsIn,numRecordsOut,numBytesIn,numBytesOut,numRecordsInPerSecond,numRecordsOutPerSecond,\
        busyTimeMsPerSecond,idleTimeMsPerSecond,backPressuredTimeMsPerSecond,currentInputWatermark";

    fn calls() -> [String; 4] {
        let (source, count) = ("ca88eee0095684d687a1b6495617f957", "b71731f1c0df9c3076c4a455334d0ad6");
        let vertex = |id: &str, more: &str| {
            format!("GET /jobs/{{id}}/vertices/{id}/subtasks/metrics?get={ALL}{more}&agg=min,max,sum,avg")
        };
        let managers = |id: &str| format!("GET /jobs/{{id}}/vertices/{id}/taskmanagers");
        let operator = ",Source__numbers.numRecordsOut,Source__numbers.numRecordsOutPerSecond";
        [vertex(source, operator), managers(source), vertex(count, ""), managers(count)]
    }

    fn metrics(details: Reply, job_metrics: Reply, accumulators: Reply, vertices: Vec<Reply>) -> Played<Metrics> {
        let calls = calls();
        let mut script =
            vec![("GET /jobs/{id}", details), (JOB_CALL, job_metrics), ("GET /jobs/{id}/accumulators", accumulators)];
        script.extend(calls.iter().map(String::as_str).zip(vertices));
        play(target(), script, |flink| async move { flink.metrics(&job()).await })
    }

    fn source() -> Reply {
        json(
            200,
            serde_json::json!([
                {"id": "Source__numbers.numRecordsOut", "min": 1.0, "max": 2.0, "avg": 1.5, "sum": 1500.0},
                {"id": "Source__numbers.numRecordsOutPerSecond", "sum": 200.5},
                {"id": "busyTimeMsPerSecond", "avg": "NaN", "sum": "NaN"},
                {"id": "currentInputWatermark", "min": -9.223_372_036_854_776e18},
            ]),
        )
    }

    fn count(watermark: f64) -> Reply {
        let Reply::Response(response) = recorded!("2.2.1/vertex-subtasks-metrics") else { panic!() };
        let mut rows: Vec<Value> = serde_json::from_slice(response.body.as_slice()).unwrap();
        rows.push(serde_json::json!({"id": "currentInputWatermark", "min": watermark}));
        json(200, rows)
    }

    fn find<'a>(metrics: &'a [Metric], name: &str, step: Option<&str>) -> Option<&'a MetricValue> {
        let found = metrics.iter().find(|metric| metric.name == name && metric.step.as_deref() == step)?;
        found.attempted.as_ref()
    }

    #[test]
    fn a_running_job_shows_what_its_subtasks_report() {
        // The job was read at 1795173501712.
        let managers = || recorded!("2.2.1/vertex-taskmanagers");
        let vertices = vec![source(), managers(), count(1_795_173_500_712.0), managers()];
        let (job, accumulators) = (recorded!("2.2.1/job-metrics"), recorded!("2.2.1/accumulators-running"));
        let metrics = metrics(recorded!("2.2.1/job-running"), job, accumulators, vertices).end.unwrap();
        let unified: Vec<_> = metrics.unified.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(
            unified,
            [
                ("elapsed_time_ms", 4888.0),
                ("elements_processed", 1500.0),
                ("processing_rate", 200.5),
                ("watermark_lag_ms", 1000.0),
                ("worker_count", 1.0),
            ]
        );
        let sink = Some("count -> discard: Writer");
        assert_eq!(find(&metrics.system, "numRecordsIn", sink), Some(&MetricValue::Int(1410)));
        assert_eq!(find(&metrics.system, "busyTimeMsPerSecond", sink), Some(&MetricValue::Int(1000)));
        assert_eq!(find(&metrics.system, "numberOfCompletedCheckpoints", None), Some(&MetricValue::Int(4)));
        assert_eq!(find(&metrics.system, "busyTimeMsPerSecond", Some("Source: numbers -> throttle")), None, "NaN");
        assert_eq!(find(&metrics.user, "elements", None), Some(&MetricValue::Int(1531)));
    }

    #[test]
    fn what_flink_does_not_report_is_left_out() {
        let empty = || json(200, serde_json::json!([]));
        let gone = || recorded!("2.2.1/taskmanager-log-missing");
        let vertices = vec![empty(), gone(), count(-9.223_372_036_854_776e18), gone()];
        let played = metrics(recorded!("2.2.1/job-running"), empty(), fault(FaultKind::Timeout), vertices);
        let metrics = played.end.unwrap();
        let names: Vec<_> = metrics.unified.keys().map(String::as_str).collect();
        assert_eq!(names, ["elapsed_time_ms"]);
        assert_eq!(metrics.user, []);
        assert!(metrics.notes[0].contains("accumulators could not be read"));
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
        let (ended, accumulators) = (json(200, serde_json::json!([])), recorded!("2.2.1/accumulators-finished"));
        let metrics = metrics(details(), ended, accumulators, vec![]).end.unwrap();
        assert_eq!(metrics.unified["elements_processed"], 500.0);
        assert!(metrics.notes.iter().any(|note| note.contains("handed to other steps")), "{:?}", metrics.notes);
        assert_eq!(find(&metrics.user, "elements", None), Some(&MetricValue::Int(500)));
        assert!(!metrics.unified.contains_key("worker_count"));
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
        let read =
            |accumulators| metrics(details(), json(200, serde_json::json!([])), accumulators, vec![]).end.unwrap();
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
        let none = || json(200, serde_json::json!([]));
        let metrics = metrics(json(200, details), none(), json(200, serde_json::json!({})), vec![]).end.unwrap();
        assert!(
            metrics.notes.iter().any(|note| note.starts_with("numbers of `map` are too low")),
            "{:?}",
            metrics.notes
        );
        assert_eq!(find(&metrics.system, "numRecordsOut", Some("map")), None);
    }

    #[test]
    fn the_operator_of_a_source_is_named_as_flink_names_it() {
        for (vertex, operator) in [
            ("Source: numbers -> throttle", "Source__numbers"),
            ("Source: Read/Read -> CountWords/ExtractWords/ParMultiDo(ExtractWords)", "Source__Read/Read"),
            (
                "CHAIN DataSource (at Read/Read (org.apache.beam.runners.flink.translation.wrappers.SourceInputFormat)) -> x",
                "DataSource_(at_Read/Read_(org_apache_beam_runners_flink_translation_wrappers_Sou",
            ),
        ] {
            assert_eq!(source_operator(vertex), operator);
        }
    }
}
