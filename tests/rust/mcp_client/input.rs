use serde_json::{Value, json};

use super::script::{
    accepted, answer, call, check, discovered, effects, event, greeted, options, requests, result, said, stream,
};

fn asking(more: &Value) -> Value {
    let mut wanted = json!({"resultType": "input_required", "inputRequests": {"k": {"method": "elicitation/create",
        "params": {"message": "sure?", "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean", "default": true}}}}}}});
    wanted.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    wanted
}

fn able() -> Value {
    options(json!({"capabilities": {"elicitation": {}}, "max_rounds": 2}))
}

fn accepts() -> Vec<Value> {
    vec![json!({"reply": "answer", "value": {"action": "accept"}})]
}

#[test]
fn a_question_is_answered_and_the_request_repeated() {
    let name = "input_required";
    let state = "{\"a\": 1 }\u{e9}";
    check(
        name,
        "Rounds of input: a new id, the state to the byte, the answers under the same keys, defaults filled in.",
        able(),
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "call_tool",
                json!({"name": "a", "arguments": {"x": 1}}),
                [
                    answer(200, &result(2, &asking(&json!({"requestState": state})))),
                    accepts(),
                    answer(200, &result(3, &asking(&json!({})))),
                    accepts(),
                    answer(200, &result(4, &said("x"))),
                ],
            ),
        ],
    );
    let sent = requests(name, 1);
    let params = |index: usize| &sent[index]["body"]["json"]["params"];
    assert_eq!(params(1)["requestState"], state);
    assert_eq!(params(1)["inputResponses"], json!({"k": {"action": "accept", "content": {"sure": true}}}));
    assert_eq!(params(2).get("requestState"), None);
    assert_eq!(params(2)["arguments"], json!({"x": 1}));
}

#[test]
fn a_state_without_a_question_is_brought_back_at_once() {
    check(
        "state_alone",
        "A result with a state alone is asked for again.",
        able(),
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "get_prompt",
                json!({"name": "a"}),
                [
                    answer(200, &result(2, &json!({"resultType": "input_required", "requestState": "s"}))),
                    answer(200, &result(3, &json!({"messages": []}))),
                ],
            ),
        ],
    );
}

#[test]
fn what_nobody_declared_is_not_asked() {
    let url = json!({"inputRequests": {"k": {"method": "elicitation/create", "params": {"mode": "url", "url": "https://a"}}}});
    let roots = json!({"inputRequests": {"k": {"method": "roots/list"}}});
    let nothing = json!({"resultType": "input_required"});
    let ends = check(
        "not_declared",
        "Questions of a kind that was not declared, and none at all, are no answers.",
        able(),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a"}), [answer(200, &result(2, &asking(&url)))]),
            call("call_tool", json!({"name": "a"}), [answer(200, &result(3, &asking(&roots)))]),
            call("call_tool", json!({"name": "a"}), [answer(200, &result(4, &nothing))]),
            call("list_prompts", json!({}), [answer(200, &result(5, &asking(&json!({}))))]),
        ],
    );
    assert!(ends[1..].iter().all(|end| end["code"] == "malformed_response"), "{ends:?}");
}

#[test]
fn a_server_that_asks_for_ever_is_left() {
    let round = |id| [answer(200, &result(id, &asking(&json!({})))), accepts()].concat();
    let ends = check(
        "asks_for_ever",
        "Rounds have a bound.",
        able(),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a"}), [round(2), round(3), round(4)]),
        ],
    );
    assert_eq!(ends[1]["details"]["reason"], "asks_for_ever");
}

#[test]
fn an_older_server_asks_on_the_stream() {
    let name = "asked_on_a_stream";
    let ask = json!({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}});
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    let other = json!({"jsonrpc": "2.0", "id": 8, "method": "sampling/createMessage", "params": {}});
    let era = options(json!({"era": {"legacy": "2025-11-25"}, "capabilities": {"elicitation": {}}}));
    check(
        name,
        "Requests of a server are answered while its stream stays open; what was not declared is refused.",
        era,
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    stream(&[&event(&ask)]),
                    accepts(),
                    accepted(),
                    vec![super::script::piece(&(event(&ping) + &event(&other) + &event(&result(2, &said("x")))))],
                    accepted(),
                    accepted(),
                ],
            ),
        ],
    );
    let sent = requests(name, 1);
    assert_eq!(sent[1]["body"]["json"]["result"]["action"], "accept");
    assert_eq!(sent[1]["body"]["json"]["id"], "q");
    assert_eq!(sent[2]["body"]["json"]["result"], json!({}));
    assert_eq!(sent[3]["body"]["json"]["error"]["code"], -32601);
}

#[test]
fn a_task_is_followed_to_its_end() {
    let name = "task";
    let task = |status: &str, more: Value| {
        let mut task = json!({"taskId": "t", "status": status, "createdAt": "x", "lastUpdatedAt": "x", "ttlMs": null, "pollIntervalMs": 100});
        task.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        task
    };
    let question = json!({"inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}}});
    let able =
        options(json!({"capabilities": {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}}));
    let ends = check(
        name,
        "A task is polled at its pace; what it asks is answered once.",
        able,
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    answer(200, &result(2, &task("working", json!({"resultType": "task"})))),
                    answer(200, &result(3, &task("input_required", question.clone()))),
                    accepts(),
                    answer(200, &result(4, &json!({"resultType": "complete"}))),
                    answer(200, &result(5, &task("input_required", question))),
                    answer(200, &result(6, &task("completed", json!({"result": {"content": [], "isError": true}})))),
                ],
            ),
            call(
                "call_tool",
                json!({"name": "a", "wait": false}),
                [answer(200, &result(7, &task("working", json!({"resultType": "task"}))))],
            ),
            call(
                "get_task",
                json!({"taskId": "t"}),
                [answer(200, &result(8, &task("failed", json!({"error": {"code": -32603, "message": "x"}}))))],
            ),
        ],
    );
    assert_eq!(ends[1], json!({"content": [], "isError": true}));
    assert_eq!(ends[2]["taskId"], "t");
    let update = &requests(name, 1)[2];
    assert_eq!(update["headers"][3], json!(["mcp-name", "t"]));
    assert!(effects(name, 1).iter().any(|effect| effect["ms"] == 100));
}

#[test]
fn a_task_that_cannot_be_followed_is_named() {
    let task = json!({"resultType": "task", "taskId": "t", "status": "working", "pollIntervalMs": 100});
    let gone = || answer(404, &json!("a gateway's page"));
    let ends = check(
        "task_out_of_sight",
        "The work goes on although nobody can look at it now: the error says by which id it is found later.",
        options(json!({"capabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a"}), [answer(200, &result(2, &task)), gone()]),
        ],
    );
    assert_eq!((&ends[1]["code"], &ends[1]["details"]["task_id"]), (&json!("not_found"), &json!("t")));
}
