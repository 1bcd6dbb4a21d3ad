//! MCP Apps: who is told of the job view, and what reading it answers.

use std::time::Duration;

use beam_mcp_core::{
    Call, Now, Step,
    auth::{Caller, Role},
    engine::Inbound,
};
use serde_json::{Value, json};

use crate::tools;

const VIEW: &str = "ui://beam-mcp/job.html";
const TYPE: &str = "text/html;profile=mcp-app";

fn ask(method: &str, mut params: Value, extensions: &Value) -> Value {
    let call = Call::local(Caller::with_role("me", Role::Operator), Duration::from_secs(30), [0; 32]);
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions}});
    let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut flow = tools::engine().handle(Inbound::Line(line.to_string().into()), call);
    let Step::Done(Ok(response)) = flow.step(Now::default(), None) else { panic!("{method} needs no effect") };
    let answer: Value = serde_json::from_slice(response.body.as_slice()).unwrap();
    answer["result"].clone()
}

/// The tools that name a view.
fn viewed(extensions: &Value) -> (Vec<String>, Value) {
    let result = ask("tools/list", json!({}), extensions);
    let named = |tool: &&Value| tool["_meta"]["ui"]["resourceUri"] == VIEW;
    let tools = result["tools"].as_array().unwrap().iter().filter(named);
    (tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect(), result["cacheScope"].clone())
}

#[test]
fn a_client_that_renders_views_is_told_of_them() {
    let (names, scope) = viewed(&json!({"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html", TYPE]}}));
    assert!(names.contains(&"get_job".to_owned()) && !names.contains(&"list_jobs".to_owned()), "{names:?}");
    assert_eq!(scope, "private", "others declare other things");
    let discovered = ask("server/discover", json!({}), &json!({}));
    assert_eq!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/ui"], json!({}));
}

#[test]
fn no_other_client_is() {
    for extensions in [
        json!({}),
        json!({"io.modelcontextprotocol/ui": {}}),
        json!({"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html"]}}),
        json!({"io.modelcontextprotocol/ui": {"mimeTypes": TYPE}}),
    ] {
        assert_eq!(viewed(&extensions), (vec![], "public".into()), "{extensions}");
    }
}

#[test]
fn the_view_is_one_page_that_reaches_nothing() {
    let result = ask("resources/read", json!({"uri": VIEW}), &json!({}));
    let [page] = result["contents"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert_eq!((&page["uri"], &page["mimeType"]), (&json!(VIEW), &json!(TYPE)));
    assert_eq!(page["_meta"]["ui"]["csp"], json!({"connectDomains": [], "resourceDomains": []}));
    assert!(page["text"].as_str().unwrap().starts_with("<!doctype html>"));
    assert_eq!(ask("resources/read", json!({"uri": "ui://beam-mcp/other.html"}), &json!({})), Value::Null);
}
