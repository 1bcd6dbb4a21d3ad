use serde_json::{Value, json};

use super::script::{answer, call, check, discovered, error, options, requests, result, said};

fn listed(id: u64, tools: &Value) -> Vec<Value> {
    answer(200, &result(id, &json!({"tools": tools})))
}

fn marked(mark: &str) -> Value {
    json!({"type": "object", "properties": {"where": {"type": "object", "properties": {
        "zone": {"type": "string", "x-mcp-header": mark}}}}})
}

#[test]
fn headers_that_were_missing_are_learned() {
    let name = "headers_are_learned";
    let tools = json!([{"name": "a", "inputSchema": marked("Zone")}]);
    check(
        name,
        "-32020: the tools are listed and the call repeated with the marked argument, nested ones too.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "call_tool",
                json!({"name": "a", "arguments": {"where": {"zone": "süd"}}}),
                [answer(400, &error(2, -32020, &json!(null))), listed(3, &tools), answer(200, &result(4, &said("x")))],
            ),
        ],
    );
    let sent = requests(name, 1);
    assert_eq!(sent[2]["headers"][4], json!(["mcp-param-zone", "=?base64?c8O8ZA==?="]));
}

#[test]
fn a_tool_with_wrong_marks_is_kept_out_and_the_others_stay() {
    let tools =
        json!([{"name": "bad", "inputSchema": marked("Not a token")}, {"name": "good", "inputSchema": marked("Zone")}]);
    let ends = check(
        "unusable_tools",
        "A tool whose x-mcp-header is wrong is not shown and not called.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_tools", json!({}), [listed(2, &tools)]),
            call("call_tool", json!({"name": "bad", "arguments": {}}), []),
        ],
    );
    assert_eq!(ends[1]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(ends[1]["unusable"][0]["name"], "bad");
    assert_eq!(ends[2]["details"]["reason"], "unusable_tool");
}

#[test]
fn schemas_come_through_as_they_are_and_nothing_is_fetched() {
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "$defs": {"a": {"$anchor": "x", "type": "string"}}, "properties": {"p": {"$ref": "http://far.example/schema.json"}},
        "allOf": [{"if": {}, "then": {"minProperties": 1.0}}], "additionalProperties": false});
    let ends = check(
        "schemas_come_through",
        "Every keyword of a schema is handed on; a remote $ref is never fetched.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_tools", json!({}), [listed(2, &json!([{"name": "a", "inputSchema": schema}]))]),
        ],
    );
    assert_eq!(ends[1]["tools"][0]["inputSchema"], schema);
}

#[test]
fn all_pages_of_a_list_are_read() {
    let page = |id, name: &str, next: Value| {
        answer(200, &result(id, &json!({"prompts": [{"name": name}], "nextCursor": next})))
    };
    let name = "pages";
    let ends = check(
        name,
        "An empty cursor is a cursor; null and none are the end; the same one again is no list.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "list_prompts",
                json!({}),
                [page(2, "a", json!("")), page(3, "b", json!("c")), page(4, "c", json!(null))],
            ),
            call("list_prompts", json!({}), [page(5, "a", json!("x")), page(6, "b", json!("x"))]),
        ],
    );
    assert_eq!(ends[1]["prompts"].as_array().unwrap().len(), 3);
    assert_eq!(requests(name, 1)[1]["body"]["json"]["params"]["cursor"], "");
    assert_eq!(ends[2]["code"], "malformed_response");
}

#[test]
fn odd_answers_are_read_or_refused() {
    let asks = |reply: Vec<Value>| call("call_tool", json!({"name": "a"}), [reply]);
    let float_id = json!({"jsonrpc": "2.0", "id": 2.0, "result": {"content": [], "structuredContent": null}});
    let both = json!({"jsonrpc": "2.0", "id": 3, "result": {}, "error": {"code": 1, "message": "x"}});
    let ends = check(
        "odd_answers",
        "What other SDKs stumbled over.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            asks(answer(200, &float_id)),
            asks(answer(200, &both)),
            asks(answer(200, &result(4, &json!({"resultType": "surprise"})))),
            asks(answer(200, &json!({"jsonrpc": "2.0", "id": 99, "result": {}}))),
            asks(answer(200, &error(6, -32602, &json!({"uri": "x"})))),
            asks(answer(200, &result(7, &json!({"resultType": "task", "taskId": "t", "status": "working"})))),
        ],
    );
    assert_eq!(ends[1]["structuredContent"], Value::Null);
    let codes: Vec<&str> = ends[2..].iter().filter_map(|end| end["code"].as_str()).collect();
    let malformed = "malformed_response";
    assert_eq!(codes, [malformed, malformed, malformed, "invalid_argument", malformed]);
}
