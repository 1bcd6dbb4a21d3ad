use std::{future::Future, time::Duration};

use serde_json::{Map, Value};

use super::{ClientOptions, Route, request, response, route};
#[cfg(feature = "mcp-client")]
use crate::mcp_client::Connection;
use crate::{
    call::Call,
    effect::{Request, Response},
    error::{Error, ErrorKind, Retry},
    flow::{Flow, Io},
    pace::Backoff,
    random::Branch,
    retry::retry,
};

/// Most items collected when all pages are asked for; the rest stays behind `next_page_token`.
const MOST_ITEMS: usize = 10_000;

/// Calls a verb of the server; the flow ends with the answer's `data`.
///
/// `input` is an object. `idempotency_key` in it names a write (else one is derived from the call's seed), and
/// `all: true` collects every page of a list. `call.deadline` bounds the whole call, `options` each exchange.
pub fn call(verb: &str, input: Value, options: ClientOptions, call: Call) -> Flow<Value> {
    begin(Way::Rest, verb, input, options, call)
}

/// The same as a tool of the server behind a connection.
#[cfg(feature = "mcp-client")]
pub fn call_over(connection: &Connection, verb: &str, input: Value, options: ClientOptions, call: Call) -> Flow<Value> {
    begin(Way::Mcp(connection.clone()), verb, input, options, call)
}

fn begin(way: Way, verb: &str, input: Value, options: ClientOptions, call: Call) -> Flow<Value> {
    let found = route(verb);
    Flow::new(|io| async move {
        let route = found?;
        let mut input = object(input)?;
        let all = route.items.filter(|_| input.remove("all") == Some(Value::Bool(true)));
        let link = Link { io, route, options, call, way };
        match all {
            Some(items) => link.pages(input, items).await,
            None => link.exchange(input).await,
        }
    })
}

fn object(input: Value) -> Result<Map<String, Value>, Error> {
    match input {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(Error::invalid("wrong_type", "the input of a call must be an object")),
    }
}

/// How a call travels.
enum Way {
    /// The routes of a beam-mcp server.
    Rest,
    /// Tools of any MCP server that has them.
    #[cfg(feature = "mcp-client")]
    Mcp(Connection),
}

/// A call under way.
struct Link {
    io: Io,
    route: &'static Route,
    options: ClientOptions,
    call: Call,
    way: Way,
}

impl Link {
    async fn exchange(&self, input: Map<String, Value>) -> Result<Value, Error> {
        match &self.way {
            Way::Rest => {
                let request = request::build(self.route, input, &self.options, &self.call)?;
                self.repeated(|| async { response::parse(self.route, &self.send(&request).await?) }).await
            }
            #[cfg(feature = "mcp-client")]
            Way::Mcp(connection) => {
                let told = super::mcp::call(connection, &self.io, &self.call, self.route, &self.options, input);
                Box::pin(told).await.map_err(|error| reached(error).during(self.route.verb))
            }
        }
    }

    async fn repeated<F>(&self, once: impl FnMut() -> F) -> Result<Value, Error>
    where
        F: Future<Output = Result<Value, Error>>,
    {
        let backoff = Backoff { tries: self.options.max_retries.saturating_add(1), ..Backoff::READ };
        let branch = Branch::new(self.call.seed, "client");
        retry(&self.io, backoff, self.call.deadline, &branch, once).await
    }

    async fn send(&self, request: &Request) -> Result<Response, Error> {
        let mut request = request.clone();
        let left = self.call.deadline.saturating_sub(self.io.now().mono);
        if left < Duration::from_millis(1) {
            return Err(Error::deadline("the call's time is over").retry_as(Retry::Never).during(self.route.verb));
        }
        request.timeout_ms = request.timeout_ms.min(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        self.io.send(request).await.map_err(|error| unanswered(&error).during(self.route.verb))
    }

    async fn pages(&self, mut input: Map<String, Value>, items: &str) -> Result<Value, Error> {
        let mut all = Vec::new();
        loop {
            let mut page = object(self.exchange(input.clone()).await?)?;
            let Some(Value::Array(mut found)) = page.remove(items) else {
                return Err(Error::malformed(format!("a page without `{items}`")).during(self.route.verb));
            };
            let empty = found.is_empty();
            all.append(&mut found);
            let next = page.get("next_page_token").filter(|token| !token.is_null()).cloned();
            match next {
                Some(token) if !empty && all.len() < MOST_ITEMS => input.insert("page_token".to_owned(), token),
                _ => {
                    page.insert(items.to_owned(), Value::Array(all));
                    return Ok(Value::Object(page));
                }
            };
        }
    }
}

/// The error of a call over MCP; where nobody was reached, with what to do about it.
#[cfg(feature = "mcp-client")]
fn reached(error: Error) -> Error {
    let nobody = matches!(error.reason(), "connection_refused" | "unreachable" | "connection_reset" | "tls");
    if nobody { unanswered(&error) } else { error }
}

/// The error of an exchange without an answer, in words that fit a client.
fn unanswered(error: &Error) -> Error {
    let never = matches!(error.reason(), "tls" | "credential");
    let message = error.message().replace("the target", "the server");
    let told = Error::new(error.kind(), error.reason().to_owned(), message)
        .retry_as(if never { Retry::Never } else { error.retry() })
        .landed_as(error.landed());
    let told = error.context().iter().fold(told, |told, (key, value)| told.with(key.clone(), value));
    match (error.kind(), never) {
        (ErrorKind::Unavailable, false) => {
            told.suggest("check the server's URL (BEAM_MCP_URL), or start one with `beam-mcp serve`")
        }
        _ => told,
    }
}
