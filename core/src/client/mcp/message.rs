use serde_json::{Map, Value, json};

use super::Peer;
use crate::{
    call::Call,
    client::{Class, ClientOptions, Route, SERVER, request},
    effect::{Body, CredentialId, Method, Request},
    error::Error,
};

const MODERN: &str = "2026-07-28";
const NEWEST_WITH_HANDSHAKE: &str = "2025-11-25";
const META: &str = "io.modelcontextprotocol/";

/// A call of a tool, in the form each era has.
pub(in crate::client) struct Tool {
    pub(super) name: &'static str,
    pub(super) arguments: Map<String, Value>,
    frame: Request,
}

impl Tool {
    /// The tool of a route's verb.
    ///
    /// # Errors
    /// `unsupported` for bytes to upload, which no tool takes.
    pub(in crate::client) fn new(
        route: &Route,
        mut arguments: Map<String, Value>,
        options: &ClientOptions,
        call: &Call,
    ) -> Result<Self, Error> {
        if route.class == Class::Upload {
            return Err(Error::unsupported("rest_only", "MCP takes no uploads").suggest("upload over REST"));
        }
        arguments.retain(|_, value| !value.is_null());
        if matches!(route.class, Class::Write | Class::Waits) {
            let key = || call.seed.hex128("idempotency key").into();
            arguments.entry("idempotency_key").or_insert_with(key);
        }
        join_operation(route, &mut arguments);
        let frame = Request {
            headers: headers(call),
            credential: Some(CredentialId(SERVER.to_owned())),
            timeout_ms: request::timeout(route, &arguments, options),
            max_bytes: options.max_bytes,
            ..Request::new(SERVER, Method::Post, options.endpoint.clone())
        };
        Ok(Self { name: name_of(route, &mut arguments), arguments, frame })
    }

    /// True for a caller that only wants the plan.
    pub(in crate::client) fn is_dry_run(&self) -> bool {
        self.arguments.get("dry_run").is_some_and(|dry| *dry == true)
    }

    /// True for a call that carries a plan's digest.
    pub(in crate::client) fn is_confirmed(&self) -> bool {
        self.arguments.contains_key("plan_digest")
    }

    /// The same call of exactly what a plan says.
    pub(in crate::client) fn confirmed(&self, digest: &str) -> Self {
        let mut arguments = self.arguments.clone();
        arguments.insert("plan_digest".to_owned(), digest.into());
        Self { name: self.name, arguments, frame: self.frame.clone() }
    }

    fn message(&self, message: &Value, headers: &[(&str, &str)]) -> Request {
        let mut request = self.frame.clone();
        request.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Request { body: Body::Json(message.clone()), ..request }
    }

    /// The call as 2026-07-28 has it.
    pub(in crate::client) fn modern(&self) -> Request {
        let meta = json!({
            format!("{META}protocolVersion"): MODERN,
            format!("{META}clientCapabilities"): {},
            format!("{META}clientInfo"): client_info(),
        });
        let params = json!({"name": self.name, "arguments": self.arguments, "_meta": meta});
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", self.name)];
        self.message(&asked("tools/call", &params), &headers)
    }

    /// The greeting of an older server.
    pub(in crate::client) fn greeting(&self) -> Request {
        let hello = json!({"protocolVersion": NEWEST_WITH_HANDSHAKE, "capabilities": {}, "clientInfo": client_info()});
        self.message(&asked("initialize", &hello), &[])
    }

    /// The end of the greeting.
    pub(in crate::client) fn greeted(&self, peer: &Peer) -> Request {
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.message(&done, &peer.headers())
    }

    /// The call in a session, or beside none.
    pub(in crate::client) fn older(&self, peer: &Peer) -> Request {
        let params = json!({"name": self.name, "arguments": self.arguments});
        self.message(&asked("tools/call", &params), &peer.headers())
    }

    /// The end of a session; `None` where there is none.
    pub(in crate::client) fn farewell(&self, peer: &Peer) -> Option<Request> {
        peer.session.as_ref()?;
        let mut request = self.message(&Value::Null, &peer.headers());
        (request.method, request.body) = (Method::Delete, Body::Empty);
        Some(request)
    }
}

fn asked(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn client_info() -> Value {
    json!({"name": "beam-mcp-client", "version": env!("CARGO_PKG_VERSION")})
}

/// REST has a route that does not wait for a savepoint, a tool an argument that says so.
fn name_of(route: &Route, arguments: &mut Map<String, Value>) -> &'static str {
    if route.verb != "start_savepoint" {
        return route.verb;
    }
    arguments.insert("wait_seconds".to_owned(), 0.into());
    "create_savepoint"
}

/// REST names an operation beneath its job, a tool by its whole id.
fn join_operation(route: &Route, arguments: &mut Map<String, Value>) {
    if route.verb != "get_operation" {
        return;
    }
    let (job, id) = (arguments.remove("job_id"), arguments.get("operation_id").and_then(Value::as_str));
    if let (Some(Value::String(job)), Some(id)) = (job, id)
        && !id.contains('/')
    {
        let whole = format!("{job}/{id}");
        arguments.insert("operation_id".to_owned(), whole.into());
    }
}

/// Labels go along, but for the session: over MCP that header is the protocol's own.
fn headers(call: &Call) -> Vec<(String, String)> {
    let mut headers = vec![("accept".to_owned(), "application/json, text/event-stream".to_owned())];
    headers.extend(request::labels(&call.labels).filter(|(name, _)| name != "mcp-session-id"));
    headers
}
