//! The order of the ladder: a request broken on every rung is mended rung by rung; the lowest broken one answers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{Fixture, modern, serve};
use crate::{effect::Blob, engine::HttpRequest};

/// A request in parts, so that each part can be broken alone.
struct Draft {
    request: HttpRequest,
    body: Value,
}

impl Draft {
    fn set(&mut self, name: &str, value: &str) {
        self.request.headers.retain(|(key, _)| key != name);
        self.request.headers.push((name.into(), value.into()));
    }

    fn twice(&mut self, name: &str, value: &str) {
        self.request.headers.push((name.into(), value.into()));
    }

    fn drop(&mut self, name: &str) {
        self.request.headers.retain(|(key, _)| key != name);
    }

    fn meta(&mut self) -> &mut Value {
        &mut self.body["params"]["_meta"]
    }
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What breaks a rung, from the first to the last: how, the status, the code and the named fact.
struct Rung {
    status: u16,
    code: i32,
    says: &'static str,
    broken: fn(&mut Draft),
}

fn rung(status: u16, code: i32, says: &'static str, broken: fn(&mut Draft)) -> Rung {
    Rung { status, code, says, broken }
}

/// Each entry breaks one rung of a call of `needs_sampling` or `region_query` and leaves the others alone.
fn rungs() -> Vec<Rung> {
    vec![
        rung(405, -32601, "POST", |draft| draft.request.method = "PUT".into()),
        rung(415, -32600, "Content-Type", |draft| draft.set("content-type", "text/plain")),
        rung(406, -32600, "accept", |draft| draft.set("accept", "text/html")),
        rung(400, -32600, "jsonrpc", |draft| draft.body["jsonrpc"] = json!("1.0")),
        rung(400, -32020, "mcp-param-other", |draft| {
            draft.twice("mcp-param-other", "1");
            draft.twice("mcp-param-other", "1");
        }),
        rung(400, -32602, CAPABILITIES, |draft| draft.meta()[CAPABILITIES] = Value::Null),
        rung(400, -32020, "MCP-Protocol-Version", |draft| draft.set("mcp-protocol-version", "2025-11-25")),
        rung(400, -32020, "Mcp-Method", |draft| draft.drop("mcp-method")),
        rung(400, -32020, "Mcp-Name", |draft| draft.set("mcp-name", "other")),
        rung(400, -32022, "version", |draft| {
            draft.meta()[VERSION] = json!("2099-01-01");
            if draft.request.header("mcp-protocol-version") == Some("2026-07-28") {
                draft.set("mcp-protocol-version", "2099-01-01");
            }
        }),
    ]
}

fn answer(draft: Draft) -> (u16, Value) {
    let Draft { mut request, body } = draft;
    request.body = body.to_string().into();
    let response = serve(&Arc::new(Fixture::new()), request).answer.unwrap();
    (response.status, serde_json::from_slice(response.body.as_slice()).unwrap())
}

fn draft(method: &str, params: Value) -> Draft {
    let (body, request) = modern(method, params);
    Draft { request, body }
}

#[test]
fn the_lowest_broken_rung_answers() {
    let rungs = rungs();
    for first in 0..rungs.len() {
        let mut broken = draft("tools/call", json!({"name": "needs_sampling"}));
        // The last rungs first: the version rung looks at what the version header says.
        rungs[first..].iter().rev().for_each(|rung| (rung.broken)(&mut broken));
        let (status, body) = answer(broken);
        let Rung { status: want, code, says, .. } = rungs[first];
        assert_eq!((status, &body["error"]["code"]), (want, &json!(code)), "rung {first}: {body}");
        assert!(body["error"].to_string().contains(says), "rung {first}: {body}");
        assert_eq!(body.get("id"), (first >= 3).then_some(&json!(1)), "rung {first}");
    }
}

#[test]
fn each_rung_is_broken_alone_too() {
    for (number, rung) in rungs().iter().enumerate() {
        let mut broken = draft("tools/call", json!({"name": "echo"}));
        (rung.broken)(&mut broken);
        let (status, body) = answer(broken);
        assert_eq!((status, &body["error"]["code"]), (rung.status, &json!(rung.code)), "rung {number}: {body}");
    }
}

#[test]
fn after_the_version_come_method_then_mirrored_parameters_then_capability_then_parameters() {
    let call = |params: Value| draft("tools/call", params);
    let (status, body) = answer(draft("resources/list", json!({"cursor": 5})));
    assert_eq!((status, &body["error"]["code"]), (404, &json!(-32601)));
    let (status, body) =
        answer(call(json!({"name": "region_query", "arguments": {"region": "eu"}, "requestState": "x"})));
    assert_eq!((status, &body["error"]["data"]["header"]), (400, &json!("Mcp-Param-Region")));
    let (status, body) = answer(call(json!({"name": "needs_sampling", "arguments": 5, "requestState": "x"})));
    assert_eq!((status, &body["error"]["code"]), (400, &json!(-32021)));
    assert_eq!(body["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
    let mut able = call(json!({"name": "needs_sampling", "arguments": 5}));
    able.meta()[CAPABILITIES] = json!({"sampling": {}});
    let (status, body) = answer(able);
    assert_eq!((status, &body["error"]["code"]), (200, &json!(-32602)));
}

#[test]
fn a_body_that_is_not_json_or_out_of_bounds_is_refused_without_an_id() {
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let many = format!("[{}1]", "1,".repeat(50_000));
    for (body, status, code) in [
        ("", 400, -32700),
        ("{", 400, -32700),
        ("{} {}", 400, -32700),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, 400, -32600),
        (&deep, 400, -32600),
        (&many, 413, -32600),
        ("5", 400, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, 400, -32600),
    ] {
        let request = HttpRequest { body: Blob::from(body), ..modern("ping", json!({})).1 };
        let response = serve(&Arc::new(Fixture::new()), request).answer.unwrap();
        let answer: Value = serde_json::from_slice(response.body.as_slice()).unwrap();
        assert_eq!((response.status, &answer["error"]["code"]), (status, &json!(code)), "{body:.60}");
        assert_eq!(answer.get("id"), None, "{body:.60}");
    }
}
