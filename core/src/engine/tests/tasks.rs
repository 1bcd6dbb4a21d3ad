//! Calls that go on as tasks.

use serde_json::{Value, json};

use super::{
    surface::{ask, call, listed, running},
    world::World,
};

/// What a client declares that follows tasks.
fn tasks() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
}

fn of_task(world: &mut World, method: &str, id: &Value) -> Value {
    ask(world, "", method, json!({"taskId": id, "inputResponses": {"a": {}}}), &tasks())
}

fn get(world: &mut World, task: &Value) -> Value {
    of_task(world, "tasks/get", &task["taskId"])["result"].clone()
}

/// A call that goes on as a task.
fn begin(world: &mut World, tool: &str, arguments: &Value) -> Value {
    let begun = call(world, tool, arguments, &tasks());
    assert_eq!((begun["resultType"].as_str(), begun["status"].as_str()), (Some("task"), Some("working")), "{begun}");
    assert!(begun["statusMessage"].is_string() && begun.get("result").is_none(), "{begun}");
    begun
}

/// The result of a task that ended; the task itself moves no more.
fn end(world: &mut World, task: &Value) -> Value {
    let ended = get(world, task);
    assert_eq!(ended["status"], "completed", "{ended}");
    assert!(ended["statusMessage"].is_string(), "{ended}");
    world.advance(7_000);
    let again = get(world, task);
    assert_eq!(ended["lastUpdatedAt"], again["lastUpdatedAt"], "{ended}");
    assert_eq!(ended["result"]["resultType"], "complete");
    ended["result"].clone()
}

/// The same of one that went well: data that is what the tool promises, no more and no less, and the same as text.
fn well(world: &mut World, tool: &str, task: &Value) -> Value {
    let result = end(world, task);
    assert_eq!(result["isError"], false, "{tool}: {result}");
    let data = result["structuredContent"].clone();
    let schema = listed(world).into_iter().find(|one| one["name"] == tool).unwrap()["outputSchema"].take();
    assert_eq!(crate::mcp_client::fault(&schema, &data), None, "{tool}: {data}");
    for member in data.as_object().unwrap().keys() {
        assert!(schema["properties"].get(member).is_some(), "{tool}: {member}");
    }
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), data);
    assert!(data["next"][0]["tool"].is_string(), "{tool}: {data}");
    data
}

#[test]
fn a_savepoint_is_a_task_that_outlives_the_process() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let begun = call(&mut world, "create_savepoint", &json!({"job_id": job}), &tasks);
    assert_eq!((begun["resultType"].as_str(), begun["status"].as_str()), (Some("task"), Some("working")), "{begun}");
    world.restart();
    let get = |world: &mut World| ask(world, "", "tasks/get", json!({"taskId": begun["taskId"]}), &tasks);
    assert_eq!(get(&mut world)["result"]["status"], "working");
    world.advance(10_000);
    let ended = get(&mut world)["result"].clone();
    assert_eq!(ended["status"], "completed", "{ended}");
    assert!(ended["result"]["structuredContent"]["savepoint_path"].is_string(), "{ended}");
    let unknown = ask(&mut world, "", "tasks/get", json!({"taskId": format!("{job}/savepoint-0")}), &tasks);
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    let undeclared = ask(&mut world, "", "tasks/get", json!({"taskId": begun["taskId"]}), &json!({}));
    assert_eq!(undeclared["error"]["code"], -32021, "{undeclared}");
}

#[test]
fn each_lasting_call_is_a_task_with_the_result_of_its_tool() {
    let mut world = World::new(&json!({"identity": "none"}));
    let job = running(&mut world);
    for (tool, arguments) in [
        ("create_savepoint", json!({"job_id": job})),
        ("scale_job", json!({"job_id": job, "parallelism": 3})),
        ("update_job", json!({"job_id": job, "scaling": {"parallelism": 2}})),
    ] {
        let task = begin(&mut world, tool, &arguments);
        world.advance(10_000);
        let data = well(&mut world, tool, &task);
        assert_eq!((&data["job_id"], &data["operation"]["state"]), (&json!(job), &json!("SUCCEEDED")), "{data}");
        assert_eq!(data["next"], json!([{"tool": "get_job", "arguments": {"job_id": job}}]));
    }
    world.ok("cancel_job", &json!({"job_id": job, "mode": "stop", "wait_seconds": 60}));
    let lost = json!({"simulator_script": "lost_answer"});
    for (tool, arguments) in [
        ("restore_job", json!({"job_id": job, "pipeline_options": lost})),
        ("create_job", json!({"name": "Lost", "options": lost})),
    ] {
        let task = begin(&mut world, tool, &arguments);
        let replacing = json!({"taskId": format!("{}/replacement", task["taskId"].as_str().unwrap())});
        assert_eq!(get(&mut world, &replacing)["status"], "working");
        world.ticks(1_000);
        let data = well(&mut world, tool, &task);
        assert_eq!((&data["job_id"], &data["state"]), (&task["taskId"], &json!("PARKED")), "{data}");
        let replaced = well(&mut world, "update_job", &replacing);
        assert_eq!((&replaced["job"]["job_id"], &replaced["state"]), (&task["taskId"], &json!("PARKED")), "{replaced}");
    }
}

#[test]
fn what_a_person_confirmed_goes_on_as_a_task() {
    let mut world = World::new(&json!({}));
    let both = json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    for (tool, more) in [("cancel_job", json!({"mode": "stop"})), ("create_savepoint", json!({"drain": true}))] {
        let job = running(&mut world);
        let mut arguments = more.clone();
        arguments["job_id"] = job.clone().into();
        let asked = call(&mut world, tool, &arguments, &both);
        assert_eq!(asked["resultType"], "input_required", "the question comes before the task: {asked}");
        let params = json!({"name": tool, "arguments": arguments, "requestState": asked["requestState"],
            "inputResponses": {"confirm": {"action": "accept", "content": {"confirm": true}}}});
        let begun = ask(&mut world, "", "tools/call", params, &both)["result"].clone();
        assert_eq!(
            (begun["resultType"].as_str(), begun["status"].as_str()),
            (Some("task"), Some("working")),
            "{begun}"
        );
        world.advance(20_000);
        let ended = well(&mut world, tool, &begun);
        assert_eq!(ended["job"]["terminal"], true, "{ended}");
    }
}

#[test]
fn a_task_whose_work_failed_has_the_result_of_a_call_that_failed() {
    let mut world = World::new(&json!({"script": "failing_savepoint"}));
    let job = running(&mut world);
    let failing = begin(&mut world, "create_savepoint", &json!({"job_id": job}));
    world.advance(10_000);
    let text = |result: &Value| result["content"][0]["text"].as_str().unwrap().to_owned();
    let failed = end(&mut world, &failing);
    let waited = call(&mut world, "create_savepoint", &json!({"job_id": job, "wait_seconds": 30}), &json!({}));
    let without_id = |text: String| text.lines().filter(|line| !line.starts_with("operation_id")).collect::<String>();
    assert_eq!((failed["isError"].as_bool(), waited["isError"].as_bool()), (Some(true), Some(true)));
    assert_eq!(without_id(text(&failed)), without_id(text(&waited)));
    assert!(get(&mut world, &failing)["statusMessage"].as_str().unwrap().contains("failure of the savepoint"));

    let mut world = World::new(&json!({"identity": "none", "script": "lost_answer"}));
    let lost = world.ok("create_job", &json!({"name": "Lost"}))["job_id"].clone();
    let cancel = json!({"job_id": lost, "mode": "cancel"});
    let digest = call(&mut world, "cancel_job", &cancel, &tasks())["structuredContent"]["plan"]["digest"].clone();
    let unknown = begin(&mut world, "cancel_job", &json!({"job_id": lost, "mode": "cancel", "plan_digest": digest}));
    world.ticks(1_000);
    let failed = end(&mut world, &unknown);
    assert!(failed["isError"] == true && text(&failed).contains("reason: operation_unknown"), "{failed}");
}

#[test]
fn a_task_tells_when_it_moved_and_takes_no_answer_and_no_end() {
    let mut world = World::new(&json!({"script": "slow_savepoint"}));
    let job = running(&mut world);
    let task = begin(&mut world, "create_savepoint", &json!({"job_id": job}));
    world.advance(20_000);
    let first = get(&mut world, &task);
    for method in ["tasks/update", "tasks/cancel"] {
        world.advance(5_000);
        let said = of_task(&mut world, method, &task["taskId"])["result"].clone();
        assert_eq!((&said["resultType"], said.get("status")), (&json!("complete"), None), "{method}: {said}");
        let unknown = of_task(&mut world, method, &json!(format!("{job}/savepoint-0")));
        assert_eq!(unknown["error"]["code"], -32602, "{method}: {unknown}");
        let now = get(&mut world, &task);
        assert_eq!((&now["status"], &now["lastUpdatedAt"]), (&json!("working"), &first["lastUpdatedAt"]), "{method}");
    }
    world.advance(60_000);
    let ended = get(&mut world, &task);
    assert_eq!((&ended["status"], &ended["createdAt"]), (&json!("completed"), &first["createdAt"]));
    assert!(ended["lastUpdatedAt"].as_str() > first["lastUpdatedAt"].as_str(), "{ended}");
}

/// A job of a script, and the task that waits for its end.
fn wait_for_end(world: &mut World, job: &Value) -> (Value, Value) {
    let job = world.ok("create_job", job)["job_id"].clone();
    let task = begin(world, "wait_for_change", &json!({"job_id": job, "until_terminal": true}));
    assert_eq!(task["taskId"], format!("{}/end", job.as_str().unwrap()));
    (job, task)
}

#[test]
fn a_wait_for_the_end_of_a_job_is_a_task_that_says_where_the_job_is() {
    for (script, state, next) in [("batch", "FINISHED", "get_metrics"), ("failing", "FAILED", "get_logs")] {
        let mut world = World::new(&json!({"script": script}));
        let (job, task) = wait_for_end(&mut world, &json!({"name": "s"}));
        assert_eq!(task["statusMessage"], "the job is PENDING", "{task}");
        world.restart();
        world.advance(5_000);
        let running = get(&mut world, &task);
        assert_eq!((&running["status"], &running["statusMessage"]), (&json!("working"), &json!("the job is RUNNING")));
        assert_eq!(running.get("result"), None, "{running}");
        world.advance(30_000);
        let data = well(&mut world, "wait_for_change", &task);
        let ended = get(&mut world, &task);
        assert_eq!(ended["statusMessage"], format!("the job is {state}"), "{ended}");
        assert_eq!(ended["createdAt"], task["createdAt"]);
        assert!(ended["lastUpdatedAt"].as_str() > running["lastUpdatedAt"].as_str(), "{ended}");
        let wait = json!({"job_id": job, "until_terminal": true});
        let waited = call(&mut world, "wait_for_change", &wait, &json!({}))["structuredContent"].clone();
        assert_eq!((&data, data["changed"].as_bool()), (&waited, Some(true)));
        assert_eq!((&data["state"], &data["next"][0]["tool"]), (&json!(state), &json!(next)), "{data}");
        let over = call(&mut world, "wait_for_change", &wait, &tasks());
        assert_eq!((&over["resultType"], &over["structuredContent"]), (&json!("complete"), &waited), "it has ended");
    }
}

#[test]
fn a_wait_with_a_bound_and_one_for_any_change_are_answered() {
    let mut world = World::new(&json!({}));
    let job = running(&mut world);
    let wait = |more: Value| {
        let mut arguments = json!({"job_id": job});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    for more in [
        json!({"until_terminal": true, "timeout_seconds": 1}),
        json!({"until_terminal": true, "timeout_s": 1}),
        json!({"until_terminal": false}),
        json!({}),
    ] {
        let answer = call(&mut world, "wait_for_change", &wait(more.clone()), &tasks());
        assert_eq!((&answer["resultType"], answer["isError"].as_bool()), (&json!("complete"), Some(false)), "{more}");
    }
    for unbounded in ["timeout_seconds", "timeout_s"] {
        begin(&mut world, "wait_for_change", &wait(json!({"until_terminal": true, unbounded: null, "cursor": 1})));
    }
    let undeclared = call(&mut world, "wait_for_change", &wait(json!({"until_terminal": true})), &json!({}));
    assert_eq!(
        (&undeclared["resultType"], &undeclared["structuredContent"]["changed"]),
        (&json!("complete"), &json!(false))
    );
    let none = json!({"job_id": format!("sim:{}", "0".repeat(32)), "until_terminal": true});
    assert_eq!(call(&mut world, "wait_for_change", &none, &tasks())["isError"], true);
    for unknown in [format!("sim:{}/end", "0".repeat(32)), format!("{job}/end/end"), "x/end".into()] {
        let refused = of_task(&mut world, "tasks/get", &json!(unknown));
        assert_eq!(refused["error"]["code"], -32602, "{unknown}: {refused}");
    }
}

#[test]
fn a_wait_for_a_job_that_nobody_can_tell_of_goes_on_and_says_so() {
    let mut world = World::new(&json!({"identity": "none", "script": "lost_answer"}));
    let (job, task) = wait_for_end(&mut world, &json!({"name": "Lost"}));
    world.ticks(1_000);
    let parked = get(&mut world, &task);
    assert_eq!(parked["status"], "working", "{parked}");
    assert_eq!(parked["statusMessage"], "the job is PARKED: a person should look", "{parked}");
    world.ok("abandon_job", &json!({"job_id": job, "reason": "looked for by hand"}));
    let data = well(&mut world, "wait_for_change", &task);
    assert_eq!((&data["job_id"], &data["terminal"]), (&job, &json!(true)), "{data}");
}
