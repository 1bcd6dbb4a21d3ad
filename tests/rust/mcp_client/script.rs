//! A case: calls of one connection, and what the host answers to each effect.

use std::time::Duration;

use beam_mcp_core::{
    Call, Now, Step,
    auth::Caller,
    client::{ClientOptions, call_over},
    effect::{decode_reply, encode_effect},
    mcp_client::Connection,
};
use beam_mcp_tests::golden;
use serde_json::{Map, Value, json};

/// A call and the replies to its effects, in their order.
pub(super) struct Called {
    verb: &'static str,
    input: Value,
    replies: Vec<Value>,
    /// A verb of the product, as a tool; else one of the connection.
    is_tool: bool,
    /// Where its clock begins, in milliseconds.
    mono_ms: u64,
}

impl Called {
    /// The same, that much later than the first call of its connection.
    pub(super) fn at(self, mono_ms: u64) -> Self {
        Self { mono_ms, ..self }
    }
}

pub(super) fn call(verb: &'static str, input: Value, replies: impl IntoIterator<Item = Vec<Value>>) -> Called {
    Called { verb, input, replies: replies.into_iter().flatten().collect(), is_tool: false, mono_ms: 0 }
}

/// A call of the product's own client, over the connection.
pub(super) fn tool(verb: &'static str, input: Value, replies: impl IntoIterator<Item = Vec<Value>>) -> Called {
    Called { is_tool: true, ..call(verb, input, replies) }
}

/// Options of a connection to a server on this machine, with more beside the URL.
pub(super) fn options(more: Value) -> Value {
    joined(json!({"url": "http://localhost:9/mcp", "client_info": {"name": "t", "version": "1"}}), more)
}

/// An object with the members of another.
pub(super) fn joined(mut object: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    object.as_object_mut().unwrap().extend(more);
    object
}

/// Runs a case, compares it with its vector, and gives back what each call ended with.
pub(super) fn check(name: &str, about: &str, options: Value, calls: Vec<Called>) -> Vec<Value> {
    let connection = Connection::new(serde_json::from_value(options.clone()).unwrap()).unwrap();
    let seen: Vec<Value> = calls.into_iter().map(|called| run(name, &connection, called)).collect();
    let ends = seen.iter().map(|call| call.get("data").or_else(|| call.get("error")).unwrap().clone()).collect();
    let case = joined(json!({"about": about, "calls": seen}), Map::from_iter([("options".to_owned(), options)]).into());
    golden::check(&format!("mcp_client/{name}.json"), &format!("{case:#}\n"));
    ends
}

fn run(name: &str, connection: &Connection, called: Called) -> Value {
    let call = Call::local(Caller::nobody(), Duration::MAX, [0; 32]);
    let mut flow = if called.is_tool {
        call_over(connection, called.verb, called.input.clone(), ClientOptions::default(), call)
    } else {
        connection.start(called.verb, called.input.clone(), call)
    };
    let (mut now, mut steps) = (Now { mono: Duration::from_millis(called.mono_ms), wall_ms: 0 }, Vec::new());
    let mut replies = called.replies.into_iter();
    let mut turn = flow.step(now, None);
    let mut end = loop {
        match turn {
            Step::Done(Ok(data)) => break json!({"data": data}),
            Step::Done(Err(error)) => break json!({"error": error.to_json()}),
            Step::Effect(effect) => {
                let (text, parts) = encode_effect(effect).unwrap();
                assert!(parts.is_empty());
                let effect: Value = serde_json::from_str(&text).unwrap();
                let reply = matching(&effect).or_else(|| replies.next());
                let reply = reply.unwrap_or_else(|| panic!("{name}: nobody answers {effect:#}"));
                let reply = with_state(&effect, reply);
                let whole = effect["ms"]
                    .as_u64()
                    .or_else(|| effect["timeout_ms"].as_u64().filter(|_| reply["reply"] == "elapsed"));
                now.mono += Duration::from_millis(whole.unwrap_or(1));
                steps.push(json!({"effect": effect, "reply": reply}));
                turn = flow.step(now, Some(decode_reply(&reply.to_string(), Vec::new()).unwrap()));
            }
        }
    };
    assert_eq!(replies.next(), None, "{name}: {} ended early with {end:#}", called.verb);
    let end_map = end.as_object_mut().unwrap();
    if called.mono_ms > 0 {
        end_map.insert("mono_ms".into(), called.mono_ms.into());
    }
    end_map.extend([
        ("verb".into(), called.verb.into()),
        ("is_tool".into(), called.is_tool.into()),
        ("input".into(), called.input),
        ("steps".into(), steps.into()),
    ]);
    end
}

/// The reply of a browser with the state it was sent with.
fn with_state(effect: &Value, reply: Value) -> Value {
    let sent = effect["params"]["url"].as_str().and_then(|url| url.split("state=").nth(1)?.split('&').next());
    match sent {
        Some(state) => serde_json::from_str(&reply.to_string().replace("$STATE", state)).unwrap(),
        None => reply,
    }
}

/// What is always answered alike.
fn matching(effect: &Value) -> Option<Value> {
    match effect["effect"].as_str()? {
        "shut" | "tell" => Some(json!({"reply": "ok"})),
        "sleep" => Some(json!({"reply": "elapsed"})),
        _ => None,
    }
}

pub(super) fn opened(status: u16, headers: &[(&str, &str)]) -> Value {
    json!({"reply": "opened", "stream": 1, "status": status, "headers": headers})
}

pub(super) fn piece(text: &str) -> Value {
    json!({"reply": "piece", "body": {"text": text}})
}

pub(super) fn ended() -> Value {
    json!({"reply": "ended"})
}

pub(super) fn fault(kind: &str) -> Value {
    json!({"reply": "fault", "kind": kind})
}

/// A JSON answer of a status, in one piece.
pub(super) fn answer(status: u16, body: &Value) -> Vec<Value> {
    answer_with(status, &[], body)
}

pub(super) fn answer_with(status: u16, more: &[(&str, &str)], body: &Value) -> Vec<Value> {
    let headers = [&[("content-type", "application/json")], more].concat();
    vec![opened(status, &headers), piece(&body.to_string()), ended()]
}

/// An accepted notification: its answer has no body that is read.
pub(super) fn accepted() -> Vec<Value> {
    vec![opened(202, &[])]
}

/// The head of a stream of events, and pieces of it.
pub(super) fn stream(pieces: &[&str]) -> Vec<Value> {
    let head = opened(200, &[("content-type", "text/event-stream")]);
    std::iter::once(head).chain(pieces.iter().map(|text| piece(text))).collect()
}

/// Options of a connection to a server behind a pipe.
pub(super) fn piped() -> Value {
    options(json!({"url": "stdio:"}))
}

/// The head of a stream of lines, and messages on it.
pub(super) fn lines(messages: &[Value]) -> Vec<Value> {
    let head = opened(200, &[("content-type", "application/x-ndjson")]);
    std::iter::once(head).chain(messages.iter().map(|message| piece(&format!("{message}\n")))).collect()
}

/// One event with a message.
pub(super) fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

pub(super) fn result(id: u64, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

pub(super) fn error(id: u64, code: i64, data: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no", "data": data}})
}

/// A server of 2026-07-28 says so: the answer to the first request of a connection.
pub(super) fn discovered() -> Vec<Value> {
    answer(
        200,
        &result(
            1,
            &json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}}, "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}}}),
        ),
    )
}

/// A handshake with a session: what a connection that is told the era gets first.
pub(super) fn greeted() -> Vec<Value> {
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}});
    [answer_with(200, &[("mcp-session-id", "s-1")], &result(1, &hello)), accepted()].concat()
}

/// A result of a tool.
pub(super) fn said(text: &str) -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]})
}

/// The effects of a call, as its vector has them.
pub(super) fn effects(name: &str, call: usize) -> Vec<Value> {
    let text = std::fs::read_to_string(golden::vectors().join(format!("mcp_client/{name}.json"))).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    case["calls"][call]["steps"].as_array().unwrap().iter().map(|step| step["effect"].clone()).collect()
}

/// The requests among the effects of a call.
pub(super) fn requests(name: &str, call: usize) -> Vec<Value> {
    effects(name, call).into_iter().filter(|effect| effect["path"].is_string()).collect()
}
