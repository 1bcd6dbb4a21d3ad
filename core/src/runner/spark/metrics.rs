//! Metrics of a job as Spark reports them: stages and executors from the driver's page while it lives, from the history
//! server after. Nothing is computed here but sums over stages and executors, and a number Spark does not give is left
//! out; a value that is no number is there in Spark's words.
//!
//! The unified names and where they come from:
//! - `elapsed_time_ms`: since the driver was submitted, while the application runs.
//! - `worker_count`: executors that are active.
//!
//! There is no `elements_processed`: Spark's `inputRecords` also counts cached blocks, and a source of Beam's is not
//! counted at all.

use super::{
    Spark,
    application::{Source, is_unknown},
    beam_metrics,
    flow::NAME_BYTES,
    request::Facts,
    response,
    stage::{Accumulator, Executor, Stage, accumulators},
};
use crate::{
    error::Error,
    job::{Job, Metric, MetricKind as Kind, Metrics, Raw, Reading, Unified},
    runner::{beam_metric, stack_trace::digest},
    text::clean_line,
};

/// Stages shown by themselves; all are in the sums.
const MOST_STAGES: usize = 50;
/// Accumulators shown.
const MOST: usize = 1000;

/// Spark's name, kind, unit, and where it is.
type Row<T> = (&'static str, Kind, &'static str, fn(&T) -> u64);

const STAGE: [Row<Stage>; 16] = [
    ("numActiveTasks", Kind::Gauge, "", |stage| stage.num_active_tasks),
    ("numCompleteTasks", Kind::Counter, "", |stage| stage.num_complete_tasks),
    ("numFailedTasks", Kind::Counter, "", |stage| stage.num_failed_tasks),
    ("executorRunTime", Kind::Counter, "ms", |stage| stage.executor_run_time),
    ("executorCpuTime", Kind::Counter, "ns", |stage| stage.executor_cpu_time),
    ("jvmGcTime", Kind::Counter, "ms", |stage| stage.jvm_gc_time),
    ("memoryBytesSpilled", Kind::Counter, "bytes", |stage| stage.memory_bytes_spilled),
    ("diskBytesSpilled", Kind::Counter, "bytes", |stage| stage.disk_bytes_spilled),
    ("inputBytes", Kind::Counter, "bytes", |stage| stage.input_bytes),
    ("inputRecords", Kind::Counter, "", |stage| stage.input_records),
    ("outputBytes", Kind::Counter, "bytes", |stage| stage.output_bytes),
    ("outputRecords", Kind::Counter, "", |stage| stage.output_records),
    ("shuffleReadBytes", Kind::Counter, "bytes", |stage| stage.shuffle_read_bytes),
    ("shuffleReadRecords", Kind::Counter, "", |stage| stage.shuffle_read_records),
    ("shuffleWriteBytes", Kind::Counter, "bytes", |stage| stage.shuffle_write_bytes),
    ("shuffleWriteRecords", Kind::Counter, "", |stage| stage.shuffle_write_records),
];

const EXECUTOR: [Row<Executor>; 8] = [
    ("totalCores", Kind::Gauge, "", |executor| executor.total_cores),
    ("activeTasks", Kind::Gauge, "", |executor| executor.active_tasks),
    ("completedTasks", Kind::Counter, "", |executor| executor.completed_tasks),
    ("failedTasks", Kind::Counter, "", |executor| executor.failed_tasks),
    ("totalDuration", Kind::Counter, "ms", |executor| executor.total_duration),
    ("totalGCTime", Kind::Counter, "ms", |executor| executor.total_gc_time),
    ("memoryUsed", Kind::Gauge, "bytes", |executor| executor.memory_used),
    ("maxMemory", Kind::Gauge, "bytes", |executor| executor.max_memory),
];

impl Spark {
    pub(super) async fn job_metrics(&self, job: &Job) -> Result<Metrics, Error> {
        let mut metrics = Metrics { source: "Spark's master".into(), ..Metrics::default() };
        let Some(id) = self.find_driver(job).await? else {
            return Err(Error::not_found("driver_not_found", "the master shows no driver of this job"));
        };
        let master = self.master().await?;
        let Some(app) = self.application(&master, job, &id).await? else {
            metrics.notes.push("the driver has no application (yet): there is nothing to measure".into());
            return Ok(metrics);
        };
        match self.source(&master, &app).await {
            Ok(source) => self.add_facts(&mut metrics, &source, &app).await?,
            Err(error) if error.gave_up() => return Err(error),
            Err(error) => metrics.notes.push(format!("{}; {}", error.message(), error.suggestion())),
        }
        let started = master.activedrivers.iter().find(|driver| driver.id == id).map(|driver| driver.starttime);
        if let Some(elapsed) = started.and_then(|at| self.context.io.now().wall_ms.checked_sub(at)) {
            metrics.unified.insert(Unified::ElapsedTime, number(elapsed));
        }
        Ok(metrics)
    }

    async fn add_facts(&self, metrics: &mut Metrics, source: &Source, app: &str) -> Result<(), Error> {
        let requests = [Facts::Stages, Facts::Executors].map(|facts| self.facts_request(source, app, facts));
        let mut outcomes = self.context.send_all_aside(requests.into()).await?.into_iter();
        let mut next = || outcomes.next().unwrap_or_else(|| Err(Error::misuse("no outcome")));
        let stages = next().and_then(|answer| response::read::<Vec<Stage>>(&answer));
        let executors = next().and_then(|answer| response::read::<Vec<Executor>>(&answer));
        if stages.is_ok() || executors.is_ok() {
            source.name().clone_into(&mut metrics.source);
        }
        match stages {
            Ok(stages) => {
                metrics.notes.push("counts are of finished tasks".into());
                add_stages(metrics, &stages);
            }
            Err(error) => metrics.notes.push(unread(source, &error)),
        }
        if let Ok(executors) = executors {
            add_executors(metrics, &executors, matches!(source, Source::Driver(..)));
        }
        Ok(())
    }
}

fn unread(source: &Source, error: &Error) -> String {
    let (name, message) = (source.name(), error.message());
    match source {
        Source::History if is_unknown(error) => format!(
            "{name} does not have the application (yet): it reads event logs, which are written only where the target's \
             `spark_configuration` sets spark.eventLog.enabled and spark.eventLog.dir"
        ),
        _ => format!("the application's metrics could not be read: {name}: {message}"),
    }
}

fn metric(namespace: &str, (name, kind, unit): (&str, Kind, &str), step: Option<String>, told: &str) -> Metric {
    let Reading { value, raw } = Reading::text(told);
    Metric {
        name: clean_line(name, NAME_BYTES),
        namespace: namespace.to_owned(),
        step,
        kind,
        attempted: value,
        committed: None,
        raw: Raw::of_attempted(raw),
        unit: unit.to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to 2^53, and near enough above")]
fn number(value: u64) -> f64 {
    value as f64
}

fn add_stages(metrics: &mut Metrics, stages: &[Stage]) {
    let sum = |of: fn(&Stage) -> u64| stages.iter().map(of).fold(0, u64::saturating_add);
    for (name, kind, unit, of) in STAGE {
        metrics.system.push(metric("spark", (name, kind, unit), None, &sum(of).to_string()));
    }
    let shown = stages.iter().filter(|stage| stage.status != "SKIPPED");
    if shown.clone().count() > MOST_STAGES {
        metrics.notes.push(format!("only {MOST_STAGES} stages are shown by themselves"));
    }
    for stage in shown.take(MOST_STAGES) {
        let step = format!("{} (stage {})", clean_line(&stage.name, NAME_BYTES), stage.id);
        for (name, kind, unit, of) in STAGE.into_iter().filter(|(.., of)| of(stage) > 0) {
            metrics.system.push(metric("spark", (name, kind, unit), Some(step.clone()), &of(stage).to_string()));
        }
        if let Some(reason) = stage.failure_reason.as_deref().filter(|_| stage.status == "FAILED") {
            metrics.notes.push(format!("{step} failed: {}", digest(reason)));
        }
    }
    add_accumulators(metrics, stages);
}

fn add_accumulators(metrics: &mut Metrics, stages: &[Stage]) {
    let mut unread = 0;
    for accumulator in accumulators(stages).into_values().take(MOST) {
        if accumulator.name == beam_metrics::ACCUMULATOR {
            let (user, lost) = beam_metrics::metrics(&accumulator.value);
            metrics.user.extend(user);
            unread += lost;
        } else {
            metrics.user.push(plain(accumulator));
        }
    }
    metrics.user.truncate(MOST);
    metrics.notes.extend(beam_metric::note(unread));
    if !metrics.user.is_empty() {
        metrics.notes.push("metrics of the pipeline are attempted: repeated work counts again".into());
    } else if stages.iter().any(|stage| stage.status == "ACTIVE") {
        metrics.notes.push("Spark shows a pipeline's own metrics as its tasks end: none has ended yet".into());
    }
}

fn plain(accumulator: &Accumulator) -> Metric {
    let kind = if accumulator.value.parse::<f64>().is_ok() { Kind::Counter } else { Kind::Other };
    metric("spark.accumulator", (&accumulator.name, kind, ""), None, &accumulator.value)
}

/// The history server calls executors active that lived until the end.
fn add_executors(metrics: &mut Metrics, executors: &[Executor], live: bool) {
    let workers: Vec<&Executor> = executors.iter().filter(|executor| executor.id != "driver").collect();
    if live {
        let active = workers.iter().filter(|executor| executor.is_active).count();
        metrics.unified.insert(Unified::WorkerCount, number(u64::try_from(active).unwrap_or(u64::MAX)));
    }
    for (name, kind, unit, of) in EXECUTOR.into_iter().filter(|(_, kind, ..)| live || *kind == Kind::Counter) {
        let shown = workers.iter().filter(|executor| kind == Kind::Counter || executor.is_active);
        let sum = shown.map(|executor| of(executor)).fold(0, u64::saturating_add);
        metrics.system.push(metric("spark.executors", (name, kind, unit), None, &sum.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Target,
        effect::{FaultKind, Reply},
        job::MetricValue,
        runner::{
            Backend,
            spark::testing::{self, DRIVER, fault, job, play, recorded, target},
        },
    };

    const MASTER: &str = "GET master/json/";
    const HEAD: &str = "GET 8081/log/?driverId={id}&logType=stderr&offset=0&byteLength=65536";
    const PAGE: &str = "GET master/app/?appId=app-20261125195851-0001";

    fn metrics(driver: &str, target: Target, script: Vec<(&str, Reply)>) -> testing::Played<Metrics> {
        let job = Job { native_id: Some(driver.to_owned()), ..job() };
        play(target, script, |spark| async move { spark.metrics(&job).await })
    }

    fn value<'a>(metrics: &'a [Metric], name: &str) -> &'a MetricValue {
        metrics.iter().find(|metric| metric.name == name && metric.step.is_none()).unwrap().attempted.as_ref().unwrap()
    }

    #[test]
    fn a_living_driver_is_asked_itself() {
        let app = "/api/v1/applications/app-20261125195851-0001";
        let (stages, executors) = (format!("GET 4040{app}/stages"), format!("GET 4040{app}/allexecutors"));
        let script = vec![
            (MASTER, recorded!("3.5.9/master-running")),
            (HEAD, recorded!("3.5.9/driver-stderr-head")),
            (PAGE, recorded!("3.5.9/app-page-running")),
            (stages.as_str(), recorded!("3.5.9/ui-stages")),
            (executors.as_str(), recorded!("3.5.9/ui-allexecutors")),
        ];
        let played = metrics(DRIVER, target(), script);
        assert_eq!(played.requests[3].credential, None, "no credential leaves for a page that Spark named");
        let metrics = played.end.unwrap();
        assert!((metrics.unified[&Unified::WorkerCount] - 1.0).abs() < f64::EPSILON);
        assert_eq!(value(&metrics.system, "numActiveTasks"), &MetricValue::Int(2));
        assert_eq!(metrics.source, "the driver's page");
        assert!(metrics.notes.iter().any(|note| note.contains("none has ended yet")), "{:?}", metrics.notes);
        let cores = metrics.system.iter().find(|metric| metric.name == "totalCores").unwrap();
        assert_eq!((cores.namespace.as_str(), &cores.attempted), ("spark.executors", &Some(MetricValue::Int(2))));
    }

    const FINISHED: &str = "driver-20261125195942-0004";

    /// The driver's log is gone: its application is known by the token in its name.
    fn ended(stages: Reply) -> Vec<(&'static str, Reply)> {
        vec![
            (MASTER, recorded!("3.5.9/master-ended")),
            (
                "GET 8081/log/?driverId=driver-20261125195942-0004&logType=stderr&offset=0&byteLength=65536",
                testing::text(
                    200,
                    "26/11/25 19:59:42 INFO x: Connected to Spark cluster with app ID \
                    app-20261125195955-0003\n",
                )
                .into_log(),
            ),
            ("GET history/api/v1/applications/app-20261125195955-0003/stages", stages),
            (
                "GET history/api/v1/applications/app-20261125195955-0003/allexecutors",
                recorded!("3.5.9/history-allexecutors-finished"),
            ),
        ]
    }

    trait IntoLog {
        fn into_log(self) -> Reply;
    }

    impl IntoLog for Reply {
        /// As a worker would send it.
        fn into_log(self) -> Reply {
            let Reply::Response(response) = self else { panic!("{self:?}") };
            let text = response.body.text();
            testing::text(200, &format!("==== Bytes 0-{0} of {0} of /x/stderr ====\n{text}", text.len()))
        }
    }

    #[test]
    fn after_the_end_the_history_server_is_asked() {
        let metrics = metrics(FINISHED, target(), ended(recorded!("3.5.9/history-stages-finished"))).end.unwrap();
        let elements = &metrics.user[0];
        assert_eq!((elements.name.as_str(), elements.namespace.as_str()), ("elements", "spark.accumulator"));
        assert_eq!(elements.attempted, Some(MetricValue::Int(40)));
        assert_eq!(value(&metrics.system, "numCompleteTasks"), &MetricValue::Int(2));
        assert_eq!(metrics.source, "the history server");
        assert!(!metrics.unified.contains_key(&Unified::ElapsedTime), "Spark does not say when a driver ended");
        assert!(!metrics.unified.contains_key(&Unified::WorkerCount));
    }

    #[test]
    fn what_is_no_number_is_told_in_sparks_own_words() {
        let of = |id, name: &str, value: &str| Accumulator { id, name: name.into(), value: value.into() };
        let updates = vec![of(1, "seen", "[a, b]"), of(2, "mean", "NaN"), of(3, "wide", "9007199254740993")];
        let stage = Stage { accumulator_updates: updates, executor_cpu_time: u64::MAX, ..Stage::default() };
        let mut metrics = Metrics::default();
        add_stages(&mut metrics, &[stage]);
        let rows: Vec<_> =
            metrics.user.iter().map(|m| (m.kind, m.attempted.clone(), m.raw.attempted.as_deref())).collect();
        let wide = Some(MetricValue::Int(9_007_199_254_740_993));
        assert_eq!(
            rows,
            [
                (Kind::Other, None, Some("[a, b]")),
                (Kind::Counter, None, Some("NaN")),
                (Kind::Counter, wide, Some("9007199254740993"))
            ]
        );
        let cpu = metrics.system.iter().find(|metric| metric.name == "executorCpuTime").unwrap();
        assert_eq!(cpu.raw.attempted.as_deref(), Some("18446744073709551615"));
    }

    #[test]
    fn metrics_of_a_beam_pipeline_have_their_steps() {
        let metrics = metrics(FINISHED, target(), ended(recorded!("3.5.9/history-stages-beam"))).end.unwrap();
        let words = metrics.user.iter().find(|metric| metric.name == "words").unwrap();
        assert_eq!(words.step.as_deref(), Some("CountWords/ExtractWords/ParMultiDo(ExtractWords)"));
        assert_eq!((words.namespace.as_str(), &words.attempted), ("wordcount", &Some(MetricValue::Int(23087))));
        assert_eq!(metrics.user.len(), 4, "one value of each, however many stages show it");
    }

    #[test]
    fn what_cannot_be_read_is_noted() {
        let missing = metrics(FINISHED, target(), ended(recorded!("3.5.9/history-unknown"))).end.unwrap();
        assert!(missing.notes[0].contains("spark.eventLog.enabled"), "{:?}", missing.notes);
        let slow = metrics(FINISHED, target(), ended(fault(FaultKind::Timeout))).end.unwrap();
        assert!(slow.notes[0].contains("the history server: the target did not answer"), "{:?}", slow.notes);
        let none = Target { history_url: None, ..target() };
        let none = metrics(FINISHED, none, ended(fault(FaultKind::Timeout))[..2].to_vec()).end.unwrap();
        assert!(none.notes[0].contains("history_url"), "{:?}", none.notes);
        let early = vec![(MASTER, recorded!("3.5.9/master-queued"))];
        let early = metrics("driver-20261125195840-0001", target(), early).end.unwrap();
        assert!(early.notes[0].contains("no application (yet)"), "{:?}", early.notes);
    }
}
