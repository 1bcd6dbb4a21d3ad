//! Verbs × doors: each cell has a row, or a reason stands here.

use std::{collections::BTreeSet, fs};

use beam_mcp_core::{client, rest, verb::VERBS};
use beam_mcp_tests::golden::repository;
use serde_json::Value;

use crate::tools;

/// Calls of a client that run no verb: pages of the server beside its verbs.
const PAGES: &[&str] = &[
    "get_manifest",
    "get_health",
    "get_openapi",
    "get_runner",
    "list_targets",
    "get_job_configuration",
    "list_savepoints",
    "list_operations",
    "upload_artifact",
];

/// Calls of a client that run a verb under another name: the path's own way of asking.
const SPELLINGS: &[(&str, &str)] = &[("get_job_status", "get_job"), ("start_savepoint", "create_savepoint")];

fn names() -> BTreeSet<&'static str> {
    VERBS.iter().map(|verb| verb.name).collect()
}

#[test]
fn rest_has_a_route_for_each_verb() {
    let routed: BTreeSet<&str> = rest::ROUTES.iter().filter_map(rest::Route::verb).collect();
    assert_eq!(routed, names());
}

#[test]
fn each_verb_but_an_operators_is_a_tool_or_a_resource_and_each_tool_a_verb() {
    let tools = tools::list();
    let named: BTreeSet<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    // An operator's word on what nobody can know is not a model's to give, and people set what jobs are submitted with.
    let for_operators = BTreeSet::from([
        "adopt_job",
        "abandon_job",
        "resubmit_job",
        "create_context",
        "update_context",
        "delete_context",
    ]);
    // What is rarely asked for is a resource: the list of tools has its bound.
    let resources = BTreeSet::from(["get_checkpoints", "list_contexts", "get_context"]);
    let others: BTreeSet<&str> = for_operators.union(&resources).copied().collect();
    assert_eq!(named, names().difference(&others).copied().collect());
    assert!(tools.len() <= 20, "at most 20 static tools (DESIGN section 6.5)");
}

#[test]
fn the_openapi_document_has_each_route_and_each_verb_its_schemas() {
    let document = rest::openapi();
    for route in rest::ROUTES {
        let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
        assert!(operation["responses"].is_object(), "{} {}", route.method, route.path);
        if route.verb().is_some() && !["GET", "DELETE"].contains(&route.method) {
            assert!(operation["requestBody"].is_object(), "{} {}", route.method, route.path);
        }
    }
    let mut ids = BTreeSet::new();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    for id in operations.map(|operation| operation["operationId"].as_str().unwrap()) {
        assert!(ids.insert(id), "two operations are called {id}");
    }
}

fn means(name: &str) -> Option<&str> {
    SPELLINGS.iter().find(|(spelling, _)| *spelling == name).map_or(Some(name), |(_, verb)| Some(*verb))
}

#[test]
fn a_client_can_call_each_verb() {
    let called = client::ROUTES.iter().map(|route| route.verb).filter(|name| !PAGES.contains(name)).filter_map(means);
    assert_eq!(called.collect::<BTreeSet<_>>(), names());
}

/// The client's table and the server's are the same table: method, path and verb.
#[test]
fn a_client_asks_for_what_the_server_has() {
    for call in client::ROUTES {
        let method = serde_json::to_value(call.method).unwrap();
        let fits = |route: &&rest::Route| method == route.method && call.path == route.path;
        let route = rest::ROUTES.iter().find(fits).unwrap_or_else(|| panic!("{} asks for {}", call.verb, call.path));
        assert_eq!(route.verb(), (!PAGES.contains(&call.verb)).then(|| means(call.verb)).flatten(), "{}", call.verb);
    }
}

/// Where a call of a client sends members in the query, the server reads them there.
#[test]
fn what_a_client_puts_into_a_query_is_documented() {
    let document = rest::openapi();
    for call in client::ROUTES.iter().filter(|call| !PAGES.contains(&call.verb)) {
        let method = serde_json::to_value(call.method).unwrap();
        let operation = &document["paths"][call.path][method.as_str().unwrap().to_ascii_lowercase()];
        let known: BTreeSet<&str> =
            operation["parameters"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        for name in call.query {
            assert!(known.contains(name) || is_alias(name), "{} sends `{name}`, the server knows {known:?}", call.verb);
        }
    }
}

/// Second spellings a verb's input takes, which schemas do not list.
fn is_alias(name: &str) -> bool {
    matches!(name, "runner" | "timeout_s")
}

#[test]
fn python_has_a_method_for_each_call() {
    for file in ["client.py", "aio.py"] {
        let text = fs::read_to_string(repository().join("python/beam_mcp_client").join(file)).unwrap();
        for verb in names() {
            assert!(text.contains(&format!("def {verb}(")), "{file} has no method {verb}");
        }
    }
}

#[test]
fn a_verb_is_described_for_who_chooses_it() {
    for verb in &VERBS {
        let words = verb.description.split_whitespace().count();
        assert!((8..=70).contains(&words), "{}: {words} words", verb.name);
        let schema: Value = (verb.input_schema)();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{}.{name} has no description", verb.name);
        }
    }
}
