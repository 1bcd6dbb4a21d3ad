//! What a schema says of the members of objects and the items of arrays.

use serde_json::{Map, Value};

use super::{Judge, verdict::Verdict};

type Schema = Map<String, Value>;

pub(super) fn properties<'a>(judge: &mut Judge<'a>, schema: &'a Schema, value: &Value, depth: u32) -> Verdict {
    let Value::Object(members) = value else { return Verdict::Fits };
    let known = schema.get("properties").and_then(Value::as_object);
    let mut verdict = required(schema, members);
    for (name, member) in members {
        let own = known.and_then(|known| known.get(name)).or_else(|| other(schema, known, name));
        verdict = verdict
            .and(|| own.map_or(Verdict::Fits, |own| judge.judge(own, member, depth)).at(name))
            .and(|| name_of(judge, schema, name, depth).at(name));
    }
    for (name, dependent) in schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten() {
        if members.contains_key(name) {
            verdict = verdict.and(|| judge.judge(dependent, value, depth));
        }
    }
    if schema.contains_key("patternProperties") { verdict.and(|| Verdict::Unsure) } else { verdict }
}

/// The schema of a member that has none of its own; with patterns nobody knows which one it has.
fn other<'a>(schema: &'a Schema, known: Option<&Schema>, name: &str) -> Option<&'a Value> {
    let is_known = known.is_some_and(|known| known.contains_key(name));
    let patterns = schema.contains_key("patternProperties");
    schema.get("additionalProperties").filter(|_| !is_known && !patterns)
}

fn name_of<'a>(judge: &mut Judge<'a>, schema: &'a Schema, name: &str, depth: u32) -> Verdict {
    let Some(names) = schema.get("propertyNames") else { return Verdict::Fits };
    judge.judge(names, &Value::String(name.to_owned()), depth)
}

fn required(schema: &Schema, members: &Schema) -> Verdict {
    let lists = schema.get("dependentRequired").and_then(Value::as_object).into_iter().flatten();
    let dependent = lists.filter(|(name, _)| members.contains_key(*name)).map(|(_, list)| list);
    let needed = schema.get("required").into_iter().chain(dependent).filter_map(Value::as_array).flatten();
    let missing = needed.filter_map(Value::as_str).find(|name| !members.contains_key(*name));
    missing.map_or(Verdict::Fits, |name| Verdict::wrong(format!("`{}` is missing", crate::text::clean_line(name, 64))))
}

pub(super) fn items<'a>(judge: &mut Judge<'a>, schema: &'a Schema, value: &Value, depth: u32) -> Verdict {
    let Value::Array(items) = value else { return Verdict::Fits };
    // Before 2020-12 a list of schemas was called `items`, and the rest `additionalItems`.
    let (first, rest) = match (schema.get("prefixItems"), schema.get("items")) {
        (Some(Value::Array(first)), rest) => (first.as_slice(), rest),
        (_, Some(Value::Array(first))) => (first.as_slice(), schema.get("additionalItems")),
        (_, rest) => (&[][..], rest),
    };
    let mut verdict = Verdict::Fits;
    for (index, item) in items.iter().enumerate() {
        let own = first.get(index).or(rest);
        verdict = verdict.and(|| own.map_or(Verdict::Fits, |own| judge.judge(own, item, depth)).at(&index.to_string()));
    }
    verdict.and(|| contains(judge, schema, items, depth))
}

fn contains<'a>(judge: &mut Judge<'a>, schema: &'a Schema, items: &[Value], depth: u32) -> Verdict {
    let Some(wanted) = schema.get("contains") else { return Verdict::Fits };
    let verdicts: Vec<Verdict> = items.iter().map(|item| judge.judge(wanted, item, depth)).collect();
    if verdicts.iter().any(|one| matches!(one, Verdict::Unsure)) {
        return Verdict::Unsure;
    }
    let count = verdicts.iter().filter(|one| matches!(one, Verdict::Fits)).count() as u64;
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let fits = count >= limit("minContains").unwrap_or(1) && limit("maxContains").is_none_or(|most| count <= most);
    Verdict::unless(fits, || format!("{count} of its items are what some must be"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fault;

    #[test]
    fn members_and_items() {
        let closed = json!({"properties": {"a": {"type": "string"}}, "additionalProperties": false});
        for (schema, value, fits) in [
            (closed.clone(), json!({"a": "x"}), true),
            (closed, json!({"a": "x", "b": 1}), false),
            (json!({"additionalProperties": {"type": "integer"}}), json!({"b": "x"}), false),
            (json!({"patternProperties": {"^b": {}}, "additionalProperties": false}), json!({"b": 1}), true),
            (json!({"propertyNames": {"maxLength": 2}}), json!({"abc": 1}), false),
            (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": 1}), false),
            (json!({"dependentSchemas": {"a": {"required": ["b"]}}}), json!({"a": 1}), false),
            (json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}), json!(["a", 1]), true),
            (json!({"prefixItems": [{"type": "string"}], "items": false}), json!(["a", 1]), false),
            (json!({"items": [{"type": "string"}], "additionalItems": false}), json!(["a"]), true),
            (json!({"contains": {"const": 1}}), json!([2, 3]), false),
            (json!({"contains": {"const": 1}, "minContains": 0}), json!([2]), true),
            (json!({"contains": {"const": 1}, "maxContains": 1}), json!([1, 1]), false),
        ] {
            assert_eq!(fault(&schema, &value).is_none(), fits, "{schema} {value}");
        }
    }
}
