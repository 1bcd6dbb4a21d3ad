//! The two endpoints of 2024-11-05: `GET /sse` names the other one and then carries every answer, `POST /messages`
//! takes every message.
//!
//! The stream carries out its requests one after the other; a question of the server is answered beside them. A session
//! ends with its stream.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Exchange, Id, Surface, Version,
    http::{answer, no_method},
    legacy::{self, Peer},
    listen::{self, Start},
    media,
    message::{Ask, Message, Unread},
    plan::Planned,
    protocol_error::ProtocolError,
    session::{Session, Sessions},
    wire,
};
use crate::{
    call::Call,
    effect::Response,
    engine::HttpRequest,
    error::{Error, ErrorKind},
    flow::Io,
    json, url,
};

const EVENTS: &str = "/sse";
const MESSAGES: &str = "/messages";

/// True for a path that [`pair`] serves.
pub fn is_pair(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), EVENTS | MESSAGES)
}

/// Serves one request to either endpoint, where sessions are held. Host, origin and caller were checked before.
///
/// # Errors
/// `unsupported` without sessions.
pub async fn pair<S: Surface>(io: Io, surface: Arc<S>, request: HttpRequest, call: Call) -> Result<Response, Error> {
    let sessions = surface.sessions().cloned();
    let sessions = sessions.ok_or_else(|| Error::unsupported("no_sessions", "this host holds no sessions"))?;
    match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("GET", EVENTS) if media::accepts_events(&request) => Ok(events(io, &*surface, &sessions, call).await),
        ("POST", MESSAGES) => match admit(&sessions, &request, &call, io.now().wall_ms) {
            Ok(topic) => {
                io.publish(topic, String::new()).await?;
                Ok(wire::empty(202))
            }
            Err(unread) => Ok(unread.error.response(unread.id.as_ref())),
        },
        (_, path) => {
            let mut refused = no_method().response(None);
            refused.headers.push(("allow".into(), if path == EVENTS { "GET" } else { "POST" }.into()));
            Ok(refused)
        }
    }
}

async fn events<S: Surface>(io: Io, surface: &S, sessions: &Sessions, call: Call) -> Response {
    let session = sessions.open(&call, Version::V2024_11_05, Value::Null, io.now().wall_ms).with_inbox();
    let endpoint = format!("{MESSAGES}?sessionId={}", session.id());
    let exchange = Exchange::of_session(io, call, &session);
    // A stream that ends by itself has no last message.
    let _ = listen::session_stream(surface, exchange, &session, Start::Endpoint(endpoint)).await;
    session.close();
    wire::empty(200)
}

/// Takes a message; the topic that tells the stream, or whoever waits for an answer.
fn admit(sessions: &Sessions, request: &HttpRequest, call: &Call, now_ms: u64) -> Result<String, Unread> {
    media::check(request)?;
    let session = named(sessions, request, call, now_ms)?;
    let bytes = request.body.as_slice();
    let body = json::parse(bytes, json::MAX_DEPTH).map_err(|error| ProtocolError::unreadable(&error))?;
    match Message::read(body)? {
        Message::Request(id, ask) => {
            let full = Unread { id: Some(id.clone()), error: full() };
            if session.leave(id, ask, bytes.len()) { Ok(session.topic()) } else { Err(full) }
        }
        Message::Response(Some(Id::Text(id)), answer) => {
            Ok(session.take_response(&id, answer).unwrap_or_else(|| session.topic()))
        }
        Message::Response(..) => Err(legacy::unasked().into()),
        Message::Notification(ask) => {
            Ok(ask.cancels().and_then(|id| session.cancel(&id)).unwrap_or_else(|| session.topic()))
        }
    }
}

fn named(sessions: &Sessions, request: &HttpRequest, call: &Call, now_ms: u64) -> Result<Session, ProtocolError> {
    let pairs = url::pairs(&request.query).unwrap_or_default();
    let id = pairs.iter().find(|(name, _)| name == "sessionId").map(|(_, value)| value.as_str());
    let missing = || ProtocolError::invalid_request("post to the URL that the event `endpoint` named");
    let session = sessions.find(id.ok_or_else(missing)?, call, now_ms).filter(Session::has_inbox);
    session.ok_or_else(ProtocolError::no_session)
}

fn full() -> ProtocolError {
    ProtocolError::of_kind(ErrorKind::RateLimited, "too many requests wait on this stream: wait for answers")
}

/// Carries out one request; its answer goes to the stream.
pub(super) async fn serve<S: Surface>(
    io: &Io,
    surface: &S,
    session: &Session,
    (id, ask): (Id, Ask),
    call: Call,
) -> Result<(), Error> {
    let body = if ask.is_modern() {
        // A client of both eras that finds out what this server speaks reads the answer on the stream.
        Some(ProtocolError::invalid_request("requests of 2026-07-28 go to the endpoint /mcp").body(Some(&id)))
    } else {
        carry_out(io, surface, session, id, ask, call).await
    };
    match body {
        Some(body) => io.emit(String::from_utf8_lossy(&body).into_owned()).await,
        None => Ok(()),
    }
}

/// The answer; `None` for a request that was cancelled.
async fn carry_out<S: Surface>(
    io: &Io,
    surface: &S,
    session: &Session,
    id: Id,
    ask: Ask,
    call: Call,
) -> Option<Vec<u8>> {
    if ask.method == "initialize"
        && let Ok((version, capabilities)) = legacy::asked(&ask.params)
    {
        session.settle(version, capabilities);
    }
    let peer = Peer::new(Version::V2024_11_05, true, Some(session.clone()));
    let planned = Planned { plan: legacy::plan(surface, &id, ask, &peer), id: id.clone() };
    let answered = answer(io.clone(), surface, planned, Box::new(call)).await;
    let answered = answered.map(|answered| answered.map(|(_, body)| body));
    answered.unwrap_or_else(|error| Some(ProtocolError::of_tool(&error).body(Some(&id))))
}
