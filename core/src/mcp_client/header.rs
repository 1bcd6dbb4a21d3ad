use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The parameter that `Mcp-Name` repeats, for the methods that have one.
pub(super) fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A text as a header value: itself where a header can hold it, else between `=?base64?` and `?=`.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let bare = !text.starts_with(' ') && !text.ends_with(' ');
    let sentinel = text.starts_with("=?base64?") && text.ends_with("?=");
    if visible && bare && !sentinel {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(text)))
    }
}

/// An argument as a header value; `None` for what is not mirrored: null, fractions, lists, objects and integers that
/// not every peer reads alike.
pub(super) fn value(argument: &Value) -> Option<Cow<'_, str>> {
    match argument {
        Value::String(text) => Some(encode(text)),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| whole(number.as_f64()?))?;
            (-SAFE..=SAFE).contains(&whole).then(|| Cow::Owned(whole.to_string()))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Largest integer that a double holds with all its neighbours.
const SAFE: i64 = (1 << 53) - 1;

/// A float prints without a point exactly when it has no fraction.
fn whole(float: f64) -> Option<i64> {
    float.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_header_cannot_hold_travels_in_base64() {
        for (text, want) in [
            ("us-west1", "us-west1"),
            ("us west 1", "us west 1"),
            ("", ""),
            ("é", "=?base64?w6k=?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("\tx", "=?base64?CXg=?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
            ("=?base64?w6k=?=", "=?base64?PT9iYXNlNjQ/dzZrPT89?="),
            ("=?base64?open", "=?base64?open"),
            ("a\u{7f}", "=?base64?YX8=?="),
        ] {
            assert_eq!(encode(text), want, "{text:?}");
        }
    }

    #[test]
    fn only_strings_integers_and_flags_are_mirrored() {
        for (argument, want) in [
            (json!(42), Some("42")),
            (json!(42.0), Some("42")),
            (json!(-7), Some("-7")),
            (json!(3.5), None),
            (json!(9_007_199_254_740_991_u64), Some("9007199254740991")),
            (json!(9_007_199_254_740_992_u64), None),
            (json!(u64::MAX), None),
            (json!(false), Some("false")),
            (json!(null), None),
            (json!([1]), None),
        ] {
            assert_eq!(value(&argument).as_deref(), want, "{argument}");
        }
    }
}
