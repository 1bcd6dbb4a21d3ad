use serde_json::{Map, Value, json};

use super::{exchange::Asked, link::Link};
use crate::{effect::Method, error::Error};

/// Lists: verb, method, member that holds the items.
const LISTS: [(&str, &str, &str); 3] = [
    ("list_resources", "resources/list", "resources"),
    ("list_resource_templates", "resources/templates/list", "resourceTemplates"),
    ("list_prompts", "prompts/list", "prompts"),
];

/// The other requests: verb, method, members of the input that are its parameters.
const REQUESTS: [(&str, &str, &[&str]); 7] = [
    ("call_tool", "tools/call", &["name", "arguments"]),
    ("read_resource", "resources/read", &["uri"]),
    ("get_prompt", "prompts/get", &["name", "arguments"]),
    ("complete", "completion/complete", &["ref", "argument", "context"]),
    ("get_task", "tasks/get", &["taskId"]),
    ("update_task", "tasks/update", &["taskId", "inputResponses"]),
    ("cancel_task", "tasks/cancel", &["taskId"]),
];

/// What every request takes besides its parameters.
const COMMON: [&str; 5] = ["_meta", "fresh", "progress", "repeatable", "wait"];

impl Link {
    /// Carries out a verb of [`super::Connection::start`].
    pub(super) async fn run(&self, verb: &str, mut input: Map<String, Value>) -> Result<Value, Error> {
        input.retain(|_, value| !value.is_null());
        if let Some((_, method, items)) = LISTS.iter().find(|(name, ..)| *name == verb) {
            self.freshly(method, &input);
            return self.listed(method, items).await;
        }
        if let Some((_, method, members)) = REQUESTS.iter().find(|(name, ..)| *name == verb) {
            return self.asked(method, members, input).await;
        }
        match verb {
            "connect" => self.peer().await.map(|peer| peer.said.clone()),
            "list_tools" => {
                self.freshly("tools/list", &input);
                self.list_tools().await
            }
            "listen" => self.listen(&input).await,
            "request" => self.raw(input).await,
            "close" => self.close().await,
            _ => Err(Error::invalid("unknown_verb", "a connection has no such verb")),
        }
    }

    /// Forgets what is kept of a list that is asked for anew.
    fn freshly(&self, method: &str, input: &Map<String, Value>) {
        if input.get("fresh").is_some_and(|fresh| *fresh == true) {
            self.shared.state().cache.forget(method);
        }
    }

    async fn asked(&self, method: &str, members: &[&str], mut input: Map<String, Value>) -> Result<Value, Error> {
        if let Some(name) =
            input.keys().find(|name| !members.contains(&name.as_str()) && !COMMON.contains(&name.as_str()))
        {
            let name = crate::text::clean_line(name, 64);
            return Err(Error::invalid("unknown_field", format!("{method} takes no `{name}`")));
        }
        let mut flag = |name: &str| input.remove(name).map(|value| value == true);
        let (progress, repeatable, wait, fresh) = (flag("progress"), flag("repeatable"), flag("wait"), flag("fresh"));
        let asked = Asked {
            method: method.to_owned(),
            params: input,
            repeatable: repeatable.unwrap_or(method != "tools/call"),
            progress: progress.unwrap_or(false),
            fresh: fresh.unwrap_or(false),
        };
        let result = self.request(asked.clone()).await?;
        let is_task = method == "tools/call" && result.get("resultType").is_some_and(|kind| *kind == "task");
        if is_task && wait != Some(false) {
            let result = self.finished(result).await?;
            return self.checked(&asked, result).map(Value::Object);
        }
        Ok(Value::Object(result))
    }

    /// Any method, for what has no verb of its own.
    async fn raw(&self, mut input: Map<String, Value>) -> Result<Value, Error> {
        let method = input.remove("method");
        let method = method
            .as_ref()
            .and_then(Value::as_str)
            .ok_or_else(|| Error::invalid("missing_field", "`method` is needed"))?;
        let params = match input.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(Error::invalid("wrong_type", "`params` must be an object")),
        };
        let repeatable = input.remove("repeatable").is_some_and(|may| may == true);
        let asked = Asked { repeatable, fresh: true, ..Asked::read(method, params) };
        self.request(asked).await.map(Value::Object)
    }

    /// Ends a session; a server that holds it a while longer forgets it by itself.
    async fn close(&self) -> Result<Value, Error> {
        let peer = self.shared.state().forget_peer();
        if let Some(peer) = peer.filter(|peer| peer.session.is_some()) {
            let headers = super::message::session_headers(&peer);
            let request = self.limited(self.envelope(Method::Delete, super::link::EITHER, &headers))?;
            // A server that was not reached, or that ends no session by hand (405), forgets it by itself.
            let _ = self.io.send(request).await;
        }
        Ok(json!({}))
    }
}
