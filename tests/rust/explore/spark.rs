//! Flows on a standalone Spark cluster.

use beam_mcp_tests::host::{Scene, Spark};
use serde_json::{Value, json};

use super::{FEW, ONCE, hold, with_id};

fn scene() -> Scene {
    Scene::new(&json!({"targets": {"spark": {"runner": "spark", "url": "http://127.0.0.1:6066",
        "master_url": "http://127.0.0.1:8080", "history_url": "http://127.0.0.1:18080",
        "jar_folder": "/srv/spark/shared"}}}))
    .with_troubles(FEW)
}

fn rate() -> Value {
    json!({"name": "rate", "target": "spark", "code_path": "jobs/sparkrate.jar"})
}

fn running() -> Scene {
    scene().after("create_job", &rate())
}

fn hold_verb(name: &'static str, verb: &'static str, input: &Value) {
    let scene = running();
    let input = with_id(&scene, input);
    hold(&scene.verb(name, verb, &input), &format!("{verb} of a running job on Spark"));
}

#[test]
fn create_job() {
    let mut keyed = rate();
    keyed["idempotency_key"] = "k".into();
    hold(&scene().verb("spark_create_job", "create_job", &keyed), "create_job on Spark, with a key");
}

#[test]
fn cancel_job() {
    let scene = running().with_troubles(ONCE);
    let input = with_id(&scene, &json!({"mode": "cancel", "wait_seconds": 2}));
    hold(&scene.verb("spark_cancel_job", "cancel_job", &input), "cancel_job of a running job on Spark");
}

#[test]
fn get_job() {
    hold_verb("spark_get_job", "get_job", &json!({}));
}

#[test]
fn get_metrics() {
    hold_verb("spark_get_metrics", "get_metrics", &json!({}));
}

#[test]
fn get_logs() {
    hold_verb("spark_get_logs", "get_logs", &json!({}));
}

#[test]
fn wait_for_change() {
    let scene = running();
    let mut input = with_id(&scene, &json!({"timeout_seconds": 5}));
    input["cursor"] = scene.answer["version"].clone();
    hold(&scene.verb("spark_wait_for_change", "wait_for_change", &input), "wait_for_change on Spark, at most 5 s");
}

#[test]
fn get_operation() {
    let scene = running();
    let input = with_id(&scene, &json!({"mode": "cancel", "wait_seconds": 0}));
    let scene = scene.after("cancel_job", &input);
    let input = json!({"operation_id": scene.answer["operation"]["id"]});
    hold(&scene.verb("spark_get_operation", "get_operation", &input), "get_operation of a kill that Spark took");
}

#[test]
fn list_runners() {
    hold(&scene().verb("spark_list_runners", "list_runners", &json!({})), "list_runners with one Spark");
}

/// A submission that nobody can explain, on a cluster that was started anew since.
fn parked() -> Scene {
    let mut scene = scene().after_death_at("send POST /v1/submissions/create", "create_job", &rate()).parked();
    scene.host.spark = Spark::default();
    scene
}

const WHY: &str = "not on the cluster since it was started anew";

#[test]
fn resubmit_job() {
    let scene = parked();
    let input = with_id(&scene, &json!({"reason": WHY, "idempotency_key": "k"}));
    hold(&scene.verb("spark_resubmit_job", "resubmit_job", &input), "resubmit_job of a parked job on Spark");
}

#[test]
fn tick_over_a_running_job() {
    hold(&running().tick("spark_tick_running"), "tick over a job that runs on Spark");
}

#[test]
fn tick_over_a_submission() {
    let sent = scene().after_reply("send POST /v1/submissions/create", "on its way", "create_job", &rate());
    hold(
        &sent.tick("spark_tick_submission"),
        "tick over a submission that is still on its way: a second one would be a second job",
    );
}
