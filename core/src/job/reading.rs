//! A value as its runner wrote it: what of it is read, and its own words where that is not exactly it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MetricValue;
use crate::text::clean_line;

/// Most bytes of a raw value.
const RAW_BYTES: usize = 256;
/// Whole numbers up to here are exact for every reader of JSON, those with doubles alone too.
const EXACT: u64 = 1 << 53;
const EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;
/// From here on a double is no 64-bit number.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// A runner's own words of values that are not exactly what it said: `NaN`, an unknown kind, a distribution of numbers
/// that are not whole, a number beyond 2^53. At most 256 bytes of each.
///
/// Where a value is exactly what the runner said, it is not said again here. JSON stays JSON; what was encoded is its
/// digits where it could be read, else base64.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Raw {
    /// Of the attempted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<String>,
    /// Of the committed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<String>,
}

impl Raw {
    /// Words of an attempted value, where there are any.
    pub const fn of_attempted(attempted: Option<String>) -> Self {
        Self { attempted, committed: None }
    }

    /// True where the values say all.
    pub const fn is_empty(&self) -> bool {
        self.attempted.is_none() && self.committed.is_none()
    }
}

/// What was read of one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The value, where it is one.
    pub value: Option<MetricValue>,
    /// The runner's words, where the value is not exactly them.
    pub raw: Option<String>,
}

impl Reading {
    /// A value whose form says all there is.
    pub fn of(value: MetricValue) -> Self {
        let raw = match &value {
            MetricValue::Float(number) if !number.is_finite() => return Self::unread(&number.to_string()),
            MetricValue::Int(number) => is_wide(*number).then(|| number.to_string()),
            MetricValue::Distribution { count, sum, min, max } => {
                let told = serde_json::json!({"count": count, "sum": sum, "min": min, "max": max});
                [count, sum, min, max].into_iter().any(|number| is_wide(*number)).then(|| told.to_string())
            }
            MetricValue::Float(_) | MetricValue::Set(_) => None,
        };
        Self { value: Some(value), raw }
    }

    /// What is no value here.
    pub fn unread(words: &str) -> Self {
        Self { value: None, raw: Some(clean_line(words, RAW_BYTES)) }
    }

    /// A value that is not exactly what was said.
    pub fn near(value: MetricValue, words: &str) -> Self {
        Self { value: Some(value), ..Self::unread(words) }
    }

    /// A number, a truth value, or the text of a number; nothing of nothing.
    pub fn number(told: &Value) -> Option<Self> {
        match told {
            Value::Null => None,
            Value::Bool(truth) => Some(Self::near(MetricValue::Int(i64::from(*truth)), &told.to_string())),
            Value::String(text) => Some(Self::text(text)).filter(|_| !text.is_empty()),
            other => Some(Self::text(&other.to_string())),
        }
    }

    /// The number of a text.
    pub fn text(text: &str) -> Self {
        if let Ok(whole) = text.parse() {
            return Self::of(MetricValue::Int(whole));
        }
        match text.parse::<f64>() {
            Ok(number) if !number.is_finite() => Self::unread(text),
            Ok(number) if digits(text) == digits(&format!("{number:e}")) => Self::of(MetricValue::Float(number)),
            Ok(number) => Self::near(MetricValue::Float(number), text),
            Err(_) => Self::unread(text),
        }
    }

    /// An object of `count`, `sum`, `min` and `max`; numbers that are not whole are rounded.
    pub fn distribution(told: &Value) -> Option<Self> {
        if told.is_null() {
            return None;
        }
        let parts = ["count", "sum", "min", "max"].map(|name| whole(told.get(name)?));
        let [Some((count, a)), Some((sum, b)), Some((min, c)), Some((max, d))] = parts else {
            return Some(Self::unread(&told.to_string()));
        };
        let value = MetricValue::Distribution { count, sum, min, max };
        Some(if a && b && c && d { Self::of(value) } else { Self::near(value, &told.to_string()) })
    }

    /// The same, of a runner that writes counts as doubles.
    #[must_use]
    pub fn counted(self) -> Self {
        match self.value {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Some(MetricValue::Float(number)) if number.fract() == 0.0 && number.abs() < EXACT_DOUBLE => {
                Self::of(MetricValue::Int(number as i64))
            }
            _ => self,
        }
    }
}

fn is_wide(number: i64) -> bool {
    number.unsigned_abs() > EXACT
}

/// The whole number next to a number, and whether it is that.
fn whole(told: &Value) -> Option<(i64, bool)> {
    let read = Reading::number(told)?;
    match read.value? {
        MetricValue::Int(number) => Some((number, true)),
        #[expect(clippy::cast_possible_truncation, reason = "no larger than a 64-bit number")]
        MetricValue::Float(number) if number.abs() < TOO_LARGE => {
            Some((number.round() as i64, number.fract() == 0.0 && read.raw.is_none()))
        }
        _ => None,
    }
}

/// The digits that tell one number from another, of the same size.
fn digits(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    all.trim_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use MetricValue::{Distribution, Float, Int};

    #[test]
    fn a_number_that_is_exactly_what_was_said_is_not_said_twice() {
        for (told, value) in [
            (json!(7), Int(7)),
            (json!("-7"), Int(-7)),
            (json!(9_007_199_254_740_992_i64), Int(9_007_199_254_740_992)),
            (json!(0.1), Float(0.1)),
            (json!("1.50"), Float(1.5)),
            (json!("1.234567890123456E10"), Float(12_345_678_901.234_56)),
            (json!(1e300), Float(1e300)),
        ] {
            assert_eq!(Reading::number(&told), Some(Reading { value: Some(value), raw: None }), "{told}");
        }
        assert_eq!((Reading::number(&Value::Null), Reading::number(&json!(""))), (None, None));
    }

    #[test]
    fn what_cannot_be_read_or_loses_by_it_is_kept_as_it_was() {
        let near = |told: f64| Some(Float(told));
        for (told, value, raw) in [
            (json!("NaN"), None, "NaN"),
            (json!("-Infinity"), None, "-Infinity"),
            (json!("{1=2}"), None, "{1=2}"),
            (json!({"a": 1}), None, r#"{"a":1}"#),
            (json!(true), Some(Int(1)), "true"),
            (json!("9007199254740993"), Some(Int(9_007_199_254_740_993)), "9007199254740993"),
            (json!(18_446_744_073_709_551_615_u64), near(18_446_744_073_709_551_615.0), "18446744073709551615"),
            (json!("0.12345678901234567890"), near(0.123_456_789_012_345_68), "0.12345678901234567890"),
        ] {
            assert_eq!(Reading::number(&told), Some(Reading { value, raw: Some(raw.into()) }), "{told}");
        }
    }

    #[test]
    fn words_of_a_runner_are_bounded_and_cleaned() {
        let raw = Reading::text(&format!("a\u{1b}[31mb\nc\u{202e}{}", "x".repeat(900))).raw.unwrap();
        assert!(raw.starts_with("ab cx") && raw.ends_with('…') && raw.len() <= RAW_BYTES + 3, "{raw}");
    }

    #[test]
    fn a_distribution_that_is_not_whole_is_rounded_and_kept() {
        let of = |sum: Value, max: Value| json!({"count": 2, "sum": sum, "min": "1", "max": max});
        let read = |sum, max| Reading::distribution(&of(sum, max)).unwrap();
        let value = |sum, max| Some(Distribution { count: 2, sum, min: 1, max });
        assert_eq!(read(json!(8.0), json!(7)), Reading { value: value(8, 7), raw: None });
        let raw = of(json!(2.75), json!(1.75)).to_string();
        assert_eq!(read(json!(2.75), json!(1.75)), Reading { value: value(3, 2), raw: Some(raw) });
        let nan = read(json!("NaN"), json!(1));
        assert_eq!((nan.value, nan.raw.unwrap().contains("NaN")), (None, true));
        assert!(read(json!(1e300), json!(1)).raw.unwrap().contains("1e"));
        let wide = Reading::of(Distribution { count: 1, sum: 1 << 60, min: 1, max: 1 });
        assert!(wide.raw.unwrap().contains("1152921504606846976"));
        assert_eq!(Reading::distribution(&Value::Null), None);
    }

    #[test]
    fn a_count_is_whole_and_no_number_that_is_none_is_a_value() {
        let counted = |told: Value| Reading::number(&told).unwrap().counted();
        assert_eq!(counted(json!(1410.0)), Reading::of(Int(1410)));
        assert_eq!(counted(json!(0.5)), Reading::of(Float(0.5)));
        assert_eq!(counted(json!(1e300)).value, Some(Float(1e300)));
        assert_eq!(Reading::of(Float(f64::NAN)), Reading::unread("NaN"));
    }
}
