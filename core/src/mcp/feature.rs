//! The methods that every revision has in common, from their parameters to a plan.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Id, Surface,
    complete::complete,
    exchange::Client,
    list,
    message::Ask,
    plan::{Plan, Round, Turn, Work},
    protocol_error::ProtocolError,
    wire,
};

/// What becomes of a request of a client; a method that is not declared is unknown.
pub(super) fn plan<S: Surface>(surface: &S, id: &Id, ask: Ask, client: Client) -> Result<Plan, ProtocolError> {
    let (features, mut params) = (surface.features(), ask.params);
    match ask.method.as_str() {
        "tools/list" => list::tools(surface, id, &params, &client),
        "tools/call" => asking(client, &mut params, |params| call(surface, params)),
        "resources/list" if features.resources => {
            Ok(Plan::run(client, Work::ListResources { cursor: optional_text(&mut params, "cursor")? }))
        }
        "resources/templates/list" if features.resources => list::templates(surface, id, &params, client.version),
        "resources/read" if features.resources => {
            asking(client, &mut params, |params| Ok(Work::Read { uri: text(params, "uri")? }))
        }
        "prompts/list" if features.prompts => list::prompts(surface, id, &params, client.version),
        "prompts/get" if features.prompts => asking(client, &mut params, |params| prompt(surface, params)),
        "completion/complete" if features.completions => Ok(Plan::run(client, complete(surface, params)?)),
        other => Err(ProtocolError::method_not_found(other)),
    }
}

/// A method whose handler may ask the client.
fn asking(
    client: Client,
    params: &mut Map<String, Value>,
    work: impl FnOnce(&mut Map<String, Value>) -> Result<Work, ProtocolError>,
) -> Result<Plan, ProtocolError> {
    let round = Round::take(params)?;
    Ok(Plan::Run(Box::new(Turn { client, work: work(params)?, round })))
}

fn call<S: Surface>(surface: &S, params: &mut Map<String, Value>) -> Result<Work, ProtocolError> {
    let Some(Value::String(name)) = params.remove("name") else {
        return Err(ProtocolError::invalid_params("`name` must be the name of a tool"));
    };
    if surface.tools().iter().all(|tool| tool.name != name) {
        return Err(ProtocolError::invalid_params("unknown tool; tools/list names them all"));
    }
    let arguments = match params.remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(ProtocolError::invalid_params("`arguments` must be an object")),
    };
    Ok(Work::Call { name, arguments })
}

fn prompt<S: Surface>(surface: &S, params: &mut Map<String, Value>) -> Result<Work, ProtocolError> {
    let name = text(params, "name")?;
    let Some(prompt) = surface.prompts().iter().find(|prompt| prompt.name == name) else {
        return Err(ProtocolError::no_prompt());
    };
    let arguments = texts(params.remove("arguments"), "arguments")?;
    let missing = prompt.arguments.iter().find(|argument| argument.required && !arguments.contains_key(&argument.name));
    if let Some(argument) = missing {
        return Err(ProtocolError::invalid_params(format!("the prompt needs the argument `{}`", argument.name)));
    }
    Ok(Work::Prompt { name, arguments })
}

/// A parameter that must be a string.
pub(super) fn text(params: &mut Map<String, Value>, key: &str) -> Result<String, ProtocolError> {
    optional_text(params, key)?.ok_or_else(|| ProtocolError::invalid_params(format!("`{key}` must be a string")))
}

fn optional_text(params: &mut Map<String, Value>, key: &str) -> Result<Option<String>, ProtocolError> {
    match params.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ProtocolError::invalid_params(format!("`{key}` must be a string"))),
    }
}

/// A parameter that must be an object.
pub(super) fn object(value: Option<Value>, key: &str) -> Result<Map<String, Value>, ProtocolError> {
    match value {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(ProtocolError::invalid_params(format!("`{key}` must be an object"))),
    }
}

/// A parameter that may hold strings by their names.
pub(super) fn texts(value: Option<Value>, key: &str) -> Result<BTreeMap<String, String>, ProtocolError> {
    let map = match value {
        None | Some(Value::Null) => Map::new(),
        other => object(other, key)?,
    };
    let pair = |(name, value)| match value {
        Value::String(value) => Ok((name, value)),
        _ => Err(ProtocolError::invalid_params(format!("the values of `{key}` must be strings"))),
    };
    map.into_iter().map(pair).collect()
}

/// The empty answer.
pub(super) fn empty<S: Surface>(surface: &S, id: &Id, client: &Client) -> Vec<u8> {
    wire::complete(id, surface.info(), client.version, wire::Empty {})
}
