use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::Error,
    job::{ContextStatus, ContextType, ExecutionContext},
    text::{clean, clean_line},
    verb::create_savepoint::same,
};

/// Most bytes of a name, of a description and of all the rest together.
const NAME_BYTES: usize = 128;
const DESCRIPTION_BYTES: usize = 4 << 10;
const TOTAL_BYTES: usize = 16 << 10;
/// Longest id, in bytes.
const ID_BYTES: usize = 64;

/// A context as S2 writes it; what is left out is empty in a new one, and stays as it was in one that is changed. Members
/// that only the server sets may be sent back as they were read.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Id: lower-case letters, digits, `.`, `_` and `-`, at most 64; of a new one by default made of its name.
    pub context_id: Option<String>,
    /// Same as `context_id`.
    pub mcp_resource_id: Option<String>,
    /// Name for people, at most 128 bytes; default: the id.
    pub name: Option<String>,
    /// Text for people, at most 4 KiB.
    pub description: Option<String>,
    /// Runner of the targets it is for, or `custom` for any, which is the default.
    pub context_type: Option<ContextType>,
    /// `inactive`: jobs may not name it.
    pub status: Option<ContextStatus>,
    /// Pipeline options by name, over the target's and under those of a preset and of the call.
    pub parameters: Option<Map<String, Value>>,
    /// For people, for instance `cpu` and `memory`: no runner reads it.
    pub resources: Option<Map<String, Value>>,
    /// For people and programs: no runner reads it.
    pub metadata: Option<Map<String, Value>>,
    /// Labels.
    pub mcp_labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    pub mcp_annotations: Option<BTreeMap<String, String>>,
    /// Generation of what is changed; another is refused. Also as `If-Match`.
    pub mcp_generation: Option<u64>,
    /// `context`.
    pub mcp_resource_type: Option<String>,
    /// The server's: whether an admin wrote it.
    #[schemars(extend("readOnly" = true))]
    #[serde(skip_serializing)]
    pub by_operator: Option<bool>,
    /// The server's.
    #[schemars(extend("readOnly" = true))]
    #[serde(skip_serializing)]
    pub mcp_state: Option<String>,
    /// The server's.
    #[schemars(extend("readOnly" = true))]
    #[serde(skip_serializing)]
    pub mcp_created_at: Option<String>,
    /// The server's.
    #[schemars(extend("readOnly" = true))]
    #[serde(skip_serializing)]
    pub mcp_updated_at: Option<String>,
    /// Makes a repeated call answer as the first.
    #[serde(skip_serializing)]
    pub idempotency_key: Option<String>,
    /// Only show the plan.
    #[serde(skip_serializing)]
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    #[serde(skip_serializing)]
    pub plan_digest: Option<String>,
}

impl Input {
    /// The same in one spelling, as a key of idempotency is bound to it.
    pub(in crate::verb) fn folded(self) -> Result<Self, Error> {
        let id = self.id()?;
        Ok(Self { context_id: id, mcp_resource_id: None, ..self })
    }

    /// The id that is named.
    ///
    /// # Errors
    /// `invalid_argument` with reason `contradicting_aliases` or `bad_context_id`.
    pub(in crate::verb) fn id(&self) -> Result<Option<String>, Error> {
        let id = same("context_id", self.context_id.clone(), "mcp_resource_id", self.mcp_resource_id.clone())?;
        id.map(checked_id).transpose()
    }

    /// The id of what is there.
    ///
    /// # Errors
    /// As [`Input::id`]; reason `unnamed_context` without one.
    pub(in crate::verb) fn named(&self) -> Result<String, Error> {
        self.id()?.ok_or_else(|| {
            Error::invalid("unnamed_context", "`context_id` says which context")
                .suggest("take one of GET /api/v1/contexts")
        })
    }

    /// A new context.
    ///
    /// # Errors
    /// `invalid_argument`, reason `unnamed_context`, `bad_context_id` or as [`Input::over`].
    pub(in crate::verb) fn made(self, now_ms: u64) -> Result<ExecutionContext, Error> {
        let id = match (self.id()?, &self.name) {
            (Some(id), _) => id,
            (None, Some(name)) => checked_id(slug(name))?,
            (None, None) => {
                return Err(Error::invalid("unnamed_context", "a context needs a `name` or a `context_id`")
                    .suggest("send {\"name\": \"Dataflow Production\", \"context_type\": \"dataflow\"}"));
            }
        };
        let empty = ExecutionContext {
            name: id.clone(),
            id,
            description: String::new(),
            context_type: ContextType::default(),
            status: ContextStatus::default(),
            parameters: Map::new(),
            resources: Map::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            metadata: Map::new(),
            by_operator: false,
            generation: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        self.over(empty)
    }

    /// A context with the members that were sent in the place of its own.
    ///
    /// # Errors
    /// `invalid_argument` with reason `bad_context` or `context_too_large`.
    pub(in crate::verb) fn over(self, old: ExecutionContext) -> Result<ExecutionContext, Error> {
        if self.mcp_resource_type.is_some_and(|kind| kind != "context") {
            return Err(bad("`mcp_resource_type` is `context`"));
        }
        if self.by_operator.is_some_and(|says| says != old.by_operator) {
            return Err(bad("`by_operator` is the server's: leave it out"));
        }
        let new = ExecutionContext {
            name: self.name.unwrap_or(old.name),
            description: self.description.unwrap_or(old.description),
            context_type: self.context_type.unwrap_or(old.context_type),
            status: self.status.unwrap_or(old.status),
            parameters: self.parameters.unwrap_or(old.parameters),
            resources: self.resources.unwrap_or(old.resources),
            labels: self.mcp_labels.unwrap_or(old.labels),
            annotations: self.mcp_annotations.unwrap_or(old.annotations),
            metadata: self.metadata.unwrap_or(old.metadata),
            ..old
        };
        check(&new).map(|()| new)
    }
}

fn check(context: &ExecutionContext) -> Result<(), Error> {
    let name = &context.name;
    if name.is_empty() || clean_line(name, NAME_BYTES) != *name {
        return Err(bad("`name` is 1 to 128 bytes of visible text on one line"));
    }
    if clean(&context.description, DESCRIPTION_BYTES) != context.description {
        return Err(bad("`description` is at most 4 KiB of visible text"));
    }
    let bytes = serde_json::to_string(context).map_or(usize::MAX, |text| text.len());
    if bytes > TOTAL_BYTES {
        return Err(Error::invalid("context_too_large", format!("a context has at most {TOTAL_BYTES} bytes"))
            .suggest("keep what is long in a file and name that"));
    }
    Ok(())
}

fn bad(message: &str) -> Error {
    Error::invalid("bad_context", message).suggest("send the member as the input schema of the call describes it")
}

fn checked_id(id: String) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if id.len() <= ID_BYTES && id.starts_with(plain) && id.chars().all(|c| plain(c) || ".-_".contains(c)) {
        return Ok(id);
    }
    let message =
        "an id of a context is lower-case letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64";
    Err(Error::invalid("bad_context_id", message)
        .with("context_id", clean_line(&id, ID_BYTES))
        .suggest("send one as `context_id`"))
}

/// `Dataflow Production` is `dataflow-production`.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(input: Value) -> Result<ExecutionContext, Error> {
        serde_json::from_value::<Input>(input).unwrap().made(7)
    }

    #[test]
    fn an_id_is_given_or_made_of_the_name() {
        assert_eq!(made(json!({"name": "Dataflow  Production (EU)"})).unwrap().id, "dataflow-production-eu");
        let both = made(json!({"mcp_resource_id": "dataflow-default", "name": "Dataflow Production"})).unwrap();
        assert_eq!((both.id.as_str(), both.name.as_str()), ("dataflow-default", "Dataflow Production"));
        assert_eq!(made(json!({"context_id": "a.b_c-1"})).unwrap().name, "a.b_c-1");
        for (input, reason) in [
            (json!({}), "unnamed_context"),
            (json!({"name": "ü"}), "bad_context_id"),
            (json!({"context_id": "../a"}), "bad_context_id"),
            (json!({"context_id": "A"}), "bad_context_id"),
            (json!({"context_id": "-a"}), "bad_context_id"),
            (json!({"context_id": "a".repeat(65)}), "bad_context_id"),
            (json!({"context_id": "a", "mcp_resource_id": "b"}), "contradicting_aliases"),
            (json!({"context_id": "a", "name": "a\u{202e}b"}), "bad_context"),
            (json!({"context_id": "a", "description": "\u{1b}[2J"}), "bad_context"),
            (json!({"context_id": "a", "mcp_resource_type": "tool"}), "bad_context"),
            (json!({"context_id": "a", "metadata": {"a": "x".repeat(200_000)}}), "context_too_large"),
        ] {
            assert_eq!(made(input.clone()).unwrap_err().reason(), reason, "{input}");
        }
    }

    #[test]
    fn what_is_not_sent_stays_and_a_map_that_is_sent_is_the_whole_map() {
        let old = made(json!({"name": "a", "parameters": {"region": "r", "project": "p"}, "resources": {"cpu": "2"}}));
        let change = json!({"mcp_resource_id": "a", "parameters": {"region": "s"}, "mcp_created_at": "2023", "mcp_state": "ACTIVE"});
        let new = serde_json::from_value::<Input>(change).unwrap().over(old.unwrap()).unwrap();
        assert_eq!(
            (Value::Object(new.parameters), Value::Object(new.resources)),
            (json!({"region": "s"}), json!({"cpu": "2"}))
        );
        assert_eq!((new.name.as_str(), new.generation), ("a", 1));
    }
}
