use serde_json::{Value, json};

use super::script::{
    accepted, answer, answer_with, call, check, discovered, effects, ended, event, fault, greeted, joined, lines,
    opened, options, piped, requests, result, stream,
};

fn news(method: &str, id: u64) -> String {
    event(
        &json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": id}}}),
    )
}

const ACK: &str = "notifications/subscriptions/acknowledged";
const CHANGED: &str = "notifications/tools/list_changed";

fn told(name: &str, call: usize) -> Vec<Value> {
    effects(name, call)
        .iter()
        .filter(|effect| effect["effect"] == "tell")
        .map(|effect| effect["method"].clone())
        .collect()
}

#[test]
fn news_are_told_until_the_server_ends_the_subscription() {
    let name = "listen";
    let end = event(&result(2, &json!({"resultType": "complete"})));
    let ends = check(
        name,
        "subscriptions/listen: acknowledged, told, ended.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("listen", json!({"toolsListChanged": true}), [stream(&[&news(ACK, 2), &news(CHANGED, 2), &end])]),
        ],
    );
    assert_eq!(told(name, 1), [ACK, CHANGED]);
    assert_eq!(ends[1]["resultType"], "complete");
}

#[test]
fn a_subscription_that_broke_is_begun_anew() {
    let name = "listen_again";
    let end = event(&result(3, &json!({})));
    check(
        name,
        "A stream that ends without a farewell: again, under a new id.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call(
                "listen",
                json!({"toolsListChanged": true}),
                [[stream(&[&news(ACK, 2)]), vec![ended()]].concat(), stream(&[&news(ACK, 3), &end])],
            ),
        ],
    );
    assert_eq!(told(name, 1), [ACK, ACK]);
}

#[test]
fn news_of_another_subscription_are_not_believed() {
    let ends = check(
        "listen_mixed_up",
        "News without the id of their subscription, or with another's.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("listen", json!({}), [stream(&[&news(ACK, 2), &news(CHANGED, 9)])]),
            call("listen", json!({}), [answer(404, &super::script::error(3, -32601, &json!(null)))]),
        ],
    );
    assert_eq!(ends[1]["code"], "malformed_response");
    assert_eq!(ends[2]["code"], "unsupported");
}

#[test]
fn the_news_of_a_session_come_on_its_own_stream() {
    let name = "listen_in_a_session";
    let changed = event(&json!({"jsonrpc": "2.0", "method": CHANGED}));
    let ends = check(
        name,
        "Older: subscribe, then GET; a server without that stream says so.",
        options(json!({"era": {"legacy": "2025-11-25"}})),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "listen",
                json!({"resourceSubscriptions": ["a:b"]}),
                [
                    answer(200, &result(2, &json!({}))),
                    [stream(&[&changed]), vec![json!({"reply": "cancelled"})]].concat(),
                ],
            ),
            call("listen", json!({}), [vec![opened(405, &[])]]),
        ],
    );
    assert_eq!(told(name, 1), [ACK, CHANGED]);
    assert_eq!(requests(name, 1)[0]["body"]["json"]["method"], "resources/subscribe");
    assert_eq!(ends[1]["code"], "cancelled");
    assert_eq!(ends[2]["details"]["reason"], "no_news");
}

#[test]
fn behind_a_pipe_a_subscription_is_ended_by_its_cancellation() {
    let name = "listen_behind_a_pipe";
    let tag = json!({"io.modelcontextprotocol/subscriptionId": 2});
    let acknowledged = json!({"jsonrpc": "2.0", "method": ACK, "params": {"_meta": tag}});
    let untagged = json!({"jsonrpc": "2.0", "method": CHANGED});
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 2, "reason": "the server stops"}});
    let modern = result(1, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    let ends = check(
        name,
        "News without a tag are anyone's behind a pipe; notifications/cancelled with the id of the listen is its end.",
        piped(),
        vec![
            call("connect", json!({}), [lines(&[modern])]),
            call("listen", json!({"toolsListChanged": true}), [lines(&[acknowledged, untagged, cancelled])]),
        ],
    );
    assert_eq!(told(name, 1), [ACK, CHANGED]);
    assert_eq!(ends[1], json!({"reason": "the server stops"}));
}

#[test]
fn news_go_on_in_the_next_session() {
    let name = "listen_session_over";
    let hello = result(2, &json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
    let changed = event(&json!({"jsonrpc": "2.0", "method": CHANGED}));
    let cancelled = || vec![json!({"reply": "cancelled"})];
    let ends = check(
        name,
        "404 on the stream of news: the session is over, and the news are those of the next one. 503: later.",
        options(json!({"era": {"legacy": "2025-11-25"}})),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "listen",
                json!({"toolsListChanged": true}),
                [
                    vec![opened(404, &[])],
                    answer_with(200, &[("mcp-session-id", "s-2")], &hello),
                    accepted(),
                    vec![opened(503, &[])],
                    stream(&[&changed]),
                    cancelled(),
                ],
            ),
        ],
    );
    assert_eq!(told(name, 1), [ACK, CHANGED]);
    assert_eq!(ends[1]["code"], "cancelled");
    let mut streams = requests(name, 1).into_iter().filter(|request| request["method"] == "GET");
    assert_eq!(streams.next_back().unwrap()["headers"][2], json!(["mcp-session-id", "s-2"]));
}

#[test]
fn news_outlast_a_server_that_is_away_for_a_while() {
    let name = "listen_server_away";
    let found = |id| lines(&[result(id, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}))]);
    let end = result(5, &json!({"resultType": "complete"}));
    let ends = check(
        name,
        "Behind a pipe: a server that ended and cannot be asked who it is at once is asked again.",
        piped(),
        vec![
            call("connect", json!({}), [found(1)]),
            call(
                "listen",
                json!({"toolsListChanged": true}),
                [[lines(&[]), vec![ended()]].concat(), vec![fault("refused")], found(4), lines(&[end])],
            ),
        ],
    );
    assert_eq!(ends[1]["resultType"], "complete");
}

#[test]
fn who_reads_too_slowly_is_still_in_its_session() {
    let name = "listen_too_slow";
    let hello = result(1, &json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
    let changed = json!({"jsonrpc": "2.0", "method": CHANGED});
    let slow = [lines(&[]), vec![fault("too_large")]].concat();
    let again = [lines(&[changed]), vec![json!({"reply": "cancelled"})]].concat();
    check(
        name,
        "Behind a pipe: a stream that had to be given up is no end of the server, which knows its handshake.",
        joined(piped(), json!({"era": {"legacy": "2025-11-25"}})),
        vec![
            call("connect", json!({}), [lines(&[hello]), accepted()]),
            call("listen", json!({"toolsListChanged": true}), [slow, again]),
        ],
    );
    assert_eq!(told(name, 1), [ACK, ACK, CHANGED]);
    assert!(requests(name, 1).iter().all(|request| request["method"] == "GET"));
}
