//! Flows on Dataflow.

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

use super::{FEW, ONCE, hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"df": {"runner": "dataflow", "project": "acme-prod", "region": "us-central1"}}}))
        .with_troubles(FEW)
}

fn flow() -> Value {
    json!({"name": "flow", "target": "df", "template_path": "gs://dataflow-templates/latest/Word_Count",
        "template_parameters": {"inputFile": "gs://acme/in", "output": "gs://acme/out"}})
}

fn running() -> Scene {
    scene().after("create_job", &flow())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a streaming job on Dataflow"));
}

#[test]
fn create_job() {
    let mut keyed = flow();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("dataflow_create_job", "create_job", &keyed), "create_job on Dataflow, with a key");
}

#[test]
fn cancel_job() {
    let scene = running().with_troubles(ONCE);
    let input = with_id(&scene, &json!({"mode": "cancel", "wait_seconds": 2}));
    hold(&scene.verb("dataflow_cancel_job", "cancel_job", &input), "cancel_job of a streaming job on Dataflow");
}

#[test]
fn drain() {
    hold_verb("dataflow_cancel_job_drain", "cancel_job", &json!({"mode": "drain", "wait_seconds": 2}));
}

#[test]
fn create_savepoint() {
    hold_verb("dataflow_create_savepoint", "create_savepoint", &json!({"wait_seconds": 2}));
}

#[test]
fn scale_job() {
    hold_verb("dataflow_scale_job", "scale_job", &json!({"parallelism": 4, "wait_seconds": 2}));
}

#[test]
fn get_job() {
    hold_verb("dataflow_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_verb("dataflow_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("dataflow_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let scene = running();
    let mut input = with_id(&scene, &json!({"timeout_seconds": 5}));
    input["cursor"] = scene.answer["version"].clone();
    hold(
        &scene.verb("dataflow_wait_for_change", "wait_for_change", &input),
        "wait_for_change on Dataflow, at most 5 s",
    );
}

#[test]
fn get_operation() {
    let scene = running();
    let input = with_id(&scene, &json!({"wait_seconds": 0}));
    let scene = scene.after("create_savepoint", &input);
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(
        &scene.verb("dataflow_get_operation", "get_operation", &input),
        "get_operation of a snapshot that Dataflow takes",
    );
}

#[test]
fn list_runners() {
    hold(&scene().verb("dataflow_list_runners", "list_runners", &json!({})), "list_runners with one project");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().tick("dataflow_tick_running"), "tick over a job that runs on Dataflow");
}

#[test]
fn tick_over_a_submission() {
    let sent = scene().after_reply(
        "send POST /…/projects/acme-prod/locations/…/templates:launch",
        "on its way",
        "create_job",
        &flow(),
    );
    hold(&sent.tick("dataflow_tick_submission"), "tick over a launch that is still on its way: its name is taken once");
}
