//! Beam's metrics on Flink: one accumulator whose value is the JSON of Beam's `GetJobMetricsResponse`, each metric
//! with a binary payload (runners.md 2.7 and 4.4).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::response::finite;
use crate::{
    job::{Metric, MetricKind, MetricValue, unit_of},
    text::clean_line,
};

/// Name of Beam's accumulator.
const BEAM: &str = "__metricscontainers";
/// Most metrics of one job that are shown.
const MOST: usize = 1000;
/// Most strings of one set that are shown.
const MOST_STRINGS: usize = 100;
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
    /// Beam's metrics, and plain Flink accumulators that are numbers.
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
            self.notes.push("Beam's metrics are there but could not be read".into());
            return;
        };
        let mut unread = 0;
        for info in response.metrics.attempted {
            match info.metric() {
                Some(metric) if info.urn.starts_with("beam:metric:user") => self.user.push(metric),
                Some(metric) => self.system.push(metric),
                None => unread += 1,
            }
        }
        if unread > 0 {
            self.notes.push(format!("{unread} of Beam's metrics are of a kind this version does not read"));
        }
    }
}

fn plain(accumulator: &Accumulator) -> Option<Metric> {
    let value = match accumulator.value.parse() {
        Ok(whole) => MetricValue::Int(whole),
        Err(_) => MetricValue::Float(finite(&accumulator.value.as_str().into())?),
    };
    Some(Metric {
        name: clean_line(&accumulator.name, NAME_BYTES),
        namespace: "flink.accumulator".into(),
        step: None,
        kind: MetricKind::Counter,
        attempted: Some(value),
        committed: None,
        unit: String::new(),
    })
}

#[derive(Debug, Deserialize)]
struct JobMetrics {
    #[serde(default)]
    metrics: Attempted,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attempted {
    attempted: Vec<MonitoringInfo>,
}

/// Beam's `MonitoringInfo` in its JSON form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MonitoringInfo {
    urn: String,
    r#type: String,
    payload: String,
    labels: BTreeMap<String, String>,
}

impl MonitoringInfo {
    fn metric(&self) -> Option<Metric> {
        let payload = STANDARD.decode(&self.payload).ok()?;
        let (kind, value) = decode(&self.r#type, &payload)?;
        let label = |name: &str| self.labels.get(name).map(|text| clean_line(text, NAME_BYTES));
        let unit = if self.labels.contains_key("NAME") { "" } else { unit_of(&self.urn) };
        Some(Metric {
            name: label("NAME").unwrap_or_else(|| clean_line(&self.urn, NAME_BYTES)),
            namespace: label("NAMESPACE").unwrap_or_else(|| "beam".into()),
            step: label("PTRANSFORM").or_else(|| label("PCOLLECTION")),
            kind,
            attempted: Some(value),
            committed: None,
            unit: unit.to_owned(),
        })
    }
}

/// Reads a payload of a type such as `beam:metrics:sum_int64:v1`; `None` for a type or form nobody here knows.
fn decode(r#type: &str, payload: &[u8]) -> Option<(MetricKind, MetricValue)> {
    let mut bytes = payload;
    let decoded = match r#type {
        "beam:metrics:sum_int64:v1" => (MetricKind::Counter, MetricValue::Int(varint(&mut bytes)?)),
        "beam:metrics:latest_int64:v1" => {
            varint(&mut bytes)?; // the time of the value in milliseconds
            (MetricKind::Gauge, MetricValue::Int(varint(&mut bytes)?))
        }
        "beam:metrics:distribution_int64:v1" => (MetricKind::Distribution, distribution(&mut bytes)?),
        "beam:metrics:set_string:v1" => (MetricKind::StringSet, MetricValue::Set(strings(&mut bytes)?)),
        _ => return None,
    };
    bytes.is_empty().then_some(decoded)
}

fn distribution(bytes: &mut &[u8]) -> Option<MetricValue> {
    let [count, sum, min, max] = [varint(bytes)?, varint(bytes)?, varint(bytes)?, varint(bytes)?];
    Some(MetricValue::Distribution { count, sum, min, max })
}

/// A 64-bit two's complement number, seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number.cast_signed());
        }
    }
    None
}

fn strings(bytes: &mut &[u8]) -> Option<Vec<String>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    let mut strings = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let length = usize::try_from(varint(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        if strings.len() < MOST_STRINGS {
            strings.push(clean_line(&String::from_utf8_lossy(text), NAME_BYTES));
        }
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_kind_are_read() {
        use MetricValue as V;
        let rows: [(&str, &[u8], Option<V>); 10] = [
            ("sum_int64", &[8], Some(V::Int(8))),
            ("sum_int64", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(V::Int(-1))),
            ("distribution_int64", &[8, 28, 0, 7], Some(V::Distribution { count: 8, sum: 28, min: 0, max: 7 })),
            ("latest_int64", &[144, 132, 187, 195, 159, 52, 7], Some(V::Int(7))),
            ("set_string", &[0, 0, 0, 2, 1, b'a', 2, b'b', b'c'], Some(V::Set(vec!["a".into(), "bc".into()]))),
            ("sum_int64", &[], None),
            ("sum_int64", &[0x80; 11], None),
            ("sum_int64", &[8, 8], None),
            ("set_string", &[0xff, 0xff, 0xff, 0xff], None),
            ("histogram_int64", &[1], None),
        ];
        for (name, payload, value) in rows {
            assert_eq!(
                decode(&format!("beam:metrics:{name}:v1"), payload).map(|row| row.1),
                value,
                "{name} {payload:?}"
            );
        }
    }

    #[test]
    fn a_lying_accumulator_is_noted_not_believed() {
        let accumulators = |value: &str| Accumulators {
            user_task_accumulators: vec![
                Accumulator { name: BEAM.into(), value: value.into() },
                Accumulator { name: "NaN".into(), value: "NaN".into() },
            ],
        };
        for (value, note) in [
            ("not json", "Beam's metrics are there but could not be read"),
            (
                r#"{"metrics":{"attempted":[{"payload":"!"}]}}"#,
                "1 of Beam's metrics are of a kind this version does not read",
            ),
        ] {
            let metrics = accumulators(value).metrics();
            assert_eq!((metrics.user.len(), metrics.notes), (0, vec![note.to_owned()]));
        }
        assert_eq!(accumulators("{}").metrics(), UserMetrics::default());
    }
}
