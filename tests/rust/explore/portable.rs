//! Flows on a job service.

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{FEW, ONCE, hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"prism": {"runner": "portable", "url": "http://127.0.0.1:8073",
        "options": {"environment_type": "EXTERNAL", "environment_config": "pool:50000"}}}}))
    .with_troubles(FEW)
}

fn words() -> Value {
    json!({"name": "words", "target": "prism", "code_path": "examples/wordcount.py"})
}

fn running() -> Scene {
    scene().after("create_job", &words())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a running job on Prism"));
}

#[test]
fn create_job() {
    let mut keyed = words();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("portable_create_job", "create_job", &keyed), "create_job on Prism, with a key");
}

#[test]
fn cancel_job() {
    let scene = running().with_troubles(ONCE);
    let input = with_id(&scene, &json!({"mode": "cancel", "wait_seconds": 2}));
    hold(&scene.verb("portable_cancel_job", "cancel_job", &input), "cancel_job of a running job on Prism");
}

#[test]
fn get_job() {
    hold_verb("portable_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_verb("portable_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("portable_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let scene = running();
    let mut input = with_id(&scene, &json!({"timeout_seconds": 5}));
    input["cursor"] = scene.answer["version"].clone();
    hold(&scene.verb("portable_wait_for_change", "wait_for_change", &input), "wait_for_change on Prism, at most 5 s");
}

#[test]
fn get_operation() {
    let scene = running();
    let input = with_id(&scene, &json!({"mode": "cancel", "wait_seconds": 0}));
    let scene = scene.after("cancel_job", &input);
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(&scene.verb("portable_get_operation", "get_operation", &input), "get_operation of a cancel that Prism took");
}

#[test]
fn list_runners() {
    hold(&scene().verb("portable_list_runners", "list_runners", &json!({})), "list_runners with one Prism");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().tick("portable_tick_running"), "tick over a job that runs on Prism");
}

#[test]
fn tick_over_a_submission() {
    let sent = scene().after_reply("rpc Run", "on its way", "create_job", &words());
    hold(
        &sent.tick("portable_tick_submission"),
        "tick over a submission whose Run is still on its way: a second one would be a second job",
    );
}
