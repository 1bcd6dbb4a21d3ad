//! Reading the answer to a message: one JSON text, or a stream of events that may break and be taken up again.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Map, Value};

use super::{
    failure,
    link::Link,
    message,
    pipe::LINES,
    sse::{Event, Reader},
    version::Peer,
};
use crate::{
    effect::{Body, Method, Request, Response},
    error::{Error, ErrorKind, Landed},
    flow::{Opened, Piece},
};

/// Wait before a stream is taken up again, where the server named none, and the longest it may name.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The shortest it may name. The floor is ours: HTML and MCP leave the wait to the server, and `retry: 0` with an event
/// for every connection would have the client come back without a pause.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_READ: Duration = Duration::from_secs(3600);

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    idle: Duration,
    until: Duration,
    at_most: Duration,
}

impl Patience {
    pub(super) fn new(now: Duration, idle_ms: u64, longest_ms: u64, deadline: Duration) -> Self {
        let idle = Duration::from_millis(idle_ms);
        let at_most = now.saturating_add(Duration::from_millis(longest_ms)).min(deadline);
        Self { idle, until: now.saturating_add(idle), at_most }
    }

    /// Without a limit of its own.
    pub(super) fn endless(deadline: Duration) -> Self {
        Self { idle: Duration::MAX, until: Duration::MAX, at_most: deadline }
    }

    pub(super) fn left(&self, now: Duration) -> Duration {
        self.until.min(self.at_most).saturating_sub(now)
    }

    /// The time of one read: hosts have clocks that do not reach for ever.
    fn read(&self, now: Duration) -> Duration {
        self.left(now).min(LONGEST_READ)
    }

    /// Ends earlier.
    pub(super) fn shorten(&mut self, now: Duration, at_most: Duration) {
        self.at_most = self.at_most.min(now.saturating_add(at_most));
    }

    /// Begins the time anew, up to the longest.
    pub(super) fn renew(&mut self, now: Duration) {
        self.until = now.saturating_add(self.idle);
    }
}

/// What came in answer to a request.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message of the protocol with the request's id, and the status it came under.
    Message(u16, Value),
    /// Something else.
    Else(Response),
}

/// A stream of events under way.
pub(super) struct Events {
    stream: u64,
    open: bool,
    reader: Reader,
    waiting: VecDeque<Event>,
    last: Option<String>,
    retry: Duration,
}

impl Events {
    pub(super) fn of(opened: &Opened) -> Self {
        let reader = if media_type(opened).starts_with(LINES) { Reader::of_lines() } else { Reader::default() };
        Self { stream: opened.stream, open: true, reader, waiting: VecDeque::new(), last: None, retry: RETRY }
    }

    /// Goes on with the stream that takes this one up.
    fn continued(&mut self, opened: &Opened) {
        (self.stream, self.open, self.reader) = (opened.stream, true, Reader::default());
    }
}

/// The answer that is waited for.
pub(super) struct Wanted<'a> {
    pub(super) id: u64,
    /// The server, once it is known.
    pub(super) peer: Option<&'a Peer>,
    pub(super) patience: Patience,
}

impl Link {
    /// The answer to a request whose head is there.
    pub(super) async fn hear(&self, opened: Opened, mut wanted: Wanted<'_>) -> Result<Heard, Error> {
        if self.is_stream(&opened) {
            let mut events = Events::of(&opened);
            let heard = self.hear_events(&mut events, &mut wanted).await;
            self.leave(&events, &wanted, heard.as_ref().err()).await?;
            return heard.map(|message| Heard::Message(200, message));
        }
        let response = self.whole(opened, &wanted).await?;
        if is_refusal(response.status) {
            return Ok(Heard::Else(response));
        }
        match serde_json::from_slice(response.body.as_slice()).ok().and_then(|body| own(body, wanted.id)) {
            Some(message) => Ok(Heard::Message(response.status, message)),
            None => Ok(Heard::Else(response)),
        }
    }

    /// True for an answer that is a stream of messages.
    pub(super) fn is_stream(&self, opened: &Opened) -> bool {
        let kind = media_type(opened);
        opened.status == 200 && (kind.starts_with("text/event-stream") || (self.is_pipe() && kind.starts_with(LINES)))
    }

    /// All of an answer that is no stream.
    async fn whole(&self, opened: Opened, wanted: &Wanted<'_>) -> Result<Response, Error> {
        let most = usize::try_from(self.options().max_bytes).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        loop {
            // Also for a server that never falls silent.
            if wanted.patience.left(self.io.now().mono).is_zero() {
                return self.leave_with(opened.stream, late()).await;
            }
            match self.io.read(opened.stream, wanted.patience.read(self.io.now().mono)).await {
                Ok(Piece::Bytes(bytes)) if body.len().saturating_add(bytes.len()) <= most => body.extend(bytes),
                Ok(Piece::End) => {
                    return Ok(Response { status: opened.status, headers: opened.headers, body: body.into() });
                }
                Ok(Piece::Bytes(_)) => return self.leave_with(opened.stream, too_large()).await,
                Ok(Piece::Elapsed) => {}
                Err(error) => return self.leave_with(opened.stream, super::link::unanswered(&error)).await,
            }
        }
    }

    async fn leave_with<T>(&self, stream: u64, error: Error) -> Result<T, Error> {
        if error.kind() != ErrorKind::Misuse {
            self.io.shut(stream).await?;
        }
        Err(error)
    }

    pub(super) async fn hear_events(&self, events: &mut Events, wanted: &mut Wanted<'_>) -> Result<Value, Error> {
        loop {
            let Some(message) = self.next(events, wanted).await? else { return Err(failure::lost()) };
            if let Some(answer) = self.take(message, wanted).await? {
                return Ok(answer);
            }
        }
    }

    /// The next message of a stream; `None` at its end.
    pub(super) async fn next(&self, events: &mut Events, wanted: &Wanted<'_>) -> Result<Option<Value>, Error> {
        let event = self.event(events, wanted).await?;
        event.map(|event| serde_json::from_str(&event.data)).transpose().map_err(|_| failure::no_answer())
    }

    /// The next event with data; `None` at the end of its stream.
    pub(super) async fn event(&self, events: &mut Events, wanted: &Wanted<'_>) -> Result<Option<Event>, Error> {
        let mut taken_up = 0;
        loop {
            while let Some(event) = events.waiting.pop_front() {
                let named = event.retry.map_or(events.retry, Duration::from_millis);
                events.retry = named.clamp(SHORTEST_RETRY, LONGEST_RETRY);
                events.last = event.id.clone().or_else(|| events.last.take());
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
            }
            // Also for a server that never falls silent.
            if wanted.patience.left(self.io.now().mono).is_zero() {
                return Err(late());
            }
            match self.io.read(events.stream, wanted.patience.read(self.io.now().mono)).await {
                Ok(Piece::Bytes(bytes)) => self.fed(events, &bytes)?,
                Ok(Piece::Elapsed) => {}
                Ok(Piece::End) => {
                    events.open = false;
                    self.is_at_end(wanted.peer);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Misuse) => return Err(error),
                // A connection that broke is gone like one that ended, but for what the host must tidy up.
                Err(_) => {
                    events.open = false;
                    self.io.shut(events.stream).await?;
                }
            }
            if !events.open {
                taken_up += 1;
                if taken_up > self.options().max_retries.max(1) || !self.take_up(events, wanted).await? {
                    return Ok(None);
                }
            }
        }
    }

    /// Behind a pipe the end of a stream is that of the server itself: the next one knows nothing of a handshake.
    fn is_at_end(&self, peer: Option<&Peer>) {
        if let Some(peer) = peer.filter(|_| self.is_pipe()) {
            self.forget(peer);
        }
    }

    fn fed(&self, events: &mut Events, bytes: &[u8]) -> Result<(), Error> {
        let most = usize::try_from(self.options().max_bytes).unwrap_or(usize::MAX);
        events.waiting.extend(events.reader.feed(bytes, most).map_err(|_| too_large())?);
        Ok(())
    }

    /// Takes up a stream after its last event, where the server has sessions and named its events.
    async fn take_up(&self, events: &mut Events, wanted: &Wanted<'_>) -> Result<bool, Error> {
        let (Some(peer), Some(last)) = (wanted.peer.filter(|peer| !peer.is_modern()), events.last.clone()) else {
            return Ok(false);
        };
        if events.retry >= wanted.patience.left(self.io.now().mono) {
            return Err(late());
        }
        self.io.sleep(events.retry).await?;
        let opened = self.get(&message::session_headers(peer), Some(&last)).await?;
        if opened.status != 200 {
            return self.io.shut(opened.stream).await.map(|()| false);
        }
        events.continued(&opened);
        Ok(true)
    }

    /// Deals with one message; gives it back when it is the answer that is waited for.
    pub(super) async fn take(&self, message: Value, wanted: &mut Wanted<'_>) -> Result<Option<Value>, Error> {
        match message {
            Value::Array(batch) if wanted.peer.is_some_and(|peer| peer.version == "2025-03-26") => {
                for message in batch {
                    if let Some(answer) = self.take_one(message, wanted).await? {
                        return Ok(Some(answer));
                    }
                }
                Ok(None)
            }
            message => self.take_one(message, wanted).await,
        }
    }

    async fn take_one(&self, mut message: Value, wanted: &mut Wanted<'_>) -> Result<Option<Value>, Error> {
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        match (method, message.get("id").cloned(), wanted.peer) {
            (Some(method), Some(id), Some(peer)) if !peer.is_modern() => {
                let params = message.get_mut("params").map(Value::take).unwrap_or_default();
                self.answer(peer, &id, &method, params).await?;
                // The server waits for a person: that is no silence of its.
                wanted.patience.renew(self.io.now().mono);
                Ok(None)
            }
            (Some(_), Some(_), _) => {
                Err(failure::no_answer().with("sent", "a request, which this revision knows none of"))
            }
            (Some(method), None, _) => {
                let params = message.get_mut("params").map(Value::take).unwrap_or_default();
                if method == "notifications/progress"
                    && params.get("progressToken").is_some_and(|token| *token == wanted.id)
                {
                    wanted.patience.renew(self.io.now().mono);
                }
                self.shared.state().told(&method, &params);
                match wanted.peer {
                    Some(_) => self.io.tell(&method, params).await?,
                    None => self.tell_later(method, params)?,
                }
                Ok(None)
            }
            (None, ..) => Ok(own(message, wanted.id)),
        }
    }

    /// Leaves a stream; a server with sessions, or behind a pipe, is told that its answer is not waited for any more.
    pub(super) async fn leave(&self, events: &Events, wanted: &Wanted<'_>, error: Option<&Error>) -> Result<(), Error> {
        let kind = error.map(Error::kind);
        if kind == Some(ErrorKind::Misuse) {
            return Ok(());
        }
        let given_up = matches!(kind, Some(ErrorKind::Cancelled | ErrorKind::DeadlineExceeded));
        if let Some(peer) = wanted.peer.filter(|peer| given_up && (self.is_pipe() || !peer.is_modern())) {
            let mut params = Map::new();
            params.insert("requestId".to_owned(), wanted.id.into());
            let told = message::notification(peer, "notifications/cancelled", Some(Value::Object(params)));
            let request = self.envelope(Method::Post, super::link::EITHER, &told.headers);
            // The one clean-up of a cancelled flow; a server that does not hear it goes on in vain.
            let _ = self.io.send(Request { body: Body::Json(told.body), ..request }).await;
        }
        if events.open { self.io.shut(events.stream).await } else { Ok(()) }
    }
}

/// True for a status that says all there is to say, whatever body a gateway or server gives it.
pub(super) fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 413 | 429 | 500..)
}

/// The response to a request in what came, alone or in a batch. An error whose server could not read the id is ours.
fn own(body: Value, id: u64) -> Option<Value> {
    match body {
        Value::Array(batch) => batch.into_iter().find_map(|message| own(message, id)),
        message => {
            let is_response = message.get("result").is_some() || message.get("error").is_some();
            let mine = match message.get("id") {
                None | Some(Value::Null) => message.get("result").is_none(),
                Some(theirs) => {
                    theirs.as_u64() == Some(id)
                        || theirs.as_f64().is_some_and(|theirs| theirs.to_string() == id.to_string())
                }
            };
            (is_response && mine && message.get("method").is_none()).then_some(message)
        }
    }
}

fn media_type(opened: &Opened) -> String {
    opened.header("content-type").unwrap_or_default().to_ascii_lowercase()
}

fn late() -> Error {
    Error::deadline("the server did not answer in time").landed_as(Landed::Perhaps)
}

pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::MalformedResponse, "response_too_large", "the server's answer is too large")
}
