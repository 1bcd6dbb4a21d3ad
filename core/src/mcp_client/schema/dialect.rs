//! Which words a schema knows, and whether results can be held against it at all.

use std::ptr;

use serde_json::Value;

use super::walk;

/// A dialect whose words mean what they mean here.
#[derive(Debug)]
pub(super) struct Dialect {
    name: &'static str,
    /// What stands beside a `$ref` is not looked at.
    pub(super) refers_alone: bool,
    /// `$anchor` gives a schema a name.
    pub(super) has_anchors: bool,
    /// Words that are judged here and that it does not have: to it they say nothing.
    lacks: &'static [&'static str],
}

const NEWEST: Dialect =
    Dialect { name: "json-schema.org/draft/2020-12/", refers_alone: false, has_anchors: true, lacks: &[] };
const DIALECTS: [&Dialect; 4] = [
    &NEWEST,
    &Dialect { name: "json-schema.org/draft/2019-09/", lacks: &["prefixItems"], ..NEWEST },
    &Dialect { name: "json-schema.org/draft-07/", refers_alone: true, has_anchors: false, lacks: &SINCE_2019 },
    &Dialect { name: "json-schema.org/draft-06/", refers_alone: true, has_anchors: false, lacks: &SINCE_07 },
];
const SINCE_2019: [&str; 5] = ["prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains"];
const SINCE_07: [&str; 6] =
    ["if", "prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains"];

impl Dialect {
    /// The dialect that a schema names; the newest where it names none.
    pub(super) fn of(schema: &Value) -> Option<&'static Self> {
        let Some(named) = schema.get("$schema") else { return Some(&NEWEST) };
        let named = named.as_str()?;
        DIALECTS.into_iter().find(|dialect| named.contains(dialect.name))
    }
}

/// Why results cannot be held against a schema, where that can be said beforehand.
pub(in super::super) fn unjudged(schema: &Value) -> Option<&'static str> {
    let Some(dialect) = Dialect::of(schema) else { return Some("its dialect is not known") };
    let mut why = |inner: &Value| {
        let text = |word: &str| inner.get(word).and_then(Value::as_str);
        if text("$ref").is_some_and(|to| !to.starts_with('#')) {
            return Err("it refers to a schema elsewhere, which is not fetched");
        }
        // References in there are relative to its own address.
        if text("$id").is_some() && !ptr::eq(inner, schema) {
            return Err("a schema in it has an address of its own");
        }
        if dialect.lacks.iter().any(|word| inner.get(word).is_some()) {
            return Err("it has words that its dialect does not know");
        }
        Ok(())
    };
    walk::each(schema, &mut why).err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: &str = "http://json-schema.org/draft-07/schema#";

    #[test]
    fn a_schema_that_cannot_be_judged_is_known_beforehand() {
        for (schema, is) in [
            (json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://a.example/"}), true),
            (json!({"$schema": OLD}), true),
            (json!({"$schema": "https://example.com/own"}), false),
            (json!({"$schema": 7}), false),
            (json!({"properties": {"a": {"$ref": "other.json"}}}), false),
            (json!({"properties": {"a": {"enum": [{"$ref": "other.json"}]}}}), true),
            (json!({"properties": {"enum": {"$ref": "other.json"}}}), false),
        ] {
            assert_eq!(unjudged(&schema).is_none(), is, "{schema}");
        }
    }

    #[test]
    fn a_schema_with_an_address_of_its_own_is_not_judged() {
        let inner = json!({"$id": "https://b.example/inner", "$defs": {"x": {}}, "$ref": "#/$defs/x"});
        for (schema, is) in [
            (json!({"properties": {"a": inner}}), false),
            (json!({"properties": {"default": inner}}), false),
            (json!({"items": [inner]}), false),
            (json!({"$schema": OLD, "definitions": {"a": {"$id": "#a"}}}), false),
            (json!({"properties": {"$id": {"type": "string"}}, "required": ["$id"]}), true),
            (json!({"const": inner}), true),
        ] {
            assert_eq!(unjudged(&schema).is_none(), is, "{schema}");
        }
    }

    #[test]
    fn words_that_a_dialect_does_not_have_say_nothing() {
        let tuple = |dialect: &str| json!({"$schema": dialect, "properties": {"a": {"prefixItems": [false]}}});
        assert!(unjudged(&tuple(OLD)).is_some());
        assert!(unjudged(&tuple("https://json-schema.org/draft/2019-09/schema")).is_some());
        assert!(unjudged(&tuple("https://json-schema.org/draft/2020-12/schema")).is_none());
        let branch = |dialect: &str| json!({"$schema": dialect, "if": true, "then": false});
        assert!(unjudged(&branch("http://json-schema.org/draft-06/schema#")).is_some());
        assert!(unjudged(&branch(OLD)).is_none());
    }
}
