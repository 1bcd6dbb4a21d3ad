use serde_json::{Map, Value};

use super::{
    Id, Surface, Tool, ToolResult, Version,
    plan::{Plan, ToolCall},
    protocol_error::ProtocolError,
    wire,
};
use crate::{
    call::Call,
    error::{Error, ErrorKind},
    flow::Io,
};

/// The tool a call names.
pub(super) fn find<'a, S: Surface>(surface: &'a S, params: &Map<String, Value>) -> Option<&'a Tool> {
    let name = params.get("name").and_then(Value::as_str)?;
    surface.tools().iter().find(|tool| tool.name == name)
}

/// `tools/call`, once everything around the parameters is in order.
pub(super) fn plan(
    tool: Option<&Tool>,
    mut params: Map<String, Value>,
    version: Version,
) -> Result<Plan, ProtocolError> {
    let Some(Value::String(name)) = params.remove("name") else {
        return Err(ProtocolError::invalid_params("`name` must be the name of a tool"));
    };
    if tool.is_none() {
        return Err(ProtocolError::invalid_params("unknown tool; tools/list names them all"));
    }
    let arguments = match params.remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(ProtocolError::invalid_params("`arguments` must be an object")),
    };
    Ok(Plan::Call(ToolCall { version, name, arguments }))
}

/// Runs a tool and writes its answer. Unknown callers are for the HTTP layer to turn away.
pub(super) async fn run<S: Surface>(
    io: Io,
    surface: &S,
    id: &Id,
    tool: ToolCall,
    call: Call,
) -> Result<Vec<u8>, Error> {
    let answer = surface.call_tool(io, call, &tool.name, tool.arguments).await;
    let result = match answer {
        Ok(result) => result,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => return Err(error),
        Err(error) if error.kind().door().json_rpc.is_some() => {
            return Ok(ProtocolError::of_tool(&error).body(Some(id)));
        }
        Err(error) => failed(&error),
    };
    Ok(wire::success(id, wire::Called::new(surface.info(), &result, tool.version)))
}

/// An error for the model to read. It carries no structured content: some clients hold that against the output schema
/// even when the tool failed.
pub(super) fn failed(error: &Error) -> ToolResult {
    let mut text = format!("{error}\nreason: {}", error.reason());
    for (key, value) in error.context() {
        text.extend(["\n", key, ": ", value]);
    }
    text.extend(["\nnext: ", error.suggestion()]);
    ToolResult { text, structured: None, is_error: true }
}
