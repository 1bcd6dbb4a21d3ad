//! What both entries export, and the way from values of Rust to those of JavaScript.

use std::time::Duration;

use beam_mcp_core::Now;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use crate::flows::{self, Told};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Kind, JSON, and the byte parts the JSON names by number. */
export type Told = [kind: "effect" | "done" | "error", json: string, ...parts: Uint8Array[]];
"#;

#[wasm_bindgen]
extern "C" {
    /// What was told: `[kind, json, ...parts]`.
    #[wasm_bindgen(typescript_type = "Told")]
    pub type ToldArray;
}

/// What was told, as an array: an object would take one more import for each member.
pub(crate) fn tell(told: Told) -> ToldArray {
    let array = js_sys::Array::of2(&told.kind.as_str().into(), &told.json.into());
    for part in told.parts {
        array.push(&Uint8Array::from(part.as_slice()));
    }
    JsValue::from(array).unchecked_into()
}

/// Advances a flow with the reply to its last effect; the first time without one.
///
/// `mono_ms` counts from any origin and never goes back, `wall_ms` is Unix time. `parts` are the bytes the reply names.
#[wasm_bindgen]
#[expect(clippy::needless_pass_by_value, reason = "what comes from JavaScript is owned")]
pub fn step(handle: u32, mono_ms: f64, wall_ms: f64, reply: Option<String>, parts: Vec<Uint8Array>) -> ToldArray {
    let parts = parts.iter().map(Uint8Array::to_vec).collect();
    let now = Now { mono: Duration::from_millis(whole(mono_ms)), wall_ms: whole(wall_ms) };
    tell(flows::advance(handle, now, reply.map(|json| (json, parts))))
}

/// Drops a flow, without clean-up.
#[wasm_bindgen]
pub fn free(handle: u32) {
    flows::drop_flow(handle);
}

/// True once an intent is durable: drive the flow to its end although its caller is gone.
#[wasm_bindgen(js_name = mustFinish)]
pub fn must_finish(handle: u32) -> bool {
    flows::must_finish(handle)
}

/// The version of the module.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of what is out of range saturates")]
pub(crate) fn whole(ms: f64) -> u64 {
    ms as u64
}
