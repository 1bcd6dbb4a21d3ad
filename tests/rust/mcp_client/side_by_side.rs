//! Two calls of one connection that are refused at the same time.

use std::time::Duration;

use beam_mcp_core::{
    Call, Flow, Now, Step,
    auth::Caller,
    effect::{Blob, Effect, Reply, Response},
    error::ErrorKind,
    mcp_client::Connection,
};
use serde_json::{Value, json};

use super::script::options;

struct Running {
    flow: Flow<Value>,
    now: Now,
}

impl Running {
    fn step(&mut self, reply: impl Into<Option<Reply>>) -> Step<Value> {
        self.now.mono += Duration::from_millis(1);
        self.flow.step(self.now, reply.into())
    }

    fn effect(&mut self, reply: impl Into<Option<Reply>>) -> Effect {
        match self.step(reply) {
            Step::Effect(effect) => effect,
            Step::Done(end) => panic!("ended with {end:?}"),
        }
    }
}

fn start(connection: &Connection, seed: u8) -> Running {
    start_until(connection, seed, Duration::MAX)
}

fn start_until(connection: &Connection, seed: u8, deadline: Duration) -> Running {
    let call = Call::local(Caller::nobody(), deadline, [seed; 32]);
    Running { flow: connection.start("connect", Value::Null, call), now: Now::default() }
}

fn connection() -> Connection {
    let oauth = json!({"redirect_uri": "http://localhost:7/cb", "client_id": "c"});
    Connection::new(serde_json::from_value(options(json!({"oauth": oauth}))).unwrap()).unwrap()
}

fn challenged(running: &mut Running) -> Effect {
    assert!(matches!(running.effect(None), Effect::Open(_)));
    let headers = vec![("www-authenticate".to_owned(), "Bearer".to_owned())];
    let shut = running.effect(Reply::Opened { stream: 1, status: 401, headers });
    assert!(matches!(shut, Effect::Shut { .. }));
    running.effect(Reply::Ok)
}

fn document(body: &Value) -> Reply {
    Reply::Response(Response { status: 200, headers: Vec::new(), body: Blob::from(body.to_string()) })
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
    let (mut first, mut second) = (start(&connection, 1), start(&connection, 2));
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
    let (mut first, mut second) = (start(&connection, 1), start(&connection, 2));
    asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    let nobody = Reply::Unsupported { reason: "nobody answers".into() };
    assert!(matches!(first.step(nobody), Step::Done(Err(_))));
    assert!(matches!(second.step(Reply::Elapsed), Step::Done(Err(_))));
    // The next call asks anew.
    asks(&mut start(&connection, 3));
}

#[test]
fn who_is_given_up_leaves_the_turn_to_the_next() {
    let connection = connection();
    let (mut first, mut second) = (start(&connection, 1), start(&connection, 2));
    asks(&mut first);
    assert!(matches!(challenged(&mut second), Effect::Sleep { .. }));
    drop(first);
    assert!(matches!(second.effect(Reply::Elapsed), Effect::Send(_)));
}

#[test]
fn who_runs_out_of_its_own_time_leaves_the_turn_to_the_next() {
    let connection = connection();
    let (mut first, mut second) = (start_until(&connection, 1, Duration::from_secs(1)), start(&connection, 2));
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
    let mut first = start(&connection, 1);
    asks(&mut first);
    assert!(matches!(first.step(Reply::Unsupported { reason: "nobody answers".into() }), Step::Done(Err(_))));
    let (mut second, mut third) = (start(&connection, 2), start(&connection, 3));
    asks(&mut second);
    assert!(matches!(challenged(&mut third), Effect::Sleep { .. }));
    drop(second);
    assert!(matches!(third.effect(Reply::Elapsed), Effect::Send(_)));
}
