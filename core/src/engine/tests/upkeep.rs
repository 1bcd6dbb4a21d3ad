//! What rounds of the reconciler keep up: fairness, seals, retention; and rows of other versions.

use serde_json::{Value, json};

use super::world::World;
use crate::store::{AuditChain, AuditHead, AuditRow, schema};

const DAY_MS: u64 = 24 * 3_600_000;

fn create(world: &mut World, input: &Value) -> Value {
    world.ok("create_job", input)["job_id"].clone()
}

#[test]
fn more_jobs_than_a_round_takes_are_all_looked_at_and_no_target_waits_for_another() {
    let mut world = World::new(&json!({}));
    for number in 0..230 {
        create(&mut world, &json!({"name": format!("j{number}")}));
    }
    create(&mut world, &json!({"name": "alone", "target": "other"}));
    world.advance(2_000);
    world.tick();
    let states = |world: &World, target: &str| -> Vec<String> {
        let rows = world.store.rows("job").into_iter();
        let of_target = rows.filter(|row| row["id"].as_str().unwrap().starts_with(target));
        of_target.map(|row| row["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&world, "other:"), ["RUNNING"]);
    let running = states(&world, "sim:").iter().filter(|state| *state == "RUNNING").count();
    assert!((60..=200).contains(&running), "{running} in one round");
    for _ in 0..4 {
        world.advance(2_000);
        world.tick();
    }
    assert!(states(&world, "sim:").iter().all(|state| state == "RUNNING"));
}

fn chain(world: &World) -> (Option<AuditHead>, Vec<AuditRow>) {
    let head = world.store.rows("audit.head").pop().map(|row| serde_json::from_value(row).unwrap());
    (head, world.store.rows("audit").into_iter().map(|row| serde_json::from_value(row).unwrap()).collect())
}

fn verified(world: &World) -> Result<u64, String> {
    let (head, rows) = chain(world);
    let mut check = AuditChain::new(head);
    rows.iter().try_for_each(|row| check.link(row))?;
    check.finish()
}

#[test]
fn every_intent_and_result_is_sealed_into_one_chain() {
    let mut world = World::new(&json!({}));
    let id = create(&mut world, &json!({"name": "j"}));
    world.advance(2_000);
    world.ok("create_savepoint", &json!({"job_id": id}));
    world.tick();
    world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}));
    for _ in 0..12 {
        create(&mut world, &json!({"name": "more"}));
    }
    world.ticks(4);
    assert_eq!(world.store.rows("audit.new"), [Value::Null; 0]);
    let (_, rows) = chain(&world);
    let said: Vec<(&str, &str)> = rows.iter().map(|row| (row.verb.as_str(), row.outcome.as_str())).take(6).collect();
    let wanted = [
        ("create_job", ""),
        ("submit", "accepted"),
        ("savepoint", ""),
        ("savepoint", "succeeded"),
        ("cancel", ""),
        ("cancel", "succeeded"),
    ];
    assert_eq!(said, wanted);
    assert!(rows.windows(2).all(|pair| pair[0].sequence < pair[1].sequence && pair[0].process == pair[1].process));
    assert_eq!(verified(&world), Ok(6 + 24));
    world.store.records.retain(|key, _| !(key.kind == "audit" && key.id.ends_with("07")));
    assert!(verified(&world).unwrap_err().contains("row 7 is missing"));
}

#[test]
fn what_ended_long_ago_goes_with_all_its_rows_and_the_chain_holds() {
    let mut world = World::new(&json!({}));
    let old = create(&mut world, &json!({"name": "old", "idempotency_key": "k"}));
    world.advance(2_000);
    world.ok("create_savepoint", &json!({"job_id": old}));
    world.ok("cancel_job", &json!({"job_id": old, "mode": "cancel"}));
    let lives = create(&mut world, &json!({"name": "lives"}));
    world.advance(89 * DAY_MS);
    world.ticks(4);
    assert_eq!(world.store.rows("job").len(), 2, "not yet");
    world.advance(2 * DAY_MS);
    world.ticks(4);
    let left = world.store.rows("job");
    assert_eq!((left.len(), &left[0]["id"]), (1, &lives));
    assert_eq!(world.store.rows("operation").len(), 0);
    let about_old = |key: &crate::store::Key| !key.kind.starts_with("audit") && key.id.contains(old.as_str().unwrap());
    assert_eq!(world.store.records.keys().filter(|key| about_old(key)).count(), 0);
    let sealed = verified(&world).unwrap();
    world.advance(280 * DAY_MS);
    world.ticks(4);
    assert!(verified(&world).unwrap() < sealed, "old audit rows go, and what is left is still whole");
}

#[test]
fn rows_of_the_version_before_are_read_and_written_and_newer_ones_refused() {
    let mut world = World::configured(&json!({}), &json!({"store": {"write_previous_schema": true}}));
    let id = create(&mut world, &json!({"name": "j"}));
    world.advance(2_000);
    world.tick();
    assert!(world.store.records.values().all(|record| record.schema == schema::previous(&record.key.kind)));
    world.restart_with(&json!({"store": {}}));
    world.advance(5_000);
    assert_eq!(world.ok("get_job", &json!({"job_id": id, "max_age_ms": 0}))["state"], "RUNNING");
    world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}));
    let rows = || world.store.records.values().filter(|record| record.key.kind.starts_with("job"));
    assert!(rows().all(|record| record.schema == schema::JOB));
    world.store.records.values_mut().for_each(|record| record.schema += 1);
    let before = world.store.commits;
    assert_eq!(world.err("get_job", &json!({"job_id": id})).reason(), "newer_row");
    assert_eq!(world.err("cancel_job", &json!({"job_id": id, "mode": "cancel"})).reason(), "newer_row");
    assert_eq!(world.store.commits, before);
}

#[test]
fn a_list_by_state_and_target_reads_its_own_index_and_tokens_fit_their_filters() {
    let mut world = World::new(&json!({}));
    for number in 0..5 {
        create(&mut world, &json!({"name": format!("j{number}")}));
        create(&mut world, &json!({"name": "x", "target": "other"}));
    }
    world.advance(2_000);
    world.tick();
    let asked = json!({"state": "RUNNING", "target": "sim", "limit": 2});
    let page = world.ok("list_jobs", &asked);
    let names = |page: &Value| -> Vec<String> {
        let jobs = page["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut found = names(&page);
    let token = page["next_page_token"].clone();
    let next = |more: Value| {
        let mut input = asked.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    // A job that leaves the state between two pages is on none of the later ones, and no other is left out or doubled.
    let later = |row: &Value| row["name"] != "x" && !found.iter().any(|name| row["name"] == name.as_str());
    let gone = world.store.rows("job").into_iter().find(later).unwrap();
    world.ok("cancel_job", &json!({"job_id": gone["id"], "mode": "cancel"}));
    let second = world.ok("list_jobs", &next(json!({"page_token": token, "limit": 200})));
    found.extend(names(&second));
    assert!(found.len() == 4 && !found.iter().any(|name| gone["name"] == name.as_str()), "{found:?}");
    assert_eq!(second.get("next_page_token"), None);
    for other in [json!({"state": "PENDING"}), json!({"target": "other"})] {
        let input = next(json!({"page_token": token})).as_object().unwrap().clone();
        let input: serde_json::Map<_, _> = input.into_iter().chain(other.as_object().unwrap().clone()).collect();
        assert_eq!(world.err("list_jobs", &input.into()).reason(), "bad_page_token");
    }
}
