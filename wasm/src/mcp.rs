//! The MCP entry: calls of any MCP server.

use std::cell::RefCell;

use beam_mcp_core::{
    Error, Flow,
    mcp_client::{Connection, Options},
};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::{
    call::{CallForm, read},
    flows::{Told, keep},
    glue::{ToldArray, tell},
    numbered::Numbered,
};

thread_local! {
    static CONNECTIONS: RefCell<Numbered<Connection>> = const { RefCell::new(Numbered::new()) };
}

/// Makes a connection: `["done", {connection}]` or `["error", …]`. `options` are [`Options`] as JSON; nothing is sent
/// yet.
#[wasm_bindgen]
pub fn connect(options: &str) -> ToldArray {
    tell(make(options).unwrap_or_else(|error| Told::error(&error)))
}

fn make(options: &str) -> Result<Told, Error> {
    let connection = Connection::new(read::<Options>("list of options", options)?)?;
    let number = CONNECTIONS.with_borrow_mut(|connections| connections.add(connection));
    Ok(Told::value(&json!({"connection": number})))
}

/// Drops a connection; its flows run on.
#[wasm_bindgen]
pub fn disconnect(connection: u32) {
    drop(CONNECTIONS.with_borrow_mut(|connections| connections.take(connection)));
}

/// Starts a verb of a connection ([`Connection::start`]) with its input as JSON and 32 random bytes.
///
/// The flow ends with what the verb ends with. It asks for `open`, `read`, `shut` and `send` (to the target `server`, or
/// to the server that the request names), for `sleep`, `ask` and `tell`.
#[wasm_bindgen]
pub fn start(connection: u32, verb: &str, input: &str, call: &str, random: &[u8]) -> u32 {
    keep(begin(connection, verb, input, call, random), |value: Value| Told::value(&value))
}

fn begin(number: u32, verb: &str, input: &str, call: &str, random: &[u8]) -> Result<Flow<Value>, Error> {
    let found = CONNECTIONS.with_borrow(|connections| connections.get(number).cloned());
    let connection = found.ok_or_else(|| Error::misuse("no connection has this number"))?;
    let call = read::<CallForm>("call", call)?.call(random)?;
    Ok(connection.start(verb, read("value", input)?, call))
}
