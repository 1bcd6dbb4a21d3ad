//! Flows on a Flink cluster.

use beam_mcp_tests::host::{Cluster, Scene};
use serde_json::{Value, json};

use super::{CONFLICTS, FEW, hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"flink": {"runner": "flink", "url": "http://flink:8081",
        "savepoint_dir": "file:///srv/flink/savepoints"}}}))
    .with_troubles(FEW)
}

fn rate() -> Value {
    json!({"name": "rate", "target": "flink", "code_path": "jobs/ratejob.jar"})
}

fn running() -> Scene {
    scene().after("create_job", &rate())
}

/// A running job, and the input of a verb about it.
fn about(input: &Value) -> (Scene, Value) {
    let scene = running();
    let input = with_id(&scene, input);
    (scene, input)
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let (scene, input) = about(input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a running job on Flink"));
}

fn hold_read(name: &'static str, verb: &'static str, input: &Value) {
    let (scene, input) = about(input);
    let scene = scene.with_troubles(CONFLICTS);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a running job on Flink"));
}

#[test]
fn create_job() {
    let mut keyed = rate();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("flink_create_job", "create_job", &keyed), "create_job on Flink, with a key");
}

#[test]
fn restore_job() {
    let (scene, input) = about(&json!({"mode": "stop"}));
    let mut scene = scene.after("cancel_job", &input);
    scene.host.cluster = Cluster::started_anew();
    let input = with_id(&scene, &json!({}));
    hold(
        &scene.verb("flink_restore_job", "restore_job", &input),
        "restore_job of a stopped job on a Flink that was started anew",
    );
}

#[test]
fn scale_job() {
    hold_verb("flink_scale_job", "scale_job", &json!({"parallelism": 4, "wait_seconds": 2}));
}

#[test]
fn update_job() {
    hold_verb("flink_update_job", "update_job", &json!({"scaling": {"parallelism": 4}, "wait_seconds": 0}));
}

#[test]
fn create_savepoint() {
    let input = json!({"wait_seconds": 2, "idempotency_key": "k"});
    hold_verb("flink_create_savepoint", "create_savepoint", &input);
}

#[test]
fn cancel_job() {
    hold_verb("flink_cancel_job", "cancel_job", &json!({"mode": "cancel", "wait_seconds": 2}));
}

#[test]
fn drain() {
    hold_verb("flink_cancel_job_drain", "cancel_job", &json!({"mode": "drain", "wait_seconds": 2}));
}

#[test]
fn stop() {
    let input = json!({"with_savepoint": true, "wait_seconds": 2, "idempotency_key": "k"});
    hold_verb("flink_cancel_job_stop", "cancel_job", &input);
}

#[test]
fn get_job() {
    hold_read("flink_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_read("flink_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_read("flink_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let (scene, mut input) = about(&json!({"timeout_seconds": 5}));
    input["cursor"] = scene.answer["version"].clone();
    hold(&scene.verb("flink_wait_for_change", "wait_for_change", &input), "wait_for_change on Flink, at most 5 s");
}

#[test]
fn get_operation() {
    let (scene, input) = about(&json!({"wait_seconds": 0}));
    let scene = scene.after("create_savepoint", &input).with_troubles(CONFLICTS);
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(&scene.verb("flink_get_operation", "get_operation", &input), "get_operation of a savepoint that Flink took");
}

#[test]
fn list_runners() {
    hold(&scene().verb("flink_list_runners", "list_runners", &json!({})), "list_runners with one Flink");
}

/// A submission that nobody can explain, on a cluster that was started anew since.
fn parked() -> Scene {
    let mut scene = scene().after_death_at("send POST /jars/…/run", "create_job", &rate()).parked();
    scene.host.cluster = Cluster::started_anew();
    scene
}

const WHY: &str = "not on the cluster since it was started anew";

#[test]
fn resubmit_job() {
    let scene = parked();
    let input = with_id(&scene, &json!({"reason": WHY, "idempotency_key": "k"}));
    hold(&scene.verb("flink_resubmit_job", "resubmit_job", &input), "resubmit_job of a parked job on Flink");
}

#[test]
fn abandon_job() {
    let scene = parked();
    let input = with_id(&scene, &json!({"reason": WHY, "idempotency_key": "k"}));
    hold(&scene.verb("flink_abandon_job", "abandon_job", &input), "abandon_job of a parked job on Flink");
}

#[test]
fn adopt_job() {
    let (mut scene, native_id) = (parked(), "6".repeat(32));
    scene.host.cluster = Cluster::with_foreign_job(&native_id);
    let input = with_id(&scene, &json!({"native_id": native_id, "idempotency_key": "k"}));
    hold(&scene.verb("flink_adopt_job", "adopt_job", &input), "adopt_job of a job that Flink shows under another id");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().tick("flink_tick_running"), "tick over a job that runs on Flink");
}

#[test]
fn tick_over_a_submission() {
    let died = scene().after_death_at("send POST /jars/…/run", "create_job", &rate());
    hold(&died.later_tick("flink_tick_submission"), "tick over a submission whose process died before it was sent");
}

#[test]
fn tick_over_an_operation() {
    let (scene, input) = about(&json!({}));
    let died = scene.after_death_at("send POST /jobs/…/savepoints", "create_savepoint", &input);
    hold(&died.later_tick("flink_tick_operation"), "tick over a savepoint whose process died before it was asked for");
}
