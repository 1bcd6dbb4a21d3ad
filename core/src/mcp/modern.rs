//! Revision 2026-07-28: every request stands alone.

use serde_json::{Map, Value};

use super::{
    Id, Surface, Version, call, capability,
    header::Headers,
    list,
    message::{Ask, VERSION_KEY},
    param,
    plan::Plan,
    protocol_error::ProtocolError,
    wire,
};

const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
const PROGRESS_KEY: &str = "progressToken";

const LOG_LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The ladder of 2026-07-28 from `_meta` on; over standard input there are no headers to compare.
pub(super) fn plan<S: Surface>(
    surface: &S,
    id: &Id,
    ask: Ask,
    headers: Option<Headers<'_>>,
) -> Result<Plan, ProtocolError> {
    if ask.method == "initialize" {
        return Err(ProtocolError::method_not_found(&ask.method));
    }
    let meta = check_meta(&ask.params)?;
    if let Some(headers) = headers {
        headers.check_agreement(meta.version, &ask.method, &ask.params)?;
    }
    if meta.version != Version::V2026_07_28.as_str() {
        return Err(ProtocolError::unsupported_version(meta.version));
    }
    match ask.method.as_str() {
        "server/discover" => Ok(Plan::Ready(wire::success(id, wire::Discovered::new(surface.info())))),
        "tools/list" => list::plan(surface, id, &ask.params, Version::V2026_07_28),
        "tools/call" => plan_call(surface, ask.params, headers),
        other => Err(ProtocolError::method_not_found(other)),
    }
}

struct Meta<'a> {
    version: &'a str,
}

/// Refuses a request without the keys that every request carries, or with known keys of the wrong kind.
fn check_meta(params: &Map<String, Value>) -> Result<Meta<'_>, ProtocolError> {
    let get = |key: &str| params.get("_meta").and_then(|meta| meta.get(key));
    let version = get(VERSION_KEY).and_then(Value::as_str);
    let optional = |key, valid: fn(&Value) -> bool| get(key).is_none_or(valid);
    let bad: Vec<&str> = [
        (VERSION_KEY, version.is_some()),
        (CAPABILITIES_KEY, get(CAPABILITIES_KEY).is_some_and(Value::is_object)),
        (LOG_LEVEL_KEY, optional(LOG_LEVEL_KEY, |level| LOG_LEVELS.iter().any(|known| level == known))),
        (PROGRESS_KEY, optional(PROGRESS_KEY, |token| Id::read(token.clone()).is_some())),
    ]
    .into_iter()
    .filter_map(|(key, valid)| (!valid).then_some(key))
    .collect();
    match version {
        Some(version) if bad.is_empty() => Ok(Meta { version }),
        _ => Err(ProtocolError::bad_meta(&bad)),
    }
}

fn plan_call<S: Surface>(
    surface: &S,
    params: Map<String, Value>,
    headers: Option<Headers<'_>>,
) -> Result<Plan, ProtocolError> {
    let tool = call::find(surface, &params);
    if let (Some(tool), Some(headers)) = (tool, headers) {
        param::check_mirrored(headers, &tool.input_schema, params.get("arguments"))?;
    }
    if let Some(required) = tool.and_then(|tool| surface.required_capabilities(&tool.name)) {
        let declared = params.get("_meta").and_then(|meta| meta.get(CAPABILITIES_KEY)).unwrap_or(&Value::Null);
        if !capability::covers(declared, required) {
            return Err(ProtocolError::missing_capability(required));
        }
    }
    if params.get("requestState").is_some_and(|state| !state.is_null()) {
        return Err(ProtocolError::invalid_params("`requestState` was not given out by this server"));
    }
    call::plan(tool, params, Version::V2026_07_28)
}
