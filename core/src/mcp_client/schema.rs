//! Whether a value is what a schema says: the assertions of JSON Schema 2020-12 that can be judged here.
//!
//! What is not judged never makes a value wrong: patterns and formats, `unevaluatedProperties` and `unevaluatedItems`,
//! `$dynamicRef`, and whatever refers to outside of the schema, which is never fetched.

mod object;
mod shape;
mod verdict;

use serde_json::{Map, Value};
use verdict::Verdict;

/// Deepest nesting of schemas, and most of them, that one value is held against.
const DEEPEST: u32 = 64;
const MOST: u32 = 20_000;
/// Dialects whose words mean what they mean here.
const DIALECTS: [&str; 4] = [
    "json-schema.org/draft/2020-12/",
    "json-schema.org/draft/2019-09/",
    "json-schema.org/draft-07/",
    "json-schema.org/draft-06/",
];

/// Where and how a value is not what a schema says; `None` when it is, or when that cannot be judged.
pub(super) fn fault(schema: &Value, value: &Value) -> Option<String> {
    let mut judge = Judge { root: schema, left: MOST };
    match judge.judge(schema, value, DEEPEST) {
        Verdict::Wrong { place, what } => Some(if place.is_empty() { what } else { format!("{place}: {what}") }),
        Verdict::Fits | Verdict::Unsure => None,
    }
}

/// Why results cannot be held against a schema, where that can be said beforehand.
pub(super) fn unjudged(schema: &Value) -> Option<&'static str> {
    match schema.get("$schema").map(Value::as_str) {
        Some(dialect) if !dialect.is_some_and(|dialect| DIALECTS.iter().any(|known| dialect.contains(known))) => {
            Some("its dialect is not known")
        }
        _ if refers_out(schema, DEEPEST) => Some("it refers to a schema elsewhere, which is not fetched"),
        _ => None,
    }
}

fn refers_out(schema: &Value, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match schema {
        Value::Array(items) => items.iter().any(|item| refers_out(item, depth)),
        Value::Object(members) => members.iter().any(|(key, value)| match (key.as_str(), value) {
            ("$ref", Value::String(to)) => !to.starts_with('#'),
            ("const" | "default" | "enum" | "examples", _) => false,
            _ => refers_out(value, depth),
        }),
        _ => false,
    }
}

/// A schema, and how much of it may still be looked at.
struct Judge<'a> {
    root: &'a Value,
    left: u32,
}

impl<'a> Judge<'a> {
    fn judge(&mut self, schema: &'a Value, value: &Value, depth: u32) -> Verdict {
        let (Some(depth), Some(left)) = (depth.checked_sub(1), self.left.checked_sub(1)) else {
            return Verdict::Unsure;
        };
        self.left = left;
        match schema {
            Value::Bool(true) => Verdict::Fits,
            Value::Bool(false) => Verdict::wrong("nothing may be here"),
            Value::Object(schema) => shape::judge(schema, value)
                .and(|| self.refers(schema, value, depth))
                .and(|| self.combines(schema, value, depth))
                .and(|| object::properties(self, schema, value, depth))
                .and(|| object::items(self, schema, value, depth)),
            _ => Verdict::Unsure,
        }
    }

    fn refers(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Verdict {
        if schema.contains_key("$dynamicRef") || schema.contains_key("$recursiveRef") {
            return Verdict::Unsure;
        }
        match schema.get("$ref").map(|to| to.as_str().and_then(|to| self.target(to))) {
            None => Verdict::Fits,
            Some(None) => Verdict::Unsure,
            Some(Some(target)) => self.judge(target, value, depth),
        }
    }

    /// The schema a reference names, where it is inside: `#`, a JSON pointer, or an anchor.
    fn target(&self, reference: &str) -> Option<&'a Value> {
        let fragment = crate::url::decode(reference.strip_prefix('#')?, false)?;
        match fragment.chars().next() {
            None => Some(self.root),
            Some('/') => self.root.pointer(&fragment),
            Some(_) => anchored(self.root, &fragment, DEEPEST),
        }
    }

    fn combines(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Verdict {
        let list = |name: &str| schema.get(name).and_then(Value::as_array);
        let mut verdict = Verdict::Fits;
        for one in list("allOf").into_iter().flatten() {
            verdict = verdict.and(|| self.judge(one, value, depth));
        }
        verdict
            .and(|| list("anyOf").map_or(Verdict::Fits, |any| self.some(any, value, depth, usize::MAX, "anyOf")))
            .and(|| list("oneOf").map_or(Verdict::Fits, |one| self.some(one, value, depth, 1, "oneOf")))
            .and(|| match schema.get("not").map(|not| self.judge(not, value, depth)) {
                Some(Verdict::Fits) => Verdict::wrong("is what it must not be"),
                Some(Verdict::Unsure) => Verdict::Unsure,
                Some(Verdict::Wrong { .. }) | None => Verdict::Fits,
            })
            .and(|| self.depends(schema, value, depth))
    }

    /// At least one of the schemas fits, and at most so many.
    fn some(&mut self, schemas: &'a [Value], value: &Value, depth: u32, most: usize, word: &str) -> Verdict {
        let verdicts: Vec<Verdict> = schemas.iter().map(|one| self.judge(one, value, depth)).collect();
        let fits = verdicts.iter().filter(|one| matches!(one, Verdict::Fits)).count();
        let unsure = verdicts.iter().any(|one| matches!(one, Verdict::Unsure));
        match fits {
            _ if fits > most => Verdict::wrong(format!("fits more than one of `{word}`")),
            0 if !unsure => Verdict::wrong(format!("fits none of `{word}`")),
            _ if fits > 0 && (most == usize::MAX || !unsure) => Verdict::Fits,
            _ => Verdict::Unsure,
        }
    }

    fn depends(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Verdict {
        let branch = match schema.get("if").map(|condition| self.judge(condition, value, depth)) {
            None => return Verdict::Fits,
            Some(Verdict::Unsure) => return Verdict::Unsure,
            Some(Verdict::Fits) => "then",
            Some(Verdict::Wrong { .. }) => "else",
        };
        schema.get(branch).map_or(Verdict::Fits, |then| self.judge(then, value, depth))
    }
}

/// The schema that carries an anchor.
fn anchored<'a>(schema: &'a Value, name: &str, depth: u32) -> Option<&'a Value> {
    let depth = depth.checked_sub(1)?;
    match schema {
        Value::Array(items) => items.iter().find_map(|item| anchored(item, name, depth)),
        Value::Object(members) if members.get("$anchor").is_some_and(|anchor| anchor == name) => Some(schema),
        Value::Object(members) => members.values().find_map(|member| anchored(member, name, depth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_is_where_it_is_wrong() {
        let schema = json!({"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array",
            "items": {"$ref": "#/$defs/job"}}}, "$defs": {"job": {"type": "object", "required": ["id"],
            "properties": {"id": {"type": "string", "minLength": 1}}}}});
        for (value, want) in [
            (json!({"jobs": [{"id": "a"}]}), None),
            (json!({}), Some("`jobs` is missing")),
            (json!([]), Some("is array, not object")),
            (json!({"jobs": [{"id": "a"}, {"id": 7}]}), Some("/jobs/1/id: is number, not string")),
            (json!({"jobs": [{"id": ""}]}), Some("/jobs/0/id: is shorter than 1")),
        ] {
            assert_eq!(fault(&schema, &value).as_deref(), want, "{value}");
        }
    }

    #[test]
    fn combinations_are_judged_and_what_cannot_be_is_left_alone() {
        let far = json!({"$ref": "https://far.example/schema.json"});
        for (schema, value, fits) in [
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(null), true),
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(7), false),
            (json!({"anyOf": [{"type": "string"}, far]}), json!(7), true),
            (json!({"oneOf": [{"type": "integer"}, {"minimum": 5}]}), json!(7), false),
            (json!({"oneOf": [{"type": "integer"}, {"minimum": 5}]}), json!(3), true),
            (json!({"oneOf": [{"type": "integer"}, {"type": "number"}, far]}), json!(7), false),
            (json!({"not": {"type": "string"}}), json!("a"), false),
            (json!({"not": far}), json!("a"), true),
            (json!({"if": {"required": ["a"]}, "then": {"required": ["b"]}}), json!({"a": 1}), false),
            (json!({"if": {"required": ["a"]}, "else": {"required": ["b"]}}), json!({"a": 1}), true),
            (json!({"$ref": "#item", "$defs": {"x": {"$anchor": "item", "type": "string"}}}), json!(1), false),
            (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}), json!(1), false),
            (json!({"$ref": "#"}), json!(1), true),
            (json!({"allOf": [far, {"type": "string"}]}), json!(1), false),
            (json!(false), json!(1), false),
            (json!(true), json!(1), true),
            (json!(7), json!(1), true),
        ] {
            assert_eq!(fault(&schema, &value).is_none(), fits, "{schema} {value}");
        }
    }

    #[test]
    fn a_schema_that_cannot_be_judged_is_known_beforehand() {
        for (schema, is) in [
            (json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}), true),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), true),
            (json!({"$schema": "https://example.com/own"}), false),
            (json!({"$schema": 7}), false),
            (json!({"properties": {"a": {"$ref": "other.json"}}}), false),
            (json!({"properties": {"a": {"enum": [{"$ref": "other.json"}]}}}), true),
        ] {
            assert_eq!(unjudged(&schema).is_none(), is, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_goes_on_and_on_has_an_end() {
        let wide: Vec<Value> = (0..64).map(|_| json!({"$ref": "#"})).collect();
        assert_eq!(fault(&json!({"allOf": wide}), &json!({})), None);
    }
}
