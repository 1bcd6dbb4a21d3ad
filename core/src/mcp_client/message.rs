use serde_json::{Map, Value, json};

use super::{
    header::{encode, name_key},
    options::Options,
    version::{MODERN, Peer},
};

const PREFIX: &str = "io.modelcontextprotocol/";
/// Notification that carries news of a subscription's stream.
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The JSON text of a request with `_meta` where the revision has it, and the headers that repeat parts of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) body: Value,
    pub(super) headers: Vec<(String, String)>,
}

/// A request as 2026-07-28 has it.
pub(super) fn modern(options: &Options, id: u64, method: &str, params: &Map<String, Value>) -> Message {
    let mut params = params.clone();
    let mut meta = match params.remove("_meta") {
        Some(Value::Object(meta)) => meta,
        _ => Map::new(),
    };
    meta.insert(format!("{PREFIX}protocolVersion"), MODERN.into());
    meta.insert(format!("{PREFIX}clientInfo"), client_info(options));
    meta.insert(format!("{PREFIX}clientCapabilities"), Value::Object(options.capabilities.clone()));
    params.insert("_meta".to_owned(), Value::Object(meta));
    let mut headers = vec![pair("mcp-protocol-version", MODERN), pair("mcp-method", method)];
    let name = name_key(method).and_then(|key| params.get(key)).and_then(Value::as_str);
    headers.extend(name.map(|name| pair("mcp-name", &encode(name))));
    Message { body: request(id, method, &params), headers }
}

/// A request in a session, or beside none.
pub(super) fn legacy(peer: &Peer, id: u64, method: &str, params: &Map<String, Value>) -> Message {
    Message { body: request(id, method, params), headers: session_headers(peer) }
}

/// The greeting of a server with a handshake.
pub(super) fn initialize(options: &Options, id: u64, version: &str) -> Message {
    // The revisions with a handshake know no extensions of a request's own, but carry those of a client.
    let hello = json!({
        "protocolVersion": version,
        "capabilities": options.capabilities,
        "clientInfo": client_info(options),
    });
    Message { body: json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": hello}), headers: Vec::new() }
}

/// A notification in a session.
pub(super) fn notification(peer: &Peer, method: &str, params: Option<Value>) -> Message {
    let mut body = json!({"jsonrpc": "2.0", "method": method});
    if let (Some(params), Some(members)) = (params, body.as_object_mut()) {
        members.insert("params".to_owned(), params);
    }
    Message { body, headers: session_headers(peer) }
}

/// The answer to a request of the server's, in a session.
pub(super) fn answer(peer: &Peer, id: &Value, outcome: Result<Value, (i64, &str)>) -> Message {
    let body = match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
    };
    Message { body, headers: session_headers(peer) }
}

/// The headers of everything in a session.
pub(super) fn session_headers(peer: &Peer) -> Vec<(String, String)> {
    let session = peer.session.as_deref().map(|id| pair("mcp-session-id", id));
    std::iter::once(pair("mcp-protocol-version", peer.version)).chain(session).collect()
}

fn request(id: u64, method: &str, params: &Map<String, Value>) -> Value {
    if params.is_empty() {
        return json!({"jsonrpc": "2.0", "id": id, "method": method});
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn client_info(options: &Options) -> Value {
    let own = || json!({"name": "beam-mcp-client", "version": env!("CARGO_PKG_VERSION")});
    options.client_info.clone().unwrap_or_else(own)
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        serde_json::from_value(json!({"url": "http://a/mcp", "capabilities": {"elicitation": {}}})).unwrap()
    }

    fn params(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_modern_request_says_everything_itself() {
        let given = params(
            &json!({"name": "zähle", "_meta": {"progressToken": 3, "io.modelcontextprotocol/protocolVersion": "x"}}),
        );
        let message = modern(&options(), 7, "tools/call", &given);
        let meta = &message.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({"elicitation": {}}));
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "beam-mcp-client");
        assert_eq!(meta["progressToken"], 3);
        let want =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "=?base64?esOkaGxl?=")];
        assert_eq!(message.headers, want.map(|(name, value)| pair(name, value)));
    }

    #[test]
    fn a_request_in_a_session_says_only_what_it_is() {
        let peer = Peer { version: "2025-11-25", session: Some("s".into()), paired: false, said: Value::Null };
        let message = legacy(&peer, 1, "tools/list", &Map::new());
        assert_eq!(message.body, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
        assert_eq!(message.headers, [pair("mcp-protocol-version", "2025-11-25"), pair("mcp-session-id", "s")]);
    }
}
