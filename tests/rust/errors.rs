//! The one table of error kinds, as every language reads it.

use beam_mcp_core::{Error, ErrorKind, effect::Response, error::Retry};
use beam_mcp_tests::golden;
use serde_json::{Value, json};

use crate::contract;

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn row(kind: ErrorKind) -> Value {
    let (door, plain) = (kind.door(), Error::new(kind, "r", "m"));
    json!({"code": door.code, "http": door.http, "json_rpc": door.json_rpc, "python": door.python, "js": door.js,
        "exit": door.exit, "retryable": plain.retry() != Retry::Never, "advice": plain.suggestion()})
}

#[test]
fn the_table_is_the_one_all_languages_read() {
    let rows: Vec<Value> = ErrorKind::ALL.iter().map(|kind| row(*kind)).collect();
    golden::check("error/table.json", &pretty(&json!({"kinds": rows})));
}

/// A call whose server answers with an error of a kind. It is not retried, so the first answer is the end.
fn case(kind: ErrorKind) -> Value {
    let door = kind.door();
    let error = Error::new(kind, "the_reason", "what was wrong").with("job_id", "sim:@1").retry_as(Retry::Never);
    let mut object = error.to_json();
    object["request_id"] = "q1".into();
    let answer = Response::json(door.http, &json!({"success": false, "data": {}, "error": object}));
    let mut reply = serde_json::to_value(&answer).unwrap();
    reply["reply"] = "response".into();
    let told = json!({"code": door.code, "message": "what was wrong", "retryable": false, "class": door.python,
        "js_name": door.js, "details": {"reason": "the_reason", "job_id": "sim:@1", "request_id": "q1",
        "status": door.http.to_string(), "suggestion": error.suggestion()}});
    json!({"name": door.code, "rule": 0, "verb": "get_job", "input": {"job_id": JOB}, "steps": [
        {"mono_ms": 0, "wall_ms": 0, "reply": null, "effect": "get"},
        {"mono_ms": 1, "wall_ms": 0, "reply": reply, "error": told}]})
}

const JOB: &str = "sim:0123456789abcdef0123456789abcdef";

#[test]
fn a_client_tells_every_kind_as_the_server_did() {
    let effects = contract::cases().into_iter().find(|(name, ..)| name == "answers/success").unwrap().2;
    let cases: Vec<Value> = ErrorKind::ALL.iter().map(|kind| case(*kind)).collect();
    let about = "One answer of a server for each kind of error; made from the table, see README.";
    golden::check("flow/errors.json", &pretty(&json!({"about": about, "effects": effects, "cases": cases})));
}
