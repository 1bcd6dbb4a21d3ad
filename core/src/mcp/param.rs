use serde_json::{Map, Value};

use super::{
    header::{Headers, decode},
    id::integer,
    protocol_error::ProtocolError,
};

/// Compares the arguments that a tool's schema marks with `x-mcp-header` with their `Mcp-Param-…` headers.
///
/// Only properties of properties can be marked, never those below `items`, `anyOf` or a reference.
pub(super) fn check_mirrored(
    headers: Headers<'_>,
    schema: &Value,
    arguments: Option<&Value>,
) -> Result<(), ProtocolError> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (name, property) in properties {
        let value = arguments.and_then(|object| object.get(name)).filter(|value| !value.is_null());
        if let Some(suffix) = mark(property) {
            compare(headers, suffix, value)?;
        }
        check_mirrored(headers, property, value)?;
    }
    Ok(())
}

fn mark(property: &Value) -> Option<&str> {
    property.as_object().and_then(|property: &Map<_, _>| property.get("x-mcp-header")).and_then(Value::as_str)
}

fn compare(headers: Headers<'_>, suffix: &str, value: Option<&Value>) -> Result<(), ProtocolError> {
    let name = format!("mcp-param-{}", suffix.to_ascii_lowercase());
    let refuse = |problem| Err(ProtocolError::header_mismatch(&format!("Mcp-Param-{suffix}"), problem));
    match (headers.get(&name), value) {
        (None, None) => Ok(()),
        (None, Some(_)) => refuse("is missing"),
        (Some(_), None) => refuse("repeats an argument that is not there"),
        (Some(text), Some(value)) => match decode(text) {
            Some(text) if is_same(&text, value) => Ok(()),
            Some(_) => refuse("differs from the body"),
            None => refuse("is malformed"),
        },
    }
}

fn is_same(text: &str, value: &Value) -> bool {
    match value {
        Value::String(value) => text == value,
        Value::Bool(value) => text == if *value { "true" } else { "false" },
        Value::Number(value) => {
            let header = serde_json::from_str(text).ok().and_then(|number| integer(&number));
            header.is_some() && header == integer(value)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_by_meaning() {
        for (text, value, same) in [
            ("eu", json!("eu"), true),
            ("EU", json!("eu"), false),
            ("", json!(""), true),
            ("42", json!(42), true),
            ("42.0", json!(42), true),
            ("42", json!(42.0), true),
            ("43", json!(42), false),
            ("4 2", json!(42), false),
            ("1.5", json!(1.5), false),
            ("true", json!(true), true),
            ("True", json!(true), false),
            ("[]", json!([]), false),
        ] {
            assert_eq!(is_same(text, &value), same, "{text} {value}");
        }
    }
}
