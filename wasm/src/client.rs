//! The client entry: calls of a beam-mcp server.

use beam_mcp_core::{
    Error, Flow,
    client::{ClientOptions, ROUTES, call},
};
use serde::Deserialize;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::{
    call::{CallForm, read},
    flows::{Told, keep},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    verb: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    options: ClientOptions,
    #[serde(default)]
    call: CallForm,
}

/// Starts a call: JSON `{verb, input?, options?, call?: {deadline_ms?, labels?}}` and 32 random bytes.
///
/// The flow ends with the answer's `data`. It asks for `send` to the target `server` and for `sleep`.
#[wasm_bindgen]
pub fn start(json: &str, random: &[u8]) -> u32 {
    keep(begin(json, random), |data: Value| Told::value(&data))
}

fn begin(json: &str, random: &[u8]) -> Result<Flow<Value>, Error> {
    let start: Start = read("call", json)?;
    Ok(call(&start.verb, start.input, start.options, start.call.call(random)?))
}

/// The names of the calls a client can make.
#[wasm_bindgen]
pub fn verbs() -> Vec<String> {
    ROUTES.iter().map(|route| route.verb.to_owned()).collect()
}
