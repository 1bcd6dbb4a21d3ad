//! Servers that would keep a client busy for ever.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    auth::Caller,
    call::Call,
    effect::{Body, Effect, Reply, Request},
    error::{Error, ErrorKind},
    flow::{Now, Step},
    mcp_client::Connection,
};

const STEPS: usize = 60;

/// The effects of a call, and its end where it came to one. The server answers a message by its method and id.
fn run(
    options: Value,
    verb: &str,
    answer: impl Fn(&str, u64) -> String,
) -> (Vec<Effect>, Option<Result<Value, Error>>) {
    let connection = Connection::new(serde_json::from_value(options).unwrap()).unwrap();
    let mut flow = connection.start(verb, json!({}), Call::local(Caller::nobody(), Duration::MAX, [0; 32]));
    let (mut seen, mut told) = (Vec::new(), String::new());
    let mut turn = flow.step(Now::default(), None);
    while seen.len() < STEPS {
        let effect = match turn {
            Step::Effect(effect) => effect,
            Step::Done(end) => return (seen, Some(end)),
        };
        let reply = match &effect {
            Effect::Open(request) => {
                told = answered(request, &answer);
                head(&told)
            }
            Effect::Read { .. } if told.is_empty() => Reply::Ended,
            Effect::Read { .. } => Reply::Piece { body: std::mem::take(&mut told).into() },
            Effect::Sleep { .. } => Reply::Elapsed,
            _ => Reply::Ok,
        };
        seen.push(effect);
        turn = flow.step(Now::default(), Some(reply));
    }
    (seen, None)
}

fn answered(request: &Request, answer: impl Fn(&str, u64) -> String) -> String {
    match &request.body {
        Body::Json(body) => answer(body["method"].as_str().unwrap(), body["id"].as_u64().unwrap_or_default()),
        _ => answer("", 0),
    }
}

fn head(told: &str) -> Reply {
    let (status, kind) = match told.chars().next() {
        None => (202, "text/plain"),
        Some('{') => (200, "application/json"),
        Some(_) => (200, "text/event-stream"),
    };
    Reply::Opened { stream: 1, status, headers: vec![("content-type".to_owned(), kind.to_owned())] }
}

fn result(id: u64, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

/// A list of so many pages of 400 bytes, with a bound of 1,000.
fn listed(pages: u64) -> (usize, Result<Value, Error>) {
    let options = json!({"url": "http://localhost:9/mcp", "era": "modern", "max_bytes": 1_000});
    let (seen, end) = run(options, "list_prompts", |method, id| match method {
        "prompts/list" => {
            let next = (id < pages + 1).then(|| id.to_string());
            result(id, &json!({"prompts": [{"name": "x".repeat(389)}], "nextCursor": next}))
        }
        _ => result(id, &json!({"supportedVersions": ["2026-07-28"]})),
    });
    (seen.iter().filter(|effect| matches!(effect, Effect::Open(_))).count() - 1, end.expect("the list ends"))
}

#[test]
fn all_pages_of_a_list_together_are_no_larger_than_an_answer() {
    let (asked, end) = listed(2);
    assert_eq!((asked, end.unwrap()["prompts"].as_array().unwrap().len()), (2, 2));
    let (asked, end) = listed(1_000);
    let error = end.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::MalformedResponse, "response_too_large"));
    assert!(asked == 3 && error.suggestion().contains("max_bytes"), "{asked}: {error:?}");
}

#[test]
fn a_server_that_names_a_wait_of_nothing_is_not_come_back_to_at_once() {
    let options = json!({"url": "http://localhost:9/mcp", "era": {"legacy": "2025-11-25"}});
    let (seen, end) = run(options, "listen", |method, id| match method {
        "initialize" => result(id, &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}})),
        "" => "id: 1\nretry: 0\ndata: {\"jsonrpc\": \"2.0\", \"method\": \"notifications/message\"}\n\n".to_owned(),
        _ => String::new(),
    });
    let begun =
        seen.iter().filter(|effect| matches!(effect, Effect::Open(request) if request.body == Body::Empty)).count();
    let waits = seen.iter().filter(|effect| matches!(effect, Effect::Sleep { ms } if *ms >= 100)).count();
    assert!(end.is_none() && begun > 3 && waits + 1 >= begun, "{begun} streams, {waits} waits: {end:?}");
}
