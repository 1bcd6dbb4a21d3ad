//! Whole lives of jobs, script by script.

use serde_json::{Value, json};

use super::world::World;
use crate::ErrorKind;

fn create(world: &mut World, input: &Value) -> String {
    world.ok("create_job", input)["job_id"].as_str().unwrap().to_owned()
}

fn script(world: &mut World, name: &str) -> String {
    create(world, &json!({"name": name, "options": {"simulator_script": name}}))
}

fn get(world: &mut World, id: &str) -> Value {
    world.ok("get_job", &json!({"job_id": id, "max_age_ms": 0}))
}

fn state(world: &mut World, id: &str) -> String {
    get(world, id)["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_streaming_job_is_submitted_watched_saved_scaled_and_canceled() {
    let mut world = World::new(&json!({}));
    let made = world.ok("create_job", &json!({"name": "clicks", "job_type": "STREAMING", "parallelism": 2}));
    assert_eq!((made["state"].as_str(), made["terminal"].as_bool()), (Some("PENDING"), Some(false)), "{made}");
    assert_eq!(made["runner_type"], "simulator");
    let id = made["job_id"].as_str().unwrap();

    let cursor = made["version"].as_u64().unwrap();
    let news = world.ok("wait_for_change", &json!({"job_id": id, "cursor": cursor}));
    assert_eq!((news["state"].as_str(), news["changed"].as_bool()), (Some("RUNNING"), Some(true)), "{news}");
    assert_eq!(news["parallelism"], 2);
    let quiet = world.ok("wait_for_change", &json!({"job_id": id, "cursor": news["cursor"], "timeout_seconds": 5}));
    assert_eq!(quiet["changed"], false, "{quiet}");

    let saved = world.ok("create_savepoint", &json!({"job_id": id}));
    let path = saved["savepoint_path"].as_str().unwrap();
    assert!(path.starts_with("simulator:/savepoints/") && saved["operation"]["state"] == "SUCCEEDED", "{saved}");
    assert_eq!(saved["job"]["state"], "RUNNING");

    let scaled = world.ok("scale_job", &json!({"job_id": id, "parallelism": 8}));
    assert_eq!(scaled["operation"]["actual"], json!({"ParseEvents": 8, "ReadEvents": 8, "WriteEvents": 8}));
    assert_eq!(get(&mut world, id)["parallelism"], 8, "the view shows what the runner confirmed");

    let canceled = world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}));
    assert_eq!(canceled["state"], "CANCELED", "{canceled}");
    let job = get(&mut world, id);
    assert_eq!((job["ended_by"].as_str(), job["terminal"].as_bool()), (Some("cancel"), Some(true)));
    assert_eq!(job["savepoint_path"], path);
    assert_eq!(job.get("open_operations"), None, "{job}");
    let again = world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}));
    assert_eq!(again["state"], "CANCELED");
    let late = world.err("create_savepoint", &json!({"job_id": id}));
    assert_eq!((late.kind(), late.reason()), (ErrorKind::FailedPrecondition, "job_ended"));
}

#[test]
fn a_batch_job_finishes_by_itself_and_refuses_what_is_for_streaming() {
    let mut world = World::new(&json!({}));
    let id = create(&mut world, &json!({"name": "b", "job_type": "BATCH", "options": {"simulator_duration_s": 5}}));
    for (verb, input) in [
        ("create_savepoint", json!({"job_id": id})),
        ("scale_job", json!({"job_id": id, "parallelism": 2})),
        ("cancel_job", json!({"job_id": id, "mode": "drain"})),
        ("cancel_job", json!({"job_id": id, "mode": "stop"})),
    ] {
        let error = world.err(verb, &input);
        assert_eq!(error.reason(), "not_streaming", "{verb}");
        assert!(error.suggestion().contains("cancel"), "{}", error.suggestion());
    }
    let ended = world.ok("wait_for_change", &json!({"job_id": id, "until_terminal": true}));
    assert_eq!((ended["state"].as_str(), ended["duration"].as_f64()), (Some("FINISHED"), Some(5.0)), "{ended}");
    let logs = world.ok("get_logs", &json!({"job_id": id}));
    assert_eq!(logs["logs"].as_array().unwrap().last().unwrap()["message"], "job ended: FINISHED");
    let metrics = world.ok("get_metrics", &json!({"job_id": id}));
    assert_eq!(metrics["metrics"]["elements_processed"], 5_000.0, "{metrics}");
    assert!(metrics["notes"][0].as_str().unwrap().contains("simulated"));
}

#[test]
fn s1_with_savepoint_becomes_a_plain_cancel_where_there_can_be_none() {
    let mut world = World::new(&json!({}));
    let id = create(&mut world, &json!({"name": "b", "job_type": "BATCH", "options": {"simulator_duration_s": 500}}));
    let input = json!({"job_id": id, "with_savepoint": true, "idempotency_key": "k"});
    let ended = world.ok("cancel_job", &input);
    assert_eq!(ended["state"], "CANCELED");
    assert!(ended["notes"][0].as_str().unwrap().contains("without a savepoint"), "{ended}");
    let again = world.ok("cancel_job", &input);
    assert_eq!((again["replayed"].as_bool(), &again["operation"]["id"]), (Some(true), &ended["operation"]["id"]));
}

#[test]
fn a_stop_keeps_a_savepoint_a_drain_does_not_and_a_restore_begins_anew() {
    let mut world = World::new(&json!({}));
    let stopped = script(&mut world, "running");
    let end = world.ok("cancel_job", &json!({"job_id": stopped, "mode": "stop"}));
    assert_eq!((end["state"].as_str(), end["job"]["ended_by"].as_str()), (Some("CANCELED"), Some("stop")), "{end}");
    let path = end["savepoint_path"].as_str().unwrap();

    let drained = script(&mut world, "running");
    let end = world.ok("cancel_job", &json!({"job_id": drained, "mode": "drain"}));
    assert_eq!((end["state"].as_str(), end["job"]["ended_by"].as_str()), (Some("DRAINED"), Some("drain")), "{end}");

    let restored = world.ok("restore_job", &json!({"job_id": stopped, "parallelism": 3}));
    assert_ne!(restored["job_id"], stopped);
    world.advance(3_000);
    let id = restored["job_id"].as_str().unwrap().to_owned();
    let job = get(&mut world, &id);
    assert_eq!((job["state"].as_str(), job["parallelism"].as_u64()), (Some("RUNNING"), Some(3)), "{job}");
    let configuration = world.http("GET", &format!("/api/v1/jobs/{id}/configuration"), &Value::Null).1;
    assert_eq!(configuration["data"]["spec"]["savepoint_path"], path);
}

#[test]
fn a_failing_job_says_why() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "failing");
    world.advance(12_000);
    let job = get(&mut world, &id);
    assert_eq!((job["state"].as_str(), job["needs_attention"].as_bool()), (Some("FAILED"), Some(true)));
    assert!(job["diagnostics"].as_str().unwrap().contains("NumberFormatException"), "{job}");
    let errors = world.ok("get_logs", &json!({"job_id": id, "min_severity": "ERROR"}));
    assert_eq!(errors["logs"].as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors.get("next_page_token"), None, "the log of an ended job is complete");
}

#[test]
fn a_job_that_restarts_itself_recovers_and_loses_no_time_it_did_not_work() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "restarting");
    let mut seen = Vec::new();
    for _ in 0..24 {
        world.advance(2_000);
        seen.push(state(&mut world, &id));
    }
    seen.dedup();
    assert_eq!(seen, ["RUNNING", "RECOVERING", "RUNNING", "RECOVERING"], "{seen:?}");
    world.advance(4_000);
    let metrics = world.ok("get_metrics", &json!({"job_id": id}));
    assert_eq!(metrics["metrics"]["elements_processed"], 41_000.0, "52 s, of which 1 PENDING and 10 RECOVERING");
}

#[test]
fn a_slow_savepoint_is_pending_and_then_done() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "slow_savepoint");
    world.advance(3_000);
    let begun = world.ok("create_savepoint", &json!({"job_id": id, "wait_seconds": 5}));
    assert_eq!((begun["pending"].as_bool(), begun.get("savepoint_path")), (Some(true), None), "{begun}");
    let operation = json!({"operation_id": begun["operation"]["operation_id"]});
    assert_eq!(world.ok("get_operation", &operation)["state"], "IN_PROGRESS");
    world.advance(70_000);
    let done = world.ok("get_operation", &operation);
    assert_eq!((done["state"].as_str(), done["terminal"].as_bool()), (Some("SUCCEEDED"), Some(true)), "{done}");
    assert_eq!(get(&mut world, &id)["savepoint_path"], done["savepoint_path"]);
}

#[test]
fn the_reconciler_alone_finishes_what_a_caller_left() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "slow_savepoint");
    world.advance(3_000);
    world.ok("create_savepoint", &json!({"job_id": id, "wait_seconds": 0}));
    world.ok("cancel_job", &json!({"job_id": id, "mode": "drain", "wait_seconds": 0}));
    world.ticks(90);
    let job = world.ok("list_jobs", &json!({}))["jobs"][0].clone();
    assert_eq!((job["state"].as_str(), job["ended_by"].as_str()), (Some("DRAINED"), Some("drain")), "{job}");
    assert!(job["savepoint_path"].is_string());
}

#[test]
fn a_failed_savepoint_and_a_failed_stop_leave_the_job_running() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "failing_savepoint");
    let error = world.err("create_savepoint", &json!({"job_id": id}));
    assert_eq!((error.kind(), error.reason()), (ErrorKind::JobFailed, "operation_failed"));
    let error = world.err("cancel_job", &json!({"job_id": id, "mode": "stop"}));
    assert_eq!(error.reason(), "operation_failed");
    let job = get(&mut world, &id);
    assert_eq!((job["state"].as_str(), job.get("open_operations"), job.get("ended_by")), (Some("RUNNING"), None, None));
}

#[test]
fn a_scale_that_sticks_queues_what_follows_and_a_cancel_overtakes() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "stuck_scale");
    let stuck = world.ok("scale_job", &json!({"job_id": id, "parallelism": 64, "wait_seconds": 3}));
    assert_eq!((stuck["pending"].as_bool(), stuck["job"]["parallelism"].as_u64()), (Some(true), Some(1)), "{stuck}");
    let queued = world.ok("create_savepoint", &json!({"job_id": id, "wait_seconds": 1}));
    assert_eq!(queued["operation"]["state"], "REQUESTED");
    for _ in 0..2 {
        world.ok("create_savepoint", &json!({"job_id": id, "wait_seconds": 0}));
    }
    assert_eq!(world.err("create_savepoint", &json!({"job_id": id, "wait_seconds": 0})).reason(), "operations_queued");
    let ended = world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}));
    assert_eq!(ended["state"], "CANCELED");
    world.ticks(20);
    let operations = world.http("GET", &format!("/api/v1/jobs/{id}/operations"), &Value::Null).1;
    for operation in operations["data"]["operations"].as_array().unwrap() {
        assert_eq!(operation["terminal"], true, "{operation}");
    }
    assert_eq!(get(&mut world, &id).get("open_operations"), None);
}

#[test]
fn back_pressure_shows_in_metrics_diagnostics_and_logs() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "back_pressure");
    world.advance(21_000);
    assert!(get(&mut world, &id)["diagnostics"].as_str().unwrap().contains("back-pressure of 80 %"));
    let metrics = world.ok("get_metrics", &json!({"job_id": id}));
    let system = metrics["system"].as_array().unwrap();
    let value = |name: &str| system.iter().find(|metric| metric["name"] == name).unwrap()["attempted"].clone();
    assert_eq!((value("back_pressure_ratio"), value("backlog")), (json!(0.8), json!(16_000)), "{metrics}");
    assert_eq!(metrics["metrics"]["processing_rate"], 200.0);
    let units = json!({"elapsed_time_ms": "ms", "elements_processed": "1", "processing_rate": "records/s", "worker_count": "1"});
    assert_eq!(metrics["units"], units);
    let logs = world.ok("get_logs", &json!({"job_id": id, "min_severity": "WARN", "max_results": 2}));
    assert_eq!(logs["logs"].as_array().unwrap().len(), 2);
}

#[test]
fn logs_are_paged_without_a_gap_or_a_repetition() {
    let mut world = World::new(&json!({}));
    let id = create(&mut world, &json!({"name": "b", "job_type": "BATCH", "options": {"simulator_duration_s": 61}}));
    let (mut token, mut lines) = (json!("0"), Vec::new());
    for _ in 0..60 {
        world.advance(2_000);
        let page = world.ok("get_logs", &json!({"job_id": id, "page_token": token, "max_results": 3}));
        lines.extend(page["logs"].as_array().unwrap().clone());
        match page.get("next_page_token") {
            Some(next) => token = next.clone(),
            None => break,
        }
    }
    let times: Vec<_> = lines.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert_eq!(times.len(), 15, "accepted, started, 12 lines of work, the end: {lines:?}");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn a_rate_limited_cluster_is_asked_again_and_says_when() {
    let mut world = World::new(&json!({}));
    let made = world.ok("create_job", &json!({"name": "r", "options": {"simulator_script": "rate_limited"}}));
    assert!(matches!(made["state"].as_str(), Some("PENDING" | "RUNNING")), "{made}");
    assert_eq!(world.store.rows("job")[0]["attempts"], 2, "the first was answered with 429");
    let id = made["job_id"].as_str().unwrap();
    let (mut served, mut limited) = (0, 0);
    for _ in 0..30 {
        world.advance(500);
        match world.run("get_metrics", &json!({"job_id": id})) {
            Ok(_) => served += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::RateLimited);
                assert_eq!(error.to_json()["retry_after_ms"], 1_000);
                limited += 1;
            }
        }
    }
    assert_eq!((served, limited), (20, 10));
    let saved = world.ok("create_savepoint", &json!({"job_id": id}));
    assert_eq!(saved["operation"]["attempts"], 2, "{saved}");
}

#[test]
fn an_outage_leaves_the_last_answer_and_says_since_when() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "outage");
    world.advance(5_000);
    assert_eq!(state(&mut world, &id), "RUNNING");
    world.advance(20_000);
    let stale = get(&mut world, &id);
    assert_eq!((stale["state"].as_str(), stale["stale_since"].is_string()), (Some("RUNNING"), true), "{stale}");
    assert_eq!(world.err("get_metrics", &json!({"job_id": id})).kind(), ErrorKind::Unavailable);
    world.advance(20_000);
    let back = get(&mut world, &id);
    assert_eq!((back["state"].as_str(), back.get("stale_since")), (Some("RUNNING"), None), "{back}");
}

#[test]
fn a_lagging_cluster_shows_states_late() {
    let mut world = World::new(&json!({}));
    let id = script(&mut world, "lag");
    world.advance(8_000);
    assert_eq!(state(&mut world, &id), "PENDING");
    world.advance(4_000);
    assert_eq!(state(&mut world, &id), "RUNNING");
}

#[test]
fn speed_makes_an_hour_a_second() {
    let mut world = World::new(&json!({"speed": 3600.0, "script": "batch"}));
    let id = create(&mut world, &json!({"name": "fast", "options": {"simulator_duration_s": 7199}}));
    world.advance(1_000);
    assert_eq!(state(&mut world, &id), "RUNNING");
    world.advance(1_000);
    let job = get(&mut world, &id);
    assert_eq!(
        (job["state"].as_str(), job["duration"].as_f64()),
        (Some("FINISHED"), Some(1.999)),
        "started after 1 ms: {job}"
    );
    let metrics = world.ok("get_metrics", &json!({"job_id": id}));
    assert_eq!(metrics["metrics"]["elements_processed"], 7_199_000.0);
}
