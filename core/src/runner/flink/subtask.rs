//! What the subtasks of a running job report, summed by Flink over each vertex.
//!
//! Flink answers `[]` when one of the names asked for does not exist on the vertex, so names that not every vertex has
//! are asked for apart.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Flink,
    flow::{Beside, parsed},
    job_details::{JobDetails, Vertex},
    metrics::{Row, SUMMED, incomplete_notes, metric},
    request,
    response::finite,
};
use crate::{
    effect::Request,
    error::Error,
    job::{JobType, Metric, MetricKind as Kind, Metrics, Unified},
};

/// Vertices whose subtasks are asked; three requests each, at most 64 side by side.
const MOST_VERTICES: usize = 20;

/// Averaged over the subtasks.
const AVERAGED: [Row; 3] = [
    ("busyTimeMsPerSecond", Kind::Gauge, "ms/s"),
    ("idleTimeMsPerSecond", Kind::Gauge, "ms/s"),
    ("backPressuredTimeMsPerSecond", Kind::Gauge, "ms/s"),
];

const WATERMARK: &str = "currentInputWatermark";
/// No moment that is a date lies behind it; what is, stands for the end of all.
const LAST_MOMENT_MS: f64 = 8.64e15;

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
    pub(super) async fn add_subtasks(&self, metrics: &mut Metrics, details: &JobDetails) -> Result<(), Error> {
        let vertices: Vec<&Vertex> = details.vertices.iter().take(MOST_VERTICES).collect();
        if vertices.len() < details.vertices.len() {
            metrics.notes.push(format!("only the first {MOST_VERTICES} of {} steps are read", details.vertices.len()));
        }
        let requests = vertices.iter().flat_map(|vertex| self.vertex_requests(details, vertex)).collect();
        let outcomes = self.send_all(requests).await?;
        Live::read(details, &vertices, outcomes).add_to(metrics, details);
        Ok(())
    }

    fn vertex_requests(&self, details: &JobDetails, vertex: &Vertex) -> [Request; 3] {
        let (target, job) = (&self.context.target, &details.jid);
        let everywhere: Vec<String> = SUMMED.iter().chain(&AVERAGED).map(|(name, ..)| (*name).to_owned()).collect();
        let apart = if is_source(details, vertex) {
            let operator = source_operator(&vertex.name);
            ["numRecordsOut", "numRecordsOutPerSecond"].map(|name| format!("{operator}.{name}")).to_vec()
        } else {
            vec![WATERMARK.to_owned()]
        };
        [
            request::vertex_metrics_request(target, job, &vertex.id, &everywhere),
            request::vertex_metrics_request(target, job, &vertex.id, &apart),
            request::vertex_taskmanagers_request(target, job, &vertex.id),
        ]
    }
}

fn is_source(details: &JobDetails, vertex: &Vertex) -> bool {
    details.sources().any(|source| source.id == vertex.id)
}

/// Flink's name for metrics of the first operator of a chain: at most 80 characters, some of them replaced.
fn source_operator(vertex_name: &str) -> String {
    let chain = vertex_name.strip_prefix("CHAIN ").unwrap_or(vertex_name);
    let first = chain.split(" -> ").next().unwrap_or(chain);
    first.chars().take(80).map(|c| if matches!(c, ' ' | '.' | ':' | ',') { '_' } else { c }).collect()
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
            let mut aggregates = parsed::<Vec<Aggregate>>(outcomes.next()).unwrap_or_default();
            aggregates.extend(parsed::<Vec<Aggregate>>(outcomes.next()).unwrap_or_default());
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
        for row in SUMMED {
            self.system.extend(find(row.0).and_then(|told| metric(row, Some(&vertex.name), &told.sum)));
        }
        for row in AVERAGED {
            self.system.extend(find(row.0).and_then(|told| metric(row, Some(&vertex.name), &told.avg)));
        }
        if is_source(details, vertex) {
            let operator = source_operator(&vertex.name);
            add(&mut self.emitted, sum(&format!("{operator}.numRecordsOut")));
            add(&mut self.rate, sum(&format!("{operator}.numRecordsOutPerSecond")));
        } else {
            let lowest = find(WATERMARK).and_then(|aggregate| finite(&aggregate.min));
            self.watermark = [self.watermark, lowest].into_iter().flatten().reduce(f64::min);
        }
    }

    fn add_to(self, metrics: &mut Metrics, details: &JobDetails) {
        if self.system.iter().all(|metric| metric.attempted.is_none()) {
            metrics
                .notes
                .push("no subtask's numbers are there yet: Flink fetches them when asked, so ask again".into());
        }
        metrics.system.extend(self.system);
        let workers = u32::try_from(self.workers.len()).ok().filter(|count| *count > 0).map(f64::from);
        // Flink writes the smallest long before the first watermark and the largest after the last.
        let streams = details.job_type() == Some(JobType::Streaming);
        let watermark = self.watermark.filter(|at| streams && (1.0..LAST_MOMENT_MS).contains(at));
        let rows = [
            (Unified::ElementsProcessed, self.emitted),
            (Unified::ProcessingRate, self.rate),
            (Unified::WorkerCount, workers),
            (Unified::Watermark, watermark),
            (Unified::WatermarkLag, watermark.and_then(|watermark| lag_ms(details.now, watermark))),
        ];
        metrics.unified.extend(rows.into_iter().filter_map(|(name, number)| Some((name, number?))));
        metrics.notes.extend(incomplete_notes(details));
    }
}

fn add(total: &mut Option<f64>, number: Option<f64>) {
    if let Some(number) = number {
        *total = Some(total.unwrap_or(0.0) + number);
    }
}

fn lag_ms(now: i64, watermark: f64) -> Option<f64> {
    let now = finite(&now.into())?;
    (watermark <= now).then_some(now - watermark)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            metrics::tests::{JOB_CALL, find},
            testing::{fault, job, json, play, recorded, recording, target},
        },
        *,
    };
    use crate::{
        effect::{FaultKind, Reply},
        job::MetricValue,
        runner::Backend,
    };

    fn calls() -> [String; 6] {
        const ALL: &str = "numRecordsIn,numRecordsOut,numBytesIn,numBytesOut,numRecordsInPerSecond,\
            numRecordsOutPerSecond,busyTimeMsPerSecond,idleTimeMsPerSecond,backPressuredTimeMsPerSecond";
        let (source, count) = ("ca88eee0095684d687a1b6495617f957", "b71731f1c0df9c3076c4a455334d0ad6");
        let vertex = |id: &str, names: &str| {
            format!("GET /jobs/{{id}}/vertices/{id}/subtasks/metrics?get={names}&agg=min,max,sum,avg")
        };
        let managers = |id: &str| format!("GET /jobs/{{id}}/vertices/{id}/taskmanagers");
        let operator = "Source__numbers.numRecordsOut,Source__numbers.numRecordsOutPerSecond";
        [
            vertex(source, ALL),
            vertex(source, operator),
            managers(source),
            vertex(count, ALL),
            vertex(count, "currentInputWatermark"),
            managers(count),
        ]
    }

    fn metrics(vertices: Vec<Reply>) -> Metrics {
        let calls = calls();
        let mut script = vec![
            ("GET /jobs/{id}", recorded!("2.2.1/job-running")),
            (JOB_CALL, recorded!("2.2.1/job-metrics")),
            ("GET /jobs/{id}/accumulators", recorded!("2.2.1/accumulators-running")),
        ];
        script.extend(calls.iter().map(String::as_str).zip(vertices));
        play(target(), script, |flink| async move { flink.metrics(&job()).await }).end.unwrap()
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

    fn nan() -> Reply {
        json(200, serde_json::json!([{"id": "busyTimeMsPerSecond", "avg": "NaN", "sum": "NaN"}]))
    }

    fn watermark(lowest: f64) -> Reply {
        json(200, serde_json::json!([{"id": "currentInputWatermark", "min": lowest}]))
    }

    #[test]
    fn a_running_job_shows_what_its_subtasks_report() {
        // The job was read at 1795173501712.
        let managers = || recorded!("2.2.1/vertex-taskmanagers");
        let count = recorded!("2.2.1/vertex-subtasks-metrics");
        let late = watermark(1_795_173_500_712.0);
        let metrics = metrics(vec![nan(), source(), managers(), count, late, managers()]);
        let unified: Vec<_> = metrics.unified.iter().map(|(name, number)| (name.name(), *number)).collect();
        assert_eq!(
            unified,
            [
                ("elapsed_time_ms", 4888.0),
                ("elements_processed", 1500.0),
                ("processing_rate", 200.5),
                ("watermark_ms", 1_795_173_500_712.0),
                ("watermark_lag_ms", 1000.0),
                ("worker_count", 1.0),
            ]
        );
        let sink = Some("count -> discard: Writer");
        assert_eq!(find(&metrics.system, "numRecordsIn", sink), Some(&MetricValue::Int(1410)));
        assert_eq!(find(&metrics.system, "busyTimeMsPerSecond", sink), Some(&MetricValue::Int(1000)));
        assert_eq!(find(&metrics.system, "numberOfCompletedCheckpoints", None), Some(&MetricValue::Int(4)));
        assert_eq!(find(&metrics.user, "elements", None), Some(&MetricValue::Int(1531)));
        assert!(!metrics.notes.iter().any(|note| note.contains("ask again")), "{:?}", metrics.notes);
    }

    #[test]
    fn what_is_no_number_is_told_in_flinks_own_words() {
        let managers = || recorded!("2.2.1/vertex-taskmanagers");
        let none = || json(200, serde_json::json!([]));
        let metrics = metrics(vec![nan(), none(), managers(), none(), none(), managers()]);
        let [busy] = metrics.system.iter().filter(|metric| metric.step.is_some()).collect::<Vec<_>>()[..] else {
            panic!("{metrics:?}")
        };
        assert_eq!(
            (busy.name.as_str(), busy.step.as_deref()),
            ("busyTimeMsPerSecond", Some("Source: numbers -> throttle"))
        );
        assert_eq!((&busy.attempted, busy.raw.attempted.as_deref()), (&None, Some("NaN")));
        assert_eq!(serde_json::to_value(busy).unwrap()["raw"], serde_json::json!({"attempted": "NaN"}));
        assert!(metrics.notes.iter().any(|note| note.contains("ask again")), "no number is there: {:?}", metrics.notes);
    }

    #[test]
    fn what_flink_does_not_report_is_left_out() {
        let empty = || recording(include_str!("../../../../tests/vectors/flink/aggregate-unknown-name.json"));
        let gone = || recorded!("2.2.1/taskmanager-log-missing");
        let metrics = metrics(vec![empty(), empty(), gone(), empty(), watermark(-9.223_372_036_854_776e18), gone()]);
        let names: Vec<_> = metrics.unified.keys().map(|name| name.name()).collect();
        assert_eq!(names, ["elapsed_time_ms"]);
        assert!(metrics.notes.iter().any(|note| note.contains("ask again")), "{:?}", metrics.notes);
    }

    #[test]
    fn a_name_that_is_not_there_costs_only_its_own_answer() {
        let empty = || recording(include_str!("../../../../tests/vectors/flink/aggregate-unknown-name.json"));
        let gone = || fault(FaultKind::Timeout);
        let count = recorded!("2.2.1/vertex-subtasks-metrics");
        let metrics = metrics(vec![nan(), empty(), gone(), count, empty(), gone()]);
        assert!(
            !metrics.unified.contains_key(&Unified::ElementsProcessed)
                && !metrics.unified.contains_key(&Unified::WatermarkLag)
                && !metrics.unified.contains_key(&Unified::Watermark)
        );
        assert!(find(&metrics.system, "numRecordsIn", Some("count -> discard: Writer")).is_some());
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
