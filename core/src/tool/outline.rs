//! Schemas short enough for a model's context; the whole ones are in the `OpenAPI` document.

use serde_json::{Map, Value, json};

/// The schema of a whole input: a tool has a title and a description of its own.
pub(super) fn root(schema: Value) -> Value {
    let mut schema = input(schema);
    if let Some(members) = schema.as_object_mut() {
        members.retain(|key, _| !matches!(key.as_str(), "title" | "description"));
    }
    schema
}

/// A schema within an input: all of it, with the values of an enumeration in one list.
pub(super) fn input(schema: Value) -> Value {
    match schema {
        Value::Object(map) => match values(&map) {
            Some(values) => enumeration(map, values),
            None => map.into_iter().filter(is_told).map(|(key, value)| (key, input(value))).collect(),
        },
        Value::Array(items) => items.into_iter().map(input).collect(),
        other => other,
    }
}

/// The names that only older callers use go out of an input: a model needs one for each thing.
pub(super) fn without_old_names(input: &mut Value) {
    if let Some(members) = input.get_mut("properties").and_then(Value::as_object_mut) {
        members.retain(|_, member| member.get("deprecated").is_none_or(|old| *old != true));
    }
}

/// A default that is nothing, a number's width and members that may be anything tell a model nothing.
fn is_told((key, value): &(String, Value)) -> bool {
    match key.as_str() {
        "default" => ![Value::Null, json!(false), json!(0), json!(""), json!([]), json!({})].contains(value),
        "format" => !value.is_string(),
        "additionalProperties" => *value != true,
        _ => true,
    }
}

/// The schema of an output: its members and their types, without what lies inside them.
pub(super) fn output(schema: Value) -> Value {
    let Value::Object(mut map) = input(schema) else { return json!({"type": "object"}) };
    map.retain(|key, _| matches!(key.as_str(), "type" | "properties" | "required"));
    if let Some(members) = map.get_mut("properties").and_then(Value::as_object_mut) {
        for member in members.values_mut() {
            *member = member_type(member);
        }
    }
    Value::Object(map)
}

fn member_type(member: &Value) -> Value {
    let own = member.get("type").map(|of| json!({"type": of}));
    let either = member.get("anyOf").and_then(Value::as_array);
    let types = either.map(|any| any.iter().filter_map(|one| one.get("type")).cloned().collect::<Vec<_>>());
    own.or_else(|| types.map(|types| json!({"type": types}))).unwrap_or_else(|| json!({}))
}

/// The values of a list of constants.
fn values(schema: &Map<String, Value>) -> Option<Vec<Value>> {
    let each = schema.get("oneOf")?.as_array()?;
    each.iter().map(|one| one.get("const").cloned()).collect()
}

fn enumeration(mut schema: Map<String, Value>, values: Vec<Value>) -> Value {
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), values.into());
    schema.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enumeration_is_one_list() {
        let state = json!({"oneOf": [{"const": "A", "type": "string", "description": "x"}, {"const": "B"}]});
        let whole = json!({"properties": {"s": {"anyOf": [state, {"type": "null"}], "default": null}}});
        let short = json!({"properties": {"s": {"anyOf": [{"type": "string", "enum": ["A", "B"]}, {"type": "null"}]}}});
        assert_eq!(input(whole.clone()), short);
        assert_eq!(output(whole), json!({"properties": {"s": {"type": ["string", "null"]}}}));
    }

    #[test]
    fn what_holds_anyway_is_not_said() {
        let whole = json!({"additionalProperties": false, "properties": {
            "a": {"type": "object", "additionalProperties": true, "default": {}},
            "b": {"type": "boolean", "default": true}, "c": {"type": "string", "default": "", "format": "x"}}});
        let short = json!({"additionalProperties": false, "properties": {
            "a": {"type": "object"}, "b": {"type": "boolean", "default": true}, "c": {"type": "string"}}});
        assert_eq!(input(whole), short);
    }

    #[test]
    fn what_only_older_callers_say_is_not_told() {
        let mut input =
            json!({"properties": {"new": {"type": "string"}, "old": {"type": "string", "deprecated": true}}});
        without_old_names(&mut input);
        assert_eq!(input, json!({"properties": {"new": {"type": "string"}}}));
    }

    #[test]
    fn an_output_shows_its_members_only() {
        let whole = json!({"type": "object", "description": "d", "required": ["job"], "properties": {
            "job": {"type": "object", "properties": {"id": {"type": "string"}}, "description": "d"}, "any": true}});
        let short =
            json!({"type": "object", "required": ["job"], "properties": {"job": {"type": "object"}, "any": {}}});
        assert_eq!(output(whole), short);
    }
}
