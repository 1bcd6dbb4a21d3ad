//! Lists that come in pages, and what the list of tools tells.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

use super::{exchange::Asked, failure, link::Link, mirror, schema, state::Known};
use crate::{
    error::{Error, ErrorKind},
    text,
};

/// Most pages and items of one list.
const MOST_PAGES: usize = 1_000;
const MOST_ITEMS: usize = 10_000;

/// What the pages so far held.
#[derive(Default)]
struct Pages {
    items: Vec<Value>,
    bytes: u64,
}

impl Pages {
    /// Adds the items of a page.
    ///
    /// # Errors
    /// `malformed_response` when all pages together hold more than `most` bytes.
    fn add(&mut self, found: Vec<Value>, most: u64) -> Result<(), Error> {
        let bytes: usize = found.iter().map(|item| item.to_string().len()).sum();
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > most {
            return Err(too_long(most));
        }
        self.items.extend(found);
        Ok(())
    }
}

impl Link {
    /// All items of a list.
    ///
    /// # Errors
    /// What the server says; `malformed_response` for a list without end, and one larger than an answer may be.
    pub(super) async fn list(&self, method: &str, items: &str) -> Result<Vec<Value>, Error> {
        let (mut all, mut cursor, mut begun_again) = (Pages::default(), None::<String>, false);
        for _ in 0..MOST_PAGES {
            let params = cursor.iter().map(|cursor| ("cursor".to_owned(), Value::String(cursor.clone()))).collect();
            let mut page = match self.request(Asked::read(method, params)).await {
                // The cursor is of another time: that of the page it came with, which may have been kept.
                Err(error) if cursor.is_some() && !begun_again && failure::is_refused(&error) => {
                    self.shared.state().cache.forget(method);
                    (all, cursor, begun_again) = (Pages::default(), None, true);
                    continue;
                }
                page => page?,
            };
            let Some(Value::Array(found)) = page.remove(items) else { return Err(failure::no_answer()) };
            all.add(found, self.options().max_bytes)?;
            // An empty cursor is a cursor too.
            match page.remove("nextCursor") {
                Some(Value::String(next)) if cursor.as_ref() != Some(&next) && all.items.len() < MOST_ITEMS => {
                    cursor = Some(next);
                }
                None | Some(Value::Null) => return Ok(all.items),
                Some(_) => break,
            }
        }
        Err(Error::malformed("a list of the server has no end").with("items", all.items.len()))
    }

    /// The tools that can be used, as the server describes them, and why others can not be.
    ///
    /// Schemas are handed on as they came; what they refer to is never fetched.
    pub(super) async fn list_tools(&self) -> Result<Value, Error> {
        let before = self.shared.state().cache.changes("tools/list");
        let listed = Box::pin(self.list("tools/list", "tools")).await?;
        let marked = self.peer().await?.is_modern();
        let (mut tools, mut unusable, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = BTreeMap::new();
        for tool in listed {
            let Some(name) = tool.get("name").and_then(Value::as_str).map(str::to_owned) else { continue };
            let known = known(&tool, marked, |reason| unchecked.push(reasoned(&name, reason)));
            match &known.marks {
                Ok(_) => tools.push(tool),
                Err(why) => unusable.push(reasoned(&name, why)),
            }
            all.insert(name, known);
        }
        let mut state = self.shared.state();
        // What was asked for before a change is not what holds after it.
        if state.cache.changes("tools/list") == before {
            state.tools = all;
        }
        drop(state);
        Ok(json!({"tools": tools, "unusable": unusable, "unchecked": unchecked}))
    }

    /// Holds what a listed tool answered against its schema.
    ///
    /// # Errors
    /// `malformed_response` for a result that is not what the tool's schema says; one that is an error may be anything.
    pub(super) fn checked(&self, asked: &Asked, result: Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let name = asked.params.get("name").and_then(Value::as_str).filter(|_| asked.method == "tools/call");
        let schema = name.and_then(|name| self.shared.state().tools.get(name)?.output.clone());
        let failed = result.get("isError").is_some_and(|is| *is == true);
        let Some(schema) = schema.filter(|_| !failed) else { return Ok(result) };
        let why = match result.get("structuredContent") {
            None => Some("it has none".to_owned()),
            Some(content) => schema::fault(&schema, content),
        };
        why.map_or(Ok(result), |why| Err(failure::another_shape(&why)))
    }

    /// A list under its own name.
    pub(super) async fn listed(&self, method: &str, items: &str) -> Result<Value, Error> {
        let found = self.list(method, items).await?;
        Ok(Value::Object(Map::from_iter([(items.to_owned(), Value::Array(found))])))
    }
}

fn too_long(most: u64) -> Error {
    Error::new(
        ErrorKind::MalformedResponse,
        "response_too_large",
        "the pages of the server's list are too large together",
    )
    .with("max_bytes", most)
    .suggest(
        "raise max_bytes of the connection, or read one page at a time: `request`, with the list's method and a cursor",
    )
}

fn known(tool: &Value, marked: bool, unchecked: impl FnOnce(&str)) -> Known {
    let input = tool.get("inputSchema").filter(|_| marked);
    let output = tool.get("outputSchema").filter(|schema| !schema.is_null());
    let output = match output.and_then(schema::unjudged) {
        Some(reason) => {
            unchecked(reason);
            None
        }
        None => output.cloned().map(Arc::new),
    };
    Known { marks: input.map_or(Ok(Vec::new()), mirror::marks), output }
}

fn reasoned(name: &str, reason: &str) -> Value {
    json!({"name": text::clean_line(name, 128), "reason": text::clean_line(reason, 256)})
}
