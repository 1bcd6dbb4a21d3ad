//! What a server wants to know in the middle of a request, and the application answers.

use serde_json::{Map, Value, json};

use super::{failure, link::Link, message, version::Peer};
use crate::{
    error::{Error, ErrorKind},
    text,
};

const NOT_DECLARED: (i64, &str) = (-32601, "this client did not declare that it answers this");

impl Link {
    /// The answers to what a result with `input_required` asks, under its keys.
    ///
    /// # Errors
    /// `malformed_response` for a question that was not declared; the application's own.
    pub(super) async fn inputs(&self, asked: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let mut answers = Map::new();
        for (key, question) in asked {
            let method = question.get("method").and_then(Value::as_str).unwrap_or_default();
            let params = question.get("params").cloned().unwrap_or_default();
            if !self.is_declared(method, &params) {
                let method = text::clean_line(method, 64);
                return Err(
                    failure::no_answer().with("asked", format!("`{method}`, which this client did not declare"))
                );
            }
            answers.insert(key.clone(), self.input(method, params).await?);
        }
        Ok(answers)
    }

    async fn input(&self, method: &str, params: Value) -> Result<Value, Error> {
        let schema = params.get("requestedSchema").cloned();
        let mut answer = self.io.ask(method, params).await?;
        if method == "elicitation/create" {
            complete(&mut answer, schema.as_ref());
        }
        Ok(answer)
    }

    /// Answers a request of a server with sessions.
    pub(super) async fn answer(&self, peer: &Peer, id: &Value, method: &str, params: Value) -> Result<(), Error> {
        let outcome = if method == "ping" {
            Ok(json!({}))
        } else if self.is_declared(method, &params) {
            match self.input(method, params).await {
                Ok(answer) => Ok(answer),
                Err(error) if error.kind() == ErrorKind::Unsupported => Err(NOT_DECLARED),
                Err(error) => return Err(error),
            }
        } else {
            Err(NOT_DECLARED)
        };
        Box::pin(self.notify(&message::answer(peer, id, outcome))).await
    }

    /// True for questions the client said it answers.
    fn is_declared(&self, method: &str, params: &Value) -> bool {
        let declared = |name: &str| self.options().capabilities.get(name).filter(|value| value.is_object());
        match method {
            "elicitation/create" => declared("elicitation").is_some_and(|modes| {
                let mode = params.get("mode").and_then(Value::as_str).unwrap_or("form");
                let none_named = modes.get("form").is_none() && modes.get("url").is_none();
                matches!(mode, "form" | "url") && (modes.get(mode).is_some() || (mode == "form" && none_named))
            }),
            "sampling/createMessage" => {
                declared("sampling").is_some_and(|how| params.get("tools").is_none() || how.get("tools").is_some())
            }
            "roots/list" => declared("roots").is_some(),
            _ => false,
        }
    }
}

/// Puts the defaults of a form into the fields that an accepted answer leaves out.
fn complete(answer: &mut Value, schema: Option<&Value>) {
    let fields = schema.and_then(|schema| schema.get("properties")?.as_object());
    let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
    let (Some(fields), true, Some(members)) = (fields, accepted, answer.as_object_mut()) else { return };
    let content = members.entry("content").or_insert_with(|| json!({}));
    let Some(content) = content.as_object_mut() else { return };
    for (name, field) in fields {
        if let (None, Some(default)) = (content.get(name), field.get("default")) {
            content.insert(name.clone(), default.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fill_what_an_accepted_form_leaves_out() {
        let schema = json!({"properties": {"a": {"default": 1}, "b": {"default": "x"}, "c": {}}});
        for (mut answer, want) in [
            (json!({"action": "accept"}), json!({"action": "accept", "content": {"a": 1, "b": "x"}})),
            (
                json!({"action": "accept", "content": {"a": 2}}),
                json!({"action": "accept", "content": {"a": 2, "b": "x"}}),
            ),
            (json!({"action": "decline"}), json!({"action": "decline"})),
        ] {
            complete(&mut answer, Some(&schema));
            assert_eq!(answer, want);
        }
    }
}
