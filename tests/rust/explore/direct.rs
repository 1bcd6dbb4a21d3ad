//! Flows on a supervised child.

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"here": {"runner": "direct"}}}))
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

#[test]
fn get_job() {
    hold_verb("direct_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_verb("direct_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("direct_get_logs", "get_logs", &json!({}));
}

#[test]
fn list_runners() {
    hold(&scene().verb("direct_list_runners", "list_runners", &json!({})), "list_runners with one Direct target");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().tick("direct_tick_running"), "tick over a child that runs");
}

#[test]
fn tick_over_a_held_child() {
    let died = scene().after_death_at("signal release", "create_job", &words());
    hold(&died.tick("direct_tick_held"), "tick over a child whose server died before it let it go");
}
