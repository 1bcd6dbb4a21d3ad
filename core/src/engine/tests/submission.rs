//! Submissions: asked twice, planned first, unanswered, cut off at any step.

use serde_json::{Value, json};

use super::world::World;
use crate::{Error, ErrorKind, auth::Role, error::Kept};

#[test]
fn the_same_key_is_the_same_job_and_another_content_is_refused() {
    let mut world = World::new(&json!({}));
    let input = json!({"name": "once", "idempotency_key": "k1"});
    let first = world.ok("create_job", &input);
    world.advance(5_000);
    let second = world.ok("create_job", &input);
    assert_eq!((second["job_id"].as_str(), second["replayed"].as_bool()), (first["job_id"].as_str(), Some(true)));
    assert_eq!(second["state"], "RUNNING", "the job as it is now");
    assert_eq!(world.store.rows("job").len(), 1);
    let other = world.err("create_job", &json!({"name": "twice", "idempotency_key": "k1"}));
    assert_eq!(other.kind(), ErrorKind::IdempotencyKeyReused);
    world.advance(8 * 24 * 3_600_000);
    assert_ne!(world.ok("create_job", &input)["job_id"], first["job_id"], "a key is kept for 7 days");
}

#[test]
fn the_same_key_is_the_same_job_after_the_operator_has_edited_the_preset() {
    let with = |script: &str, code: &str| {
        let preset = json!({"code_path": code, "args": [script], "options": {"simulator_script": script}});
        json!({"targets": {"sim": {"runner": "simulator", "presets": {"nightly": preset, "daily": {}}}}})
    };
    let mut world = World::configured(&json!({}), &with("running", "a.py"));
    let input = json!({"target": "sim", "preset": "nightly", "idempotency_key": "k1"});
    let first = world.ok("create_job", &input);
    world.restart_with(&with("batch", "b.py"));
    let second = world.ok("create_job", &input);
    assert_eq!((second["job_id"].as_str(), second["replayed"].as_bool()), (first["job_id"].as_str(), Some(true)));
    let other = json!({"target": "sim", "preset": "daily", "name": "nightly", "idempotency_key": "k1"});
    assert_eq!(world.err("create_job", &other).kind(), ErrorKind::IdempotencyKeyReused);
}

#[test]
fn the_same_key_is_the_same_job_after_the_operator_has_removed_the_preset() {
    let with = |presets: Value| json!({"targets": {"sim": {"runner": "simulator", "presets": presets}}});
    let mut world = World::configured(&json!({}), &with(json!({"nightly": {"code_path": "a.py"}})));
    let input = |key: &str| json!({"target": "sim", "preset": "nightly", "idempotency_key": key});
    let first = world.ok("create_job", &input("k1"));
    world.restart_with(&with(json!({})));
    let second = world.ok("create_job", &input("k1"));
    assert_eq!((second["job_id"].as_str(), second["replayed"].as_bool()), (first["job_id"].as_str(), Some(true)));
    assert_eq!(world.err("create_job", &input("k2")).reason(), "unknown_preset");
    assert_eq!(world.store.rows("job").len(), 1);
}

#[test]
fn the_same_key_is_refused_as_the_first_call_was() {
    let mut world = World::new(&json!({}));
    let input = json!({"name": "refused", "idempotency_key": "k1"});
    world.ok("create_job", &input);
    let refusal = Error::invalid("bad_entry_class", "the jar has no such class");
    let mut row = world.store.rows("job")[0].clone();
    (row["state"], row["refusal"]) = (json!("FAILED"), json!(Kept::from(&refusal)));
    world.put_job(&row);
    let again = world.err("create_job", &input);
    assert_eq!((again.kind(), again.reason()), (refusal.kind(), refusal.reason()));
    assert_eq!(again.context()["job_id"], row["id"]);
}

#[test]
fn the_same_key_is_the_same_operation() {
    let mut world = World::new(&json!({}));
    let id = world.ok("create_job", &json!({"name": "j"}))["job_id"].clone();
    let input = json!({"job_id": id, "idempotency_key": "sp"});
    let first = world.ok("create_savepoint", &input);
    let second = world.ok("create_savepoint", &input);
    assert_eq!(second["operation"]["id"], first["operation"]["id"]);
    assert_eq!(
        (second["savepoint_path"].as_str(), second["replayed"].as_bool()),
        (first["savepoint_path"].as_str(), Some(true))
    );
    assert_eq!(world.store.rows("operation").len(), 1);
}

#[test]
fn a_plan_sends_nothing_and_binds_what_is_confirmed() {
    let mut world = World::new(&json!({"options": {"parallelism": 2}}));
    let mut input = json!({"name": "p", "options": {"simulator_script": "running"}, "dry_run": true});
    let answer = world.ok("create_job", &input);
    let plan = &answer["plan"];
    assert_eq!((plan["calls"][0]["call"].as_str(), answer.get("job_id")), (Some("simulate"), None), "{answer}");
    let from = |name: &str| {
        let options = plan["options"].as_array().unwrap();
        options.iter().find(|option| option["name"] == name).unwrap()["from"].clone()
    };
    assert_eq!((from("parallelism"), from("simulator_script")), (json!("target"), json!("caller")));
    assert_eq!(world.store.commits, 0);

    input["dry_run"] = false.into();
    input["plan_digest"] = plan["digest"].clone();
    input["parallelism"] = 3.into();
    assert_eq!(world.err("create_job", &input).reason(), "plan_changed");
    input.as_object_mut().unwrap().remove("parallelism");
    let id = world.ok("create_job", &input)["job_id"].clone();

    world.advance(3_000);
    let plan = world.ok("cancel_job", &json!({"job_id": id, "mode": "stop", "dry_run": true}));
    let digest = plan["plan"]["digest"].clone();
    assert_eq!(world.ok("get_job", &json!({"job_id": id}))["state"], "RUNNING");
    let other = json!({"job_id": id, "mode": "cancel", "plan_digest": digest});
    assert_eq!(world.err("cancel_job", &other).reason(), "plan_changed");
    let same = json!({"job_id": id, "mode": "stop", "plan_digest": digest});
    assert_eq!(world.ok("cancel_job", &same)["state"], "CANCELED");
}

#[test]
fn bad_input_is_refused_before_anything_is_stored() {
    let mut world = World::new(&json!({}));
    for (input, reason) in [
        (json!({"options": {"simulator_script": "runing"}}), "unknown_script"),
        (json!({"options": {"simulator_sript": "running"}}), "unknown_simulator_option"),
        (json!({"target": "nowhere"}), "unknown_target"),
        (json!({"options": {"setup_file": "x"}}), "operator_only_option"),
        (json!({"savepoint_path": "/etc/passwd"}), "bad_savepoint_path"),
        (json!({"job_type": "SOMETIMES"}), "bad_job_type"),
    ] {
        assert_eq!(world.err("create_job", &input).reason(), reason, "{input}");
    }
    let error = world.err("create_job", &json!({"nme": "x"}));
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(world.store.commits, 0);
    world.role = Role::Viewer;
    let error = world.err("create_job", &json!({"name": "x"}));
    assert_eq!((error.kind(), error.reason()), (ErrorKind::PermissionDenied, "missing_scope"));
}

fn lost(identity: &str) -> (World, Value) {
    let mut world = World::new(&json!({"identity": identity, "script": "lost_answer"}));
    let made = world.ok("create_job", &json!({"name": "Lost Answer"}));
    (world, made)
}

#[test]
fn what_the_runner_remembers_counts_from_the_first_send_that_may_have_arrived() {
    let mut world = World::new(&json!({"identity": "chosen", "script": "rate_limited"}));
    let made = world.ok("create_job", &json!({"name": "j"}));
    let number = |row: &Value, member: &str| row[member].as_u64().unwrap();
    let mut row = world.store.rows("job").remove(0);
    assert_eq!(number(&row, "attempts"), 2, "the first was refused: {made}");
    assert!(number(&row, "memory_ms") > number(&row, "intended_ms"), "{row}");
    assert_eq!(row["memory_ms"], row["sent_ms"]);
    let first = row["memory_ms"].clone();
    (row["phase"], row["state"], row["ambiguous"]) = (json!("intent"), json!("SUBMITTING"), json!(true));
    world.put_job(&row);
    world.ticks(60);
    let row = world.store.rows("job").remove(0);
    assert_eq!((number(&row, "attempts"), &row["memory_ms"]), (3, &first), "{row}");
    assert!(row["sent_ms"].as_u64() > first.as_u64(), "{row}");
}

#[test]
fn a_submission_without_an_answer_is_looked_for_and_found() {
    for identity in ["chosen", "named", "marker"] {
        let (world, made) = lost(identity);
        let row = &world.store.rows("job")[0];
        assert!(matches!(made["state"].as_str(), Some("PENDING" | "RUNNING")), "{identity}: {made}");
        assert_eq!((row["attempts"].as_u64(), row["ambiguous"].as_bool()), (Some(1), Some(true)), "{identity}");
        let token = made["job_id"].as_str().unwrap().strip_prefix("sim:").unwrap();
        let native = made["native_id"].as_str().unwrap();
        let known_by_token = native.contains(token);
        assert_eq!(known_by_token, identity != "marker", "{identity}: {native}");
    }
}

#[test]
fn where_nothing_can_be_found_again_nothing_is_sent_again() {
    let (mut world, made) = lost("none");
    assert_eq!(made["state"], "SUBMIT_UNKNOWN", "{made}");
    world.ticks(1_000);
    let row = &world.store.rows("job")[0];
    assert_eq!((row["state"].as_str(), row["attempts"].as_u64()), (Some("PARKED"), Some(1)), "{row}");
    assert!(!row["diagnostics"].as_str().unwrap().is_empty());
    let id = made["job_id"].clone();
    let unknown = world.err("cancel_job", &json!({"job_id": id, "mode": "cancel", "wait_seconds": 60}));
    assert_eq!(unknown.reason(), "operation_unknown", "silence of a runner that cannot be asked confirms nothing");
    assert_eq!(world.store.rows("job")[0]["state"], "PARKED");
}

#[test]
fn cancels_of_one_job_are_one_cancel_and_outlast_an_unexplained_submission() {
    let (mut world, made) = lost("none");
    let cancel = json!({"job_id": made["job_id"], "mode": "cancel", "wait_seconds": 1});
    let first = world.ok("cancel_job", &cancel);
    assert_eq!(first["pending"], true, "{first}");
    for _ in 0..5 {
        let next = world.ok("cancel_job", &cancel);
        assert_eq!(next["operation"]["id"], first["operation"]["id"], "{next}");
    }
    assert_eq!(world.store.rows("operation").len(), 1);
    world.restart();
    for _ in 0..80 {
        world.advance(10_000);
        world.tick();
    }
    let settles = world.store.rows("operation")[0]["state"].clone();
    assert_eq!(settles, "REQUESTED", "the settle time began anew with the process: {} s", 800);
    for _ in 0..12 {
        world.advance(10_000);
        world.tick();
    }
    assert_eq!(world.store.rows("operation")[0]["state"], "UNKNOWN", "silence confirms nothing here");
    assert_eq!(world.store.rows("job")[0]["state"], "PARKED");
}

#[test]
fn where_a_job_can_be_asked_for_a_settled_cancel_is_done_and_late_arrivals_are_not_wanted() {
    let mut world = World::new(&json!({"identity": "marker", "script": "outage"}));
    world.ok("create_job", &json!({"name": "j", "options": {"simulator_script": "running"}}));
    let mut row = world.store.rows("job").remove(0);
    for (member, value) in [("phase", json!("unknown")), ("state", json!("SUBMIT_UNKNOWN")), ("ambiguous", json!(true))]
    {
        row[member] = value;
    }
    (row["native_id"], row["attempts"], row["submission"]["settings"]["script"]) =
        (Value::Null, json!(1), json!("rate_limited"));
    world.put_job(&row);
    let id = row["id"].clone();
    let token = id.as_str().unwrap().replace(':', "/");
    world.store.records.retain(|key, _| key.kind != "owner" || key.id == token);
    world.ok("cancel_job", &json!({"job_id": id, "mode": "cancel", "wait_seconds": 1}));
    for _ in 0..100 {
        world.advance(10_000);
        world.tick();
    }
    let row = world.store.rows("job").remove(0);
    assert_eq!((row["state"].as_str(), row["ended_by"].as_str()), (Some("CANCELED"), Some("cancel")), "{row}");
    assert_eq!(row["unconfirmed"], true);
}
