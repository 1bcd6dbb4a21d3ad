use serde_json::{Map, Value};

use super::{Id, Version, protocol_error::ProtocolError};

/// What becomes of a request, decided without an effect.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    /// The whole answer.
    Ready(Vec<u8>),
    /// A tool runs first.
    Call(ToolCall),
}

/// A call of a tool that exists.
#[derive(Debug, PartialEq)]
pub(super) struct ToolCall {
    pub(super) version: Version,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
}

/// A request with what becomes of it.
#[derive(Debug, PartialEq)]
pub(super) struct Planned {
    pub(super) id: Id,
    pub(super) plan: Result<Plan, ProtocolError>,
}
