//! Flows on a supervised child.

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{CONFLICTS, FEW, hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"here": {"runner": "direct"}}})).with_troubles(FEW)
}

fn words() -> Value {
    json!({"name": "words", "target": "here", "code_path": "examples/wordcount.py"})
}

fn running() -> Scene {
    scene().after("create_job", &words())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a child that runs"));
}

fn hold_read(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running().with_troubles(CONFLICTS);
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a child that runs"));
}

#[test]
fn create_job() {
    let mut keyed = words();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("direct_create_job", "create_job", &keyed), "create_job on Direct, with a key");
}

#[test]
fn cancel_job() {
    hold_verb("direct_cancel_job", "cancel_job", &json!({"mode": "cancel", "wait_seconds": 12}));
}

#[test]
fn force() {
    hold_verb("direct_cancel_job_force", "cancel_job", &json!({"mode": "force", "wait_seconds": 2}));
}

#[test]
fn get_job() {
    hold_read("direct_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_read("direct_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_read("direct_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let scene = running();
    let input = with_id(&scene, &json!({"timeout_seconds": 5, "until_terminal": true}));
    hold(
        &scene.verb("direct_wait_for_change", "wait_for_change", &input),
        "wait_for_change until the end of a child, at most 5 s",
    );
}

#[test]
fn list_runners() {
    hold(&scene().verb("direct_list_runners", "list_runners", &json!({})), "list_runners with one Direct target");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().with_troubles(CONFLICTS).tick("direct_tick_running"), "tick over a child that runs");
}

#[test]
fn tick_over_a_held_child() {
    let died = scene().after_death_at("signal release", "create_job", &words());
    hold(
        &died.with_troubles(CONFLICTS).later_tick("direct_tick_held"),
        "tick over a child whose server died before it let it go",
    );
}
