//! The Beam surface of MCP: resources, completions, toolsets; and how the tests of it ask.

use serde_json::{Value, json};

use super::world::World;

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
    assert_eq!(uris, ["beam://guide", "beam://runners", uri.as_str()]);
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
