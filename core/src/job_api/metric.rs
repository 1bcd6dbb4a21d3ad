//! `MonitoringInfo`: Beam's metrics as they travel.
//!
//! # Source
//! `metrics.proto` of Apache Beam 2.77: urns, types and the coders of their payloads.

use std::collections::BTreeMap;

use super::protobuf::{Encoder, Message, varint};
use crate::error::Error;

/// Prefix of the metrics a pipeline counts itself.
const USER: &str = "beam:metric:user:";

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitoringInfo {
    /// What it counts.
    pub urn: String,
    /// How it is encoded.
    pub kind: String,
    /// The encoded value.
    pub payload: Vec<u8>,
    /// Where it was counted: `PTRANSFORM`, `PCOLLECTION`, `NAMESPACE`, `NAME`, …
    pub labels: BTreeMap<String, String>,
}

/// A decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A sum.
    Sum(i64),
    /// A sum of doubles.
    SumDouble(f64),
    /// Count, sum, minimum and maximum.
    Distribution([i64; 4]),
    /// The latest of all values.
    Latest(i64),
    /// A set.
    Strings(Vec<String>),
}

/// Attempted and committed metrics of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// Counting attempts that were rolled back.
    pub attempted: Vec<MonitoringInfo>,
    /// Committed work only.
    pub committed: Vec<MonitoringInfo>,
}

impl Results {
    /// Reads the answer to `GetJobMetrics`.
    ///
    /// # Errors
    /// `malformed_response`
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let results = Message::read(Message::read(body)?.bytes(1).unwrap_or_default())?;
        let side = |number| results.all(number).map(MonitoringInfo::read).collect::<Result<_, _>>();
        Ok(Self { attempted: side(1)?, committed: side(2)? })
    }
}

impl MonitoringInfo {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let info = Message::read(bytes)?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let labels = info.entries(4)?.into_iter().map(|(key, value)| (key, text(value))).collect();
        let payload = info.bytes(3).unwrap_or_default().to_vec();
        Ok(Self { urn: info.text(1), kind: info.text(2), payload, labels })
    }

    /// The encoded metric.
    pub fn write(&self) -> Vec<u8> {
        let out = Encoder::new().text(1, &self.urn).text(2, &self.kind).bytes(3, &self.payload);
        self.labels.iter().fold(out, |out, (key, value)| out.entry(4, key, value.as_bytes())).finish()
    }

    /// True for a metric of the pipeline's own code.
    pub fn is_user(&self) -> bool {
        self.urn.starts_with(USER)
    }

    /// A label's value; empty where it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The value; `None` for a type nobody here knows, or bytes that are not of it.
    pub fn decoded(&self) -> Option<Decoded> {
        let kind = self.kind.strip_prefix("beam:metrics:")?.split(':').next()?;
        match kind {
            "sum_int64" => last(&self.payload).map(Decoded::Sum),
            "sum_double" => Some(Decoded::SumDouble(f64::from_be_bytes(self.payload.as_slice().try_into().ok()?))),
            "distribution_int64" => distribution(&self.payload),
            // Behind the time at which it was set.
            "latest_int64" => last(number(&self.payload)?.1).map(Decoded::Latest),
            "set_string" => strings(&self.payload).map(Decoded::Strings),
            _ => None,
        }
    }
}

/// A number of Beam's `VarInt` coder: 64 bits with the sign at the top.
fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    varint(bytes).map(|(value, rest)| (value.cast_signed(), rest))
}

/// A number behind which nothing comes.
fn last(bytes: &[u8]) -> Option<i64> {
    number(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

fn distribution(bytes: &[u8]) -> Option<Decoded> {
    let (mut parts, mut rest) = ([0; 4], bytes);
    for part in &mut parts {
        (*part, rest) = number(rest)?;
    }
    rest.is_empty().then_some(Decoded::Distribution(parts))
}

/// Beam's iterable coder over texts: their count in four bytes, then each behind its length.
fn strings(bytes: &[u8]) -> Option<Vec<String>> {
    let (count, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut all = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (length, after) = varint(rest)?;
        let (text, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        all.push(String::from_utf8_lossy(text).into_owned());
        rest = after;
    }
    rest.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(kind: &str, payload: &[u8]) -> Option<Decoded> {
        let kind = format!("beam:metrics:{kind}:v1");
        MonitoringInfo { urn: String::new(), kind, payload: payload.to_vec(), labels: BTreeMap::new() }.decoded()
    }

    #[test]
    fn payloads_are_read_by_their_type() {
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(decoded("sum_int64", &[0xaf, 0xb4, 1]), Some(Decoded::Sum(23087)));
        assert_eq!(decoded("sum_int64", &minus_one), Some(Decoded::Sum(-1)));
        assert_eq!(
            decoded("distribution_int64", &[0xaf, 0xb4, 1, 0xc4, 0xe0, 5, 1, 14]),
            Some(Decoded::Distribution([23087, 94276, 1, 14]))
        );
        assert_eq!(decoded("latest_int64", &[0x80, 1, 4]), Some(Decoded::Latest(4)));
        assert_eq!(decoded("sum_double", &1.5_f64.to_be_bytes()), Some(Decoded::SumDouble(1.5)));
        assert_eq!(decoded("set_string", &[0, 0, 0, 1, 2, b'a', b'b']), Some(Decoded::Strings(vec!["ab".into()])));
    }

    #[test]
    fn broken_payloads_and_unknown_types_have_no_value() {
        for (kind, payload) in [
            ("sum_int64", &[][..]),
            ("sum_int64", &[8, 8]),
            ("sum_int64", &[0x80; 11]),
            ("distribution_int64", &[1, 2, 3]),
            ("sum_double", &[1]),
            ("set_string", &[0, 0, 0, 9, 1, b'a']),
            ("bounded_trie", &[1]),
        ] {
            assert_eq!(decoded(kind, payload), None, "{kind}");
        }
    }
}
