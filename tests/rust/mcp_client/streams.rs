use serde_json::{Value, json};

use super::script::{
    answer, call, check, discovered, effects, ended, event, fault, greeted, opened, options, piece, requests, result,
    said, stream,
};

fn legacy() -> Value {
    options(json!({"era": {"legacy": "2025-11-25"}}))
}

fn progress(token: u64) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 0.5}})
}

#[test]
fn news_of_a_request_are_told_before_its_answer() {
    let text = format!(": hello\r\n\r\n{}{}", event(&progress(2)).replace('\n', "\r\n"), event(&result(2, &said("ü"))));
    let (one, two) = text.split_at(text.find("progressToken").unwrap());
    let name = "stream_in_pieces";
    let ends = check(
        name,
        "Events are read as they come, however they are cut.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a", "progress": true}), [stream(&[one, two])]),
        ],
    );
    assert_eq!(ends[1]["content"][0]["text"], "ü");
    let tell = effects(name, 1).into_iter().find(|effect| effect["effect"] == "tell").unwrap();
    assert_eq!(tell["method"], "notifications/progress");
    assert_eq!(requests(name, 1)[0]["body"]["json"]["params"]["_meta"]["progressToken"], 2);
}

#[test]
fn a_broken_stream_loses_the_request_and_reads_are_sent_again() {
    let name = "broken_streams";
    let broken = || [stream(&[": x\n\n"]), vec![fault("reset")]].concat();
    let ends = check(
        name,
        "A read is sent again under a new id; a call of a tool is not, unless the caller says that it may.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_prompts", json!({}), [broken(), answer(200, &result(3, &json!({"prompts": []})))]),
            call("call_tool", json!({"name": "a"}), [broken()]),
            call(
                "call_tool",
                json!({"name": "a", "repeatable": true}),
                [[stream(&[]), vec![ended()]].concat(), answer(200, &result(6, &said("x")))],
            ),
        ],
    );
    assert_eq!(requests(name, 1)[1]["body"]["json"]["id"], 3);
    assert_eq!(ends[2]["details"]["reason"], "stream_lost");
    assert_eq!(ends[3]["content"][0]["text"], "x");
}

#[test]
fn a_stream_of_a_session_is_taken_up_after_its_last_event() {
    let name = "stream_taken_up";
    check(
        name,
        "retry is waited for, then GET with Last-Event-ID.",
        legacy(),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    [stream(&["id: e-1\nretry: 500\ndata:\n\n"]), vec![ended()]].concat(),
                    stream(&[&event(&result(2, &said("x")))]),
                ],
            ),
        ],
    );
    let seen = effects(name, 1);
    assert!(seen.iter().any(|effect| effect["effect"] == "sleep" && effect["ms"] == 500));
    let get = seen.iter().find(|effect| effect["method"] == "GET").unwrap();
    assert!(get["headers"].as_array().unwrap().contains(&json!(["last-event-id", "e-1"])));
}

#[test]
fn a_stream_that_never_can_be_taken_up_is_given_up() {
    let ends = check(
        "stream_given_up",
        "A permanent error of the GET is an end, not another try.",
        legacy(),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [[stream(&["id: e-1\ndata:\n\n"]), vec![ended()]].concat(), vec![opened(405, &[])]],
            ),
        ],
    );
    assert_eq!(ends[1]["details"]["reason"], "stream_lost");
}

#[test]
fn who_leaves_shuts_the_stream() {
    let cancelled = || json!({"reply": "cancelled"});
    let ends = check(
        "cancelled",
        "2026-07-28: the stream is shut, which cancels.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a"}), [[stream(&[]), vec![cancelled()]].concat()]),
        ],
    );
    assert_eq!(ends[1]["code"], "cancelled");
    assert_eq!(effects("cancelled", 1).last().unwrap()["effect"], "shut");
    check(
        "cancelled_in_a_session",
        "Older: the server is told, then the stream is shut.",
        legacy(),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [[stream(&[]), vec![cancelled(), json!({"reply": "response", "status": 202})]].concat()],
            ),
        ],
    );
    let told = effects("cancelled_in_a_session", 1);
    assert_eq!(told[2]["body"]["json"]["params"]["requestId"], 2);
    assert_eq!(told[3]["effect"], "shut");
}

#[test]
fn an_answer_has_a_time_and_a_size() {
    let bounded = options(json!({"max_bytes": 400, "timeout_ms": 100, "max_retries": 0}));
    let long = "x".repeat(500);
    let ends = check(
        "bounds",
        "Too long or too late: the stream is shut.",
        bounded,
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [vec![opened(200, &[("content-type", "application/json")]), piece(&long)]],
            ),
            call("call_tool", json!({"name": "a"}), [stream(&[&format!("data: {long}")])]),
            call("call_tool", json!({"name": "a"}), [[stream(&[]), vec![json!({"reply": "elapsed"})]].concat()]),
        ],
    );
    let reasons: Vec<&str> = ends[1..].iter().filter_map(|end| end["details"]["reason"].as_str()).collect();
    assert_eq!(reasons, ["response_too_large", "response_too_large", "deadline"]);
}

#[test]
fn a_modern_server_asks_nothing_on_a_stream() {
    let asks = json!({"jsonrpc": "2.0", "id": 1, "method": "roots/list"});
    let ends = check(
        "request_on_a_stream",
        "2026-07-28 knows no requests of servers.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("call_tool", json!({"name": "a"}), [stream(&[&event(&asks)])]),
        ],
    );
    assert_eq!(ends[1]["code"], "malformed_response");
}

#[test]
fn a_call_that_was_taken_is_not_sent_again_for_what_failed_after_it() {
    let name = "taken_and_lost";
    let ping = json!({"jsonrpc": "2.0", "id": "theirs", "method": "ping"});
    let ends = check(
        name,
        "The stream that is taken up, or the answer to a question, finds nobody: the call itself may have been done.",
        legacy(),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [[stream(&["id: e-1\ndata:\n\n"]), vec![ended()]].concat(), vec![fault("refused")]],
            ),
            call("call_tool", json!({"name": "a"}), [stream(&[&event(&ping)]), vec![fault("refused")]]),
        ],
    );
    assert_eq!((requests(name, 1).len(), requests(name, 2).len()), (2, 2));
    assert!(ends[1..].iter().all(|end| end["details"]["reason"] == "connection_refused"), "{ends:#?}");
}

#[test]
fn a_call_that_was_never_sent_is_sent_when_its_server_is_there() {
    let name = "never_sent";
    let found = answer(200, &result(2, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}})));
    let ends = check(
        name,
        "The question who the server is breaks off: nothing of the call was sent, so all of it may be sent.",
        options(json!({})),
        vec![call(
            "call_tool",
            json!({"name": "a"}),
            [vec![fault("reset")], found, answer(200, &result(3, &said("x")))],
        )],
    );
    assert_eq!(ends[0]["content"][0]["text"], "x");
}

#[test]
fn a_wait_the_server_asks_for_ends_with_the_time_of_the_call() {
    let name = "stream_too_late";
    let ends = check(
        name,
        "retry names a time after the end of the call: it is over at once.",
        options(json!({"era": {"legacy": "2025-11-25"}, "timeout_ms": 1000})),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    [stream(&["id: e-1\nretry: 5000\ndata:\n\n"]), vec![ended()]].concat(),
                    // It is told that it is not waited for any more.
                    vec![json!({"reply": "response", "status": 202})],
                ],
            ),
        ],
    );
    assert_eq!(ends[1]["details"]["reason"], "deadline");
    assert!(effects(name, 1).iter().all(|effect| effect["effect"] != "sleep"));
}
