//! Flows of one connection that are stepped by hand, so that they can stand side by side.

use std::time::Duration;

use beam_mcp_core::{
    Call, Flow, Now, Step,
    auth::Caller,
    effect::{Blob, Body, Effect, Reply, Request, Response},
    mcp_client::Connection,
};
use serde_json::{Value, json};

pub(super) struct Running {
    flow: Flow<Value>,
    pub(super) now: Now,
}

impl Running {
    pub(super) fn step(&mut self, reply: impl Into<Option<Reply>>) -> Step<Value> {
        self.now.mono += Duration::from_millis(1);
        self.flow.step(self.now, reply.into())
    }

    pub(super) fn effect(&mut self, reply: impl Into<Option<Reply>>) -> Effect {
        match self.step(reply) {
            Step::Effect(effect) => effect,
            Step::Done(end) => panic!("ended with {end:?}"),
        }
    }

    /// What follows a JSON answer to the request that is out.
    pub(super) fn answered(&mut self, status: u16, headers: &[(&str, &str)], body: &Value) -> Step<Value> {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = [("content-type", "application/json")].iter().chain(headers).map(named).collect();
        assert!(matches!(self.effect(Reply::Opened { stream: 1, status, headers }), Effect::Read { .. }));
        assert!(matches!(self.effect(piece(&body.to_string())), Effect::Read { .. }));
        self.step(Reply::Ended)
    }

    /// The request that follows one.
    pub(super) fn goes_on(&mut self, status: u16, headers: &[(&str, &str)], body: &Value) -> Request {
        match self.answered(status, headers, body) {
            Step::Effect(effect) => request(effect),
            Step::Done(end) => panic!("ended with {end:?}"),
        }
    }
}

pub(super) fn start(connection: &Connection, verb: &str, seed: u8) -> Running {
    start_until(connection, verb, seed, Duration::MAX)
}

pub(super) fn start_until(connection: &Connection, verb: &str, seed: u8, deadline: Duration) -> Running {
    let call = Call::local(Caller::nobody(), deadline, [seed; 32]);
    let input = if verb == "call_tool" { json!({"name": "a"}) } else { Value::Null };
    Running { flow: connection.start(verb, input, call), now: Now::default() }
}

pub(super) fn piece(text: &str) -> Reply {
    Reply::Piece { body: Blob::from(text.to_owned()) }
}

pub(super) fn request(effect: Effect) -> Request {
    match effect {
        Effect::Open(request) => request,
        other => panic!("{other:?}"),
    }
}

/// The method of what a request carries.
pub(super) fn method(request: &Request) -> &str {
    match &request.body {
        Body::Json(body) => body["method"].as_str().unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn document(body: &Value) -> Reply {
    Reply::Response(Response { status: 200, headers: Vec::new(), body: Blob::from(body.to_string()) })
}
