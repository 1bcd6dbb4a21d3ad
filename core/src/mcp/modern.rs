//! Revision 2026-07-28: every request stands alone.

use serde_json::{Map, Value, json};

use super::{
    Id, Surface, Version, capability,
    exchange::{Client, Level, progress_token},
    feature,
    header::Headers,
    listen::Filter,
    message::{Ask, VERSION_KEY},
    param,
    plan::{Plan, Round, Work},
    protocol_error::ProtocolError,
    wire,
};

const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
const PROGRESS_KEY: &str = "progressToken";
/// The extension of tasks.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// The ladder of 2026-07-28 from `_meta` on; over standard input there are no headers to compare.
pub(super) fn plan<S: Surface>(
    surface: &S,
    id: &Id,
    ask: Ask,
    headers: Option<Headers<'_>>,
    streams: bool,
) -> Result<Plan, ProtocolError> {
    if ask.method == "initialize" {
        return Err(ProtocolError::method_not_found(&ask.method));
    }
    let version = check_meta(&ask.params)?;
    if let Some(headers) = headers {
        headers.check_agreement(version, &ask.method, &ask.params)?;
    }
    if version != Version::V2026_07_28.as_str() {
        return Err(ProtocolError::unsupported_version(version));
    }
    let client = Client { lines: headers.is_none(), ..client(&ask.params, streams) };
    let features = surface.features();
    match ask.method.as_str() {
        "server/discover" => {
            let found = wire::Discovered::new(surface.info(), features);
            Ok(Plan::Ready(wire::public(id, surface.info(), client.version, found)))
        }
        "tools/call" => {
            check_call(surface, &ask.params, headers, &client)?;
            feature::plan(surface, id, ask, client)
        }
        "subscriptions/listen" if features.streams => listen(ask.params, client),
        "tasks/get" | "tasks/update" | "tasks/cancel" if features.tasks => task(ask, client),
        _ => feature::plan(surface, id, ask, client),
    }
}

/// Refuses a request without the keys that every request carries, or with known keys of the wrong kind; its version.
fn check_meta(params: &Map<String, Value>) -> Result<&str, ProtocolError> {
    let get = |key: &str| params.get("_meta").and_then(|meta| meta.get(key));
    let version = get(VERSION_KEY).and_then(Value::as_str);
    let optional = |key, valid: fn(&Value) -> bool| get(key).is_none_or(valid);
    let bad: Vec<&str> = [
        (VERSION_KEY, version.is_some()),
        (CAPABILITIES_KEY, get(CAPABILITIES_KEY).is_some_and(Value::is_object)),
        (LOG_LEVEL_KEY, optional(LOG_LEVEL_KEY, |level| Level::read(level).is_some())),
        (PROGRESS_KEY, optional(PROGRESS_KEY, |token| Id::read(token.clone()).is_some())),
    ]
    .into_iter()
    .filter_map(|(key, valid)| (!valid).then_some(key))
    .collect();
    version.filter(|_| bad.is_empty()).ok_or_else(|| ProtocolError::bad_meta(&bad))
}

fn client(params: &Map<String, Value>, streams: bool) -> Client {
    let meta = params.get("_meta");
    let get = |key: &str| meta.and_then(|meta| meta.get(key));
    Client {
        version: Version::V2026_07_28,
        capabilities: get(CAPABILITIES_KEY).cloned().unwrap_or_default(),
        streams,
        lines: false,
        progress_token: progress_token(meta),
        log_level: get(LOG_LEVEL_KEY).and_then(Level::read),
        session: None,
    }
}

/// The arguments that headers repeat, and what the tool needs of the client.
fn check_call<S: Surface>(
    surface: &S,
    params: &Map<String, Value>,
    headers: Option<Headers<'_>>,
    client: &Client,
) -> Result<(), ProtocolError> {
    let name = params.get("name").and_then(Value::as_str);
    let Some(tool) = surface.tools().iter().find(|tool| Some(tool.name.as_str()) == name) else { return Ok(()) };
    if let Some(headers) = headers {
        param::check_mirrored(headers, &tool.input_schema, params.get("arguments"))?;
    }
    match surface.required_capabilities(&tool.name) {
        Some(required) if !capability::covers(&client.capabilities, required) => {
            Err(ProtocolError::missing_capability(required))
        }
        _ => Ok(()),
    }
}

fn listen(mut params: Map<String, Value>, client: Client) -> Result<Plan, ProtocolError> {
    if !client.streams {
        return Err(ProtocolError::of_kind(
            crate::error::ErrorKind::NotAcceptable,
            "a subscription is a stream: accept text/event-stream",
        ));
    }
    let filter = Filter::read(params.remove("notifications"))?;
    if !filter.tasks.is_empty() {
        check_tasks(&client)?;
    }
    Ok(Plan::run(client, Work::Listen(filter)))
}

fn task(mut ask: Ask, client: Client) -> Result<Plan, ProtocolError> {
    check_tasks(&client)?;
    let task = feature::text(&mut ask.params, "taskId")?;
    let (round, work) = match ask.method.as_str() {
        "tasks/get" => (Round::default(), Work::GetTask(task)),
        "tasks/update" => (Round::take(&mut ask.params)?, Work::UpdateTask(task)),
        _ => (Round::default(), Work::CancelTask(task)),
    };
    Ok(Plan::Run(Box::new(super::plan::Turn { client, work, round })))
}

fn check_tasks(client: &Client) -> Result<(), ProtocolError> {
    let required = json!({"extensions": {TASKS: {}}});
    if capability::covers(&client.capabilities, &required) {
        return Ok(());
    }
    Err(ProtocolError::missing_capability(&required))
}
