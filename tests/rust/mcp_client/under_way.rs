//! Results that were under way while what they hold for changed: they are given, and not kept.

use beam_mcp_core::{
    Step,
    effect::{Effect, Reply},
    mcp_client::Connection,
};
use serde_json::{Value, json};

use super::{
    flows::{Running, document, method, piece, request, start},
    script::{event, options, result, said},
};

const HOUR: u64 = 3_600_000;

/// One whose server is known already.
fn connection(more: Value) -> Connection {
    let connection = Connection::new(serde_json::from_value(options(more)).unwrap()).unwrap();
    let mut first = start(&connection, "connect", 0);
    first.effect(None);
    let found = result(1, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    assert!(matches!(first.answered(200, &[], &found), Step::Done(Ok(_))));
    connection
}

/// A list whose request is out.
fn asked(connection: &Connection) -> Running {
    let mut list = start(connection, "list_prompts", 1);
    assert_eq!(method(&request(list.effect(None))), "prompts/list");
    list
}

fn answered(list: &mut Running, scope: &str) {
    let page = result(2, &json!({"prompts": [], "ttlMs": HOUR, "cacheScope": scope}));
    assert!(matches!(list.answered(200, &[], &page), Step::Done(Ok(_))));
}

/// True when the list is not asked for again.
fn is_kept(connection: &Connection) -> bool {
    matches!(start(connection, "list_prompts", 9).step(None), Step::Done(Ok(_)))
}

fn told(connection: &Connection, notification: &str) {
    let mut call = start(connection, "call_tool", 2);
    call.effect(None);
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    call.effect(Reply::Opened { stream: 1, status: 200, headers });
    let news = json!({"jsonrpc": "2.0", "method": notification, "params": {}});
    assert!(matches!(call.effect(piece(&event(&news))), Effect::Tell { .. }));
    call.effect(Reply::Ok);
    assert!(matches!(call.effect(piece(&event(&result(3, &said("x"))))), Effect::Shut { .. }));
    assert!(matches!(call.step(Reply::Ok), Step::Done(Ok(_))));
}

#[test]
fn a_list_that_changed_while_it_was_on_its_way_is_not_kept() {
    for (notification, kept) in
        [("notifications/prompts/list_changed", false), ("notifications/tools/list_changed", true)]
    {
        let connection = connection(json!({}));
        let mut list = asked(&connection);
        told(&connection, notification);
        answered(&mut list, "public");
        assert_eq!(is_kept(&connection), kept, "{notification}");
    }
}

/// Another call gets a token of a client's own.
fn signs_in(connection: &Connection) {
    let mut call = start(connection, "call_tool", 2);
    call.effect(None);
    let headers = vec![("www-authenticate".to_owned(), "Bearer".to_owned())];
    call.effect(Reply::Opened { stream: 1, status: 401, headers });
    let issuer = "http://localhost:8";
    call.effect(Reply::Ok);
    call.effect(document(&json!({"resource": "http://localhost:9/mcp", "authorization_servers": [issuer]})));
    call.effect(document(&json!({"issuer": issuer, "token_endpoint": format!("{issuer}/t")})));
    let again = request(call.effect(document(&json!({"access_token": "t", "token_type": "Bearer"}))));
    assert!(again.headers.contains(&("authorization".to_owned(), "Bearer t".to_owned())));
}

#[test]
fn what_was_asked_for_another_caller_is_not_kept_for_this_one() {
    let own = json!({"grant": "client_credentials", "client_id": "c", "client_secret": "s"});
    for (scope, kept) in [("private", false), ("public", true)] {
        let connection = connection(json!({"oauth": own}));
        let mut list = asked(&connection);
        signs_in(&connection);
        answered(&mut list, scope);
        assert_eq!(is_kept(&connection), kept, "{scope}");
    }
}

#[test]
fn what_another_server_said_is_not_kept() {
    let connection = connection(json!({}));
    let mut list = asked(&connection);
    // It does not take what was agreed with it: whoever asks next asks who it is.
    let mut call = start(&connection, "call_tool", 2);
    call.effect(None);
    let refused = json!({"jsonrpc": "2.0", "id": 3, "error": {"code": -32600, "message": "no"}});
    assert!(matches!(call.answered(400, &[], &refused), Step::Done(Err(_))));
    answered(&mut list, "public");
    let mut next = start(&connection, "list_prompts", 3);
    assert_eq!(method(&request(next.effect(None))), "server/discover");
    let found = result(4, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    assert_eq!(method(&next.goes_on(200, &[], &found)), "prompts/list");
}
