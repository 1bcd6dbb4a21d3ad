//! Lists that come in pages, and what the list of tools tells.

use serde_json::{Map, Value, json};

use super::{exchange::Asked, failure, link::Link, mirror};
use crate::{error::Error, text};

/// Most pages and items of one list.
const MOST_PAGES: usize = 1_000;
const MOST_ITEMS: usize = 10_000;

impl Link {
    /// All items of a list.
    ///
    /// # Errors
    /// What the server says; `malformed_response` for a list without end.
    pub(super) async fn list(&self, method: &str, items: &str) -> Result<Vec<Value>, Error> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let params = cursor.iter().map(|cursor| ("cursor".to_owned(), Value::String(cursor.clone()))).collect();
            let mut page = self.request(Asked::read(method, params)).await?;
            let Some(Value::Array(found)) = page.remove(items) else { return Err(failure::no_answer()) };
            all.extend(found);
            // An empty cursor is a cursor too.
            match page.remove("nextCursor") {
                Some(Value::String(next)) if cursor.as_ref() != Some(&next) && all.len() < MOST_ITEMS => {
                    cursor = Some(next);
                }
                None | Some(Value::Null) => return Ok(all),
                Some(_) => break,
            }
        }
        Err(Error::malformed("a list of the server has no end").with("items", all.len()))
    }

    /// The tools that can be used, as the server describes them, and why others can not be.
    ///
    /// Schemas are handed on as they came; what they refer to is never fetched.
    pub(super) async fn list_tools(&self) -> Result<Value, Error> {
        let listed = Box::pin(self.list("tools/list", "tools")).await?;
        let marked = self.peer().await?.is_modern();
        let (mut tools, mut unusable) = (Vec::new(), Vec::new());
        let mut state = self.shared.state();
        state.tools.clear();
        for tool in listed {
            let Some(name) = tool.get("name").and_then(Value::as_str).map(str::to_owned) else { continue };
            let schema = tool.get("inputSchema").filter(|_| marked);
            let marks = schema.map_or(Ok(Vec::new()), mirror::marks);
            match &marks {
                Ok(_) => tools.push(tool),
                Err(why) => {
                    unusable.push(json!({"name": text::clean_line(&name, 128), "reason": text::clean_line(why, 256)}));
                }
            }
            state.tools.insert(name, marks);
        }
        Ok(json!({"tools": tools, "unusable": unusable}))
    }

    /// A list under its own name.
    pub(super) async fn listed(&self, method: &str, items: &str) -> Result<Value, Error> {
        let found = self.list(method, items).await?;
        Ok(Value::Object(Map::from_iter([(items.to_owned(), Value::Array(found))])))
    }
}
