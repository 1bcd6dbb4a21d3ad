use serde_json::{Map, Value};

use super::header;

/// Deepest schema that is looked through.
const DEEPEST: usize = 64;
/// Most arguments of one tool that are mirrored, and the longest path to one: no server takes more headers.
const MOST: usize = 64;
const LONGEST: usize = 1024;
/// Keywords that hold one schema, a list of them, or an object of them: a mark inside can not be reached by names alone.
const BELOW: [&str; 21] = [
    "$defs",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const MARK: &str = "x-mcp-header";

/// An argument that travels as a header too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mirrored {
    path: Vec<String>,
    /// `mcp-param-` and the name, in lower case.
    name: String,
}

/// What a tool's input schema marks with `x-mcp-header`.
///
/// # Errors
/// Why the tool must not be used: a mark that is no header name, is there twice, is on something else than a string,
/// integer or boolean, or where names do not lead.
pub(super) fn marks(schema: &Value) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    look(schema, &mut Vec::new(), &mut found, DEEPEST)?;
    for (index, one) in found.iter().enumerate() {
        if found.iter().skip(index + 1).any(|other| other.name == one.name) {
            return Err(format!("`{}` is marked twice", one.name));
        }
    }
    Ok(found)
}

fn look(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>, depth: usize) -> Result<(), String> {
    let Some(schema) = schema.as_object() else { return Ok(()) };
    let depth = depth.checked_sub(1).ok_or("the schema is too deep")?;
    if let Some(mark) = schema.get(MARK) {
        if found.len() >= MOST || path.iter().map(String::len).sum::<usize>() > LONGEST {
            return Err("more is marked than headers can hold".into());
        }
        found.push(marked(schema, mark, path)?);
    }
    if BELOW.iter().filter_map(|keyword| schema.get(*keyword)).any(|below| has_mark(below, depth)) {
        return Err("a mark is not reached by names alone".into());
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(name.clone());
        look(property, path, found, depth)?;
        path.pop();
    }
    Ok(())
}

fn marked(schema: &Map<String, Value>, mark: &Value, path: &[String]) -> Result<Mirrored, String> {
    let name = mark.as_str().filter(|name| is_token(name)).ok_or("a mark is no header name")?;
    if path.is_empty() || !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean"))
    {
        return Err(format!("`{name}` is not on a string, integer or boolean"));
    }
    Ok(Mirrored { path: path.to_vec(), name: format!("mcp-param-{}", name.to_ascii_lowercase()) })
}

/// A header name of RFC 9110.
fn is_token(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(fits)
}

/// True when anything that may be a schema in there carries a mark; values of other keywords are data.
fn has_mark(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| has_mark(item, depth)),
        Value::Object(members) => {
            let data = |key: &str| matches!(key, "const" | "default" | "enum" | "examples");
            members.contains_key(MARK) || members.iter().any(|(key, inner)| !data(key) && has_mark(inner, depth))
        }
        _ => false,
    }
}

/// The headers of a call's arguments.
pub(super) fn headers(marks: &[Mirrored], arguments: &Value) -> Vec<(String, String)> {
    let one = |mark: &Mirrored| {
        let argument = mark.path.iter().try_fold(arguments, |value, name| value.get(name))?;
        Some((mark.name.clone(), header::value(argument)?.into_owned()))
    };
    marks.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(property: &Value) -> Value {
        json!({"type": "object", "properties": {"value": property}})
    }

    #[test]
    fn marked_arguments_become_headers() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "where": {"type": "object", "properties": {"zone": {"type": "integer", "x-mcp-header": "Zone"}}},
            "off": {"type": "boolean", "x-mcp-header": "Off"},
            "plain": {"type": "string"}}});
        let marks = marks(&schema).unwrap();
        let got = headers(&marks, &json!({"region": "é", "where": {"zone": 4}, "off": null, "plain": "x"}));
        let want = [("mcp-param-region", "=?base64?w6k=?="), ("mcp-param-zone", "4")];
        assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_tool_with_a_wrong_mark_is_no_tool() {
        let mark = |name: Value, kind: &str| one(&json!({"type": kind, "x-mcp-header": name}));
        let twice = |a: &str, b: &str| json!({"properties": {"a": {"type": "string", "x-mcp-header": a}, "b": {"type": "string", "x-mcp-header": b}}});
        let inner = json!({"type": "string", "x-mcp-header": "A"});
        for schema in [
            mark(json!(""), "string"),
            mark(json!("A B"), "string"),
            mark(json!("A:"), "string"),
            mark(json!("Ä"), "string"),
            mark(json!("A\u{1}"), "string"),
            mark(json!(7), "string"),
            mark(json!("A"), "object"),
            mark(json!("A"), "array"),
            mark(json!("A"), "null"),
            mark(json!("A"), "number"),
            one(&json!({"x-mcp-header": "A"})),
            twice("A", "A"),
            twice("Region", "REGION"),
            one(&json!({"type": "array", "items": inner})),
            one(&json!({"anyOf": [inner]})),
            json!({"$defs": {"x": inner}, "properties": {}}),
            json!({"if": {"properties": {"a": inner}}}),
            json!({"type": "string", "x-mcp-header": "Root"}),
        ] {
            assert!(marks(&schema).is_err(), "{schema}");
        }
    }

    /// Each mark is compared with all others, and keeps the names that lead to it.
    #[test]
    fn marks_without_end_are_no_marks() {
        let many = |count: usize, of: fn(usize) -> Value| -> Value {
            (0..count).map(|number| (format!("n{number}"), of(number))).collect::<Map<_, _>>().into()
        };
        let marked = |number| json!({"type": "string", "x-mcp-header": format!("N{number}")});
        assert_eq!(marks(&json!({"properties": many(64, marked)})).unwrap().len(), 64);
        assert!(marks(&json!({"properties": many(65, marked)})).is_err());
        let long = "n".repeat(1100);
        assert!(marks(&json!({"properties": {long: {"properties": many(2, marked)}}})).is_err());
    }

    #[test]
    fn data_is_no_mark() {
        for fine in [
            one(&json!({"type": "object", "default": {"x-mcp-header": ""}})),
            one(&json!({"anyOf": [{"const": {"x-mcp-header": 1}}]})),
            json!(true),
            json!({}),
        ] {
            assert_eq!(marks(&fine).unwrap(), [], "{fine}");
        }
    }
}
