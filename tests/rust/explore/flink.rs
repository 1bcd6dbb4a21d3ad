//! Flows on a Flink cluster.

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"flink": {"runner": "flink", "url": "http://flink:8081",
        "savepoint_dir": "file:///srv/flink/savepoints"}}}))
}

fn rate() -> Value {
    json!({"name": "rate", "target": "flink", "code_path": "jobs/ratejob.jar"})
}

fn running() -> Scene {
    scene().after("create_job", &rate())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a running job on Flink"));
}

#[test]
fn get_job() {
    hold_verb("flink_get_job", "get_job", &json!({}));
}

#[test]
fn list_runners() {
    hold(&scene().verb("flink_list_runners", "list_runners", &json!({})), "list_runners with one Flink");
}

#[test]
fn get_metrics() {
    hold_verb("flink_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("flink_get_logs", "get_logs", &json!({}));
}

#[test]
fn get_operation() {
    let scene = running();
    let input = with_id(&scene, &json!({"wait_seconds": 0}));
    let scene = scene.after("create_savepoint", &input);
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(&scene.verb("flink_get_operation", "get_operation", &input), "get_operation of a savepoint that Flink took");
}
