use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Raw, Unified};

/// Kind of a metric.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// A sum.
    Counter,
    /// Count, sum, minimum, maximum.
    Distribution,
    /// The latest value.
    Gauge,
    /// A set of strings.
    StringSet,
    /// A kind that is not read here: its value is in `raw` alone.
    Other,
}

/// Value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum MetricValue {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A distribution.
    Distribution {
        /// Number of values.
        count: i64,
        /// Their sum.
        sum: i64,
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A set.
    Set(Vec<String>),
}

/// Unit of a metric of Beam's own or of a runner, whose names say it: `total_msecs`, `sampled_byte_size`.
#[cfg(feature = "server")]
pub(crate) fn unit_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if says(&["msec", "_millis"]) || name.ends_with("_ms") {
        "ms"
    } else if says(&["bytes", "byte_size", "bytecount"]) {
        "bytes"
    } else {
        ""
    }
}

impl MetricValue {
    /// What two steps count under one name, together; `None` for values of different kinds.
    pub fn with(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(Self::Int(a.saturating_add(b))),
            (Self::Float(a), Self::Float(b)) => Some(a + b).filter(|sum| sum.is_finite()).map(Self::Float),
            (Self::Distribution { count: a, sum: b, min: c, max: d }, Self::Distribution { count, sum, min, max }) => {
                Some(Self::Distribution {
                    count: a.saturating_add(count),
                    sum: b.saturating_add(sum),
                    min: c.min(min),
                    max: d.max(max),
                })
            }
            (Self::Set(a), Self::Set(b)) => {
                Some(Self::Set(a.into_iter().chain(b).collect::<BTreeSet<_>>().into_iter().collect()))
            }
            _ => None,
        }
    }
}

/// One metric as the runner or Beam reported it; without a value where `raw` alone says what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Metric {
    /// Name, for instance `words` or `numRestarts`.
    pub name: String,
    /// Beam's metric namespace, or the runner's name for its own metrics.
    pub namespace: String,
    /// `PTransform` or vertex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Kind.
    pub kind: MetricKind,
    /// Value, counting attempts that were rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<MetricValue>,
    /// Value of committed work only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<MetricValue>,
    /// What the runner wrote, where a value is not exactly that.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
    /// Unit: `ms`, `bytes`, `records/s`, … empty where it is a count, or where nobody says: a pipeline's own have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

/// Metrics of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Metrics {
    /// Metrics the pipeline itself counts (Beam's user metrics).
    pub user: Vec<Metric>,
    /// Metrics of Beam and the runner.
    pub system: Vec<Metric>,
    /// What of the unified measures this runner really reports.
    pub unified: BTreeMap<Unified, f64>,
    /// Where all of this was read.
    #[serde(default)]
    pub source: String,
    /// Unix milliseconds of the values, where the source says it and they are not of the reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of_ms: Option<u64>,
    /// What a reader should know, for instance that numbers come only at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_before_there_were_raw_values_is_read_and_written_as_it_was() {
        let old = r#"{"name":"words","namespace":"ns","kind":"counter","attempted":7}"#;
        let metric: Metric = serde_json::from_str(old).unwrap();
        assert!(metric.raw.is_empty());
        assert_eq!(serde_json::to_string(&metric).unwrap(), old);
    }

    #[test]
    fn names_of_beams_own_metrics_say_their_unit() {
        for (name, unit) in [
            ("beam:metric:pardo_execution_time:process_bundle_msecs:v1", "ms"),
            ("beam:metric:sampled_byte_size:v1", "bytes"),
            ("TotalShuffleDataBytes", "bytes"),
            ("processing_time_ms", "ms"),
            ("beam:metric:element_count:v1", ""),
            ("ElementCount", ""),
        ] {
            assert_eq!(unit_of(name), unit, "{name}");
        }
    }
}
