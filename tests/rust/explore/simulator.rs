//! Flows on a scripted cluster: all of it is the store's.

use beam_mcp_core::engine::{HttpRequest, Inbound};
use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"sim": {"runner": "simulator"}}}))
}

fn clicks() -> Value {
    json!({"name": "clicks", "target": "sim", "job_type": "STREAMING"})
}

/// A job that was submitted two minutes ago.
fn running() -> Scene {
    scene().after("create_job", &clicks())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a job on a simulator"));
}

#[test]
fn create_job() {
    let mut keyed = clicks();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("simulator_create_job", "create_job", &keyed), "create_job on a simulator, with a key");
}

#[test]
fn a_submission_whose_answer_is_lost() {
    let mut lost = clicks();
    lost["options"] = json!({"simulator_script": "lost_answer"});
    hold(
        &scene().verb("simulator_lost_submission", "create_job", &lost),
        "create_job on a simulator that gives no answer",
    );
}

#[test]
fn scale_job() {
    hold_verb("simulator_scale_job", "scale_job", &json!({"parallelism": 4, "wait_seconds": 20}));
}

#[test]
fn update_job() {
    hold_verb("simulator_update_job", "update_job", &json!({"scaling": {"num_workers": 2}, "wait_seconds": 20}));
}

#[test]
fn create_savepoint() {
    hold_verb("simulator_create_savepoint", "create_savepoint", &json!({"wait_seconds": 20, "idempotency_key": "k"}));
}

#[test]
fn restore_job() {
    let scene = running();
    let input = with_id(&scene, &json!({"mode": "stop"}));
    let scene = scene.after("cancel_job", &input);
    let input = with_id(&scene, &json!({"idempotency_key": "k"}));
    hold(&scene.verb("simulator_restore_job", "restore_job", &input), "restore_job of a stopped job on a simulator");
}

#[test]
fn cancel_job() {
    hold_verb("simulator_cancel_job", "cancel_job", &json!({"mode": "cancel", "wait_seconds": 2}));
}

#[test]
fn drain() {
    hold_verb("simulator_cancel_job_drain", "cancel_job", &json!({"mode": "drain", "wait_seconds": 30}));
}

#[test]
fn stop() {
    hold_verb("simulator_cancel_job_stop", "cancel_job", &json!({"mode": "stop", "wait_seconds": 30}));
}

/// A submission that nobody can explain, on a cluster that cannot be asked for it.
fn parked() -> Scene {
    let scene = Scene::new(&json!({"targets": {"sim": {"runner": "simulator", "identity": "none"}}}));
    let mut lost = clicks();
    lost["options"] = json!({"simulator_script": "lost_answer"});
    scene.after("create_job", &lost).parked()
}

#[test]
fn resubmit_job() {
    let scene = parked();
    let input = with_id(&scene, &json!({"reason": "not there", "idempotency_key": "k"}));
    hold(&scene.verb("simulator_resubmit_job", "resubmit_job", &input), "resubmit_job of a parked job on a simulator");
}

#[test]
fn abandon_job() {
    let scene = parked();
    let input = with_id(&scene, &json!({"reason": "not there", "idempotency_key": "k"}));
    hold(&scene.verb("simulator_abandon_job", "abandon_job", &input), "abandon_job of a parked job on a simulator");
}

#[test]
fn get_job() {
    hold_verb("simulator_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_verb("simulator_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("simulator_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let scene = running();
    let mut input = with_id(&scene, &json!({"timeout_seconds": 5}));
    input["cursor"] = scene.answer["version"].clone();
    hold(
        &scene.verb("simulator_wait_for_change", "wait_for_change", &input),
        "wait_for_change on a simulator, at most 5 s",
    );
}

#[test]
fn get_operation() {
    let scene = running();
    let scene = scene.clone().after("create_savepoint", &with_id(&scene, &json!({"wait_seconds": 0})));
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(
        &scene.verb("simulator_get_operation", "get_operation", &input),
        "get_operation of a savepoint on a simulator",
    );
}

#[test]
fn list_jobs() {
    hold(
        &running().verb("list_jobs", "list_jobs", &json!({})),
        "list_jobs: one page from the store, whatever the runner",
    );
}

#[test]
fn list_runners() {
    hold(&scene().verb("simulator_list_runners", "list_runners", &json!({})), "list_runners with one simulator");
}

#[test]
fn tick() {
    let scene = running();
    let input = with_id(&scene, &json!({"wait_seconds": 0}));
    hold(
        &scene.after("create_savepoint", &input).tick("simulator_tick"),
        "tick over a job and its savepoint on a simulator",
    );
}

#[test]
fn rest() {
    let scene = running();
    let id = scene.answer["job_id"].as_str().expect("an id").replace(':', "%3A");
    let request = inbound("POST", &format!("/api/v1/jobs/{id}/cancel"), &[], &json!({"mode": "cancel"}));
    hold(&scene.request("rest_cancel_job", request), "POST /api/v1/jobs/{id}/cancel on a simulator");
}

#[test]
fn mcp() {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "create_job", "arguments": clicks(), "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "create_job"),
    ];
    let request = inbound("POST", "/mcp", &headers, &body);
    hold(&scene().request("mcp_create_job", request), "tools/call of create_job over MCP on a simulator");
}

fn inbound(method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Inbound {
    let own = [("host", "127.0.0.1:8888"), ("content-type", "application/json")];
    Inbound::Http(Box::new(HttpRequest {
        method: method.into(),
        path: path.into(),
        headers: own.iter().chain(headers).map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: body.to_string().into(),
        ..HttpRequest::default()
    }))
}
