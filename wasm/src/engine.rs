//! The engine entry: a beam-mcp server without a socket.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

#[cfg(feature = "conformance")]
use beam_mcp_conformance::Conformance as Engine;
#[cfg(not(feature = "conformance"))]
use beam_mcp_core::engine::Engine;
use beam_mcp_core::{
    Call, Error, ErrorKind, Flow,
    config::{Config, CredentialRef, Target},
    engine::{BodyRule, Host, HttpRequest, Inbound, refuse, too_large},
};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::{
    call::{CallForm, read},
    flows::{Told, keep},
    glue::{ToldArray, tell, whole},
    numbered::Numbered,
};

thread_local! {
    static ENGINES: RefCell<Numbered<Engine>> = const { RefCell::new(Numbered::new()) };
}

/// What the page needs to reach a target.
#[derive(Serialize)]
struct Endpoint<'a> {
    url: Option<&'a str>,
    credential: Option<&'a CredentialRef>,
}

/// Makes an engine: `["done", {engine, targets: {name: {url, credential}}}]` or `["error", …]`.
///
/// `config` is the configuration document, `host` a [`Host`], both as JSON.
#[wasm_bindgen]
pub fn create(config: &str, host: &str) -> ToldArray {
    tell(make(config, host).unwrap_or_else(|error| Told::error(&error)))
}

fn make(config: &str, host: &str) -> Result<Told, Error> {
    let config = Config::from_json(&read("configuration", config)?)?;
    let engine = Engine::new(config, read::<Host>("host", host)?)?;
    let endpoint = |(name, target): (&String, &Target)| {
        let endpoint = Endpoint { url: target.url.as_deref(), credential: target.credential.as_ref() };
        (name.clone(), json!(endpoint))
    };
    let targets: BTreeMap<String, Value> = engine.config().targets.iter().map(endpoint).collect();
    let number = ENGINES.with_borrow_mut(|engines| engines.add(engine));
    Ok(Told::value(&json!({"engine": number, "targets": targets})))
}

/// Drops an engine; its flows run on.
#[wasm_bindgen]
pub fn destroy(engine: u32) {
    drop(ENGINES.with_borrow_mut(|engines| engines.take(engine)));
}

fn engine(number: u32) -> Result<Engine, Error> {
    let found = ENGINES.with_borrow(|engines| engines.get(number).cloned());
    found.ok_or_else(|| Error::misuse("no engine has this number"))
}

fn begin<T>(
    number: u32,
    call: &str,
    random: &[u8],
    start: impl FnOnce(Engine, Call) -> Flow<T>,
) -> Result<Flow<T>, Error> {
    let call = read::<CallForm>("call", call)?.call(random)?;
    Ok(start(engine(number)?, call))
}

/// Answers an HTTP request: JSON `{method, path, query, headers}` and its body.
///
/// The flow ends with `{status, headers, body: {part: 0}}` and the body, or emits frames first.
#[wasm_bindgen]
pub fn handle(engine: u32, request: &str, body: Vec<u8>, call: &str, random: &[u8]) -> u32 {
    let flow = read::<HttpRequest>("request", request).and_then(|request| {
        let request = Box::new(HttpRequest { body: body.into(), ..request });
        begin(engine, call, random, |engine, call| engine.handle(Inbound::Http(request), call))
    });
    keep(flow, Told::response)
}

/// Answers a line of MCP; the flow ends as that of [`handle`], with the line to write as the body, empty for none.
#[wasm_bindgen]
pub fn line(engine: u32, line: &str, call: &str, random: &[u8]) -> u32 {
    let inbound = Inbound::Line(line.into());
    keep(begin(engine, call, random, |engine, call| engine.handle(inbound, call)), Told::response)
}

/// Runs a verb; the flow ends with its output.
#[wasm_bindgen]
pub fn run(engine: u32, verb: &str, input: &str, call: &str, random: &[u8]) -> u32 {
    let flow = read("value", input)
        .and_then(|input| begin(engine, call, random, |engine, call| engine.run(verb, input, call)));
    keep(flow, |output: Value| Told::value(&output))
}

/// One round of the reconciler; the flow ends with `{again_ms}`.
#[wasm_bindgen]
pub fn tick(engine: u32, call: &str, random: &[u8]) -> u32 {
    let show = |again: Duration| Told::value(&json!({"again_ms": again.as_millis()}));
    keep(begin(engine, call, random, |engine, call| engine.tick(call)), show)
}

/// What to do with the body of a request: `["done", {buffer: n} | {stage: n}]`, `n` the most bytes to take.
#[wasm_bindgen(js_name = bodyRule)]
pub fn body_rule(number: u32, method: &str, path: &str) -> ToldArray {
    let rule = engine(number).map(|engine| match engine.body_rule(method, path) {
        BodyRule::Buffer(most) => json!({"buffer": most}),
        BodyRule::Stage(most) => json!({"stage": most}),
    });
    tell(rule.map_or_else(|error| Told::error(&error), |rule| Told::value(&rule)))
}

/// Headers for a page of another origin that sends a request: `["done", [[name, value], …]]`.
#[wasm_bindgen(js_name = cors)]
pub fn for_page(number: u32, request: &str) -> ToldArray {
    let headers = engine(number).and_then(|engine| Ok(engine.cors(&read::<HttpRequest>("request", request)?)));
    tell(headers.map_or_else(|error| Told::error(&error), |headers| Told::value(&json!(headers))))
}

/// The answer to a request with a body over its limit, in the form [`handle`] ends with; `wall_ms` is Unix time.
#[wasm_bindgen(js_name = tooLarge)]
pub fn answer_too_large(request: &str, most: f64, call: &str, random: &[u8], wall_ms: f64) -> ToldArray {
    let answer = read::<HttpRequest>("request", request).and_then(|request| {
        let call = read::<CallForm>("call", call)?.call(random)?;
        Ok(Told::response(refuse(&request, &too_large(whole(most)), &call, whole(wall_ms))))
    });
    tell(answer.unwrap_or_else(|error| Told::error(&error)))
}

/// JSON: the core's table of errors, one `[code, name, http]` per kind.
#[wasm_bindgen(js_name = errorTable)]
pub fn error_table() -> ToldArray {
    let row = |kind: &ErrorKind| json!([kind.code(), kind.door().js, kind.door().http]);
    tell(Told::value(&ErrorKind::ALL.iter().map(row).collect()))
}
