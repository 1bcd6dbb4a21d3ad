use serde_json::json;

use super::script::{
    accepted, answer, answer_with, call, check, discovered, ended, error, fault, greeted, lines, options, piped,
    requests, result, said,
};

fn legacy() -> serde_json::Value {
    options(json!({"era": {"legacy": "2025-11-25"}}))
}

#[test]
fn a_modern_server_is_asked_once_and_then_called() {
    let list = result(2, &json!({"tools": [{"name": "a", "inputSchema": {"type": "object"}}]}));
    let ends = check(
        "modern_server",
        "server/discover once, then requests without a handshake.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_tools", json!({}), [answer(200, &list)]),
            call("call_tool", json!({"name": "a", "arguments": {}}), [answer(200, &result(3, &said("x")))]),
            call("close", json!({}), []),
        ],
    );
    assert_eq!(ends[0]["serverInfo"]["name"], "s");
    assert_eq!(ends[2]["content"][0]["text"], "x");
}

#[test]
fn a_version_that_is_refused_is_agreed_on() {
    let refused = error(1, -32022, &json!({"supported": ["2026-07-28"], "requested": "2026-07-28"}));
    let fine = result(2, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    let ends = check(
        "version_refused_once",
        "-32022 that names our version is asked again, once.",
        options(json!({})),
        vec![call("connect", json!({}), [answer(400, &refused), answer(200, &fine)])],
    );
    assert_eq!(ends[0]["protocolVersion"], "2026-07-28");
}

#[test]
fn a_server_of_other_versions_only_is_refused() {
    let refused = error(1, -32022, &json!({"supported": ["2031-01-01"]}));
    let ends = check(
        "no_common_version",
        "-32022 without a version of ours is an end.",
        options(json!({})),
        vec![call("connect", json!({}), [answer(400, &refused)])],
    );
    assert_eq!(ends[0]["details"]["reason"], "no_common_version");
}

#[test]
fn an_older_server_is_greeted() {
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}});
    let name = "older_server";
    let ends = check(
        name,
        "What does not understand server/discover is greeted; its session goes along.",
        options(json!({})),
        vec![
            call(
                "list_prompts",
                json!({}),
                [
                    answer(200, &error(1, -32601, &json!(null))),
                    answer_with(200, &[("mcp-session-id", "s-1")], &result(2, &hello)),
                    accepted(),
                    answer(200, &result(3, &json!({"prompts": []}))),
                ],
            ),
            call("close", json!({}), [vec![json!({"reply": "response", "status": 405})]]),
        ],
    );
    assert_eq!(ends[0], json!({"prompts": []}));
    let sent = requests(name, 0);
    assert_eq!(sent[1]["body"]["json"]["method"], "initialize");
    assert_eq!(sent[3]["headers"][1], json!(["mcp-protocol-version", "2025-06-18"]));
    assert_eq!(sent[3]["headers"][2], json!(["mcp-session-id", "s-1"]));
    assert_eq!(requests(name, 1)[0]["method"], "DELETE");
}

#[test]
fn trouble_says_nothing_about_an_era() {
    let (busy, page) = (json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "no"}}), json!("busy"));
    let no_retries = options(json!({"max_retries": 0}));
    let ends = check(
        "trouble_is_no_era",
        "A refusal at the door or a dead network is never taken for an older server, \
        also with a JSON-RPC body.",
        no_retries,
        vec![
            call("connect", json!({}), [vec![fault("refused")]]),
            call("connect", json!({}), [answer(503, &page)]),
            call("connect", json!({}), [answer(401, &busy)]),
            call("connect", json!({}), [answer(403, &busy)]),
            call("connect", json!({}), [answer(500, &busy)]),
        ],
    );
    let codes: Vec<&str> = ends.iter().filter_map(|end| end["code"].as_str()).collect();
    assert_eq!(codes, ["unavailable", "unavailable", "unauthenticated", "permission_denied", "internal"]);
}

#[test]
fn a_session_that_is_over_is_opened_again() {
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}});
    let name = "session_is_over";
    check(
        name,
        "404 in a session: a new handshake, and the request again.",
        legacy(),
        vec![
            call("connect", json!({}), [greeted()]),
            call(
                "call_tool",
                json!({"name": "a"}),
                [
                    answer(404, &json!({"error": "no such session"})),
                    answer_with(200, &[("mcp-session-id", "s-2")], &result(3, &hello)),
                    accepted(),
                    answer(200, &result(4, &said("x"))),
                ],
            ),
        ],
    );
    assert_eq!(requests(name, 1)[3]["headers"][2], json!(["mcp-session-id", "s-2"]));
}

#[test]
fn a_server_that_changed_its_era_is_asked_anew() {
    let name = "era_changes";
    check(
        name,
        "A request that is not understood any more: the next call asks for the era again.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_prompts", json!({}), [answer(400, &error(2, -32600, &json!(null)))]),
            call("connect", json!({}), [discovered_as(3)]),
        ],
    );
    assert_eq!(requests(name, 2)[0]["body"]["json"]["method"], "server/discover");
}

fn discovered_as(id: u64) -> Vec<serde_json::Value> {
    answer(200, &result(id, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}})))
}

#[test]
fn a_server_that_ends_on_the_probe_is_greeted() {
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}});
    let name = "pipe_ends_on_the_probe";
    let ends = check(
        name,
        "Behind a pipe: a server that ends on what comes before the handshake is begun anew with it.",
        piped(),
        vec![call(
            "connect",
            json!({}),
            [[lines(&[]), vec![ended()]].concat(), lines(&[result(2, &hello)]), accepted()],
        )],
    );
    assert_eq!(requests(name, 0)[1]["body"]["json"]["method"], "initialize");
    assert_eq!(ends[0]["protocolVersion"], "2025-11-25");
}

#[test]
fn a_server_that_speaks_as_agreed_is_not_asked_again() {
    let name = "same_server";
    let refused = |id, status, code| answer(status, &error(id, code, &json!({"requiredCapabilities": {}})));
    check(
        name,
        "-32601 under 404 and -32021 under 400 are answers of 2026-07-28: the next call asks nothing else.",
        options(json!({})),
        vec![
            call("connect", json!({}), [discovered()]),
            call("list_prompts", json!({}), [refused(2, 404, -32601)]),
            call("call_tool", json!({"name": "a"}), [refused(3, 400, -32021)]),
            call("list_resources", json!({}), [answer(200, &result(4, &json!({"resources": []})))]),
        ],
    );
    assert_eq!(requests(name, 3)[0]["body"]["json"]["method"], "resources/list");
}
