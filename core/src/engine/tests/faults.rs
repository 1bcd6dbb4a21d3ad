//! One fault at every step in turn: the process dies, the store does not answer, the caller goes away.

use serde_json::{Value, json};

use super::world::World;
use crate::ErrorKind;

const CREATE: &str = "create_job";

fn create() -> Value {
    json!({"name": "cut", "idempotency_key": "k"})
}

fn only_job(world: &World) -> Option<Value> {
    let jobs = world.store.rows("job");
    assert!(jobs.len() <= 1, "{jobs:?}");
    jobs.into_iter().next()
}

#[test]
fn a_submission_cut_off_anywhere_is_finished_once() {
    for identity in ["chosen", "named", "marker", "none"] {
        let mut cut = 0;
        for steps in 0.. {
            let mut world = World::new(&json!({"identity": identity}));
            world.dies_after = Some(steps);
            let died = world.try_run(CREATE, &create()).is_err();
            cut += u64::from(died);
            world.restart();
            world.check();
            world.ticks(if identity == "none" { 1_000 } else { 60 });
            let job = only_job(&world);
            if let Some(job) = &job {
                let parked = identity == "none" && died && job["state"] == "PARKED";
                assert!(job["state"] == "RUNNING" || parked, "{identity} {steps}: {job}");
                assert_eq!(job["attempts"], 1, "{identity} {steps}");
            }
            let again = world.ok(CREATE, &create());
            assert_eq!(again["replayed"].as_bool().unwrap_or(false), job.is_some(), "{identity} {steps}");
            if !died {
                break;
            }
        }
        assert!(cut >= 6, "{identity}: cut {cut} times");
    }
}

#[test]
fn a_submission_under_way_is_left_to_its_sender_also_while_the_runner_cannot_be_asked() {
    // Ten seconds after its submission the cluster falls silent for as long.
    left_to_its_sender(&json!({"script": "outage", "speed": 2.0}), 0);
}

#[test]
fn a_submission_under_way_is_left_to_its_sender_by_a_process_whose_wall_clock_is_ahead() {
    left_to_its_sender(&json!({"script": "outage"}), 11_000);
}

fn left_to_its_sender(sim: &Value, ahead_ms: u64) {
    let mut held = 0;
    for steps in 0.. {
        let mut world = World::new(sim);
        world.dies_after = Some(steps);
        let died = world.try_run(CREATE, &create()).is_err();
        let is_sending = |world: &World| only_job(world).is_some_and(|job| job["phase"] == "sending");
        if is_sending(&world) {
            held += 1;
            world.advance(11_000);
            world.ahead_ms = ahead_ms;
            world.restart();
            world.ticks(8);
            assert!(is_sending(&world), "{steps}: {:?}", only_job(&world));
            world.ticks(60);
            assert!(!is_sending(&world), "{steps}");
        }
        if !died {
            break;
        }
    }
    assert!(held > 0);
}

#[test]
fn a_stop_cut_off_anywhere_ends_the_job_once() {
    for steps in 0.. {
        let (mut world, id) = running(&json!({}));
        world.dies_after = Some(steps);
        let died = world.try_run("cancel_job", &json!({"job_id": id, "mode": "stop"})).is_err();
        world.restart();
        world.ticks(60);
        let job = only_job(&world).unwrap();
        match world.store.rows("operation").first() {
            Some(operation) => {
                assert_eq!(operation["state"], "SUCCEEDED", "{steps}: {operation}");
                assert_eq!((job["state"].as_str(), job["ended_by"].as_str()), (Some("CANCELED"), Some("stop")));
                assert_eq!(job["open_operations"], json!([]), "{steps}");
            }
            None => assert_eq!(job["state"], "RUNNING", "{steps}"),
        }
        if !died {
            return;
        }
    }
}

#[test]
fn an_operation_is_left_for_a_while_to_the_process_that_took_its_permit() {
    let mut held = 0;
    for steps in 0.. {
        let (mut world, id) = running(&json!({}));
        world.dies_after = Some(steps);
        if world.try_run("create_savepoint", &json!({"job_id": id})).is_ok() {
            break;
        }
        let sending = |world: &World| world.store.rows("operation").first().is_some_and(|row| row["sending"] == true);
        if !sending(&world) {
            continue;
        }
        world.restart();
        world.ticks(18);
        assert!(sending(&world), "{steps}: it may be sent yet");
        world.ticks(20);
        assert_eq!(world.store.rows("operation")[0]["state"], "SUCCEEDED", "{steps}");
        held += 1;
    }
    assert!(held > 0, "no process died with a permit");
}

fn running(sim: &Value) -> (World, Value) {
    let mut world = World::new(sim);
    let id = world.ok(CREATE, &create())["job_id"].clone();
    world.advance(3_000);
    (world, id)
}

#[test]
fn a_store_that_fails_once_is_asked_again_and_nothing_is_lost_or_doubled() {
    for made in [false, true] {
        for steps in 0.. {
            let mut world = World::new(&json!({}));
            world.store_fails = Some((steps, made));
            let id = world.ok(CREATE, &create())["job_id"].clone();
            world.advance(2_000);
            let saved = world.ok("create_savepoint", &json!({"job_id": id, "idempotency_key": "s"}));
            assert_eq!(saved["operation"]["state"], "SUCCEEDED", "{steps} {made}");
            let ended = world.ok("cancel_job", &json!({"job_id": id, "mode": "drain"}));
            assert_eq!(ended["state"], "DRAINED", "{steps} {made}");
            world.check();
            assert_eq!(only_job(&world).unwrap()["attempts"], 1, "{steps} {made}");
            let operations = world.store.rows("operation");
            assert_eq!(operations.len(), 2, "{steps} {made}");
            assert!(operations.iter().all(|operation| operation["attempts"] == 1), "{steps} {made}: {operations:?}");
            if world.store_fails.is_some() {
                assert!(steps > 30, "{steps}");
                break;
            }
        }
    }
}

#[test]
fn a_caller_that_goes_away_leaves_either_nothing_or_a_job_that_goes_on() {
    for steps in 1.. {
        let mut world = World::new(&json!({}));
        world.leaves_after = Some(steps);
        let answer = world.run(CREATE, &create());
        let left = world.leaves_after.take() == Some(0);
        if let Err(error) = &answer {
            assert_eq!((error.kind(), only_job(&world)), (ErrorKind::Cancelled, None), "{steps}");
        }
        world.ticks(10);
        if let Some(job) = only_job(&world) {
            assert_eq!((job["state"].as_str(), job["attempts"].as_u64()), (Some("RUNNING"), Some(1)), "{steps}");
        }
        if !left {
            return;
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_told_so_and_harms_nothing() {
    for verb in ["get_job", "wait_for_change", "list_jobs", "get_metrics", "get_logs"] {
        for steps in 1.. {
            let (mut world, id) = running(&json!({}));
            world.leaves_after = Some(steps);
            let input = if verb == "list_jobs" { json!({}) } else { json!({"job_id": id}) };
            let answer = world.run(verb, &input);
            let left = world.leaves_after.take() == Some(0);
            assert_eq!(answer.is_err(), left, "{verb} {steps}");
            assert!(answer.err().is_none_or(|error| error.kind() == ErrorKind::Cancelled), "{verb} {steps}");
            assert_eq!(world.ok("get_job", &json!({"job_id": id}))["state"], "RUNNING", "{verb} {steps}");
            if !left {
                break;
            }
        }
    }
}
