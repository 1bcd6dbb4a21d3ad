//! JSON from outside: parsed within bounds before anything looks at it (security-reliability.md T42).

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

use crate::error::{Error, ErrorKind};

/// Deepest nesting of arrays and objects a caller may send.
pub const MAX_DEPTH: usize = 64;

/// Most values in one text.
pub const MAX_NODES: usize = 50_000;

/// Longest string or key in bytes.
pub const MAX_STRING: usize = 256 << 10;

/// The value of a JSON text nested at most `max_depth` deep, of at most [`MAX_NODES`] values and strings of at most
/// [`MAX_STRING`] bytes, without a repeated key.
///
/// # Errors
/// `invalid_argument` with reason `json_syntax`, `json_depth` or `json_duplicate_key`; `payload_too_large` with
/// reason `json_nodes` or `json_string`.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, Error> {
    let bounds = Bounds { nodes: Cell::new(0), broken: Cell::new(None) };
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Node { bounds: &bounds, depth: max_depth }.deserialize(&mut source);
    match value.and_then(|value| source.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => Err(bounds.broken.take().map_or_else(|| syntax(&error), |bound| bound.error(max_depth))),
    }
}

/// A bound that was passed.
enum Bound {
    Depth,
    Nodes,
    Text,
    Twice(String),
}

impl Bound {
    fn error(self, max_depth: usize) -> Error {
        match self {
            Self::Depth => Error::invalid("json_depth", format!("the JSON is nested deeper than {max_depth} levels")),
            Self::Nodes => too_large("json_nodes", format!("the JSON has more than {MAX_NODES} values")),
            Self::Text => too_large("json_string", format!("a string is longer than {MAX_STRING} bytes")),
            Self::Twice(key) => {
                Error::invalid("json_duplicate_key", "an object holds the same key twice").with("key", key)
            }
        }
    }
}

fn too_large(reason: &'static str, message: String) -> Error {
    Error::new(ErrorKind::PayloadTooLarge, reason, message)
}

fn syntax(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    Error::invalid("json_syntax", format!("the body is not JSON: line {line}, column {column}"))
        .suggest("send one JSON text in UTF-8")
}

struct Bounds {
    nodes: Cell<usize>,
    broken: Cell<Option<Bound>>,
}

impl Bounds {
    fn refuse<E: serde::de::Error>(&self, bound: Bound) -> E {
        self.broken.set(Some(bound));
        E::custom("out of bounds")
    }
}

/// One value to come, at most `depth` containers deep.
#[derive(Clone, Copy)]
struct Node<'a> {
    bounds: &'a Bounds,
    depth: usize,
}

impl Node<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| self.bounds.refuse(Bound::Depth))?;
        Ok(Self { depth, ..self })
    }

    fn fits<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.len() > MAX_STRING { Err(self.bounds.refuse(Bound::Text)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        let count = self.bounds.nodes.get() + 1;
        if count > MAX_NODES {
            return Err(self.bounds.refuse(Bound::Nodes));
        }
        self.bounds.nodes.set(count);
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.fits(value)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.fits(&value)?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.fits(&key)?;
            match object.entry(key) {
                Entry::Vacant(slot) => slot.insert(entries.next_value_seed(inner)?),
                Entry::Occupied(slot) => return Err(self.bounds.refuse(Bound::Twice(slot.key().clone()))),
            };
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        parse(text.as_bytes(), 3).unwrap_err().reason().to_owned()
    }

    #[test]
    fn what_is_within_bounds_reads_as_serde_json_reads_it() {
        for text in [r#"{"a":[1,-1,1.5,true,null,"x\u00e9"],"b":{"c":{}}}"#, " 1 ", r#""""#, "[[[]]]", "1e3"] {
            assert_eq!(parse(text.as_bytes(), 3).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn each_bound_has_its_reason() {
        let many = format!("[{}1]", "1,".repeat(MAX_NODES));
        let long = format!("\"{}\"", "x".repeat(MAX_STRING + 1));
        for (text, want) in [
            ("", "json_syntax"),
            ("{} {}", "json_syntax"),
            ("{\"a\":1,}", "json_syntax"),
            ("1e999", "json_syntax"),
            ("\u{feff}{}", "json_syntax"),
            ("[[[[]]]]", "json_depth"),
            (r#"{"a":{"b":[{}]}}"#, "json_depth"),
            (r#"{"a":1,"b":{"c":1,"\u0063":2}}"#, "json_duplicate_key"),
            (&many, "json_nodes"),
            (&long, "json_string"),
        ] {
            assert_eq!(reason(text), want, "{}", text.get(..20).unwrap_or(text));
        }
        assert_eq!(parse(b"\"\xff\"", 3).unwrap_err().reason(), "json_syntax");
    }

    #[test]
    fn the_exact_bounds_are_allowed() {
        assert!(parse(format!("[{}1]", "1,".repeat(MAX_NODES - 2)).as_bytes(), 1).is_ok());
        assert!(parse(format!("\"{}\"", "x".repeat(MAX_STRING)).as_bytes(), 0).is_ok());
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(deep(MAX_DEPTH).as_bytes(), MAX_DEPTH).is_ok());
        assert!(parse(deep(MAX_DEPTH + 1).as_bytes(), MAX_DEPTH).is_err());
    }
}
