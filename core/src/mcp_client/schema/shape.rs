//! What a schema says of a value alone, without looking into it.

use serde_json::{Map, Value};

use super::verdict::Verdict;

pub(super) fn judge(schema: &Map<String, Value>, value: &Value) -> Verdict {
    kind(schema, value).and(|| one_of(schema, value)).and(|| match value {
        Value::Number(_) => number(schema, value.as_f64().unwrap_or_default()),
        Value::String(text) => sized(schema, text.chars().count(), ("minLength", "maxLength")),
        Value::Array(items) => sized(schema, items.len(), ("minItems", "maxItems")).and(|| unique(schema, items)),
        Value::Object(members) => sized(schema, members.len(), ("minProperties", "maxProperties")),
        Value::Null | Value::Bool(_) => Verdict::Fits,
    })
}

fn kind(schema: &Map<String, Value>, value: &Value) -> Verdict {
    let is = |name: &Value| name.as_str().is_some_and(|name| is_kind(name, value));
    let (fits, wanted) = match schema.get("type") {
        Some(Value::Array(names)) => (names.iter().any(is), names.iter().filter_map(Value::as_str).collect::<Vec<_>>()),
        Some(Value::String(name)) => (is_kind(name, value), vec![name.as_str()]),
        _ => return Verdict::Fits,
    };
    Verdict::unless(fits, || format!("is {}, not {}", name_of(value), wanted.join(" or ")))
}

fn is_kind(name: &str, value: &Value) -> bool {
    match name {
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0),
        other => other == name_of(value),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn one_of(schema: &Map<String, Value>, value: &Value) -> Verdict {
    let is_const = schema.get("const").is_none_or(|only| same(only, value));
    let is_listed =
        schema.get("enum").and_then(Value::as_array).is_none_or(|all| all.iter().any(|one| same(one, value)));
    Verdict::unless(is_const && is_listed, || "is none of the values it may be".into())
}

/// Equal as JSON: numbers by their value, however they are written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

fn number(schema: &Map<String, Value>, value: f64) -> Verdict {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let inside = limit("minimum").is_none_or(|least| value >= least)
        && limit("maximum").is_none_or(|most| value <= most)
        && limit("exclusiveMinimum").is_none_or(|least| value > least)
        && limit("exclusiveMaximum").is_none_or(|most| value < most);
    Verdict::unless(inside, || format!("{value} is out of bounds")).and(|| {
        Verdict::unless(limit("multipleOf").is_none_or(|of| is_multiple(value, of)), || {
            format!("{value} is no multiple")
        })
    })
}

/// True also where only the way doubles are written stands between the two.
fn is_multiple(value: f64, of: f64) -> bool {
    let times = value / of;
    of <= 0.0 || !times.is_finite() || (times - times.round()).abs() <= times.abs() * 1e-12
}

fn sized(schema: &Map<String, Value>, size: usize, (least, most): (&str, &str)) -> Verdict {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "sizes that fit memory")]
    let size = size as f64;
    match (limit(least), limit(most)) {
        (Some(least), _) if size < least => Verdict::wrong(format!("is shorter than {least}")),
        (_, Some(most)) if size > most => Verdict::wrong(format!("is longer than {most}")),
        _ => Verdict::Fits,
    }
}

/// Most items that are compared with each other.
const MOST_COMPARED: usize = 256;

fn unique(schema: &Map<String, Value>, items: &[Value]) -> Verdict {
    if schema.get("uniqueItems") != Some(&Value::Bool(true)) {
        return Verdict::Fits;
    }
    if items.len() > MOST_COMPARED {
        return Verdict::Unsure;
    }
    let twice = items.iter().enumerate().any(|(index, one)| items.iter().skip(index + 1).any(|other| same(one, other)));
    Verdict::unless(!twice, || "holds an item twice".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fault;

    #[test]
    fn values_alone() {
        for (schema, value, fits) in [
            (json!({"type": "integer"}), json!(1.0), true),
            (json!({"type": "integer"}), json!(1.5), false),
            (json!({"type": "number"}), json!(1), true),
            (json!({"type": ["string", "null"]}), json!(null), true),
            (json!({"type": ["string", "null"]}), json!(1), false),
            (json!({"const": 1}), json!(1.0), true),
            (json!({"enum": [{"a": [1]}]}), json!({"a": [1.0]}), true),
            (json!({"enum": ["a", "b"]}), json!("c"), false),
            (json!({"minimum": 1, "exclusiveMaximum": 2}), json!(1), true),
            (json!({"minimum": 1, "exclusiveMaximum": 2}), json!(2), false),
            (json!({"multipleOf": 0.1}), json!(0.3), true),
            (json!({"multipleOf": 2}), json!(7), false),
            (json!({"maxLength": 2}), json!("üü"), true),
            (json!({"maxLength": 2}), json!("üüü"), false),
            (json!({"uniqueItems": true}), json!([1, 1.0]), false),
            (json!({"minItems": 1}), json!([]), false),
            (json!({"maxProperties": 1}), json!({"a": 1, "b": 2}), false),
            (json!({"pattern": "^a$", "format": "date"}), json!("b"), true),
        ] {
            assert_eq!(fault(&schema, &value).is_none(), fits, "{schema} {value}");
        }
    }
}
