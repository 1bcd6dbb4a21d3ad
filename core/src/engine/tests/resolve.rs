//! Operators resolve what nobody can explain: adopt, abandon, resubmit.

use serde_json::{Value, json};

use super::world::World;
use crate::{ErrorKind, auth::Role};

const WHY: &str = "not on the master since its restart";

/// A job whose submission went unanswered on a cluster that cannot be asked for it, parked.
fn parked() -> (World, Value) {
    let mut world = World::new(&json!({"identity": "none", "script": "lost_answer"}));
    let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
    world.ticks(1_000);
    assert_eq!(row(&world)["state"], "PARKED");
    (world, id)
}

fn row(world: &World) -> Value {
    let rows = world.store.rows("job");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().unwrap()
}

fn native_id(row: &Value, attempt: u32) -> String {
    let token = row["id"].as_str().unwrap().strip_prefix("sim:").unwrap();
    let text = format!("simulator {token} {} {attempt}", row["generation"]);
    format!("sim-{}", &crate::random::sha256_hex(text.as_bytes())[..24])
}

fn audited(world: &mut World, verb: &str) -> Vec<Value> {
    world.ticks(2);
    world.store.rows("audit").into_iter().filter(|row| row["verb"] == verb).collect()
}

#[test]
fn a_job_the_runner_shows_is_adopted_and_lives_on() {
    let (mut world, id) = parked();
    let native = native_id(&row(&world), 1);
    for (wrong, reason) in [("sim-0123", "not_on_the_runner"), ("../x", "bad_native_id"), ("", "bad_native_id")] {
        assert_eq!(world.err("adopt_job", &json!({"job_id": id, "native_id": wrong})).reason(), reason);
    }
    assert_eq!(row(&world)["state"], "PARKED");
    let mut input = json!({"job_id": id, "native_id": native, "dry_run": true});
    let plan = world.ok("adopt_job", &input)["plan"].clone();
    assert!(plan["unknown"][0].as_str().unwrap().contains("does not say who started it"), "{plan}");
    input["dry_run"] = false.into();
    input["plan_digest"] = "0".into();
    assert_eq!(world.err("adopt_job", &input).reason(), "plan_changed");
    input["plan_digest"] = plan["digest"].clone();
    input["idempotency_key"] = "k".into();
    let adopted = world.ok("adopt_job", &input);
    assert_eq!((adopted["state"].as_str(), &adopted["job"]["native_id"]), (Some("RUNNING"), &json!(native)));
    assert_eq!(world.ok("adopt_job", &input)["replayed"], true);
    assert_eq!(audited(&mut world, "adopt_job").len(), 1);
    assert_eq!(world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel"}))["state"], "CANCELED");
}

#[test]
fn one_job_of_the_runner_is_one_job_of_ours() {
    let (mut world, id) = parked();
    let native = native_id(&row(&world), 1);
    let key = crate::store::owner_key("sim", &native);
    let owner = json!({"tenant": "default", "job_id": "sim:00000000000000000000000000000000"});
    world.store.insert(key, &owner);
    let error = world.err("adopt_job", &json!({"job_id": id, "native_id": native}));
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "already_bound"));
    world.store.records.retain(|key, _| !key.id.ends_with(&native));
}

#[test]
fn an_abandoned_job_ends_and_says_what_is_not_known() {
    let (mut world, id) = parked();
    assert_eq!(world.err("abandon_job", &json!({"job_id": id})).reason(), "no_reason");
    let plan = world.ok("abandon_job", &json!({"job_id": id, "reason": WHY, "dry_run": true}))["plan"].clone();
    assert!(plan["unknown"][0].as_str().unwrap().contains("whether the submission arrived"), "{plan}");
    let ended = world.ok("abandon_job", &json!({"job_id": id, "reason": WHY, "plan_digest": plan["digest"]}));
    assert_eq!(ended["state"], "FAILED");
    let text = ended["job"]["diagnostics"].as_str().unwrap();
    assert!(text.contains("abandoned by tester") && text.contains(WHY) && text.contains("is not known"), "{text}");
    assert_eq!(row(&world)["unconfirmed"], true, "what shows up later is canceled");
    assert_eq!(audited(&mut world, "abandon_job")[0]["outcome"], WHY);
    assert_eq!(world.err("abandon_job", &json!({"job_id": id, "reason": WHY})).reason(), "not_open");
}

#[test]
fn abandoning_a_job_whose_cancel_waits_ends_both() {
    let mut world = World::new(&json!({"identity": "none", "script": "lost_answer"}));
    let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
    let cancel = world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel", "wait_seconds": 1}));
    assert_eq!((cancel["pending"].as_bool(), row(&world)["state"].as_str()), (Some(true), Some("SUBMIT_UNKNOWN")));
    let ended = world.ok("abandon_job", &json!({"job_id": id, "reason": WHY}));
    assert_eq!((ended["state"].as_str(), ended["job"]["ended_by"].as_str()), (Some("CANCELED"), Some("cancel")));
    assert_eq!(world.store.rows("operation")[0]["state"], "UNKNOWN");
}

#[test]
fn a_parked_job_is_submitted_again_under_a_token_of_its_own() {
    let (mut world, id) = parked();
    let input = json!({"job_id": id, "reason": WHY, "idempotency_key": "k"});
    let sent = world.ok("resubmit_job", &input);
    assert_eq!(sent["state"], "PENDING", "{sent}");
    let after = row(&world);
    let token = crate::job::token_of("default", &serde_json::from_value(id.clone()).unwrap(), 2);
    assert_eq!((after["generation"].as_u64(), after["attempts"].as_u64()), (Some(2), Some(1)));
    assert_eq!(after["later_token"], token.as_str());
    assert_eq!(world.ok("resubmit_job", &input)["replayed"], true);
    world.ticks(4);
    assert_eq!((row(&world)["state"].as_str(), row(&world)["attempts"].as_u64()), (Some("RUNNING"), Some(1)));
    assert_eq!(world.err("resubmit_job", &json!({"job_id": id, "reason": WHY})).reason(), "not_open");
}

#[test]
fn viewers_resolve_nothing_and_models_are_not_offered_it() {
    let (mut world, id) = parked();
    let tool = world.tool("abandon_job", &json!({"job_id": id, "reason": WHY}));
    assert!(tool.get("error").is_some(), "{tool}");
    let (response, _) = world.http("POST", &format!("/api/v1/jobs/{}/abandon", id.as_str().unwrap()), &json!({}));
    assert_eq!(response.status, 400);
    world.role = Role::Viewer;
    for (verb, input) in [
        ("adopt_job", json!({"job_id": id, "native_id": "x"})),
        ("abandon_job", json!({"job_id": id, "reason": WHY})),
        ("resubmit_job", json!({"job_id": id, "reason": WHY})),
    ] {
        assert_eq!(world.err(verb, &input).reason(), "missing_scope", "{verb}");
    }
    assert_eq!(row(&world)["state"], "PARKED");
}
