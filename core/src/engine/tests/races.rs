//! Calls side by side in two processes over one store.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::World;

const ORDERS: u64 = 60;

#[test]
fn twins_with_one_key_make_one_job_that_is_sent_once() {
    for seed in 0..ORDERS {
        let mut world = World::new(&json!({}));
        let create = ("create_job", json!({"name": "twin", "idempotency_key": "k"}));
        let tick = ("tick", Value::Null);
        let ends = world.together(&[create.clone(), create.clone(), tick.clone(), create, tick], seed);
        let ids: BTreeSet<String> = ends
            .into_iter()
            .map(|end| end.unwrap_or_else(|error| panic!("{seed}: {}", error.to_json())))
            .filter_map(|made| made["job_id"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(ids.len(), 1, "{seed}: {ids:?}");
        let jobs = world.store.rows("job");
        assert_eq!((jobs.len(), jobs[0]["attempts"].as_u64()), (1, Some(1)), "{seed}: {jobs:?}");
    }
}

#[test]
fn operations_side_by_side_all_end_and_a_key_is_one_operation() {
    for seed in 0..ORDERS {
        let mut world = World::new(&json!({}));
        let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
        world.advance(2_000);
        let save = ("create_savepoint", json!({"job_id": id, "idempotency_key": "s"}));
        let scale = ("scale_job", json!({"job_id": id, "parallelism": 4}));
        let read = ("get_job", json!({"job_id": id, "max_age_ms": 0}));
        let verbs = [save.clone(), scale, save, read.clone(), ("tick", Value::Null), read];
        let ends = world.together(&verbs, seed);
        for end in &ends {
            assert!(end.is_ok(), "{seed}: {}", end.as_ref().unwrap_err().to_json());
        }
        assert_eq!(ends[0].as_ref().unwrap()["operation"]["id"], ends[2].as_ref().unwrap()["operation"]["id"]);
        world.ticks(20);
        let (job, operations) = (world.store.rows("job").remove(0), world.store.rows("operation"));
        assert_eq!(operations.len(), 2, "{seed}");
        assert!(operations.iter().all(|operation| operation["state"] == "SUCCEEDED"), "{seed}: {operations:?}");
        assert_eq!((job["state"].as_str(), job["parallelism"].as_u64()), (Some("RUNNING"), Some(4)), "{seed}: {job}");
    }
}

#[test]
fn a_cancel_among_others_ends_the_job_and_every_operation() {
    for seed in 0..ORDERS {
        let mut world = World::new(&json!({}));
        let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
        world.advance(2_000);
        let end = |mode: &str| ("cancel_job", json!({"job_id": id, "mode": mode}));
        let save = ("create_savepoint", json!({"job_id": id}));
        let _ = world.together(&[end("stop"), save, end("cancel"), end("drain"), ("tick", Value::Null)], seed);
        world.ticks(40);
        let (job, operations) = (world.store.rows("job").remove(0), world.store.rows("operation"));
        let state = job["state"].as_str().unwrap();
        assert!(matches!(state, "CANCELED" | "DRAINED"), "{seed}: {job}");
        assert_eq!(job["open_operations"], json!([]), "{seed}");
        for operation in operations {
            assert!(matches!(operation["state"].as_str(), Some("SUCCEEDED" | "FAILED")), "{seed}: {operation}");
        }
    }
}

#[test]
fn readers_of_one_job_share_a_look() {
    let mut world = World::new(&json!({}));
    let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
    world.advance(5_000);
    let before = world.now().mono;
    let read = ("get_job", json!({"job_id": id}));
    for end in world.together(&[read.clone(), read.clone(), read.clone(), read.clone(), read], 7) {
        let job = end.unwrap();
        assert_eq!(job["state"], "RUNNING", "{job}");
    }
    assert_eq!(world.now().mono, before, "nobody waited for longer than the look took");
}
