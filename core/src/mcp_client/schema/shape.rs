//! What a schema says of a value alone, without looking into it.

use serde_json::{Map, Number, Value};

use super::{
    budget::{Budget, Spent},
    verdict::{Judged, Verdict},
};

type Schema = Map<String, Value>;

pub(super) fn judge(budget: &mut Budget, schema: &Schema, value: &Value) -> Judged {
    kind(budget, schema, value)?
        .and(|| one_of(budget, schema, value))?
        .and(|| match value {
            Value::Number(number) => Ok(bounds(budget, schema, number)),
            Value::String(text) => {
                budget.text(text)?;
                Ok(sized(budget, schema, || text.chars().count(), ("minLength", "maxLength")))
            }
            Value::Array(items) => {
                sized(budget, schema, || items.len(), ("minItems", "maxItems")).and(|| unique(budget, schema, items))
            }
            Value::Object(members) => Ok(sized(budget, schema, || members.len(), ("minProperties", "maxProperties"))),
            Value::Null | Value::Bool(_) => Ok(Verdict::Fits),
        })?
        .and(|| Ok(left_alone(schema, value)))
}

/// What a value may be wrong by without its being seen here.
fn left_alone(schema: &Schema, value: &Value) -> Verdict {
    let words: &[&str] = match value {
        Value::String(_) => &["pattern", "format"],
        Value::Number(_) => &["format"],
        Value::Array(_) => &["unevaluatedItems"],
        Value::Object(_) => &["unevaluatedProperties", "dependencies", "patternProperties"],
        Value::Null | Value::Bool(_) => &[],
    };
    if words.iter().any(|word| schema.contains_key(*word)) { Verdict::Unsure } else { Verdict::Fits }
}

fn kind(budget: &mut Budget, schema: &Schema, value: &Value) -> Judged {
    let names = match schema.get("type") {
        Some(Value::Array(names)) => names.as_slice(),
        Some(name @ Value::String(_)) => std::slice::from_ref(name),
        _ => return Ok(Verdict::Fits),
    };
    budget.spend(names.len())?;
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    if names.iter().any(|name| is_kind(name, value)) {
        return Ok(Verdict::Fits);
    }
    if !names.iter().all(|name| KINDS.contains(name)) {
        return Ok(Verdict::Unsure);
    }
    Ok(budget.wrong(|| {
        let few = names.get(..KINDS.len()).unwrap_or(&names);
        format!("is {}, not {}", name_of(value), few.join(" or "))
    }))
}

const KINDS: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

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

fn one_of(budget: &mut Budget, schema: &Schema, value: &Value) -> Judged {
    let is_const = schema.get("const").map_or(Ok(true), |only| same(budget, only, value))?;
    let mut is_listed = true;
    if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
        is_listed = any(listed, |one| same(budget, one, value))?;
    }
    Ok(Verdict::unless(is_const && is_listed, budget, || "is none of the values it may be".into()))
}

fn any<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    mut is: impl FnMut(&'a Value) -> Result<bool, Spent>,
) -> Result<bool, Spent> {
    for value in values {
        if is(value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Equal as JSON: numbers by their value, however they are written.
fn same(budget: &mut Budget, one: &Value, other: &Value) -> Result<bool, Spent> {
    budget.spend(1)?;
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => Ok(a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64()))),
        (Value::String(a), Value::String(b)) if a.len() == b.len() => budget.text(a).map(|()| a == b),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).try_fold(true, |is, (a, b)| Ok(is && same(budget, a, b)?))
        }
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a.iter().try_fold(true, |is, (key, a)| {
            budget.text(key)?;
            Ok(is && b.get(key).map_or(Ok(false), |b| same(budget, a, b))?)
        }),
        (Value::Null | Value::Bool(_), _) => Ok(one == other),
        _ => Ok(false),
    }
}

/// From here on a double is more than one integer.
const COARSE: f64 = 9_007_199_254_740_992.0;

fn bounds(budget: &Budget, schema: &Schema, number: &Number) -> Verdict {
    let value = number.as_f64().unwrap_or_default();
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let coarse = value.abs() >= COARSE;
    let inside = limit("minimum").is_none_or(|least| value >= least)
        && limit("maximum").is_none_or(|most| value <= most)
        && limit("exclusiveMinimum").is_none_or(|least| value > least || (coarse && value >= least))
        && limit("exclusiveMaximum").is_none_or(|most| value < most || (coarse && value <= most));
    let is_multiple = limit("multipleOf").is_none_or(|of| is_multiple(value, of));
    match (inside, is_multiple) {
        (true, true) => Verdict::Fits,
        (false, _) => budget.wrong(|| format!("{number} is out of bounds")),
        (true, false) => budget.wrong(|| format!("{number} is no multiple")),
    }
}

/// True also where only the way doubles are written stands between the two.
fn is_multiple(value: f64, of: f64) -> bool {
    let times = value / of;
    of <= 0.0 || !times.is_finite() || (times - times.round()).abs() <= times.abs() * 1e-12
}

fn sized(budget: &Budget, schema: &Schema, size: impl FnOnce() -> usize, (least, most): (&str, &str)) -> Verdict {
    let limit = |name: &str| schema.get(name).and_then(Value::as_number).and_then(|most| Some((most.as_f64()?, most)));
    let (least, most) = (limit(least), limit(most));
    if least.is_none() && most.is_none() {
        return Verdict::Fits;
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes that fit memory")]
    let size = size() as f64;
    match (least, most) {
        (Some((least, written)), _) if size < least => budget.wrong(|| format!("is shorter than {written}")),
        (_, Some((most, written))) if size > most => budget.wrong(|| format!("is longer than {written}")),
        _ => Verdict::Fits,
    }
}

/// Most items that are compared with each other.
const MOST_COMPARED: usize = 256;

fn unique(budget: &mut Budget, schema: &Schema, items: &[Value]) -> Judged {
    if schema.get("uniqueItems") != Some(&Value::Bool(true)) {
        return Ok(Verdict::Fits);
    }
    if items.len() > MOST_COMPARED {
        return Ok(Verdict::Unsure);
    }
    for (index, one) in items.iter().enumerate() {
        if any(items.iter().skip(index + 1), |other| same(budget, one, other))? {
            return Ok(budget.wrong(|| "holds an item twice".into()));
        }
    }
    Ok(Verdict::Fits)
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
