//! What ends or replaces a job over MCP: the person is asked where that is possible, and a no is final.

use serde_json::{Value, json};

use super::{
    surface::{ask, call, running, state_of},
    world::World,
};

/// What a client declares that can ask its user.
fn can_ask() -> Value {
    json!({"elicitation": {}})
}

fn yes() -> Value {
    json!({"action": "accept", "content": {"confirm": true}})
}

/// The next round of a call, with what the person said.
fn answer(world: &mut World, arguments: &Value, reply: &Value, state: &Value) -> Value {
    let params = json!({"name": "cancel_job", "arguments": arguments, "requestState": state,
        "inputResponses": {"confirm": reply}});
    ask(world, "", "tools/call", params, &can_ask())
}

#[test]
fn a_client_that_cannot_ask_gets_the_plan_and_applies_it_by_its_digest() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let cancel = json!({"job_id": job, "mode": "cancel"});
    let planned = call(&mut world, "cancel_job", &cancel, &json!({}));
    let digest = &planned["structuredContent"]["plan"]["digest"];
    assert!(digest.is_string() && planned.to_string().contains("plan_digest"), "{planned}");
    assert_eq!(state_of(&mut world, &job), "RUNNING");
    let wrong = json!({"job_id": job, "mode": "cancel", "plan_digest": "0"});
    assert_eq!(call(&mut world, "cancel_job", &wrong, &json!({}))["isError"], true);
    let right = json!({"job_id": job, "mode": "cancel", "plan_digest": digest});
    let ended = call(&mut world, "cancel_job", &right, &json!({}));
    assert_eq!(ended["isError"], false, "{ended}");
    assert_eq!(state_of(&mut world, &job), "CANCELED");
}

#[test]
fn a_person_confirms_for_this_call_alone() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let cancel = json!({"job_id": job, "mode": "cancel"});
    let asked = call(&mut world, "cancel_job", &cancel, &can_ask());
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(asked["inputRequests"]["confirm"]["method"], "elicitation/create");
    let state = asked["requestState"].clone();
    let unasked = answer(&mut world, &cancel, &yes(), &Value::Null);
    assert_eq!(unasked["result"]["resultType"], "input_required", "a yes without its question: {unasked}");
    let other = json!({"job_id": job, "mode": "drain"});
    let stolen = answer(&mut world, &other, &yes(), &state);
    assert_eq!(stolen["error"]["code"], -32602, "a state of another call: {stolen}");
    assert_eq!(state_of(&mut world, &job), "RUNNING");
    let ended = answer(&mut world, &cancel, &yes(), &state);
    assert_eq!(ended["result"]["isError"], false, "{ended}");
    assert_eq!(state_of(&mut world, &job), "CANCELED");
}

#[test]
fn a_no_is_final_whatever_follows() {
    for no in [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"confirm": false}}),
        json!({"action": "accept"}),
    ] {
        let mut world = World::new(&json!({}));
        let job = running(&mut world);
        let cancel = json!({"job_id": job, "mode": "cancel"});
        let state = call(&mut world, "cancel_job", &cancel, &can_ask())["requestState"].clone();
        let declined = answer(&mut world, &cancel, &no, &state);
        assert!(declined["result"]["isError"] == true && declined.to_string().contains("final"), "{declined}");
        world.restart();
        let changed_mind = answer(&mut world, &cancel, &yes(), &state);
        assert!(changed_mind.to_string().contains("reason: declined"), "{no}: {changed_mind}");
        let again = call(&mut world, "cancel_job", &cancel, &can_ask());
        assert_eq!(again["resultType"], "input_required", "the same call asks anew: {again}");
        assert_eq!(state_of(&mut world, &job), "RUNNING");
        let ended = answer(&mut world, &cancel, &yes(), &again["requestState"]);
        assert_eq!(ended["result"]["isError"], false, "another question, another answer: {ended}");
    }
}

#[test]
fn where_a_person_can_be_asked_a_digest_is_not_enough() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let trial = json!({"job_id": job, "mode": "cancel", "dry_run": true});
    let planned = call(&mut world, "cancel_job", &trial, &can_ask());
    let planned = &planned["structuredContent"];
    assert!(planned.get("next").is_none(), "handed over ready to send: {planned}");
    let wrong = json!({"job_id": job, "mode": "cancel", "plan_digest": "0"});
    let refused = call(&mut world, "cancel_job", &wrong, &can_ask());
    assert!(refused["isError"] == true && refused.to_string().contains("plan_changed"), "{refused}");
    let right = json!({"job_id": job, "mode": "cancel", "plan_digest": planned["plan"]["digest"]});
    for again in 0..2 {
        let asked = call(&mut world, "cancel_job", &right, &can_ask());
        assert_eq!(asked["resultType"], "input_required", "{again}: {asked}");
        assert_eq!(state_of(&mut world, &job), "RUNNING");
        answer(&mut world, &right, &json!({"action": "decline"}), &asked["requestState"]);
    }
    let asked = call(&mut world, "cancel_job", &right, &can_ask());
    answer(&mut world, &right, &yes(), &asked["requestState"]);
    assert_eq!(state_of(&mut world, &job), "CANCELED");
}

#[test]
fn every_call_that_ends_or_replaces_a_job_is_confirmed() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let draining = json!({"job_id": job, "drain": true});
    let replacing = json!({"target": "sim", "options": {"Update": "True"}});
    for (tool, input) in [("create_savepoint", &draining), ("create_job", &replacing)] {
        let asked = call(&mut world, tool, input, &can_ask());
        assert_eq!(asked["resultType"], "input_required", "{tool} {asked}");
        let planned = call(&mut world, tool, input, &json!({}))["structuredContent"].clone();
        assert!(planned["plan"].is_object() && planned.get("job_id").is_none(), "{tool} {planned}");
        assert_eq!(planned["next"][0]["arguments"]["plan_digest"], planned["plan"]["digest"], "{tool} {planned}");
    }
    assert_eq!(state_of(&mut world, &job), "RUNNING");
    for (tool, input) in [
        ("create_savepoint", json!({"job_id": job})),
        ("scale_job", json!({"job_id": job, "parallelism": 2})),
        ("update_job", json!({"job_id": job, "scaling": {"parallelism": 3}})),
        ("create_job", json!({"target": "sim", "options": {"update": false}})),
    ] {
        let done = call(&mut world, tool, &input, &can_ask());
        assert!(done["isError"] == false && done["structuredContent"]["job_id"].is_string(), "{tool} {done}");
    }
}

#[test]
fn one_yes_acts_once_however_often_it_is_sent() {
    let mut world = World::new(&json!({}));
    let replacing = json!({"target": "sim", "options": {"update": true}});
    let asked = call(&mut world, "create_job", &replacing, &can_ask());
    let params = json!({"name": "create_job", "arguments": replacing, "requestState": asked["requestState"],
        "inputResponses": {"confirm": yes()}});
    let [first, second] = [0, 1].map(|_| {
        let done = ask(&mut world, "", "tools/call", params.clone(), &can_ask())["result"].clone();
        assert_eq!(done["isError"], false, "{done}");
        done["structuredContent"]["job_id"].clone()
    });
    assert!(first.is_string() && first == second, "{first} {second}");
}
