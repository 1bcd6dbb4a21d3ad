//! The values of what Beam counts, as they travel.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    job::{MetricKind, MetricValue, Reading},
    job_api::metric::{Decoded, MonitoringInfo},
    text::clean_line,
};

/// Most strings of one set, and most bytes of each.
const STRINGS: usize = 100;
const STRING_BYTES: usize = 256;

/// Kind and value of a metric; the payload as base64 where that is not read.
pub(super) fn reading(info: &MonitoringInfo) -> (MetricKind, Reading) {
    match info.decoded() {
        Some(decoded) => {
            let (kind, value) = plain(decoded);
            (kind, Reading::of(value))
        }
        None => (kind_of(&info.kind), Reading::unread(&STANDARD.encode(&info.payload))),
    }
}

/// The kind that a type such as `beam:metrics:sum_int64:v1` names.
pub(super) fn kind_of(name: &str) -> MetricKind {
    match name.strip_prefix("beam:metrics:").and_then(|name| name.split(['_', ':']).next()) {
        Some("sum") => MetricKind::Counter,
        Some("distribution") => MetricKind::Distribution,
        Some("latest") => MetricKind::Gauge,
        Some("set") => MetricKind::StringSet,
        _ => MetricKind::Other,
    }
}

/// What a reader hears of values that are not read.
pub(super) fn note(unread: usize) -> Option<String> {
    let told = || format!("{unread} of Beam's metrics have values that are not read here: `raw` has them as they came");
    (unread > 0).then(told)
}

fn plain(value: Decoded) -> (MetricKind, MetricValue) {
    match value {
        Decoded::Sum(sum) => (MetricKind::Counter, MetricValue::Int(sum)),
        Decoded::SumDouble(sum) => (MetricKind::Counter, MetricValue::Float(sum)),
        Decoded::Latest(value) => (MetricKind::Gauge, MetricValue::Int(value)),
        Decoded::Distribution([count, sum, min, max]) => {
            (MetricKind::Distribution, MetricValue::Distribution { count, sum, min, max })
        }
        Decoded::Strings(all) => {
            let kept = all.iter().take(STRINGS).map(|text| clean_line(text, STRING_BYTES)).collect();
            (MetricKind::StringSet, MetricValue::Set(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_payload_is_a_value_or_stays_what_it_is() {
        use MetricKind::{Counter, Distribution, Gauge, Other, StringSet};
        let read = |name: &str, payload: &[u8]| {
            let kind = format!("beam:metrics:{name}:v1");
            reading(&MonitoringInfo { urn: String::new(), kind, payload: payload.to_vec(), labels: BTreeMap::new() })
        };
        for (name, payload, kind, raw) in [
            ("sum_int64", &[8, 8][..], Counter, "CAg="),
            ("sum_double", &f64::NAN.to_be_bytes(), Counter, "NaN"),
            ("distribution_double", &[1], Distribution, "AQ=="),
            ("latest_double", &[1], Gauge, "AQ=="),
            ("set_string", &[0xff, 0xff, 0xff, 0xff], StringSet, "/////w=="),
            ("bounded_trie", &[1], Other, "AQ=="),
        ] {
            assert_eq!(read(name, payload), (kind, Reading::unread(raw)), "{name}");
        }
        let set = MetricValue::Set(vec!["a".into()]);
        assert_eq!(read("set_string", &[0, 0, 0, 1, 1, b'a']), (StringSet, Reading::of(set)));
    }
}
