//! The first calls of a connection, side by side: its server is asked once who it is.

use std::time::Duration;

use beam_mcp_core::{
    Step,
    effect::{Effect, Fault, FaultKind, Reply},
    error::ErrorKind,
    mcp_client::Connection,
};
use serde_json::{Value, json};

use super::{
    flows::{Running, method, piece, request, start, start_until},
    script::{event, options, result, said},
};

fn connection(more: Value) -> Connection {
    Connection::new(serde_json::from_value(options(more)).unwrap()).unwrap()
}

fn legacy() -> Connection {
    connection(json!({"era": {"legacy": "2025-11-25"}}))
}

fn found(id: u64) -> Value {
    result(id, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}))
}

fn hello(id: u64) -> Value {
    result(id, &json!({"protocolVersion": "2025-11-25", "capabilities": {}}))
}

/// The first effect of a call that asks who the server is.
fn asks(running: &mut Running) {
    assert_eq!(method(&request(running.effect(None))), "server/discover");
}

/// The first effect of a call that waits for another one.
fn waits(running: &mut Running) {
    assert!(matches!(running.effect(None), Effect::Sleep { .. }));
}

fn over(step: Step<Value>) -> ErrorKind {
    match step {
        Step::Done(Err(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_server_is_asked_once_and_both_go_on() {
    let connection = connection(json!({}));
    let (mut first, mut second) = (start(&connection, "list_prompts", 1), start(&connection, "call_tool", 2));
    asks(&mut first);
    waits(&mut second);
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Sleep { .. }));
    assert_eq!(method(&first.goes_on(200, &[], &found(1))), "prompts/list");
    assert_eq!(method(&request(second.effect(Reply::Elapsed))), "tools/call");
}

#[test]
fn a_server_is_greeted_once() {
    let connection = legacy();
    let (mut first, mut second) = (start(&connection, "list_prompts", 1), start(&connection, "list_prompts", 2));
    assert_eq!(method(&request(first.effect(None))), "initialize");
    waits(&mut second);
    let session = [("mcp-session-id", "s-1")];
    assert_eq!(method(&first.goes_on(200, &session, &hello(1))), "notifications/initialized");
    // Not before the server was told: it would refuse what comes in between.
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Sleep { .. }));
    let shut = first.effect(Reply::Opened { stream: 2, status: 202, headers: Vec::new() });
    assert!(matches!(shut, Effect::Shut { .. }));
    for effect in [first.effect(Reply::Ok), second.effect(Reply::Elapsed)] {
        let request = request(effect);
        assert_eq!(method(&request), "prompts/list");
        assert!(request.headers.contains(&("mcp-session-id".to_owned(), "s-1".to_owned())));
    }
}

#[test]
fn a_failure_is_that_of_all_who_waited() {
    let connection = connection(json!({}));
    let (mut first, mut second) = (start(&connection, "connect", 1), start(&connection, "connect", 2));
    asks(&mut first);
    waits(&mut second);
    let refused = Reply::Fault(Fault { kind: FaultKind::Refused, detail: String::new() });
    assert_eq!(over(first.step(refused)), ErrorKind::Unavailable);
    assert_eq!(over(second.step(Reply::Elapsed)), ErrorKind::Unavailable);
    // The next call asks anew.
    asks(&mut start(&connection, "connect", 3));
}

#[test]
fn who_is_given_up_or_cancelled_leaves_it_to_the_next() {
    let connection = connection(json!({}));
    let (mut first, mut second) = (start(&connection, "connect", 1), start(&connection, "connect", 2));
    let mut third = start(&connection, "connect", 3);
    asks(&mut first);
    waits(&mut second);
    waits(&mut third);
    drop(first);
    assert_eq!(method(&request(second.effect(Reply::Elapsed))), "server/discover");
    assert!(matches!(third.effect(Reply::Elapsed), Effect::Sleep { .. }));
    assert_eq!(over(second.step(Reply::Cancelled)), ErrorKind::Cancelled);
    assert_eq!(method(&request(third.effect(Reply::Elapsed))), "server/discover");
    assert!(matches!(third.answered(200, &[], &found(3)), Step::Done(Ok(_))));
}

#[test]
fn who_runs_out_of_its_own_time_leaves_it_to_the_next() {
    let connection = connection(json!({}));
    let mut first = start_until(&connection, "connect", 1, Duration::from_secs(1));
    let mut second = start_until(&connection, "connect", 2, Duration::from_secs(3));
    asks(&mut first);
    waits(&mut second);
    first.now.mono = Duration::from_secs(2);
    let late = Reply::Fault(Fault { kind: FaultKind::Timeout, detail: String::new() });
    assert_eq!(over(first.step(late)), ErrorKind::DeadlineExceeded);
    assert_eq!(method(&request(second.effect(Reply::Elapsed))), "server/discover");
    // Who waits has a time of its own.
    let mut third = start_until(&connection, "connect", 3, Duration::from_secs(3));
    waits(&mut third);
    third.now.mono = Duration::from_secs(3);
    assert_eq!(over(third.step(Reply::Elapsed)), ErrorKind::DeadlineExceeded);
}

/// Two calls of one session, each with its request out.
fn two_in_a_session(connection: &Connection) -> [Running; 2] {
    let mut greeting = start(connection, "connect", 0);
    assert_eq!(method(&request(greeting.effect(None))), "initialize");
    greeting.goes_on(200, &[("mcp-session-id", "s-1")], &hello(1));
    greeting.effect(Reply::Opened { stream: 2, status: 202, headers: Vec::new() });
    assert!(matches!(greeting.step(Reply::Ok), Step::Done(Ok(_))));
    [1, 2].map(|seed| {
        let mut running = start(connection, "call_tool", seed);
        assert_eq!(method(&request(running.effect(None))), "tools/call");
        running
    })
}

/// Up to the call that is sent again in the new session.
fn greets_again(running: &mut Running) {
    running.goes_on(200, &[("mcp-session-id", "s-2")], &hello(4));
    running.effect(Reply::Opened { stream: 2, status: 202, headers: Vec::new() });
    assert_eq!(method(&request(running.effect(Reply::Ok))), "tools/call");
}

#[test]
fn a_session_that_is_over_for_both_is_opened_again_once() {
    let connection = legacy();
    let [mut first, mut second] = two_in_a_session(&connection);
    let gone = json!({"error": "no such session"});
    assert_eq!(method(&first.goes_on(404, &[], &gone)), "initialize");
    assert!(matches!(second.answered(404, &[], &gone), Step::Effect(Effect::Sleep { .. })));
    greets_again(&mut first);
    let again = request(second.effect(Reply::Elapsed));
    assert_eq!(method(&again), "tools/call");
    assert!(again.headers.contains(&("mcp-session-id".to_owned(), "s-2".to_owned())));
}

#[test]
fn a_late_word_of_the_old_session_does_not_end_the_new_one() {
    let connection = legacy();
    let [mut first, mut second] = two_in_a_session(&connection);
    let gone = json!({"error": "no such session"});
    assert_eq!(method(&first.goes_on(404, &[], &gone)), "initialize");
    greets_again(&mut first);
    assert!(matches!(first.answered(200, &[], &result(5, &said("x"))), Step::Done(Ok(_))));
    assert_eq!(method(&second.goes_on(404, &[], &gone)), "tools/call");
}

/// An application may stand still where it is told something, or ask something itself.
#[test]
fn nobody_waits_for_an_application_that_is_told_something() {
    let connection = connection(json!({}));
    let (mut first, mut second) = (start(&connection, "connect", 1), start(&connection, "connect", 2));
    asks(&mut first);
    waits(&mut second);
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    assert!(matches!(first.effect(Reply::Opened { stream: 1, status: 200, headers }), Effect::Read { .. }));
    let chat = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}});
    assert!(matches!(first.effect(piece(&event(&chat))), Effect::Read { .. }));
    assert!(matches!(first.effect(piece(&event(&found(1)))), Effect::Shut { .. }));
    let Effect::Tell { method, .. } = first.effect(Reply::Ok) else { panic!("was not told") };
    assert_eq!(method, "notifications/message");
    assert!(matches!(second.step(Reply::Elapsed), Step::Done(Ok(_))));
    assert!(matches!(first.step(Reply::Ok), Step::Done(Ok(_))));
}
