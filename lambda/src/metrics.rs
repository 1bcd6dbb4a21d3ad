//! Counters of the process, in Prometheus' text form.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use beam_mcp_core::{
    effect::{Effect, Fault, Reply, Response},
    engine::Snapshot,
    store::{Op, StoreReply},
};

use crate::admission::Admission;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const EFFECTS: [&str; 12] =
    ["send", "send_all", "rpc", "sleep", "store", "stage", "launch", "signal", "observe", "emit", "publish", "wait"];
const STORE_OPS: [&str; 3] = ["get", "scan", "commit"];
const STORE_OUTCOMES: [&str; 3] = ["ok", "conflict", "failed"];
const RUNNER_OUTCOMES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "fault"];

/// Everything the process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [AtomicU64; CLASSES.len()],
    durations: Histogram,
    effects: [AtomicU64; EFFECTS.len()],
    store: [[AtomicU64; STORE_OUTCOMES.len()]; STORE_OPS.len()],
    runners: BTreeMap<String, [AtomicU64; RUNNER_OUTCOMES.len()]>,
    /// Open connections.
    pub connections: AtomicI64,
    /// Connections ended early: too many, too slow or silent.
    pub connections_cut: AtomicU64,
    /// Open streams.
    pub streams: AtomicI64,
    /// Rounds of the reconciler.
    pub ticks: AtomicU64,
    /// Rounds of the reconciler that ended with an error.
    pub ticks_failed: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Metrics {
    /// Counters for these targets.
    pub fn new<'a>(targets: impl IntoIterator<Item = &'a String>) -> Self {
        let runners = targets.into_iter().map(|name| (name.clone(), <[AtomicU64; 6]>::default())).collect();
        Self { runners, ..Self::default() }
    }

    /// Counts an answered request.
    pub fn request(&self, status: u16, took: Duration) {
        add(self.requests.get(class(status)));
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        add(self.durations.buckets.get(bucket));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.durations.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts an effect about to be performed.
    pub fn effect(&self, effect: &Effect) {
        let number = match effect {
            Effect::Send(_) => 0,
            Effect::SendAll { .. } => 1,
            Effect::Rpc { .. } => 2,
            Effect::Sleep { .. } => 3,
            Effect::Store(_) => 4,
            Effect::Stage(_) => 5,
            Effect::Launch(_) => 6,
            Effect::Signal { .. } => 7,
            Effect::Observe { .. } => 8,
            Effect::Emit(_) => 9,
            Effect::Publish { .. } => 10,
            Effect::Wait { .. } => 11,
            _ => return,
        };
        add(self.effects.get(number));
    }

    /// Counts a store operation, by its place in [`store_op`].
    pub fn store(&self, op: usize, reply: &StoreReply) {
        let outcome = match reply {
            StoreReply::Conflict { .. } => 1,
            StoreReply::Failed { .. } => 2,
            _ => 0,
        };
        add(self.store.get(op).and_then(|outcomes| outcomes.get(outcome)));
    }

    /// Counts a call to a runner.
    pub fn runner(&self, target: &str, outcome: &Result<Response, Fault>) {
        let number = outcome.as_ref().map_or(5, |response| class(response.status));
        add(self.runners.get(target).and_then(|outcomes| outcomes.get(number)));
    }

    /// Counts a gRPC call to a runner: status 0 as 2xx, what the server could not do as 5xx, other statuses as 4xx.
    pub fn rpc(&self, target: &str, outcome: &Result<Reply, Fault>) {
        let number = match outcome {
            Ok(Reply::Rpc { status: 0, .. }) => class(200),
            Ok(Reply::Rpc { status: 2 | 4 | 8 | 13 | 14 | 15, .. }) => class(500),
            Ok(_) => class(400),
            Err(_) => 5,
        };
        add(self.runners.get(target).and_then(|outcomes| outcomes.get(number)));
    }

    /// The text form, version 0.0.4.
    pub fn render(&self, guards: &[(String, Snapshot)], admission: &Admission) -> String {
        let mut text = Text(String::with_capacity(4096));
        text.family("beam_mcp_http_requests_total", "counter", "Answered HTTP requests by class of status.");
        for (class, count) in CLASSES.iter().zip(&self.requests) {
            text.line("beam_mcp_http_requests_total", &format!("status=\"{class}\""), count);
        }
        text.histogram("beam_mcp_http_request_duration_seconds", "Time to the head of the answer.", &self.durations);
        text.family("beam_mcp_effects_total", "counter", "Effects performed for flows.");
        for (effect, count) in EFFECTS.iter().zip(&self.effects) {
            text.line("beam_mcp_effects_total", &format!("effect=\"{effect}\""), count);
        }
        text.family("beam_mcp_store_operations_total", "counter", "Store operations by outcome.");
        for (op, outcomes) in STORE_OPS.iter().zip(&self.store) {
            for (outcome, count) in STORE_OUTCOMES.iter().zip(outcomes) {
                text.line("beam_mcp_store_operations_total", &format!("op=\"{op}\",outcome=\"{outcome}\""), count);
            }
        }
        self.render_runners(&mut text);
        render_guards(&mut text, guards);
        render_admission(&mut text, admission);
        self.render_process(&mut text);
        text.0
    }

    fn render_runners(&self, text: &mut Text) {
        text.family("beam_mcp_runner_calls_total", "counter", "Calls to runners by class of status, or fault.");
        for (target, outcomes) in &self.runners {
            for (outcome, count) in RUNNER_OUTCOMES.iter().zip(outcomes) {
                text.line("beam_mcp_runner_calls_total", &format!("target=\"{target}\",outcome=\"{outcome}\""), count);
            }
        }
    }

    fn render_process(&self, text: &mut Text) {
        for (name, help, gauge) in [
            ("beam_mcp_connections", "Open connections.", &self.connections),
            ("beam_mcp_streams", "Open event streams.", &self.streams),
        ] {
            text.family(name, "gauge", help);
            text.value(name, "", gauge.load(Ordering::Relaxed));
        }
        for (name, help, counter) in [
            ("beam_mcp_connections_cut_total", "Connections ended early: too many or too slow.", &self.connections_cut),
            ("beam_mcp_ticks_total", "Rounds of the reconciler.", &self.ticks),
            ("beam_mcp_ticks_failed_total", "Rounds of the reconciler that failed.", &self.ticks_failed),
        ] {
            text.family(name, "counter", help);
            text.line(name, "", counter);
        }
    }
}

/// Value of one family of a guard.
type OfGuard = (&'static str, &'static str, &'static str, fn(&Snapshot) -> u64);

const OF_GUARDS: [OfGuard; 7] = [
    ("beam_mcp_breaker_open", "gauge", "1 while calls to the target are held back.", |guard| {
        u64::from(guard.breaker != "closed")
    }),
    ("beam_mcp_runner_calls_in_flight", "gauge", "Calls to the target under way.", |guard| guard.in_flight.into()),
    ("beam_mcp_runner_calls_waiting", "gauge", "Calls that wait for a place.", |guard| guard.waiting.into()),
    ("beam_mcp_breaker_opened_total", "counter", "Times the breaker opened.", |guard| guard.opened),
    ("beam_mcp_breaker_refused_total", "counter", "Calls the open breaker refused.", |guard| guard.refused_open),
    ("beam_mcp_bulkhead_refused_total", "counter", "Calls that found no place.", |guard| guard.refused_full),
    ("beam_mcp_retries_denied_total", "counter", "Retries over the budget.", |guard| guard.retries_denied),
];

fn render_guards(text: &mut Text, guards: &[(String, Snapshot)]) {
    for (name, kind, help, value) in OF_GUARDS {
        text.family(name, kind, help);
        for (target, guard) in guards {
            text.value(name, &format!("target=\"{target}\""), value(guard));
        }
    }
}

fn render_admission(text: &mut Text, admission: &Admission) {
    let (working, limit) = admission.now();
    text.family("beam_mcp_requests_working", "gauge", "Requests that are worked on.");
    text.value("beam_mcp_requests_working", "", working);
    text.family("beam_mcp_requests_working_limit", "gauge", "Requests that may be worked on at once.");
    text.value("beam_mcp_requests_working_limit", "", limit);
    text.family("beam_mcp_requests_shed_total", "counter", "Requests refused because too many were worked on.");
    text.value("beam_mcp_requests_shed_total", "", admission.refused());
}

/// Place of a store operation among those counted.
pub fn store_op(op: &Op) -> usize {
    match op {
        Op::Get { .. } => 0,
        Op::Scan(_) => 1,
        Op::Commit(_) => 2,
    }
}

fn add(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5) - 1
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, count: &AtomicU64) {
        self.value(name, labels, count.load(Ordering::Relaxed));
    }

    fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum of microseconds shown in seconds")]
    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let bounds = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut total = 0;
        for (bound, count) in bounds.zip(&histogram.buckets) {
            total += count.load(Ordering::Relaxed);
            self.value(&format!("{name}_bucket"), &format!("le=\"{bound}\""), total);
        }
        self.value(&format!("{name}_sum"), "", histogram.micros.load(Ordering::Relaxed) as f64 / 1e6);
        self.value(&format!("{name}_count"), "", total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        let metrics = Metrics::new([&"flink".to_owned()]);
        metrics.request(200, Duration::from_millis(2));
        metrics.request(503, Duration::from_secs(60));
        metrics.runner("flink", &Ok(Response::json(404, &())));
        metrics.runner("unknown", &Ok(Response::json(200, &())));
        metrics.effect(&Effect::Sleep { ms: 1 });
        metrics.store(2, &StoreReply::Conflict { index: 0, current: None });
        let guard = Snapshot {
            breaker: "open",
            next_probe: Duration::from_secs(5),
            in_flight: 3,
            waiting: 2,
            opened: 1,
            refused_open: 9,
            refused_full: 8,
            retries_denied: 7,
        };
        let text = metrics.render(&[("flink".into(), guard)], &Admission::default());
        for line in [
            "beam_mcp_http_requests_total{status=\"2xx\"} 1",
            "beam_mcp_http_requests_total{status=\"5xx\"} 1",
            "beam_mcp_http_request_duration_seconds_bucket{le=\"0.0025\"} 1",
            "beam_mcp_http_request_duration_seconds_bucket{le=\"30\"} 1",
            "beam_mcp_http_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "beam_mcp_http_request_duration_seconds_sum 60.002",
            "beam_mcp_runner_calls_total{target=\"flink\",outcome=\"4xx\"} 1",
            "beam_mcp_effects_total{effect=\"sleep\"} 1",
            "beam_mcp_breaker_open{target=\"flink\"} 1",
            "beam_mcp_breaker_refused_total{target=\"flink\"} 9",
            "beam_mcp_requests_working_limit 64",
            "beam_mcp_requests_shed_total 0",
            "beam_mcp_store_operations_total{op=\"commit\",outcome=\"conflict\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("unknown"));
    }
}
