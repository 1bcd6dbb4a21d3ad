//! Whether a value is what a schema says: the assertions of JSON Schema 2020-12 that can be judged here.
//!
//! What is not judged never makes a value wrong: patterns and formats, `unevaluatedProperties` and `unevaluatedItems`,
//! `$dynamicRef`, whatever refers to outside of the schema, which is never fetched, and what is more than a judgement
//! may take.

mod budget;
mod dialect;
mod object;
mod shape;
mod verdict;
mod walk;

use std::collections::BTreeMap;

use budget::{Budget, Spent};
use dialect::Dialect;
pub(super) use dialect::unjudged;
use serde_json::{Map, Value};
use verdict::{Judged, Verdict};

/// Deepest nesting of schemas that one value is held against.
const DEEPEST: u32 = 64;

/// Where and how a value is not what a schema says; `None` when it is, or when that cannot be judged.
pub(crate) fn fault(schema: &Value, value: &Value) -> Option<String> {
    let dialect = Dialect::of(schema)?;
    let mut judge = Judge { root: schema, dialect, budget: Budget::default(), anchors: None };
    match judge.judge(schema, value, DEEPEST) {
        Ok(Verdict::Wrong { place, what }) => Some(if place.is_empty() { what } else { format!("{place}: {what}") }),
        Ok(Verdict::Fits | Verdict::Unsure) | Err(Spent) => None,
    }
}

/// A schema, and how much may still be looked at.
struct Judge<'a> {
    root: &'a Value,
    dialect: &'static Dialect,
    budget: Budget,
    /// The schemas that have a name, once one was asked for.
    anchors: Option<BTreeMap<&'a str, &'a Value>>,
}

impl<'a> Judge<'a> {
    fn judge(&mut self, schema: &'a Value, value: &Value, depth: u32) -> Judged {
        self.budget.spend(1)?;
        let Some(depth) = depth.checked_sub(1) else { return Ok(Verdict::Unsure) };
        match schema {
            Value::Bool(true) => Ok(Verdict::Fits),
            Value::Bool(false) => Ok(self.budget.wrong(|| "nothing may be here".into())),
            Value::Object(words) => {
                self.budget.spend(words.len())?;
                self.refers(words, value, depth)?.and(|| self.words(words, value, depth))
            }
            _ => Ok(Verdict::Unsure),
        }
    }

    /// The same about one branch of several: what is wrong with it is not told.
    fn quietly(&mut self, schema: &'a Value, value: &Value, depth: u32) -> Judged {
        let told = self.budget.hush(true);
        let verdict = self.judge(schema, value, depth)?;
        self.budget.hush(told);
        Ok(verdict)
    }

    /// What a schema says itself, beside what it refers to.
    fn words(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Judged {
        if self.dialect.refers_alone && schema.contains_key("$ref") {
            return Ok(Verdict::Fits);
        }
        shape::judge(&mut self.budget, schema, value)?
            .and(|| self.combines(schema, value, depth))?
            .and(|| object::properties(self, schema, value, depth))?
            .and(|| object::items(self, schema, value, depth))
    }

    fn refers(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Judged {
        if schema.contains_key("$dynamicRef") || schema.contains_key("$recursiveRef") {
            return Ok(Verdict::Unsure);
        }
        let target = match schema.get("$ref") {
            None => return Ok(Verdict::Fits),
            Some(Value::String(to)) => self.target(to)?,
            Some(_) => None,
        };
        target.map_or(Ok(Verdict::Unsure), |target| self.judge(target, value, depth))
    }

    /// The schema a reference names, where it is inside: `#`, a JSON pointer, or an anchor.
    fn target(&mut self, reference: &str) -> Result<Option<&'a Value>, Spent> {
        self.budget.spend(reference.len() / 2)?;
        let fragment = reference.strip_prefix('#').and_then(|fragment| crate::url::decode(fragment, false));
        Ok(match fragment {
            None => None,
            Some(all) if all.is_empty() => Some(self.root),
            Some(pointer) if pointer.starts_with('/') => self.root.pointer(&pointer),
            Some(name) => self.anchors()?.get(name.as_str()).copied(),
        })
    }

    fn anchors(&mut self) -> Result<&BTreeMap<&'a str, &'a Value>, Spent> {
        let found = match self.anchors.take() {
            Some(found) => found,
            None => self.find_anchors()?,
        };
        Ok(self.anchors.insert(found))
    }

    fn find_anchors(&mut self) -> Result<BTreeMap<&'a str, &'a Value>, Spent> {
        let mut found = BTreeMap::new();
        walk::each(self.root, &mut |schema| -> Result<(), Spent> {
            self.budget.spend(1 + schema.as_object().map_or(0, Map::len))?;
            if let Some(name) = schema.get("$anchor").and_then(Value::as_str).filter(|_| self.dialect.has_anchors) {
                self.budget.text(name)?;
                found.entry(name).or_insert(schema);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn combines(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Judged {
        let list = |name: &str| schema.get(name).and_then(Value::as_array);
        let mut verdict = Verdict::Fits;
        for one in list("allOf").into_iter().flatten() {
            verdict = verdict.and(|| self.judge(one, value, depth))?;
        }
        verdict
            .and(|| list("anyOf").map_or(Ok(Verdict::Fits), |any| self.some(any, value, depth, usize::MAX, "anyOf")))?
            .and(|| list("oneOf").map_or(Ok(Verdict::Fits), |one| self.some(one, value, depth, 1, "oneOf")))?
            .and(|| match schema.get("not").map(|not| self.quietly(not, value, depth)).transpose()? {
                Some(Verdict::Fits) => Ok(self.budget.wrong(|| "is what it must not be".into())),
                Some(Verdict::Unsure) => Ok(Verdict::Unsure),
                Some(Verdict::Wrong { .. }) | None => Ok(Verdict::Fits),
            })?
            .and(|| self.depends(schema, value, depth))
    }

    /// At least one of the schemas fits, and at most so many.
    fn some(&mut self, schemas: &'a [Value], value: &Value, depth: u32, most: usize, word: &str) -> Judged {
        let (mut fits, mut unsure) = (0, false);
        for one in schemas {
            match self.quietly(one, value, depth)? {
                Verdict::Fits => fits += 1,
                Verdict::Unsure => unsure = true,
                Verdict::Wrong { .. } => {}
            }
        }
        Ok(match fits {
            _ if fits > most => self.budget.wrong(|| format!("fits more than one of `{word}`")),
            0 if !unsure => self.budget.wrong(|| format!("fits none of `{word}`")),
            _ if fits > 0 && (most == usize::MAX || !unsure) => Verdict::Fits,
            _ => Verdict::Unsure,
        })
    }

    fn depends(&mut self, schema: &'a Map<String, Value>, value: &Value, depth: u32) -> Judged {
        let branch = match schema.get("if").map(|condition| self.quietly(condition, value, depth)).transpose()? {
            None => return Ok(Verdict::Fits),
            Some(Verdict::Unsure) => return Ok(Verdict::Unsure),
            Some(Verdict::Fits) => "then",
            Some(Verdict::Wrong { .. }) => "else",
        };
        schema.get(branch).map_or(Ok(Verdict::Fits), |then| self.judge(then, value, depth))
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
    fn what_is_not_judged_makes_nothing_wrong() {
        let (a, b) = (json!({"pattern": "^a"}), json!({"pattern": "^b"}));
        for (schema, value) in [
            (json!({"not": a}), json!("b")),
            (json!({"oneOf": [a, b]}), json!("b")),
            (json!({"if": a, "then": false}), json!("b")),
            (json!({"oneOf": [{"format": "date"}, {"format": "time"}]}), json!("b")),
            (json!({"not": {"properties": {"a": true}, "unevaluatedProperties": false}}), json!({"b": 1})),
            (json!({"not": {"dependencies": {"a": ["b"]}}}), json!({"a": 1})),
            (json!({"not": {"prefixItems": [true], "unevaluatedItems": false}}), json!([1, 2])),
            (json!({"contains": b, "maxContains": 1}), json!(["a", "b"])),
            (json!({"type": "any"}), json!(1)),
            (json!({"exclusiveMaximum": 9_007_199_254_740_993_i64}), json!(9_007_199_254_740_992_i64)),
        ] {
            assert_eq!(fault(&schema, &value), None, "{schema} {value}");
        }
        assert!(fault(&json!({"pattern": "^a", "type": "string"}), &json!(1)).is_some());
    }

    #[test]
    fn beside_a_reference_old_dialects_look_at_nothing() {
        let schema = |dialect: &str, to: &str| {
            json!({"$schema": dialect, "$ref": "#/definitions/a", "type": "string", "minimum": 9,
                "definitions": {"a": {"type": "integer", "$anchor": "a"}, "b": {"$ref": to, "maximum": 1}}})
        };
        for old in ["http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-06/schema#"] {
            assert_eq!(fault(&schema(old, "#"), &json!(7)), None, "{old}");
            assert!(fault(&schema(old, "#"), &json!("a")).is_some(), "{old}");
            let inner = json!({"$schema": old, "items": schema(old, "#/definitions/a")["definitions"]["b"],
                "definitions": {"a": {"type": "integer"}}});
            assert_eq!(fault(&inner, &json!([7])), None, "{old}");
            // What is called `$anchor` has no name there.
            let named = json!({"$schema": old, "$ref": "#a", "definitions": {"a": {"$anchor": "a", "type": "null"}}});
            assert_eq!(fault(&named, &json!(7)), None, "{old}");
        }
        for new in ["https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema"] {
            assert!(fault(&schema(new, "#"), &json!(7)).is_some(), "{new}");
        }
    }

    #[test]
    fn data_has_no_anchor() {
        let schema = json!({"$ref": "#a", "default": {"$anchor": "a", "type": "null"},
            "properties": {"default": {"$anchor": "a", "type": "string"}}});
        assert_eq!(fault(&schema, &json!("x")), None);
        assert!(fault(&schema, &json!(7)).is_some());
    }
}
