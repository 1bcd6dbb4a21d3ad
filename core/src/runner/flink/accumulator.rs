//! Beam's metrics on Flink: one accumulator whose value is the JSON of Beam's `GetJobMetricsResponse`, each metric
//! with a binary payload (runners.md 2.7 and 4.4).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{
    job::{Metric, MetricKind, Raw, Reading, unit_of},
    job_api::metric::MonitoringInfo,
    runner::beam_metric,
    text::clean_line,
};

/// Name of Beam's accumulator.
const BEAM: &str = "__metricscontainers";
/// Most metrics of one job that are shown.
const MOST: usize = 1000;
/// Longest name.
const NAME_BYTES: usize = 256;

/// Answer of `/jobs/:id/accumulators`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Accumulators {
    user_task_accumulators: Vec<Accumulator>,
}

#[derive(Clone, Debug, Deserialize)]
struct Accumulator {
    name: String,
    value: String,
}

/// User metrics and what could not be read of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct UserMetrics {
    pub(super) user: Vec<Metric>,
    /// Metrics of Beam itself.
    pub(super) system: Vec<Metric>,
    pub(super) notes: Vec<String>,
}

impl Accumulators {
    /// Beam's metrics, and plain Flink accumulators.
    pub(super) fn metrics(&self) -> UserMetrics {
        let mut metrics = UserMetrics::default();
        for accumulator in &self.user_task_accumulators {
            if accumulator.name == BEAM {
                metrics.add_beam(&accumulator.value);
            } else {
                metrics.user.extend(plain(accumulator));
            }
        }
        if metrics.user.len() > MOST {
            metrics.user.truncate(MOST);
            metrics.notes.push(format!("only the first {MOST} user metrics are shown"));
        }
        metrics
    }
}

impl UserMetrics {
    fn add_beam(&mut self, json: &str) {
        let Ok(response) = serde_json::from_str::<JobMetrics>(json) else {
            self.notes.push("Beam's metrics are there but could not be read: `raw` has how they begin".into());
            self.system.push(whole(BEAM, MetricKind::Other, Reading::unread(json)));
            return;
        };
        let mut unread = 0;
        for info in response.metrics.attempted {
            let (kind, reading) = info.reading();
            unread += usize::from(reading.value.is_none());
            let list = if info.urn.starts_with("beam:metric:user") { &mut self.user } else { &mut self.system };
            list.push(info.metric(kind, reading));
        }
        self.notes.extend(beam_metric::note(unread));
    }
}

fn plain(accumulator: &Accumulator) -> Option<Metric> {
    let reading = Reading::number(&accumulator.value.as_str().into())?;
    let is_number = accumulator.value.parse::<f64>().is_ok();
    Some(whole(&accumulator.name, if is_number { MetricKind::Counter } else { MetricKind::Other }, reading))
}

/// What an accumulator holds as a whole.
fn whole(name: &str, kind: MetricKind, Reading { value, raw }: Reading) -> Metric {
    Metric {
        name: clean_line(name, NAME_BYTES),
        namespace: "flink.accumulator".into(),
        step: None,
        kind,
        attempted: value,
        committed: None,
        raw: Raw::of_attempted(raw),
        unit: String::new(),
    }
}

#[derive(Debug, Deserialize)]
struct JobMetrics {
    #[serde(default)]
    metrics: Attempted,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attempted {
    attempted: Vec<Info>,
}

/// Beam's `MonitoringInfo` in its JSON form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    urn: String,
    r#type: String,
    payload: String,
    labels: BTreeMap<String, String>,
}

impl Info {
    fn reading(&self) -> (MetricKind, Reading) {
        let Ok(payload) = STANDARD.decode(&self.payload) else {
            return (beam_metric::kind_of(&self.r#type), Reading::unread(&self.payload));
        };
        let (urn, kind) = (String::new(), self.r#type.clone());
        beam_metric::reading(&MonitoringInfo { urn, kind, payload, labels: BTreeMap::new() })
    }

    fn metric(&self, kind: MetricKind, Reading { value, raw }: Reading) -> Metric {
        let label = |name: &str| self.labels.get(name).map(|text| clean_line(text, NAME_BYTES));
        let unit = if self.labels.contains_key("NAME") { "" } else { unit_of(&self.urn) };
        Metric {
            name: label("NAME").unwrap_or_else(|| clean_line(&self.urn, NAME_BYTES)),
            namespace: label("NAMESPACE").unwrap_or_else(|| "beam".into()),
            step: label("PTRANSFORM").or_else(|| label("PCOLLECTION")),
            kind,
            attempted: value,
            committed: None,
            raw: Raw::of_attempted(raw),
            unit: unit.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lying_accumulator_is_noted_not_believed() {
        let accumulators = |value: &str| Accumulators {
            user_task_accumulators: vec![
                Accumulator { name: BEAM.into(), value: value.into() },
                Accumulator { name: "NaN".into(), value: "NaN".into() },
            ],
        };
        for (value, note) in [
            ("not json", "Beam's metrics are there but could not be read: `raw` has how they begin"),
            (
                r#"{"metrics":{"attempted":[{"payload":"!"}]}}"#,
                "1 of Beam's metrics have values that are not read here: `raw` has them as they came",
            ),
        ] {
            let metrics = accumulators(value).metrics();
            assert!(metrics.user.iter().all(|metric| metric.attempted.is_none()), "{metrics:?}");
            assert_eq!(metrics.notes, [note]);
        }
        assert_eq!(accumulators("{}").metrics().notes, [""; 0]);
        let broken = accumulators("not json").metrics();
        let raw = |metrics: &[Metric]| {
            metrics.iter().map(|m| (m.name.clone(), m.kind, m.raw.attempted.clone().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(raw(&broken.user), [("NaN".into(), MetricKind::Counter, "NaN".into())]);
        assert_eq!(raw(&broken.system), [(BEAM.into(), MetricKind::Other, "not json".into())]);
    }

    #[test]
    fn a_kind_that_is_not_read_is_told_by_its_payload() {
        let info = |kind: &str, payload: &str| {
            serde_json::json!({"urn": format!("beam:metric:user:{kind}:v1"), "type": format!("beam:metrics:{kind}:v1"),
                "payload": payload, "labels": {"NAME": kind, "NAMESPACE": "ns", "PTRANSFORM": "s"}})
        };
        let infos = [info("bounded_trie", "CgVhLmI="), info("sum_int64", "!"), info("sum_double", "f/gAAAAAAAA=")];
        let mut metrics = UserMetrics::default();
        metrics.add_beam(&serde_json::json!({"metrics": {"attempted": infos}}).to_string());
        let rows: Vec<_> = metrics.user.iter().map(|m| (m.kind, m.raw.attempted.as_deref().unwrap())).collect();
        assert_eq!(rows, [(MetricKind::Other, "CgVhLmI="), (MetricKind::Counter, "!"), (MetricKind::Counter, "NaN")]);
        assert!(metrics.user.iter().all(|metric| metric.attempted.is_none() && metric.step.as_deref() == Some("s")));
        assert!(metrics.notes[0].starts_with("3 of Beam's metrics"), "{:?}", metrics.notes);
    }

    #[test]
    fn an_accumulator_that_is_no_number_is_told_in_its_own_words() {
        let of = |value: &str| plain(&Accumulator { name: "a".into(), value: value.into() }).unwrap();
        let told = of("{1=2, 3=4}");
        assert_eq!(
            (told.kind, told.attempted, told.raw.attempted.as_deref()),
            (MetricKind::Other, None, Some("{1=2, 3=4}"))
        );
        let whole = of("9223372036854775808");
        assert_eq!(whole.raw.attempted.as_deref(), Some("9223372036854775808"));
        assert_eq!(of("0.5").raw, Raw::default());
    }
}
