//! What a client with a progress token hears while its call waits.

use serde_json::{Value, json};

use super::world::World;
use crate::engine::{Engine, Host};

const META: &str = "io.modelcontextprotocol/";
/// Longest that a proxy or a client may be left without a word.
const MOST_SILENCE_MS: u64 = 15_000;

/// Calls a tool, with a progress token where one is given: its data, and what was told with the time it took to.
fn call(world: &mut World, tool: &str, arguments: &Value, token: &Value) -> (Value, Vec<(u64, Value)>) {
    let mut meta = json!({format!("{META}protocolVersion"): "2026-07-28", format!("{META}clientCapabilities"): {}});
    if !token.is_null() {
        meta["progressToken"] = token.clone();
    }
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    let begun = world.now().wall_ms;
    let answer = world.http_with("POST", "/mcp", &body, &headers).1;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let told = std::mem::take(&mut world.told);
    let at = |ms: u64| super::world::START_MS + ms - begun;
    (answer["result"]["structuredContent"].clone(), told.into_iter().map(|(ms, one)| (at(ms), one)).collect())
}

fn messages(told: &[(u64, Value)]) -> Vec<&str> {
    told.iter().map(|(_, one)| one["params"]["message"].as_str().unwrap()).collect()
}

fn running(world: &mut World) -> String {
    let made = world.ok("create_job", &json!({"name": "s"}));
    world.advance(5_000);
    made["job_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_long_wait_is_never_silent_for_long_and_its_values_grow() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let wait = json!({"job_id": job, "until_terminal": true, "timeout_seconds": 25});
    let (answer, told) = call(&mut world, "wait_for_change", &wait, &json!("t"));
    assert_eq!(answer["changed"], false, "{answer}");
    assert_eq!(messages(&told), ["job RUNNING"; 3]);
    let times: Vec<u64> = told.iter().map(|(ms, _)| *ms).chain([25_000]).collect();
    assert!(times[0] < 1_000 && times.windows(2).all(|pair| pair[1] - pair[0] <= MOST_SILENCE_MS), "{times:?}");
    for (number, (_, one)) in (1..).zip(&told) {
        assert_eq!(one["method"], "notifications/progress");
        assert_eq!(
            (&one["params"]["progressToken"], one["params"]["progress"].as_f64()),
            (&json!("t"), Some(f64::from(number)))
        );
    }
}

#[test]
fn an_operation_that_is_waited_for_tells_how_it_goes() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let (saved, told) = call(&mut world, "create_savepoint", &json!({"job_id": job, "wait_seconds": 60}), &json!(7));
    assert!(saved["savepoint_path"].is_string(), "{saved}");
    assert!(messages(&told).contains(&"savepoint IN_PROGRESS"), "{told:?}");
}

#[test]
fn a_submission_tells_before_it_is_sent_and_a_job_that_starts_is_waited_for_aloud() {
    let mut world = World::new(&json!({}));
    let (job, told) = call(&mut world, "create_job", &json!({"job_name": "a", "target": "sim"}), &json!(1));
    assert_eq!(messages(&told), ["job SUBMITTING"]);
    let save = json!({"job_id": job["job_id"], "wait_seconds": 60});
    let (_, told) = call(&mut world, "create_savepoint", &save, &json!(1));
    assert_eq!(messages(&told).first(), Some(&"job PENDING"), "{told:?}");
}

#[test]
fn without_a_token_and_without_a_wait_nothing_is_told() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let wait = json!({"job_id": job, "until_terminal": true, "timeout_seconds": 25});
    assert_eq!(call(&mut world, "wait_for_change", &wait, &Value::Null).1, []);
    assert_eq!(call(&mut world, "wait_for_change", &json!({"job_id": job}), &json!(1)).1, []);
    assert_eq!(call(&mut world, "create_savepoint", &json!({"job_id": job, "wait_seconds": 60}), &Value::Null).1, []);
}

#[test]
fn a_function_that_cannot_stream_hands_over_what_is_told() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let host = Host { kind: "lambda".into(), streams: false, ..world.engine.state.host.clone() };
    world.engine = Engine::new(world.engine.config().clone(), host).unwrap();
    let wait = json!({"job_id": job, "until_terminal": true, "timeout_seconds": 25});
    assert_eq!(call(&mut world, "wait_for_change", &wait, &json!(1)).1.len(), 3);
}

#[test]
fn who_does_not_hear_it_loses_nothing_else() {
    let mut world = World::new(&json!({}));
    world.is_deaf = true;
    let (job, told) = call(&mut world, "create_job", &json!({"job_name": "a", "target": "sim"}), &json!(1));
    assert_eq!((job["state"].as_str(), told), (Some("PENDING"), Vec::new()));
}
