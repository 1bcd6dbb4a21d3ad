//! Each fake says what the real one was recorded to say, less what nobody reads, and nothing else.

mod dataflow;
mod flink;
mod service;
mod spark;

use beam_mcp_core::effect::{Body, Method, Request};
use serde_json::Value;

use crate::runner::{Answer, Message, Runner};

/// Unix time at the beginning of every test.
const START_MS: u64 = 1_795_173_500_000;
const TOKEN: &str = "0bea0000000000000000000000000001";

/// Every field of an answer stands in the recorded one, with a value of the same type.
fn is_part_of(answer: &Value, recorded: &Value, path: &str) {
    match (answer, recorded) {
        (Value::Object(fields), Value::Object(all)) => {
            for (name, value) in fields {
                let there = all.get(name).unwrap_or_else(|| panic!("nobody says {path}/{name}"));
                is_part_of(value, there, &format!("{path}/{name}"));
            }
        }
        (Value::Array(items), Value::Array(all)) => {
            let first = all.first().unwrap_or_else(|| panic!("nothing recorded in {path}"));
            for item in items {
                is_part_of(item, first, path);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(answer),
            std::mem::discriminant(recorded),
            "{path}: {answer} against {recorded}"
        ),
    }
}

fn request(target: &str, method: Method, path: &str, body: Body) -> Request {
    Request { body, ..Request::new(target, method, path) }
}

/// What a fake answers to a request, as JSON where it is some, else as text.
fn ask(runner: &mut impl Runner, request: Request, at: u64) -> (u16, Value) {
    let (answer, _) = runner.answer(&Message::Http(request), at, START_MS + at);
    let Answer::Http(response) = answer else { panic!("no answer over HTTP") };
    let text = response.body.text().into_owned();
    (response.status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// What was recorded, beneath `tests/vectors`.
fn recorded(path: &str) -> (u16, Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
    let text = std::fs::read_to_string(format!("{folder}/{path}.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    (u16::try_from(file["status"].as_u64().unwrap()).unwrap(), file["body"].clone())
}

fn same((status, answer): (u16, Value), path: &str) -> Value {
    let (expected, body) = recorded(path);
    assert_eq!(status, expected, "{path}");
    is_part_of(&answer, &body, path);
    answer
}
