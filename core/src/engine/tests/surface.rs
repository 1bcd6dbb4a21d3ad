//! The Beam surface of MCP: resources, completions, toolsets; and how the tests of it ask.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::World;
use crate::{
    mcp_client::schema::fault,
    verb::{self, VERBS},
};

const META: &str = "io.modelcontextprotocol/";

/// A modern request to a path below the endpoint.
pub(super) fn ask(world: &mut World, path: &str, method: &str, mut params: Value, capabilities: &Value) -> Value {
    params["_meta"] = json!({
        format!("{META}protocolVersion"): "2026-07-28",
        format!("{META}clientCapabilities"): capabilities,
    });
    let name = ["name", "uri", "taskId"].iter().find_map(|key| params[*key].as_str()).map(str::to_owned);
    let mut headers = vec![
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    headers.extend(name.as_deref().filter(|_| method != "tools/list").map(|name| ("mcp-name", name)));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    world.http_with("POST", &format!("/mcp{path}"), &body, &headers).1
}

pub(super) fn call(world: &mut World, tool: &str, arguments: &Value, capabilities: &Value) -> Value {
    ask(world, "", "tools/call", json!({"name": tool, "arguments": arguments}), capabilities)["result"].clone()
}

/// The tools as a model sees them.
pub(super) fn listed(world: &mut World) -> Vec<Value> {
    let answer = ask(world, "", "tools/list", json!({}), &json!({}));
    answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

pub(super) fn running(world: &mut World) -> String {
    let made = world.ok("create_job", &json!({"name": "s"}));
    world.advance(5_000);
    made["job_id"].as_str().unwrap().to_owned()
}

pub(super) fn state_of(world: &mut World, job: &str) -> Value {
    world.ok("get_job", &json!({"job_id": job}))["state"].clone()
}

#[test]
fn resources_show_what_the_verbs_show() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let listed = ask(&mut world, "", "resources/list", json!({}), &json!({}));
    let uri = format!("beam://{}", job.replacen(':', "/jobs/", 1));
    let uris: Vec<&str> =
        listed["result"]["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["beam://guide", "beam://runners", "beam://catalog/contexts", uri.as_str()]);
    for (path, member) in [("", "state"), ("/logs", "logs"), ("/metrics", "metrics"), ("/savepoints", "savepoints")] {
        let read = ask(&mut world, "", "resources/read", json!({"uri": format!("{uri}{path}")}), &json!({}));
        let text = read["result"]["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{read}"));
        assert!(serde_json::from_str::<Value>(text).unwrap().get(member).is_some(), "{text}");
    }
    let missing = format!("beam://sim/jobs/{}", "0".repeat(32));
    for none in [missing.as_str(), "beam://sim/jobs/x", "beam://nowhere/runner", "file:///etc/passwd"] {
        let read = ask(&mut world, "", "resources/read", json!({"uri": none}), &json!({}));
        assert_eq!((read["error"]["code"].as_i64(), &read["error"]["data"]["uri"]), (Some(-32602), &json!(none)));
    }
}

#[test]
fn the_resource_of_a_target_says_why_it_cannot_do_the_rest() {
    let mut world = World::new(&json!({}));
    let read = |world: &mut World, uri: &str| -> Value {
        let read = ask(world, "", "resources/read", json!({"uri": uri}), &json!({}));
        serde_json::from_str(read["result"]["contents"][0]["text"].as_str().unwrap()).unwrap()
    };
    let (all, one) = (read(&mut world, "beam://runners"), read(&mut world, "beam://sim/runner"));
    let listed = all["runners"].as_array().unwrap().iter().find(|runner| runner["name"] == "sim").unwrap();
    assert_eq!(listed["unsupported"], one["unsupported"]);
    let lacks = one["unsupported"].as_object().unwrap();
    assert!(!lacks.is_empty(), "{one}");
    for (capability, why) in lacks {
        assert!(!one["capabilities"].as_array().unwrap().contains(&json!(capability)), "{capability}");
        let told = [&why["reason"], &why["suggestion"]].map(|text| text.as_str().unwrap_or_default().len());
        assert!(told.iter().all(|length| *length > 0), "{capability}: {why}");
    }
    let tool = world.tool("list_runners", &json!({}))["result"]["structuredContent"].clone();
    assert!(tool["runners"].as_array().unwrap().iter().all(|runner| runner.get("unsupported").is_none()), "{tool}");
}

#[test]
fn completions_know_the_jobs_of_their_target_only() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let complete = |world: &mut World, of: Value, name: &str, value: &str| {
        let params = json!({"ref": of, "argument": {"name": name, "value": value}});
        ask(world, "", "completion/complete", params, &json!({}))["result"]["completion"]["values"].clone()
    };
    let prompt = json!({"type": "ref/prompt", "name": "diagnose_job"});
    assert_eq!(complete(&mut world, prompt.clone(), "job_id", "sim:"), json!([job]));
    assert_eq!(complete(&mut world, prompt, "job_id", "other:"), json!([]));
    let template = json!({"type": "ref/resource", "uri": "beam://{target}/runner"});
    assert_eq!(complete(&mut world, template, "target", "o"), json!(["other"]));
}

#[test]
fn only_arguments_of_what_a_door_offers_are_completed() {
    let mut world = World::new(&json!({}));
    let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
    let template = |uri: &str| json!({"type": "ref/resource", "uri": uri});
    let runner = || template("beam://{target}/runner");
    for (door, of, name, code) in [
        ("", prompt("submit_job"), "target", None),
        ("/readonly", prompt("diagnose_job"), "job_id", None),
        ("/readonly", runner(), "target", None),
        ("", prompt("submit_job"), "code_path", None),
        ("/readonly", prompt("submit_job"), "target", Some(-32602)),
        ("", prompt("no_such"), "target", Some(-32602)),
        ("", prompt("submit_job"), "job_id", Some(-32602)),
        ("", prompt("on_call_summary"), "target", Some(-32602)),
        ("", template("beam://{target}/nothing"), "target", Some(-32602)),
        ("", template("beam://sim/runner"), "target", Some(-32602)),
        ("", runner(), "id", Some(-32602)),
    ] {
        let params = json!({"ref": of, "argument": {"name": name, "value": ""}});
        let told = ask(&mut world, door, "completion/complete", params, &json!({}));
        assert_eq!(told["error"]["code"].as_i64(), code, "{door} {of} {name}: {told}");
        assert_eq!(told["result"]["completion"]["values"].is_array(), code.is_none(), "{told}");
    }
}

#[test]
fn a_completion_counts_no_further_than_it_looked() {
    let mut world = World::new(&json!({}));
    let complete = |world: &mut World| {
        let params = json!({"ref": {"type": "ref/prompt", "name": "diagnose_job"},
            "argument": {"name": "job_id", "value": ""}});
        ask(world, "", "completion/complete", params, &json!({}))["result"]["completion"].clone()
    };
    for number in 0..201 {
        world.ok("create_job", &json!({"name": format!("j{number}")}));
        if number == 99 {
            let all = complete(&mut world);
            assert_eq!((&all["total"], &all["hasMore"]), (&json!(100), &json!(false)), "{all}");
        }
    }
    let some = complete(&mut world);
    assert_eq!(some["values"].as_array().unwrap().len(), 100);
    assert_eq!((some.get("total"), &some["hasMore"]), (None, &json!(true)), "{some}");
}

#[test]
fn a_toolset_lists_and_calls_its_tools_only() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let names = |world: &mut World, path: &str| -> Vec<String> {
        let listed = ask(world, path, "tools/list", json!({}), &json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{path}: {listed}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let read = names(&mut world, "/readonly");
    assert!(read.contains(&"get_job".into()) && !read.contains(&"create_job".into()), "{read:?}");
    assert!(names(&mut world, "/x/operate").contains(&"cancel_job".into()));
    let cancel = json!({"name": "cancel_job", "arguments": {"job_id": job, "mode": "cancel"}});
    let refused = ask(&mut world, "/readonly", "tools/call", cancel, &json!({}));
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let unknown = ask(&mut world, "/x/unknown", "tools/list", json!({}), &json!({}));
    assert_eq!(unknown["error"]["code"], "not_found", "{unknown}");
}

#[test]
fn a_door_speaks_of_its_own_tools_only() {
    let mut world = World::new(&json!({}));
    let tools: Vec<&str> = VERBS.iter().filter(|verb| verb.is_tool).map(|verb| verb.name).collect();
    let all = ask(&mut world, "", "prompts/list", json!({}), &json!({}))["result"]["prompts"].clone();
    assert_eq!(all.as_array().unwrap().len(), 6);
    for (door, wanted) in [
        ("/readonly", vec!["diagnose_job", "on_call_summary"]),
        ("/x/submit", vec!["submit_job", "diagnose_job", "on_call_summary"]),
        ("/x/operate", vec!["diagnose_job", "tune_job", "on_call_summary"]),
    ] {
        let listed = ask(&mut world, door, "tools/list", json!({}), &json!({})).to_string();
        let missing: Vec<&&str> =
            tools.iter().filter(|tool| !listed.contains(&format!("\"name\":\"{tool}\""))).collect();
        assert!(!missing.is_empty(), "{door}");
        let offered = ask(&mut world, door, "prompts/list", json!({}), &json!({}))["result"]["prompts"].clone();
        let names: Vec<&str> = offered.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, wanted, "{door}");
        for prompt in names {
            let params = json!({"name": prompt, "arguments": {"job_id": "sim:1", "code_path": "a.py"}});
            let said = ask(&mut world, door, "prompts/get", params, &json!({})).to_string();
            assert!(missing.iter().all(|tool| !said.contains(**tool)), "{door} {said}");
        }
        let found = ask(&mut world, door, "server/discover", json!({}), &json!({}))["result"].clone();
        let told = found["instructions"].as_str().unwrap();
        assert!(missing.iter().all(|tool| !told.contains(**tool)), "{door} {told}");
        let guide = ask(&mut world, door, "resources/read", json!({"uri": "beam://guide"}), &json!({}));
        let first = guide["result"]["contents"][0]["text"].as_str().unwrap().lines().next().unwrap().to_owned();
        assert!(missing.iter().all(|tool| first.contains(**tool)), "{door} {first}");
    }
    let gone = json!({"name": "submit_job", "arguments": {"code_path": "a.py"}});
    let refused = ask(&mut world, "/readonly", "prompts/get", gone, &json!({}));
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let guide = ask(&mut world, "", "resources/read", json!({"uri": "beam://guide"}), &json!({}));
    assert!(guide["result"]["contents"][0]["text"].as_str().unwrap().starts_with("# Running"), "{guide}");
}

#[test]
fn a_handshake_declares_views_where_the_revision_has_structured_content() {
    let mut world = World::new(&json!({}));
    for (version, wanted) in [
        ("2025-11-25", json!({"io.modelcontextprotocol/ui": {}})),
        ("2025-06-18", json!({"io.modelcontextprotocol/ui": {}})),
        ("2025-03-26", Value::Null),
        ("2024-11-05", Value::Null),
    ] {
        let hello =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
        let accept = [("accept", "application/json, text/event-stream")];
        let told = world.http_with("POST", "/mcp", &body, &accept).1;
        assert_eq!(told["result"]["capabilities"]["extensions"], wanted, "{told}");
    }
    let found = ask(&mut world, "", "server/discover", json!({}), &json!({}));
    let extensions = found["result"]["capabilities"]["extensions"].as_object().unwrap();
    assert_eq!(extensions.len(), 2, "{extensions:?}");
}

/// The list of tools shows outlines of the output schemas; answers are held against the whole ones.
#[test]
fn every_tool_answers_what_its_whole_schema_says() {
    let mut world = World::new(&json!({}));
    let mut called = BTreeSet::new();
    let mut check = |world: &mut World, tool: &'static str, arguments: Value| {
        let result = call(world, tool, &arguments, &json!({}));
        assert_eq!(result["isError"], false, "{tool} {arguments}: {result}");
        let answer = result["structuredContent"].clone();
        assert_eq!(serde_json::from_str::<Value>(result["content"][0]["text"].as_str().unwrap()).unwrap(), answer);
        let schema = (verb::find(tool).unwrap().output_schema)();
        assert_eq!(fault(&schema, &answer), None, "{tool}: {answer}");
        called.insert(tool);
        (schema, answer)
    };
    let job = running(&mut world);
    check(&mut world, "list_jobs", json!({"limit": 2}));
    let (schema, mut runners) = check(&mut world, "list_runners", json!({}));
    runners["runners"][0]["capabilities"] = json!(["flies"]);
    assert!(fault(&schema, &runners).is_some(), "what is wrong within a list is seen: {runners}");
    for tool in ["get_job", "get_metrics", "get_logs", "wait_for_change"] {
        check(&mut world, tool, json!({"job_id": job}));
    }
    check(&mut world, "get_graph", json!({"job_id": job, "svg": true}));
    check(&mut world, "create_job", json!({"target": "sim", "dry_run": true}));
    check(&mut world, "create_job", json!({"target": "sim"}));
    let (_, scaled) = check(&mut world, "scale_job", json!({"job_id": job, "parallelism": 3, "wait_seconds": 60}));
    check(&mut world, "get_operation", json!({"operation_id": scaled["operation"]["operation_id"]}));
    check(&mut world, "update_job", json!({"job_id": job, "scaling": {"parallelism": 2}, "wait_seconds": 60}));
    check(&mut world, "create_savepoint", json!({"job_id": job, "wait_seconds": 60}));
    let stop = json!({"job_id": job, "mode": "stop", "wait_seconds": 60});
    let (_, planned) = check(&mut world, "cancel_job", stop.clone());
    let mut sure = stop;
    sure["plan_digest"] = planned["plan"]["digest"].clone();
    let (_, stopped) = check(&mut world, "cancel_job", sure);
    assert_eq!(stopped["state"], "CANCELED", "{stopped}");
    check(&mut world, "restore_job", json!({"job_id": job}));
    assert_eq!(called, VERBS.iter().filter(|verb| verb.is_tool).map(|verb| verb.name).collect());
}

#[test]
fn what_a_pipeline_wrote_is_marked_wherever_it_is_told() {
    let mut world = World::new(&json!({"script": "failing"}));
    let job = running(&mut world);
    world.advance(60_000);
    for (tool, arguments, marked) in [
        ("get_job", json!({"job_id": job}), json!(["diagnostics", "job_name", "name", "runner_state"])),
        (
            "list_jobs",
            json!({}),
            json!(["jobs[].diagnostics", "jobs[].job_name", "jobs[].name", "jobs[].runner_state"]),
        ),
        ("get_logs", json!({"job_id": job}), json!(["logs[].message", "logs[].worker_id"])),
        ("list_runners", json!({}), json!(["runners[].facts"])),
    ] {
        let answer = call(&mut world, tool, &arguments, &json!({}));
        assert_eq!(answer["structuredContent"]["untrusted"], marked, "{answer}");
    }
    let made = call(&mut world, "create_job", &json!({"target": "sim"}), &json!({}))["structuredContent"].clone();
    assert_eq!(made["untrusted"], json!(["job_name", "name", "runner_state"]), "{made}");
}

#[test]
fn names_of_older_callers_are_taken_and_told_as_old() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let old = json!({"job_id": job, "savepoint_dir": "simulator:/savepoints", "async_": false, "mcp_timeout_seconds": 60,
        "mcp_resource_type": "savepoint"});
    let saved = call(&mut world, "create_savepoint", &old, &json!({}));
    assert!(saved["structuredContent"]["savepoint_path"].is_string(), "{saved}");
    let made = call(&mut world, "create_job", &json!({"runner": "sim", "job_name": "s"}), &json!({}));
    assert_eq!(made["structuredContent"]["target"], "sim", "{made}");
    let listed = listed(&mut world);
    for (tool, old, new) in
        [("create_savepoint", "savepoint_dir", "savepoint_path"), ("create_job", "runner", "target")]
    {
        let shown = &listed.iter().find(|one| one["name"] == tool).unwrap()["inputSchema"]["properties"];
        assert!(shown.get(old).is_none() && shown.get(new).is_some(), "{tool}: {shown}");
        let whole = &(verb::find(tool).unwrap().input_schema)()["properties"];
        assert_eq!((&whole[old]["deprecated"], whole[new].get("deprecated")), (&json!(true), None), "{tool}");
    }
}
