//! What a schema says of the members of objects and the items of arrays.

use serde_json::{Map, Value};

use super::{
    Judge,
    budget::Budget,
    verdict::{Judged, Verdict, shown},
};

type Schema = Map<String, Value>;

pub(super) fn properties<'a>(judge: &mut Judge<'a>, schema: &'a Schema, value: &Value, depth: u32) -> Judged {
    let Value::Object(members) = value else { return Ok(Verdict::Fits) };
    required(&mut judge.budget, schema, members)?
        .and(|| each_member(judge, schema, members, depth))?
        .and(|| dependents(judge, schema, value, depth))
}

fn each_member<'a>(judge: &mut Judge<'a>, schema: &'a Schema, members: &Schema, depth: u32) -> Judged {
    let (known, names) = (schema.get("properties").and_then(Value::as_object), schema.get("propertyNames"));
    // With patterns nobody knows which schema a member has.
    let other = schema.get("additionalProperties").filter(|_| !schema.contains_key("patternProperties"));
    let mut verdict = Verdict::Fits;
    if known.is_none() && names.is_none() && other.is_none() {
        return Ok(verdict);
    }
    for (name, member) in members {
        judge.budget.text(name)?;
        let own = known.and_then(|known| known.get(name)).or(other);
        verdict = verdict
            .and(|| own.map_or(Ok(Verdict::Fits), |own| Ok(judge.judge(own, member, depth)?.at(name))))?
            .and(|| names.map_or(Ok(Verdict::Fits), |names| name_fits(judge, names, name, depth)))?;
    }
    Ok(verdict)
}

fn name_fits<'a>(judge: &mut Judge<'a>, names: &'a Value, name: &str, depth: u32) -> Judged {
    Ok(judge.judge(names, &Value::String(name.to_owned()), depth)?.at(name))
}

fn dependents<'a>(judge: &mut Judge<'a>, schema: &'a Schema, value: &Value, depth: u32) -> Judged {
    let mut verdict = Verdict::Fits;
    for (name, dependent) in schema.get("dependentSchemas").and_then(Value::as_object).into_iter().flatten() {
        judge.budget.text(name)?;
        if value.get(name).is_some() {
            verdict = verdict.and(|| judge.judge(dependent, value, depth))?;
        }
    }
    Ok(verdict)
}

fn required(budget: &mut Budget, schema: &Schema, members: &Schema) -> Judged {
    let mut verdict = listed(budget, schema.get("required"), members)?;
    for (name, list) in schema.get("dependentRequired").and_then(Value::as_object).into_iter().flatten() {
        budget.text(name)?;
        if members.contains_key(name) {
            verdict = verdict.and(|| listed(budget, Some(list), members))?;
        }
    }
    Ok(verdict)
}

/// Every name of a list is that of a member.
fn listed(budget: &mut Budget, list: Option<&Value>, members: &Schema) -> Judged {
    for name in list.and_then(Value::as_array).into_iter().flatten() {
        budget.spend(1)?;
        let Some(name) = name.as_str() else { continue };
        budget.text(name)?;
        if !members.contains_key(name) {
            return Ok(budget.wrong(|| format!("`{}` is missing", shown(name))));
        }
    }
    Ok(Verdict::Fits)
}

pub(super) fn items<'a>(judge: &mut Judge<'a>, schema: &'a Schema, value: &Value, depth: u32) -> Judged {
    let Value::Array(items) = value else { return Ok(Verdict::Fits) };
    // Before 2020-12 a list of schemas was called `items`, and the rest `additionalItems`.
    let (first, rest) = match (schema.get("prefixItems"), schema.get("items")) {
        (Some(Value::Array(first)), rest) => (first.as_slice(), rest),
        (_, Some(Value::Array(first))) => (first.as_slice(), schema.get("additionalItems")),
        (_, rest) => (&[][..], rest),
    };
    let mut verdict = Verdict::Fits;
    for (index, item) in items.iter().enumerate() {
        let Some(own) = first.get(index).or(rest) else { break };
        verdict = verdict.and(|| Ok(judge.judge(own, item, depth)?.at(&index.to_string())))?;
    }
    verdict.and(|| contains(judge, schema, items, depth))
}

fn contains<'a>(judge: &mut Judge<'a>, schema: &'a Schema, items: &[Value], depth: u32) -> Judged {
    let Some(wanted) = schema.get("contains") else { return Ok(Verdict::Fits) };
    let (mut count, mut unsure) = (0, false);
    for item in items {
        match judge.quietly(wanted, item, depth)? {
            Verdict::Fits => count += 1,
            Verdict::Unsure => unsure = true,
            Verdict::Wrong { .. } => {}
        }
    }
    if unsure {
        return Ok(Verdict::Unsure);
    }
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let fits = count >= limit("minContains").unwrap_or(1) && limit("maxContains").is_none_or(|most| count <= most);
    Ok(Verdict::unless(fits, &judge.budget, || format!("{count} of its items are what some must be")))
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
