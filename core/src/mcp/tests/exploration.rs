//! Garbage: vectors mutated by a seeded generator. Nothing panics, and every answer is a legal one.

use std::sync::Arc;

use serde_json::Value;

use super::{
    fixture::{Fixture, serve, serve_line},
    vectors::{cases, text},
};
use crate::{
    effect::Response,
    engine::HttpRequest,
    json,
    mcp::{Id, request_id},
};

const ROUNDS: u64 = 20_000;

/// Marsaglia's xorshift64: the same garbage every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// What is put into bodies and headers: words of the protocol where they do not belong.
const WORDS: [&str; 24] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "1.0",
    "-1",
    "1e400",
    "true",
    "\"id\"",
    "\"method\"",
    "\"result\"",
    "\"_meta\"",
    "\"initialize\"",
    "\"tools/call\"",
    "\"ping\"",
    "\"params\"",
    "2026-07-28",
    "2025-03-26",
    "[[[[[[[[",
    "\u{0}",
    "\u{feff}",
    "=?base64?",
    "?=",
    ",",
];

const HEADERS: [&str; 7] =
    ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region", "content-type", "accept", "mcp-session-id"];

fn mutate_bytes(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(5) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 => bytes.truncate(at),
        2 => {
            let end = (at + dice.below(12)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let end = (at + dice.below(40)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        _ => {
            bytes.splice(at..at, dice.pick(&WORDS).bytes());
        }
    }
}

fn mutate_headers(dice: &mut Dice, headers: &mut Vec<(String, String)>) {
    let at = dice.below(headers.len() + 1);
    match dice.below(4) {
        0 if at < headers.len() => {
            headers.remove(at);
        }
        1 if at < headers.len() => headers.push(headers[at].clone()),
        2 if at < headers.len() => (*dice.pick(&WORDS)).clone_into(&mut headers[at].1),
        _ => headers.push(((*dice.pick(&HEADERS)).into(), (*dice.pick(&WORDS)).into())),
    }
}

fn mutate(dice: &mut Dice, request: &mut HttpRequest) {
    for _ in 0..=dice.below(3) {
        if dice.below(3) == 0 {
            mutate_headers(dice, &mut request.headers);
        } else {
            let mut bytes = std::mem::take(&mut request.body).into_bytes();
            mutate_bytes(dice, &mut bytes);
            request.body = bytes.into();
        }
    }
}

/// Status, code and shape fit together as in the specification's table.
fn check_legal(response: &Response, body: &[u8]) {
    let bytes = response.body.as_slice();
    if bytes.is_empty() {
        assert!(matches!(response.status, 202 | 204), "{}", response.status);
        return;
    }
    assert_eq!(response.header("content-type"), Some("application/json"));
    let answer: Value = serde_json::from_slice(bytes).unwrap();
    if let Value::Array(answers) = &answer {
        assert!(response.status == 200 && !answers.is_empty());
        assert!(body.trim_ascii_start().starts_with(b"["));
        for answer in answers {
            check_message(answer, 200);
        }
        return;
    }
    let asked = std::str::from_utf8(body).ok().and_then(request_id);
    if !matches!(response.status, 405 | 406 | 413 | 415) {
        check_id(&answer, asked.as_ref(), body);
    }
    check_message(&answer, response.status);
}

/// The id of a request comes back; that of a broken message comes back or is left out.
fn check_id(answer: &Value, asked: Option<&Id>, body: &[u8]) {
    let echoed = answer.get("id").cloned().and_then(Id::read);
    if let Some(asked) = asked {
        assert_eq!(echoed.as_ref(), Some(asked), "{answer}");
    } else if let Some(echoed) = echoed {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(Id::read(body["id"].clone()), Some(echoed), "{answer}");
    }
}

fn check_message(answer: &Value, status: u16) {
    assert_eq!(answer["jsonrpc"], "2.0");
    let Some(error) = answer.get("error") else {
        assert!(status == 200 && answer["result"].is_object() && !answer["id"].is_null(), "{answer}");
        return;
    };
    assert!(answer.get("result").is_none() && !error["message"].as_str().unwrap().is_empty());
    let code = error["code"].as_i64().unwrap();
    let statuses: &[u16] = match code {
        -32700 => &[400],
        -32600 => &[400, 406, 413, 415],
        -32601 => &[200, 404, 405],
        -32602 => &[200, 400],
        -32603 => &[200],
        -32022..=-32020 => &[400],
        _ => panic!("{answer}"),
    };
    assert!(statuses.contains(&status), "{status} {answer}");
}

#[test]
fn garbage_over_http_gets_a_legal_answer() {
    let (fixture, mut dice) = (Arc::new(Fixture::new()), Dice(0x9e37_79b9_7f4a_7c15));
    let corpus: Vec<HttpRequest> = cases().iter().filter_map(|case| Some(case.request.as_ref()?.request())).collect();
    for _ in 0..ROUNDS {
        let mut request = dice.pick(&corpus).clone();
        mutate(&mut dice, &mut request);
        let body = request.body.as_slice().to_vec();
        // A tool that says the caller is unknown leaves the answer to the engine.
        if let Ok(response) = serve(&fixture, request).answer {
            check_legal(&response, &body);
        }
    }
}

#[test]
fn garbage_on_standard_input_gets_one_line_or_none() {
    let (fixture, mut dice) = (Arc::new(Fixture::new()), Dice(0x2545_f491_4f6c_dd1d));
    let corpus: Vec<String> = cases().iter().filter_map(|case| case.line.as_ref().map(text)).collect();
    for _ in 0..ROUNDS {
        let mut bytes = dice.pick(&corpus).clone().into_bytes();
        mutate_bytes(&mut dice, &mut bytes);
        let line = String::from_utf8_lossy(&bytes).into_owned();
        let response = serve_line(&fixture, &line, false).answer.unwrap();
        assert!(!response.body.as_slice().contains(&b'\n'));
        if let Some(id) = request_id(&line) {
            let answer = json::parse(response.body.as_slice(), json::MAX_DEPTH).unwrap();
            assert_eq!(answer["id"], serde_json::to_value(id).unwrap(), "{line}");
        }
    }
}
