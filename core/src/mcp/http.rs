//! Streamable HTTP: one request in, one answer out.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Id, Surface, Version, call,
    header::{self, Headers},
    legacy, media,
    message::{Ask, Message, Unread},
    modern,
    plan::{Plan, Planned},
    protocol_error::ProtocolError,
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

/// Methods the endpoint takes.
const ALLOW: &str = "POST, OPTIONS";

/// Serves one request to the endpoint. Host, origin and caller were checked before, a preflight answered.
///
/// # Errors
/// `unauthenticated` when a tool says so: the caller of this function answers with the challenge. Anything else is an
/// answer.
pub async fn http<S: Surface>(io: Io, surface: Arc<S>, request: HttpRequest, call: Call) -> Result<Response, Error> {
    match request.method.as_str() {
        "POST" => {}
        "OPTIONS" => return Ok(allow(wire::empty(204))),
        _ => return Ok(allow(no_method().response(None))),
    }
    match admit(&*surface, &request) {
        Ok(Admitted::Notified) => Ok(wire::empty(202)),
        Ok(Admitted::One(planned)) => {
            answer(io, &*surface, planned, call).await.map(|(status, body)| wire::response(status, body))
        }
        Ok(Admitted::Many(batch)) => answer_all(io, &*surface, batch, call).await.map(|body| wire::response(200, body)),
        Err(unread) => Ok(unread.error.response(unread.id.as_ref())),
    }
}

/// The answer to a request that was turned away before its body could be read.
pub fn refusal(error: &Error) -> Response {
    ProtocolError::of_kind(error.kind(), error.message().to_owned()).response(None)
}

fn no_method() -> ProtocolError {
    ProtocolError::of_kind(
        ErrorKind::MethodNotAllowed,
        "the endpoint takes POST only; it holds no stream and no session",
    )
}

fn allow(mut response: Response) -> Response {
    response.headers.push(("allow".into(), ALLOW.into()));
    response
}

/// What a body turned out to be.
pub(super) enum Admitted {
    Notified,
    One(Planned),
    Many(Vec<Planned>),
}

/// The ladder: everything that can be decided from the request alone, in the order the specification gives.
fn admit<S: Surface>(surface: &S, request: &HttpRequest) -> Result<Admitted, Unread> {
    media::check(request)?;
    let body =
        json::parse(request.body.as_slice(), json::MAX_DEPTH).map_err(|error| ProtocolError::unreadable(&error))?;
    let headers = Headers::of(request);
    let messages = match body {
        Value::Array(messages) => messages,
        message => return admit_one(surface, Message::read(message)?, headers),
    };
    headers.check_single()?;
    admit_batch(surface, messages, batch_version(headers)?)
}

fn admit_one<S: Surface>(surface: &S, message: Message, headers: Headers<'_>) -> Result<Admitted, Unread> {
    match message {
        Message::Response => Err(legacy::unasked().into()),
        Message::Notification(_) => Ok(headers.check_single().map(|()| Admitted::Notified)?),
        Message::Request(id, ask) => {
            let plan = headers.check_single().and_then(|()| plan(surface, &id, ask, headers));
            Ok(Admitted::One(Planned { id, plan }))
        }
    }
}

/// Decides the era: a request is modern when it says so, or when its header names a version that no older one is.
fn plan<S: Surface>(surface: &S, id: &Id, ask: Ask, headers: Headers<'_>) -> Result<Plan, ProtocolError> {
    match legacy_version(headers) {
        Some(version) if !ask.is_modern() => legacy::plan(surface, id, ask, version),
        _ => modern::plan(surface, id, ask, Some(headers)),
    }
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

/// The requests of a batch, where it has any.
pub(super) fn admit_batch<S: Surface>(surface: &S, messages: Vec<Value>, version: Version) -> Result<Admitted, Unread> {
    let batch = legacy::plan_batch(surface, messages, version)?;
    Ok(if batch.is_empty() { Admitted::Notified } else { Admitted::Many(batch) })
}

/// Carries out a plan: status and body.
pub(super) async fn answer<S: Surface>(
    io: Io,
    surface: &S,
    planned: Planned,
    call: Call,
) -> Result<(u16, Vec<u8>), Error> {
    let Planned { id, plan } = planned;
    match plan {
        Ok(Plan::Ready(body)) => Ok((200, body)),
        Ok(Plan::Call(tool)) => call::run(io, surface, &id, tool, call).await.map(|body| (200, body)),
        Err(error) => Ok((error.status, error.body(Some(&id)))),
    }
}

/// Carries out plans one after the other; each draws its ids from randomness of its own.
pub(super) async fn answer_all<S: Surface>(
    io: Io,
    surface: &S,
    batch: Vec<Planned>,
    call: Call,
) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    for (number, planned) in batch.into_iter().enumerate() {
        body.push(if number == 0 { b'[' } else { b',' });
        let seed = call.seed.child(&format!("batch:{number}"));
        let (_, answer) = answer(io.clone(), surface, planned, Call { seed, ..call.clone() }).await?;
        body.extend(answer);
    }
    body.push(b']');
    Ok(body)
}
