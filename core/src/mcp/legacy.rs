//! Revisions with a handshake, without remembering it.

use serde_json::Value;

use super::{
    Id, Surface, Version, call, list,
    message::{Ask, Message},
    plan::{Plan, Planned},
    protocol_error::ProtocolError,
    wire,
};
use crate::error::Error;

/// Most messages in one batch.
const LONGEST_BATCH: usize = 50;

/// What becomes of a request whose answer has the form of `version`.
pub(super) fn plan<S: Surface>(surface: &S, id: &Id, ask: Ask, version: Version) -> Result<Plan, ProtocolError> {
    let plan = match ask.method.as_str() {
        "initialize" => initialize(surface, id, &ask),
        "ping" => Ok(Plan::Ready(wire::success(id, wire::Empty {}))),
        "tools/list" => list::plan(surface, id, &ask.params, version),
        "tools/call" => plan_call(surface, id, ask, version),
        other => Err(ProtocolError::method_not_found(other)),
    };
    plan.map_err(ProtocolError::in_band)
}

/// What the client declared in its handshake is forgotten, and nothing could be asked of it: a tool that needs that
/// fails for the model to read.
fn plan_call<S: Surface>(surface: &S, id: &Id, ask: Ask, version: Version) -> Result<Plan, ProtocolError> {
    let tool = call::find(surface, &ask.params);
    let Some(required) = tool.and_then(|tool| surface.required_capabilities(&tool.name)) else {
        return call::plan(tool, ask.params, version);
    };
    let error = Error::unsupported("needs_modern_client", "the tool needs a client of revision 2026-07-28")
        .with("required_capabilities", required)
        .suggest("use another tool, or a newer client");
    let result = call::failed(&error);
    Ok(Plan::Ready(wire::success(id, wire::Called::new(surface.info(), &result, version))))
}

fn initialize<S: Surface>(surface: &S, id: &Id, ask: &Ask) -> Result<Plan, ProtocolError> {
    let asked = ask
        .params
        .get("protocolVersion")
        .and_then(Value::as_str)
        .ok_or_else(|| ProtocolError::invalid_params("`protocolVersion` must be a string"))?;
    let result = wire::Initialized::new(surface.info(), Version::negotiate(asked));
    Ok(Plan::Ready(wire::success(id, result)))
}

/// The requests of a batch; notifications are taken and forgotten. A message that cannot be read refuses the whole.
pub(super) fn plan_batch<S: Surface>(
    surface: &S,
    messages: Vec<Value>,
    version: Version,
) -> Result<Vec<Planned>, ProtocolError> {
    if messages.is_empty() || messages.len() > LONGEST_BATCH {
        return Err(ProtocolError::invalid_request(format!("a batch holds 1 to {LONGEST_BATCH} messages")));
    }
    let asks = messages.into_iter().filter_map(|message| batched(message).transpose());
    let asks = asks.collect::<Result<Vec<_>, ProtocolError>>()?;
    Ok(asks.into_iter().map(|(id, ask)| Planned { plan: plan(surface, &id, ask, version), id }).collect())
}

fn batched(message: Value) -> Result<Option<(Id, Ask)>, ProtocolError> {
    match Message::read(message).map_err(|unread| unread.error)? {
        Message::Request(_, ask) | Message::Notification(ask) if ask.is_modern() || ask.method == "initialize" => {
            Err(ProtocolError::invalid_request("a batch holds neither requests of 2026-07-28 nor `initialize`"))
        }
        Message::Request(id, ask) => Ok(Some((id, ask))),
        Message::Notification(_) => Ok(None),
        Message::Response => Err(unasked()),
    }
}

/// The refusal of a response: this server asks clients nothing.
pub(super) fn unasked() -> ProtocolError {
    ProtocolError::invalid_request("this server sends no requests, so it takes no responses")
}
