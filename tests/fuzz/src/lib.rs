//! Fuzz targets: each takes bytes of a stranger and panics where an answer breaks a rule of the protocol.
//!
//! `tests` replays the corpora of all of them; `run.sh` lets libFuzzer look for more.
#![expect(clippy::missing_panics_doc, reason = "a panic is what a target is for")]

mod host;
mod legal;

use std::{collections::VecDeque, sync::LazyLock};

use beam_mcp_core::{
    Call,
    auth::{Caller, Role},
    client::{self, ClientOptions},
    effect::{Effect, Reply},
    engine::HttpRequest,
    mcp_client::Connection,
};
use host::{SERVED, call, drive};
use serde_json::{Value, json};

const META: &str = "io.modelcontextprotocol/";

/// A line of standard input: at most one line of JSON comes back, and every request that can be read is answered under
/// its id.
pub fn jsonrpc(bytes: &[u8]) {
    let line = String::from_utf8_lossy(bytes).replace('\n', " ");
    let answer = drive(SERVED.line(line.as_str().into(), call()));
    let body = answer.map(|response| response.body.into_bytes()).unwrap_or_default();
    assert!(!body.contains(&b'\n'), "{line}");
    let asked = beam_mcp_core::mcp::request_id(&line);
    if body.is_empty() {
        return assert!(asked.is_none(), "no answer to {line}");
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{line}: {error}"));
    if let Some(id) = asked {
        assert_eq!(answer.get("id"), serde_json::to_value(id).ok().as_ref(), "{line}");
    }
    legal::messages(&answer);
}

/// A POST: lines `name: value` until an empty one, then the body. Status and answer fit together.
pub fn headers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = head.lines().filter_map(pair).collect();
    let request = HttpRequest {
        method: "POST".into(),
        path: "/mcp".into(),
        headers,
        body: body.into(),
        ..HttpRequest::default()
    };
    if let Ok(response) = drive(SERVED.http(request, call())) {
        legal::response(&response);
    }
}

/// A stream of events that a server answers a client's call with, in up to eight pieces: an answer or an error of the
/// client, never a panic.
pub fn sse(bytes: &[u8]) {
    let options = json!({"url": "http://localhost/mcp", "era": "modern"});
    let connection = serde_json::from_value(options).ok().and_then(|options| Connection::new(options).ok());
    let connection = connection.unwrap_or_else(|| panic!("the options are plain"));
    let options = ClientOptions { max_retries: 0, ..ClientOptions::default() };
    let mut flow = client::call_over(&connection, "get_job", json!({"job_id": "sim:0"}), options, call());
    let (mut reply, mut steps, mut pieces) = (None, 0, VecDeque::new());
    while let beam_mcp_core::Step::Effect(effect) = flow.step(host::now(steps), reply.take()) {
        steps += 1;
        assert!(steps < 100, "a client that never ends");
        reply = Some(match effect {
            Effect::Open(request) => {
                let discovers = request.headers.iter().any(|(_, value)| value == "server/discover");
                let kind = if discovers { "application/json" } else { "text/event-stream" };
                pieces = if discovers { [DISCOVERED.to_vec()].into() } else { cut(bytes) };
                Reply::Opened { stream: 1, status: 200, headers: vec![("content-type".into(), kind.into())] }
            }
            Effect::Read { .. } => pieces.pop_front().map_or(Reply::Ended, |body| Reply::Piece { body: body.into() }),
            Effect::Shut { .. } | Effect::Tell { .. } => Reply::Ok,
            other => panic!("a client asks for {other:?}"),
        });
    }
}

const DISCOVERED: &[u8] = br#"{"id": 1, "result": {"supportedVersions": ["2026-07-28"], "capabilities": {}}}"#;

/// Pieces of a size that the bytes themselves say.
fn cut(bytes: &[u8]) -> VecDeque<Vec<u8>> {
    let count = bytes.last().map_or(0, |last| usize::from(last % 8)) + 1;
    bytes.chunks(bytes.len() / count + 1).map(<[u8]>::to_vec).collect()
}

/// What a client brings back as `requestState`: only what this caller was given for this request opens.
pub fn request_state(bytes: &[u8]) {
    let state = String::from_utf8_lossy(bytes);
    let answer = round(&state, &call());
    let text = answer["result"]["content"][0]["text"].as_str();
    assert_eq!(text == Some("state-ok"), *state == **GIVEN, "{state} {answer}");
    let stranger = Call::local(Caller::with_role("stranger", Role::Operator), host::DEADLINE, [7; 32]);
    assert_eq!(round(&state, &stranger)["error"]["code"], -32602, "{state}");
}

/// The state that the first round gives out.
static GIVEN: LazyLock<String> = LazyLock::new(|| {
    let asked = line(&json!({"name": TOOL}), &call());
    asked["result"]["requestState"].as_str().map_or_else(|| panic!("no state: {asked}"), str::to_owned)
});

const TOOL: &str = "test_input_required_result_request_state";

fn round(state: &str, call: &Call) -> Value {
    let answers = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    line(&json!({"name": TOOL, "requestState": state, "inputResponses": answers}), call)
}

fn line(params: &Value, call: &Call) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({
        format!("{META}protocolVersion"): "2026-07-28",
        format!("{META}clientCapabilities"): {"elicitation": {}},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let answer = drive(SERVED.line(message.to_string().into(), call.clone()));
    let body = answer.map(|response| response.body.into_bytes()).unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}
