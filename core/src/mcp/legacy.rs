//! Revisions with a handshake: without remembering it, or in a session where the host holds those.

use serde_json::{Map, Value};

use super::{
    Id, Surface, Version,
    exchange::{Client, Level, progress_token},
    feature,
    message::{Ask, Message},
    plan::{Plan, Planned, Work},
    protocol_error::ProtocolError,
    run::failed,
    session::Session,
    wire,
};
use crate::error::Error;

/// Most messages in one batch.
const LONGEST_BATCH: usize = 50;
/// Most bytes of what a client declares: sessions keep it.
const LONGEST_CAPABILITIES: usize = 16 << 10;

/// What is known of an older client.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) version: Version,
    pub(super) streams: bool,
    pub(super) session: Option<Session>,
}

impl Peer {
    /// A client in a session, or one that is known by its header only.
    pub(super) fn new(version: Version, streams: bool, session: Option<Session>) -> Self {
        let version = session.as_ref().and_then(Session::version).unwrap_or(version);
        Self { version, streams, session }
    }

    /// Without a session nobody knows what the client asked to be told: what a new session would tell.
    fn client(&self, params: &Map<String, Value>) -> Client {
        let session = self.session.as_ref();
        Client {
            version: self.version,
            capabilities: session.map(Session::capabilities).unwrap_or_default(),
            streams: self.streams,
            lines: false,
            progress_token: progress_token(params.get("_meta")),
            log_level: Some(session.map_or(Level::Info, Session::level)),
            session: self.session.clone(),
        }
    }
}

/// What becomes of a request of an older client.
pub(super) fn plan<S: Surface>(surface: &S, id: &Id, ask: Ask, peer: &Peer) -> Result<Plan, ProtocolError> {
    let features = surface.features();
    let client = peer.client(&ask.params);
    let plan = match ask.method.as_str() {
        "initialize" => initialize(surface, id, &ask.params, peer),
        "ping" => Ok(Plan::Ready(feature::empty(surface, id, &client))),
        "tools/call" => call(surface, id, ask, client),
        "logging/setLevel" if features.logging => set_level(&ask.params, client),
        "resources/subscribe" | "resources/unsubscribe" if features.resource_updates => watch(ask, client),
        _ => feature::plan(surface, id, ask, client),
    };
    plan.map_err(ProtocolError::in_band)
}

fn initialize<S: Surface>(
    surface: &S,
    id: &Id,
    params: &Map<String, Value>,
    peer: &Peer,
) -> Result<Plan, ProtocolError> {
    let (version, _) = asked(params)?;
    let has_session = peer.session.is_some();
    let result = wire::Initialized::new(surface.info(), surface.features(), version, has_session);
    Ok(Plan::Ready(wire::success(id, result)))
}

/// The version a handshake settles on, and what the client declares, which a session keeps.
pub(super) fn asked(params: &Map<String, Value>) -> Result<(Version, Value), ProtocolError> {
    let asked = params.get("protocolVersion").and_then(Value::as_str);
    let asked = asked.ok_or_else(|| ProtocolError::invalid_params("`protocolVersion` must be a string"))?;
    let capabilities = params.get("capabilities").cloned().unwrap_or_default();
    if capabilities.to_string().len() > LONGEST_CAPABILITIES {
        let most = format!("`capabilities` holds at most {LONGEST_CAPABILITIES} bytes");
        return Err(ProtocolError::invalid_params(most));
    }
    Ok((Version::negotiate(asked), capabilities))
}

/// A tool that needs something nobody declared fails for the model to read.
fn call<S: Surface>(surface: &S, id: &Id, ask: Ask, client: Client) -> Result<Plan, ProtocolError> {
    let name = ask.params.get("name").and_then(Value::as_str).unwrap_or_default();
    match surface.required_capabilities(name) {
        Some(required) if !super::capability::covers(&client.capabilities, required) => {
            let error = Error::unsupported("needs_modern_client", "the tool needs a client of revision 2026-07-28")
                .with("required_capabilities", required)
                .suggest("use another tool, or a newer client");
            let called = wire::Called::new(&failed(&error), client.version).to_json();
            Ok(Plan::Ready(wire::complete(id, surface.info(), client.version, called)))
        }
        _ => feature::plan(surface, id, ask, client),
    }
}

fn set_level(params: &Map<String, Value>, client: Client) -> Result<Plan, ProtocolError> {
    let level = params.get("level").and_then(Level::read);
    let level = level.ok_or_else(|| ProtocolError::invalid_params("`level` must be a level of RFC 5424"))?;
    Ok(Plan::run(client, Work::SetLevel(level)))
}

fn watch(mut ask: Ask, client: Client) -> Result<Plan, ProtocolError> {
    let uri = feature::text(&mut ask.params, "uri")?;
    Ok(Plan::run(client, Work::Watch { uri, on: ask.method == "resources/subscribe" }))
}

/// The messages of a batch; notifications are taken and forgotten. A message that cannot be read refuses the whole.
pub(super) fn read_batch(messages: Vec<Value>) -> Result<Vec<Message>, ProtocolError> {
    if messages.is_empty() || messages.len() > LONGEST_BATCH {
        return Err(ProtocolError::invalid_request(format!("a batch holds 1 to {LONGEST_BATCH} messages")));
    }
    messages.into_iter().map(batched).collect()
}

fn batched(message: Value) -> Result<Message, ProtocolError> {
    match Message::read(message).map_err(|unread| unread.error)? {
        Message::Request(_, ask) | Message::Notification(ask) if ask.is_modern() || ask.method == "initialize" => {
            Err(ProtocolError::invalid_request("a batch holds neither requests of 2026-07-28 nor `initialize`"))
        }
        message => Ok(message),
    }
}

/// The plans of a batch's requests.
pub(super) fn plan_batch<S: Surface>(surface: &S, messages: Vec<Message>, peer: &Peer) -> Vec<Planned> {
    let plan = |message| match message {
        Message::Request(id, ask) => Some(Planned { plan: plan(surface, &id, ask, peer), id }),
        Message::Notification(_) | Message::Response(..) => None,
    };
    messages.into_iter().filter_map(plan).collect()
}

/// The refusal of a response: nothing was asked.
pub(super) fn unasked() -> ProtocolError {
    ProtocolError::invalid_request("this answers no question of the server")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_client_declares_has_a_most() {
        let params = |bytes: usize| {
            let capabilities = json!({"experimental": {"x": "y".repeat(bytes)}});
            json!({"protocolVersion": "2025-06-18", "capabilities": capabilities}).as_object().unwrap().clone()
        };
        assert!(asked(&params(9)).unwrap().1["experimental"]["x"].is_string());
        assert!(asked(&params(LONGEST_CAPABILITIES)).is_err());
    }
}
