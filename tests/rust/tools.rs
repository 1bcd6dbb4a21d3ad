//! The MCP tools as a model sees them: one golden file each, and a budget for all of them.

use std::time::Duration;

use beam_mcp_core::{
    Call, Now, Step,
    auth::{Caller, Role},
    config::Config,
    engine::{Engine, Host, Inbound},
    verb::VERBS,
};
use beam_mcp_tests::golden;
use serde_json::{Value, json};

/// Most bytes of all tools together; about 4 bytes are a token, and a list of tools may take 6,000 of them. A real
/// tokenizer (o200k of `gpt-tokenizer` 4.0.0, by hand, 2026-11) made tokens of 4.18 bytes of it, 5,617 of the list and
/// 5,753 with views: this measure is the stricter one.
const BUDGET: usize = 24_000;

/// An engine with one scripted cluster.
pub(crate) fn engine() -> Engine {
    let config = Config::from_json(&json!({"targets": {"sim": {"runner": "simulator"}}})).unwrap();
    let host = Host {
        kind: "simulation".into(),
        loopback_only: true,
        authorities: Vec::new(),
        durable: true,
        longest_wait_ms: 600_000,
        streams: true,
    };
    Engine::new(config, host).unwrap()
}

/// What `tools/list` answers.
pub(crate) fn list() -> Vec<Value> {
    list_for(&json!({}))
}

/// The same for a client of these capabilities.
fn list_for(capabilities: &Value) -> Vec<Value> {
    let call = Call::local(Caller::with_role("me", Role::Operator), Duration::from_secs(30), [0; 32]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities});
    let line = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let mut flow = engine().handle(Inbound::Line(line.to_string().into()), call);
    let Step::Done(Ok(response)) = flow.step(Now::default(), None) else { panic!("a list of tools needs no effect") };
    let answer: Value = serde_json::from_slice(response.body.as_slice()).unwrap();
    answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn each_tool_is_as_reviewed() {
    for tool in list() {
        golden::check(&format!("tools/{}.json", tool["name"].as_str().unwrap()), &format!("{tool:#}\n"));
    }
}

/// Verbs as the other doors have them, in the same form: the JavaScript vocabulary is made from these.
#[test]
fn each_verb_is_as_reviewed() {
    for verb in &VERBS {
        let (input, output) = beam_mcp_core::tool::schemas(verb);
        let reviewed = json!({"name": verb.name, "inputSchema": input, "outputSchema": output});
        golden::check(&format!("verbs/{}.json", verb.name), &format!("{reviewed:#}\n"));
    }
}

#[test]
fn no_reviewed_tool_is_gone() {
    let names: Vec<String> = list().iter().map(|tool| format!("{}.json", tool["name"].as_str().unwrap())).collect();
    for file in std::fs::read_dir(golden::vectors().join("tools")).unwrap().map(|file| file.unwrap().file_name()) {
        assert!(names.contains(&file.to_string_lossy().into_owned()), "{} is no tool any more", file.display());
    }
}

#[test]
fn all_tools_fit_their_budget_with_and_without_views() {
    let views = json!({"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}});
    let viewed = list_for(&views);
    assert_eq!(viewed.iter().filter(|tool| tool["_meta"]["ui"]["resourceUri"].is_string()).count(), 8);
    fit(&list());
    fit(&viewed);
}

fn fit(tools: &[Value]) {
    let mut sizes: Vec<(usize, &str)> =
        tools.iter().map(|tool| (tool.to_string().len(), tool["name"].as_str().unwrap())).collect();
    sizes.sort_unstable();
    let total: usize = sizes.iter().map(|(size, _)| size).sum();
    assert!(total <= BUDGET, "{total} bytes of at most {BUDGET}: {sizes:?}");
}
