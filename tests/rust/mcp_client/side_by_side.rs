//! Two calls of one connection that are refused at the same time.

use std::time::Duration;

use beam_mcp_core::{
    Step,
    effect::{Effect, Reply},
    error::ErrorKind,
    mcp_client::Connection,
};
use serde_json::{Value, json};

use super::{
    flows::{Running, document, start, start_until},
    script::{options, result},
};

const VERB: &str = "list_prompts";

/// One whose server is known already.
fn connection() -> Connection {
    let oauth = json!({"redirect_uri": "http://localhost:7/cb", "client_id": "c"});
    let connection = Connection::new(serde_json::from_value(options(json!({"oauth": oauth}))).unwrap()).unwrap();
    let mut first = start(&connection, "connect", 0);
    first.effect(None);
    let found = result(1, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    assert!(matches!(first.answered(200, &[], &found), Step::Done(Ok(_))));
    connection
}

fn challenged(running: &mut Running) -> Effect {
    assert!(matches!(running.effect(None), Effect::Open(_)));
    let headers = vec![("www-authenticate".to_owned(), "Bearer".to_owned())];
    let shut = running.effect(Reply::Opened { stream: 1, status: 401, headers });
    assert!(matches!(shut, Effect::Shut { .. }));
    running.effect(Reply::Ok)
}

/// Up to the question to the person.
fn asks(first: &mut Running) -> Value {
    assert!(matches!(challenged(first), Effect::Send(_)));
    let issuer = "http://localhost:8";
    first.effect(document(&json!({"resource": "http://localhost:9/mcp", "authorization_servers": [issuer]})));
    let asked = first.effect(document(&json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/a"),
        "token_endpoint": format!("{issuer}/t"), "code_challenge_methods_supported": ["S256"]})));
    match asked {
        Effect::Ask { params, .. } => params,
        other => panic!("{other:?}"),
    }
}

fn back(asked: &Value) -> Reply {
    let url = asked["url"].as_str().unwrap();
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap();
    Reply::Answer { value: format!("http://localhost:7/cb?code=x&state={state}").into() }
}

#[test]
fn the_person_is_asked_once_and_both_go_on() {
    let connection = connection();
    let (mut first, mut second) = (start(&connection, VERB, 1), start(&connection, VERB, 2));
    let asked = asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Sleep { .. }));
    assert!(matches!(first.effect(back(&asked)), Effect::Send(_)));
    let token = first.effect(document(&json!({"access_token": "t", "token_type": "Bearer"})));
    for effect in [token, second.effect(Reply::Elapsed)] {
        let Effect::Open(request) = effect else { panic!("{effect:?}") };
        assert!(request.headers.contains(&("authorization".to_owned(), "Bearer t".to_owned())));
    }
}

#[test]
fn a_refusal_is_that_of_both() {
    let connection = connection();
    let (mut first, mut second) = (start(&connection, VERB, 1), start(&connection, VERB, 2));
    asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    let nobody = Reply::Unsupported { reason: "nobody answers".into() };
    assert!(matches!(first.step(nobody), Step::Done(Err(_))));
    assert!(matches!(second.step(Reply::Elapsed), Step::Done(Err(_))));
    // The next call asks anew.
    asks(&mut start(&connection, VERB, 3));
}

#[test]
fn who_is_given_up_leaves_the_turn_to_the_next() {
    let connection = connection();
    let (mut first, mut second) = (start(&connection, VERB, 1), start(&connection, VERB, 2));
    asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    drop(first);
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Send(_)));
}

#[test]
fn who_runs_out_of_its_own_time_leaves_the_turn_to_the_next() {
    let connection = connection();
    let (mut first, mut second) =
        (start_until(&connection, VERB, 1, Duration::from_secs(1)), start(&connection, VERB, 2));
    let asked = asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    first.now.mono = Duration::from_secs(2);
    let Step::Done(Err(error)) = first.step(back(&asked)) else { panic!("goes on") };
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Send(_)));
}

#[test]
fn a_failure_is_that_of_its_own_turn_alone() {
    let connection = connection();
    let mut first = start(&connection, VERB, 1);
    asks(&mut first);
    assert!(matches!(first.step(Reply::Unsupported { reason: "nobody answers".into() }), Step::Done(Err(_))));
    let (mut second, mut third) = (start(&connection, VERB, 2), start(&connection, VERB, 3));
    asks(&mut second);
    assert!(matches!(challenged(&mut third), Effect::Sleep { .. }));
    drop(second);
    assert!(matches!(third.effect(Reply::Elapsed), Effect::Send(_)));
}
