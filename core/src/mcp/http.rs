//! Streamable HTTP: one request in, one answer out.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Exchange, Id, Surface, Version,
    header::{self, Headers},
    legacy::{self, Peer},
    listen::{self, Start},
    media,
    message::{Ask, Message, Unread},
    modern,
    plan::{Plan, Planned},
    protocol_error::ProtocolError,
    run,
    session::{Running, Session},
    wire,
};
use crate::{
    call::Call,
    effect::Response,
    engine::HttpRequest,
    error::{Error, ErrorKind},
    flow::Io,
    json,
};

/// Header that names a session.
const SESSION: &str = "mcp-session-id";
/// Header that names the last event a client saw.
const LAST_EVENT: &str = "last-event-id";

/// Serves one request to the endpoint. Host, origin and caller were checked before, a preflight answered.
///
/// # Errors
/// `unauthenticated` when a tool says so: the caller of this function answers with the challenge. Anything else is an
/// answer.
pub async fn http<S: Surface>(
    io: Io,
    surface: Arc<S>,
    request: Box<HttpRequest>,
    call: Box<Call>,
) -> Result<Response, Error> {
    let reads_events = media::accepts_events(&request);
    let silence = || wire::silence(reads_events);
    let admitted = {
        let door = Door { surface: &*surface, headers: Headers::of(&request), now_ms: io.now().wall_ms, call: &call };
        match request.method.as_str() {
            "POST" => door.admit(&request),
            "OPTIONS" => return Ok(door.allow(wire::empty(204))),
            "GET" | "DELETE" if surface.sessions().is_some() => {
                return Box::pin(door.session_request(io, &request)).await;
            }
            _ => return Ok(door.allow(no_method().response(None))),
        }
    };
    // Read, and not held for as long as the answer takes.
    drop(request);
    let (answer, opened) = match admitted {
        Ok(Admitted::Taken(topics)) => {
            publish(&io, topics).await?;
            (wire::empty(202), None)
        }
        Ok(Admitted::One(planned, opened)) => {
            let answered = answer(io, &*surface, planned, call).await?;
            (answered.map_or_else(silence, |(status, body)| wire::response(status, body)), opened)
        }
        Ok(Admitted::Many(batch, topics)) => {
            publish(&io, topics).await?;
            let answered = Box::pin(answer_all(io, &*surface, batch, &call)).await?;
            (answered.map_or_else(silence, |body| wire::response(200, body)), None)
        }
        Err(unread) => (unread.error.response(unread.id.as_ref()), None),
    };
    Ok(with_session(answer, opened))
}

/// The answer to a verb that the endpoint does not serve, whoever sends it: the first rung of the ladder (mcp.md 1.5).
pub fn unserved<S: Surface>(surface: &S, method: &str) -> Option<Response> {
    let sessions = surface.sessions().is_some();
    let serves = matches!(method, "POST" | "OPTIONS") || (sessions && matches!(method, "GET" | "DELETE"));
    (!serves).then(|| allow(sessions, no_method().response(None)))
}

fn allow(sessions: bool, mut response: Response) -> Response {
    let methods = if sessions { "GET, POST, DELETE, OPTIONS" } else { "POST, OPTIONS" };
    response.headers.push(("allow".into(), methods.into()));
    response
}

/// The answer to a request that was turned away before its body could be read.
pub fn refusal(error: &Error) -> Response {
    ProtocolError::of_kind(error.kind(), error.message().to_owned()).response(None)
}

pub(super) fn no_method() -> ProtocolError {
    ProtocolError::of_kind(
        ErrorKind::MethodNotAllowed,
        "the endpoint takes POST; a stream or an end needs a session it holds",
    )
}

fn with_session(mut response: Response, opened: Option<Session>) -> Response {
    if let Some(session) = opened {
        response.headers.push((SESSION.into(), session.id().to_owned()));
    }
    response
}

/// What a body turned out to be.
enum Admitted {
    /// Notifications, or an answer to a question; the topics to publish.
    Taken(Vec<String>),
    One(Planned, Option<Session>),
    /// The requests of a batch, and the topics of what came beside them.
    Many(Vec<Planned>, Vec<String>),
}

/// What a request is looked at with.
struct Door<'a, S> {
    surface: &'a S,
    headers: Headers<'a>,
    now_ms: u64,
    call: &'a Call,
}

impl<S: Surface> Door<'_, S> {
    fn allow(&self, response: Response) -> Response {
        allow(self.surface.sessions().is_some(), response)
    }

    /// The ladder: everything that can be decided from the request alone, in the order the specification gives.
    fn admit(&self, request: &HttpRequest) -> Result<Admitted, Unread> {
        media::check(request)?;
        let body =
            json::parse(request.body.as_slice(), json::MAX_DEPTH).map_err(|error| ProtocolError::unreadable(&error))?;
        let streams = self.surface.features().tells() && media::accepts_events(request);
        match body {
            Value::Array(messages) => {
                self.headers.check_single()?;
                self.admit_batch(messages, batch_version(self.headers)?, streams)
            }
            message => self.admit_one(Message::read(message)?, streams),
        }
    }

    fn admit_one(&self, message: Message, streams: bool) -> Result<Admitted, Unread> {
        match message {
            Message::Response(id, answer) => Ok(self.take(id, answer)?),
            Message::Notification(ask) => {
                self.headers.check_single()?;
                let session = if ask.is_modern() { None } else { self.session()? };
                Ok(Admitted::Taken(cancelled(session.as_ref(), &ask).into_iter().collect()))
            }
            Message::Request(id, ask) => {
                let planned = self.headers.check_single().and_then(|()| self.plan(&id, ask, streams));
                let (plan, opened) =
                    planned.map_or_else(|error| (Err(error), None), |(plan, opened)| (Ok(plan), opened));
                Ok(Admitted::One(Planned { id, plan }, opened))
            }
        }
    }

    /// Decides the era: a request is modern when it says so, or when its header names a version that no older one is.
    fn plan(&self, id: &Id, ask: Ask, streams: bool) -> Result<(Plan, Option<Session>), ProtocolError> {
        let Some(version) = legacy_version(self.headers).filter(|_| !ask.is_modern()) else {
            return Ok((modern::plan(self.surface, id, ask, Some(self.headers), streams)?, None));
        };
        if ask.method == "initialize" {
            let opened = self.open(&ask)?;
            let peer = Peer::new(version, streams, opened.clone());
            return Ok((legacy::plan(self.surface, id, ask, &peer)?, opened));
        }
        let peer = Peer::new(version, streams, self.session()?);
        Ok((legacy::plan(self.surface, id, ask, &peer)?, None))
    }

    /// Opens a session for a handshake, where sessions are held and answers can be streamed.
    fn open(&self, ask: &Ask) -> Result<Option<Session>, ProtocolError> {
        let Some(sessions) = self.surface.sessions() else { return Ok(None) };
        let (version, capabilities) = legacy::asked(&ask.params).map_err(ProtocolError::in_band)?;
        Ok(Some(sessions.open(self.call, version, capabilities, self.now_ms)))
    }

    /// The session that the request names: none, or one of this caller that is still there. Where no sessions are held
    /// the header means nothing.
    fn session(&self) -> Result<Option<Session>, ProtocolError> {
        let (Some(sessions), Some(id)) = (self.surface.sessions(), self.headers.get(SESSION)) else { return Ok(None) };
        sessions.find(id, self.call, self.now_ms).map(Some).ok_or_else(ProtocolError::no_session)
    }

    fn take(&self, id: Option<Id>, answer: Result<Value, Value>) -> Result<Admitted, ProtocolError> {
        let (Some(session), Some(Id::Text(id))) = (self.session()?, id) else { return Err(legacy::unasked()) };
        Ok(Admitted::Taken(session.take_response(&id, answer).into_iter().collect()))
    }

    /// A batch of requests and notifications, or of one answer: an answer is told to whoever waits before the next is
    /// taken.
    fn admit_batch(&self, messages: Vec<Value>, version: Version, streams: bool) -> Result<Admitted, Unread> {
        let mut messages = legacy::read_batch(messages)?;
        if let [Message::Response(..)] = messages.as_slice()
            && let Some(Message::Response(id, answer)) = messages.pop()
        {
            return Ok(self.take(id, answer)?);
        }
        if messages.iter().any(|message| matches!(message, Message::Response(..))) {
            return Err(ProtocolError::invalid_request("send answers one by one, apart from requests").into());
        }
        let session = self.session()?;
        let topics = messages.iter().filter_map(|message| match message {
            Message::Notification(ask) => cancelled(session.as_ref(), ask),
            Message::Request(..) | Message::Response(..) => None,
        });
        let topics = topics.collect();
        let batch = legacy::plan_batch(self.surface, messages, &Peer::new(version, streams, session));
        Ok(if batch.is_empty() { Admitted::Taken(topics) } else { Admitted::Many(batch, topics) })
    }

    /// GET opens the stream of a session, DELETE ends one.
    async fn session_request(&self, io: Io, request: &HttpRequest) -> Result<Response, Error> {
        let session = match self.session() {
            Ok(Some(session)) => session,
            Ok(None) => return Ok(self.allow(no_method().response(None))),
            Err(error) => return Ok(error.response(None)),
        };
        if request.method == "DELETE" {
            session.close();
            io.publish(session.topic(), String::new()).await?;
            return Ok(wire::empty(204));
        }
        if !self.surface.features().streams || !media::accepts_events(request) {
            return Ok(self.allow(no_method().response(None)));
        }
        let start = self.headers.get(LAST_EVENT).map_or(Start::Fresh, |event| Start::After(event.to_owned()));
        let exchange = Exchange::of_session(io, self.call.clone(), &session);
        // A stream that ends by itself has no last message.
        let _ = listen::session_stream(self.surface, exchange, &session, start).await;
        Ok(wire::empty(200))
    }
}

/// Cancels what a notification names, in its session; the topic to publish. Without a session it is anybody's word.
fn cancelled(session: Option<&Session>, ask: &Ask) -> Option<String> {
    session?.cancel(&ask.cancels()?)
}

async fn publish(io: &Io, topics: Vec<String>) -> Result<(), Error> {
    for topic in topics {
        io.publish(topic, String::new()).await?;
    }
    Ok(())
}

/// The revision whose form an answer without a handshake has: 2025-03-26 knew no version header.
fn legacy_version(headers: Headers<'_>) -> Option<Version> {
    headers.version().map_or(Some(Version::V2025_03_26), Version::legacy)
}

fn batch_version(headers: Headers<'_>) -> Result<Version, ProtocolError> {
    let version = legacy_version(headers).filter(|version| version.has_batches());
    version.ok_or_else(|| {
        ProtocolError::invalid_request(format!("{} knows no batches: one message per body", header::VERSION))
    })
}

/// Carries out a plan: status and body; `None` when the client cancelled it in its session.
pub(super) async fn answer<S: Surface>(
    io: Io,
    surface: &S,
    planned: Planned,
    call: Box<Call>,
) -> Result<Option<(u16, Vec<u8>)>, Error> {
    let Planned { id, plan } = planned;
    match plan {
        Ok(Plan::Ready(body)) => Ok(Some((200, body))),
        Ok(Plan::Run(turn)) => {
            let running = turn.client.session.as_ref().and_then(|session| session.start(&id, &io));
            let answered = run::run(io, surface, &id, turn, call).await;
            if running.is_some_and(Running::end) { Ok(None) } else { answered.map(Some) }
        }
        Err(error) => Ok(Some((error.status, error.body(Some(&id))))),
    }
}

/// Carries out plans one after the other; each draws its ids from randomness of its own. `None` when all were cancelled.
pub(super) async fn answer_all<S: Surface>(
    io: Io,
    surface: &S,
    batch: Vec<Planned>,
    call: &Call,
) -> Result<Option<Vec<u8>>, Error> {
    let mut body = Vec::new();
    for (number, planned) in batch.into_iter().enumerate() {
        let seed = call.seed.child(&format!("batch:{number}"));
        if let Some((_, answer)) = answer(io.clone(), surface, planned, Box::new(Call { seed, ..call.clone() })).await?
        {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend(answer);
        }
    }
    body.push(b']');
    Ok(Some(body).filter(|body| body.len() > 1))
}
