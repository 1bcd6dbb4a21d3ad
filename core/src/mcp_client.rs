//! The client of any MCP server, as flows: 2026-07-28, and the revisions with a handshake; over HTTP, or behind a pipe
//! ([`PIPE`]).
//!
//! Knows the protocol and nothing of Beam. Asks its host for [`Effect::Open`], [`Effect::Read`] and [`Effect::Shut`]
//! (an answer may be a stream), [`Effect::Send`] (documents of authorization servers), [`Effect::Sleep`],
//! [`Effect::Ask`] and [`Effect::Tell`]. Requests go to the target [`SERVER`]; one to an authorization server names it
//! in `server`, and goes without the server's credential.
//!
//! # How a call travels
//! ```text
//! verb → result ← request: rounds of input → repeats → put right once ┬ era (asked once for a connection)
//!                                                                     └ post ┬ open → hear: JSON, or events
//!                                                                            └ 401, 403: a token, then again
//! ```
//!
//! # What it leaves alone
//! Schemas are handed on as they came and what they refer to is never fetched; results of listed tools are held against
//! theirs. Icons, `ui://` resources and the URLs of
//! elicitations are the application's to open or not.
//!
//! # Source
//! MCP specification 2026-07-28: base protocol, Streamable HTTP, authorization, MRTR, tasks extension; 2025-11-25,
//! 2025-06-18, 2025-03-26 and 2024-11-05 as published. HTML section 9.2 for events; RFC 9728, 8414, 7591, 7636, 8707, 9207.
//!
//! [`Effect::Open`]: crate::effect::Effect::Open
//! [`Effect::Read`]: crate::effect::Effect::Read
//! [`Effect::Shut`]: crate::effect::Effect::Shut
//! [`Effect::Send`]: crate::effect::Effect::Send
//! [`Effect::Sleep`]: crate::effect::Effect::Sleep
//! [`Effect::Ask`]: crate::effect::Effect::Ask
//! [`Effect::Tell`]: crate::effect::Effect::Tell

mod cache;
mod exchange;
mod failure;
mod header;
mod hear;
mod input;
mod link;
mod list;
mod listen;
mod message;
mod mirror;
mod oauth;
mod options;
mod pair;
mod peer;
mod pipe;
mod place;
pub(crate) mod schema;
mod sse;
mod state;
mod task;
mod turn;
mod untold;
mod verb;
mod version;

#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

pub use options::{EraChoice, Grant, OAuth, Options};
pub use pipe::{PIPE, Route, route};
#[cfg(all(test, feature = "server"))]
pub(crate) use schema::fault;
use serde_json::{Map, Value};

use self::{
    exchange::Asked,
    link::{Limits, Link, Shared},
};
use crate::{
    call::Call,
    error::Error,
    flow::{Flow, Io},
};

/// Target and credential of every request to the server itself.
pub const SERVER: &str = "server";

/// A server, and what was found out about it. Cheap to clone; all clones are one connection.
#[derive(Clone, Debug)]
pub struct Connection(Arc<Shared>);

/// A call of a tool that may be sent again, with limits and headers of its own.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// Name of the tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// Limit on one request in milliseconds.
    pub timeout_ms: u64,
    /// Tries after the first.
    pub max_retries: u32,
    /// Headers beside the protocol's, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Connection {
    /// A connection to a server. Nothing is sent yet.
    ///
    /// # Errors
    /// `invalid_argument` for a URL that is none, or a redirect URI that a code may not be sent to.
    pub fn new(options: Options) -> Result<Self, Error> {
        Shared::new(options).map(|shared| Self(Arc::new(shared)))
    }

    /// Starts a call. Calls of one connection may run side by side.
    ///
    /// | verb | input | ends with |
    /// |---|---|---|
    /// | `connect` | | `protocolVersion`, `capabilities`, `serverInfo`, `instructions`, as far as they were said |
    /// | `list_tools` | | `tools`, `unusable` and `unchecked` (results not held against their schema) with reasons |
    /// | `list_resources`, `list_resource_templates`, `list_prompts` | | all items under their name |
    /// | `call_tool` | `name`, `arguments` | the result; that of a task's work unless `wait` is false |
    /// | `read_resource`, `get_prompt`, `complete` | the method's parameters | the result |
    /// | `get_task`, `update_task`, `cancel_task` | `taskId`, `inputResponses` | the task |
    /// | `listen` | the kinds of news, as `subscriptions/listen` names them | the server's farewell; news are told |
    /// | `request` | `method`, `params` | the result of any method |
    /// | `close` | | `{}`; a session is ended |
    ///
    /// `_meta` goes along with a request's parameters. `progress: true` asks for notifications of its progress, and
    /// `repeatable: true` says that a call of a tool may be sent again although it may have arrived. `fresh: true` asks the
    /// server although it said that an earlier result still holds; lists and resources take it.
    pub fn start(&self, verb: &str, input: Value, call: Call) -> Flow<Value> {
        let (verb, shared) = (verb.to_owned(), self.0.clone());
        Flow::new(|io| async move {
            let input = match input {
                Value::Object(input) => input,
                Value::Null => Map::new(),
                _ => return Err(Error::invalid("wrong_type", "the input of a call must be an object")),
            };
            let limits = Limits::of(&shared.options);
            Link { io, shared, call, limits, headers: Vec::new(), endpoint: None }.run(&verb, input).await
        })
    }

    /// Calls a tool in the middle of another flow; the result is as the server gave it.
    ///
    /// # Errors
    /// What the server says; a result with `isError` is none.
    pub fn call_tool(
        &self,
        io: Io,
        call: Call,
        tool: ToolCall,
    ) -> impl Future<Output = Result<Map<String, Value>, Error>> + Send + use<> {
        let limits = Limits { timeout_ms: tool.timeout_ms, max_retries: tool.max_retries };
        let link = Link { io, shared: self.0.clone(), call, limits, headers: tool.headers, endpoint: None };
        let params = [("name".to_owned(), tool.name.into()), ("arguments".to_owned(), Value::Object(tool.arguments))];
        let asked = Asked {
            method: "tools/call".to_owned(),
            params: params.into_iter().collect(),
            repeatable: true,
            progress: false,
            fresh: false,
        };
        async move { link.request(asked).await }
    }
}
