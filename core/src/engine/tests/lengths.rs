//! How long the answers of tools are: `wait_for_change` tells differences only, and every tool that reads has a bound.

use serde_json::{Map, Value, json};

use super::{
    surface::{call, listed, running},
    world::World,
};
use crate::mcp_client::schema::fault;

/// What an answer says of itself, or of its moment.
const OF_THE_ANSWER: [&str; 7] = ["changed", "cursor", "duration", "gone", "next", "observed_at", "untrusted"];

fn waited(world: &mut World, arguments: &Value) -> Value {
    let result = call(world, "wait_for_change", arguments, &json!({}));
    assert_eq!(result["isError"], false, "{result}");
    let answer = result["structuredContent"].clone();
    let tool = listed(world).into_iter().find(|tool| tool["name"] == "wait_for_change").unwrap();
    assert_eq!(fault(&tool["outputSchema"], &answer), None, "{answer}");
    answer
}

/// What a client knows that puts each answer over the one before.
fn with(mut known: Map<String, Value>, told: &Value) -> Map<String, Value> {
    known.remove("stale_since");
    for name in told["gone"].as_array().into_iter().flatten() {
        known.remove(name.as_str().unwrap());
    }
    known.extend(told.as_object().unwrap().clone());
    known.retain(|name, _| !OF_THE_ANSWER.contains(&name.as_str()));
    known
}

fn whole(world: &mut World, job: &str) -> Map<String, Value> {
    with(Map::new(), &world.ok("get_job", &json!({"job_id": job})))
}

/// The next answer of a wait, which is differences; and what is known with it, which must be the whole job.
fn next(world: &mut World, job: &str, known: &mut Map<String, Value>, cursor: &mut Value) -> Value {
    let told = waited(world, &json!({"job_id": job, "cursor": cursor}));
    assert_eq!((told["changed"].as_bool(), told.get("name")), (Some(true), None), "{told}");
    *known = with(std::mem::take(known), &told);
    *cursor = told["cursor"].clone();
    assert_eq!(*known, whole(world, job));
    told
}

#[test]
fn a_wait_tells_what_changed_since_its_cursor() {
    let mut world = World::new(&json!({"script": "batch"}));
    let job = world.ok("create_job", &json!({"name": "s"}))["job_id"].as_str().unwrap().to_owned();
    let first = waited(&mut world, &json!({"job_id": job}));
    assert_eq!((&first["name"], &first["state"]), (&json!("s"), &json!("PENDING")), "the first answer is whole");
    let (mut known, mut cursor) = (with(Map::new(), &first), first["cursor"].clone());
    let started = next(&mut world, &job, &mut known, &mut cursor);
    assert_eq!((&started["state"], started["start_time"].is_string()), (&json!("RUNNING"), true), "{started}");
    let missed = waited(&mut world, &json!({"job_id": job, "cursor": first["cursor"]}));
    assert_eq!(missed["name"], "s", "who has not seen the last change reads the whole job: {missed}");
    let ended = next(&mut world, &job, &mut known, &mut cursor);
    assert_eq!((&ended["state"], ended.get("start_time")), (&json!("FINISHED"), None), "{ended}");
}

#[test]
fn a_wait_without_news_tells_which_job_it_is_and_how_it_stands() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let cursor = waited(&mut world, &json!({"job_id": job}))["cursor"].clone();
    let quiet = waited(&mut world, &json!({"job_id": job, "cursor": cursor, "timeout_seconds": 5}));
    let members: Vec<&String> = quiet.as_object().unwrap().keys().collect();
    let wanted = "changed cursor duration job_id needs_attention next observed_at state terminal";
    assert_eq!(members, wanted.split(' ').collect::<Vec<_>>(), "{quiet}");
    let all = waited(&mut world, &json!({"job_id": job, "cursor": cursor, "timeout_seconds": 0, "whole": true}));
    assert_eq!((&all["name"], &all["changed"]), (&json!("s"), &json!(false)), "{all}");
}

#[test]
fn every_tool_that_reads_has_a_bound() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    for _ in 0..30 {
        world.ok("create_job", &json!({"name": "a job of some name"}));
    }
    let scaled = world.ok("scale_job", &json!({"job_id": job, "parallelism": 3, "wait_seconds": 60}));
    for tool in listed(&mut world) {
        let reads = tool["annotations"]["readOnlyHint"] == true;
        assert_eq!(tool["inputSchema"]["properties"].get("max_tokens").is_some(), reads, "{tool}");
        if !reads {
            continue;
        }
        let name = tool["name"].as_str().unwrap();
        let arguments = match name {
            "list_jobs" => json!({"max_tokens": 500}),
            "list_runners" => json!({"max_tokens": 200}),
            "get_operation" => json!({"operation_id": scaled["operation"]["operation_id"], "max_tokens": 400}),
            "get_graph" => json!({"job_id": job, "svg": true, "max_tokens": 300}),
            _ => json!({"job_id": job, "max_tokens": 400}),
        };
        let answer = call(&mut world, name, &arguments, &json!({}));
        let bytes = answer["structuredContent"].to_string().len();
        let most = 4 * usize::try_from(arguments["max_tokens"].as_u64().unwrap()).unwrap();
        assert!(answer["isError"] == false && bytes < most + 400, "{name}: {bytes} of {most}: {answer}");
        for (id, known) in [("job_id", &json!(job)), ("operation_id", &arguments["operation_id"])] {
            assert!(answer["structuredContent"].get(id).is_none_or(|told| told == known), "{answer}");
        }
        let bad = call(&mut world, name, &json!({"max_tokens": 1}), &json!({}));
        assert!(bad["content"][0]["text"].as_str().unwrap().contains("max_tokens"), "{bad}");
    }
}
