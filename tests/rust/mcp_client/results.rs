use serde_json::{Value, json};

use super::script::{Called, answer, call, check, discovered, event, options, requests, result, said, stream};

fn tools(id: u64, output: &Value) -> Vec<Value> {
    let tools = json!([{"name": "a", "inputSchema": {"type": "object"}, "outputSchema": output}]);
    answer(200, &result(id, &json!({"tools": tools})))
}

fn gives(id: u64, content: &Value) -> Called {
    call("call_tool", json!({"name": "a"}), [answer(200, &result(id, content))])
}

#[test]
fn a_result_is_held_against_its_schema() {
    let output = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let ends = check(
        "output_schema",
        "What a listed tool answers must be what its outputSchema says; an error may be anything.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            gives(2, &json!({"content": [], "structuredContent": {"n": "not listed yet"}})),
            call("list_tools", json!({}), [tools(3, &output)]),
            gives(4, &json!({"content": [], "structuredContent": {"n": 7}})),
            gives(5, &json!({"content": [], "structuredContent": {"n": "7"}})),
            gives(6, &json!({"content": []})),
            gives(7, &json!({"content": [], "isError": true})),
        ],
    );
    let reasons: Vec<&Value> = ends.iter().map(|end| &end["details"]["reason"]).collect();
    let wrong = json!("output_schema");
    assert_eq!(reasons[1..], [&Value::Null, &Value::Null, &Value::Null, &wrong, &wrong, &Value::Null]);
    assert_eq!(ends[4]["details"]["structured_content"], "/n: is string, not integer");
}

#[test]
fn a_tool_that_changed_is_not_held_against_what_it_was() {
    let output = json!({"type": "object", "required": ["n"]});
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let other = json!({"content": [], "structuredContent": {"m": 1}});
    let ends = check(
        "output_schema_changed",
        "news of a change, and another server: the schemas of before are those of other tools.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_tools", json!({}), [tools(2, &output)]),
            gives(3, &other),
            call("call_tool", json!({"name": "a"}), [stream(&[&event(&changed), &event(&result(4, &other))])]),
            gives(5, &other),
            call("list_tools", json!({}), [tools(6, &output)]),
            call("list_prompts", json!({}), [answer(400, &super::script::error(7, -32600, &json!(null)))]),
            call("connect", json!({}), [answer(200, &result(8, &json!({"supportedVersions": ["2026-07-28"]})))]),
            gives(9, &other),
        ],
    );
    assert_eq!(ends[2]["details"]["reason"], "output_schema");
    assert!([3, 4, 8].into_iter().all(|call: usize| ends[call]["structuredContent"]["m"] == 1), "{ends:#?}");
}

#[test]
fn what_cannot_be_judged_is_said_and_not_held_against_anybody() {
    let ends = check(
        "output_schema_unchecked",
        "A dialect that is not known, a schema elsewhere: its tool is used, and its results come as they are.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_tools", json!({}), [tools(2, &json!({"$ref": "https://far.example/schema.json"}))]),
            gives(3, &json!({"content": [], "structuredContent": 7})),
        ],
    );
    assert_eq!(ends[1]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(ends[1]["unchecked"][0]["name"], "a");
    assert_eq!(ends[2]["structuredContent"], 7);
}

fn prompts(id: u64, name: &str, more: &Value) -> Vec<Value> {
    let mut page = json!({"prompts": [{"name": name}]});
    page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(200, &result(id, &page))
}

fn list(replies: Vec<Value>) -> Called {
    call("list_prompts", json!({}), [replies])
}

#[test]
fn what_holds_for_a_while_is_not_asked_for_again() {
    let hour = json!({"ttlMs": 3_600_000, "cacheScope": "public"});
    let name = "cached";
    let ends = check(
        name,
        "A fresh result is given again until its time is over; `fresh` asks anyway; without a time nothing is kept.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            list(prompts(2, "one", &hour)),
            list(vec![]).at(3_599_000),
            call("list_prompts", json!({"fresh": true}), [prompts(3, "two", &hour)]).at(3_599_000),
            list(vec![]).at(3_601_000),
            list(prompts(4, "three", &json!({"ttlMs": 0}))).at(7_200_000),
            list(prompts(5, "four", &json!({"ttlMs": -1}))).at(7_200_000),
        ],
    );
    let names: Vec<&Value> = ends[1..].iter().map(|end| &end["prompts"][0]["name"]).collect();
    assert_eq!(names, ["one", "one", "two", "two", "three", "four"]);
    assert_eq!(requests(name, 2), [] as [Value; 0]);
}

#[test]
fn news_make_a_result_stale() {
    let hour = json!({"ttlMs": 3_600_000});
    let told = |method: &str, params: Value| event(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    let read = |id, text: &str, uri: &str| {
        let contents = json!({"contents": [{"uri": uri, "text": text}], "ttlMs": 3_600_000});
        answer(200, &result(id, &contents))
    };
    let calls = |id, events: &[String]| {
        let last = event(&result(id, &said("x")));
        let pieces: Vec<&str> = events.iter().map(String::as_str).chain([last.as_str()]).collect();
        call("call_tool", json!({"name": "a"}), [stream(&pieces)])
    };
    let resource = |uri: &str, replies: Vec<Value>| call("read_resource", json!({"uri": uri}), [replies]);
    let ends = check(
        "cached_until_told",
        "A list that changed and a resource that was updated are asked for again, others are not.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            list(prompts(2, "one", &hour)),
            resource("a:1", read(3, "1", "a:1")),
            resource("a:2", read(4, "2", "a:2")),
            calls(5, &[told("notifications/tools/list_changed", json!({}))]),
            list(vec![]),
            calls(
                6,
                &[
                    told("notifications/prompts/list_changed", json!({})),
                    told("notifications/resources/updated", json!({"uri": "a:1"})),
                ],
            ),
            list(prompts(7, "two", &hour)),
            resource("a:1", read(8, "new", "a:1")),
            resource("a:2", vec![]),
        ],
    );
    assert_eq!(ends[7]["prompts"][0]["name"], "two");
    assert_eq!(ends[8]["contents"][0]["text"], "new");
    assert_eq!(ends[9]["contents"][0]["text"], "2");
}

#[test]
fn what_took_an_answer_is_not_kept() {
    let asks = json!({"resultType": "input_required", "requestState": "s"});
    let contents = json!({"contents": [{"uri": "a:1", "text": "x"}], "ttlMs": 3_600_000});
    let read = |first, second| {
        call(
            "read_resource",
            json!({"uri": "a:1"}),
            [answer(200, &result(first, &asks)), answer(200, &result(second, &contents))],
        )
    };
    check(
        "cached_not_after_answers",
        "The result of a request that was asked something is that of its answers.",
        options(json!({})),
        vec![call("connect", json!({}), [discovered()]), read(2, 3), read(4, 5)],
    );
}

#[test]
fn a_cursor_that_is_stale_begins_the_list_again_once() {
    let name = "cursor_stale";
    let first = |id| prompts(id, "one", &json!({"nextCursor": "c", "ttlMs": 3_600_000}));
    let stale = |id| answer(200, &super::script::error(id, -32602, &json!(null)));
    let ends = check(
        name,
        "A first page that was kept names a cursor that is no more: the list is read from its begin, once.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            list([first(2), prompts(3, "two", &json!({}))].concat()),
            list([stale(4), first(5), prompts(6, "three", &json!({}))].concat()),
            list([stale(7), first(8), stale(9)].concat()),
        ],
    );
    assert_eq!(ends[2]["prompts"], json!([{"name": "one"}, {"name": "three"}]));
    assert_eq!(ends[3]["code"], "invalid_argument");
    assert!(requests(name, 2)[1]["body"]["json"]["params"].get("cursor").is_none());
}
