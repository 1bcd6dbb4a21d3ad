use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use beam_mcp_core::{
    call::Labels,
    effect::{Refusal, Source},
    engine::HttpRequest,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as _, Incoming},
    http::request::Parts,
};
use tokio::time::{Instant, timeout_at};

use crate::{admission::Working, budget::Share, effects::Staging};

/// Least rate of a body after its first seconds, in bytes per second.
const LEAST_RATE: u64 = 1024;
const GRACE: Duration = Duration::from_secs(10);

/// Why a body was not taken.
#[derive(Debug, PartialEq)]
pub(super) enum Unread {
    /// Larger than this.
    TooLarge(u64),
    /// Too slow.
    Slow,
    /// The peer ended it early or sent it malformed.
    Broken,
    /// All bodies together are as large as they may be.
    Full,
    /// The host would not keep it.
    Refused(Refusal),
}

/// The head of a request as the core reads it, still without its body.
pub(super) fn head(parts: &Parts) -> HttpRequest {
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    HttpRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        ..HttpRequest::default()
    }
}

/// Labels of a request: those that are plain words (security-reliability.md T49).
pub(super) fn labels(request: &HttpRequest) -> Labels {
    let label = |name: &str| request.header(name).filter(|value| is_plain(value)).map(str::to_owned);
    Labels {
        session_id: label("mcp-session-id"),
        trace_id: label("mcp-trace-id"),
        transaction_id: label("mcp-transaction-id"),
        user_id: label("mcp-user-id"),
    }
}

fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=128).contains(&value.len()) && value.bytes().all(plain)
}

/// Reads a body of at most `most` bytes into memory, as far as there is any for it; the request rests while it waits.
pub(super) async fn buffer(
    body: Incoming,
    most: u64,
    memory: &mut Share,
    working: &Arc<Working>,
) -> Result<Vec<u8>, Unread> {
    let mut reader = Reader::new(body, most, Some(working))?;
    let mut bytes = Vec::new();
    while let Some(next) = reader.next().await? {
        if !memory.grow(next.len() as u64) {
            return Err(Unread::Full);
        }
        if bytes.is_empty() { bytes = Vec::from(next) } else { bytes.extend_from_slice(&next) }
    }
    Ok(bytes)
}

/// Streams a body of at most `most` bytes into a staged source.
pub(super) async fn stage(body: Incoming, most: u64, staging: &dyn Staging) -> Result<Source, Unread> {
    let mut reader = Reader::new(body, most, None)?;
    let begun = staging.receive(most).await;
    let mut receipt = begun.map_err(|error| Unread::Refused(unreadable(&error)))?;
    while let Some(bytes) = reader.next().await? {
        receipt.write(bytes).await.map_err(Unread::Refused)?;
    }
    receipt.finish(String::new()).await.map_err(Unread::Refused)
}

fn unreadable(error: &std::io::Error) -> Refusal {
    Refusal { reason: "unreadable".into(), detail: error.kind().to_string() }
}

/// A body that is read within its size and at a least rate.
struct Reader<'a> {
    body: Incoming,
    most: u64,
    read: u64,
    begun: Instant,
    /// What rests while it waits.
    working: Option<&'a Arc<Working>>,
}

impl<'a> Reader<'a> {
    fn new(body: Incoming, most: u64, working: Option<&'a Arc<Working>>) -> Result<Self, Unread> {
        if body.size_hint().lower() > most {
            return Err(Unread::TooLarge(most));
        }
        Ok(Self { body, most, read: 0, begun: Instant::now(), working })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Unread> {
        loop {
            if self.body.is_end_stream() {
                return Ok(None);
            }
            let due = self.begun + GRACE + Duration::from_secs(self.read / LEAST_RATE);
            let frame = before(due, self.body.frame(), self.working).await.ok_or(Unread::Slow)?;
            let Some(frame) = frame.transpose().map_err(|_| Unread::Broken)? else { return Ok(None) };
            let Ok(bytes) = frame.into_data() else { continue };
            self.read += bytes.len() as u64;
            return if self.read > self.most { Err(Unread::TooLarge(self.most)) } else { Ok(Some(bytes)) };
        }
    }
}

/// What comes before a time. hyper hands over what it has read already when it is asked once more: only what is still to
/// come is worth a timer, and a rest.
async fn before<F: Future + Unpin>(due: Instant, mut coming: F, working: Option<&Arc<Working>>) -> Option<F::Output> {
    let mut is_asked_again = false;
    let read = poll_fn(|context| match Pin::new(&mut coming).poll(context) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if is_asked_again => Poll::Ready(None),
        Poll::Pending => {
            is_asked_again = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    if let Some(read) = read.await {
        return Some(read);
    }
    let _rest = working.map(Working::rest);
    timeout_at(due, coming).await.ok()
}
