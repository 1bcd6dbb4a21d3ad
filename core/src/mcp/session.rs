//! Sessions of the revisions with a handshake: what a client declared, and the questions it is being asked.
//!
//! They live in the memory of one process, bounded; a client whose session is gone is told so and opens another.

mod inbox;
mod room;
mod running;
mod stream;

pub(super) use running::Running;
pub(super) use stream::{Seen, Streaming};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{Exchange, Id, Version, exchange::Level, outcome::Ask, protocol_error::ProtocolError, wire};
use crate::{
    call::Call,
    error::{Error, ErrorKind},
    flow::{Io, Wake},
};

/// Most sessions of one process.
const MOST_SESSIONS: usize = 1024;
/// A session unused for this long is forgotten.
const IDLE_MS: u64 = 60 * 60 * 1000;
/// Most resources a session watches.
const MOST_WATCHED: usize = 100;
/// Most questions open in one session.
const MOST_QUESTIONS: usize = 64;
/// Longest a person may take for an answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest sleep between two looks for an answer.
const LOOK: Duration = Duration::from_secs(1);
/// The session of a process that is spoken to over standard input.
const STDIO: &str = "stdio";

/// The sessions of one process.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<BTreeMap<String, Entry>>>);

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sessions", self.lock().len())
    }
}

/// Tenant and principal.
type Owner = (String, String);

struct Entry {
    version: Version,
    capabilities: Value,
    owner: Owner,
    used_ms: u64,
    level: Level,
    watched: BTreeSet<String>,
    /// Questions by their id, with the answer once it is there.
    asked: BTreeMap<String, Option<Result<Value, Value>>>,
    /// Questions and requests so far.
    count: u64,
    /// Requests at work.
    running: BTreeMap<Id, (u64, Io)>,
    streams: stream::Streams,
    inbox: Option<inbox::Inbox>,
}

impl Entry {
    /// Somebody listens, works or is being asked in it.
    fn is_in_use(&self) -> bool {
        self.streams.are_open() || !self.asked.is_empty() || !self.running.is_empty()
    }
}

/// One session; it may end while somebody holds this.
#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    all: Sessions,
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session for a caller; its id cannot be guessed.
    pub(super) fn open(&self, call: &Call, version: Version, capabilities: Value, now_ms: u64) -> Session {
        self.open_as(call.seed.hex128("session"), call, version, capabilities, now_ms)
    }

    /// Opens the session of standard input; a new handshake replaces it.
    pub(super) fn open_stdio(&self, call: &Call, version: Version, capabilities: Value, now_ms: u64) {
        self.open_as(STDIO.into(), call, version, capabilities, now_ms);
    }

    fn open_as(&self, id: String, call: &Call, version: Version, capabilities: Value, now_ms: u64) -> Session {
        let entry = Entry {
            version,
            capabilities,
            owner: owner(call),
            used_ms: now_ms,
            level: Level::Info,
            watched: BTreeSet::new(),
            asked: BTreeMap::new(),
            count: 0,
            running: BTreeMap::new(),
            streams: stream::Streams::default(),
            inbox: None,
        };
        let mut all = self.lock();
        all.retain(|_, entry| now_ms.saturating_sub(entry.used_ms) < IDLE_MS);
        room::make_room(&mut all, &entry.owner);
        all.insert(id.clone(), entry);
        Session { id, all: self.clone() }
    }

    /// A session of this caller.
    pub(super) fn find(&self, id: &str, call: &Call, now_ms: u64) -> Option<Session> {
        let mut all = self.lock();
        let entry = all.get_mut(id).filter(|entry| entry.owner == owner(call))?;
        entry.used_ms = now_ms;
        Some(Session { id: id.to_owned(), all: self.clone() })
    }

    /// The session of standard input, where there was a handshake.
    pub(super) fn stdio(&self, call: &Call, now_ms: u64) -> Option<Session> {
        self.find(STDIO, call, now_ms)
    }
}

fn owner(call: &Call) -> Owner {
    (call.caller.tenant.clone(), call.caller.principal.clone())
}

impl Session {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.all.lock().get_mut(&self.id).map(use_it)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.with(|entry| entry.version)
    }

    pub(super) fn capabilities(&self) -> Value {
        self.with(|entry| entry.capabilities.clone()).unwrap_or_default()
    }

    pub(super) fn level(&self) -> Level {
        self.with(|entry| entry.level).unwrap_or(Level::Info)
    }

    pub(super) fn set_level(&self, level: Level) {
        self.with(|entry| entry.level = level);
    }

    pub(super) fn watched(&self) -> Vec<String> {
        self.with(|entry| entry.watched.iter().cloned().collect()).unwrap_or_default()
    }

    /// Watches a resource, or no more.
    pub(super) fn watch(&self, uri: String, on: bool) -> Result<(), ProtocolError> {
        let full = self.with(|entry| {
            if !on {
                entry.watched.remove(&uri);
            } else if entry.watched.len() < MOST_WATCHED || entry.watched.contains(&uri) {
                entry.watched.insert(uri);
            } else {
                return true;
            }
            false
        });
        match full {
            Some(true) => Err(ProtocolError::invalid_params(format!("a session watches at most {MOST_WATCHED}"))),
            _ => Ok(()),
        }
    }

    /// What a handshake in the session settled on.
    pub(super) fn settle(&self, version: Version, capabilities: Value) {
        self.with(|entry| (entry.version, entry.capabilities) = (version, capabilities));
    }

    /// The session is in use.
    pub(super) fn touch(&self, now_ms: u64) {
        self.with(|entry| entry.used_ms = now_ms);
    }

    pub(super) fn close(&self) {
        self.all.lock().remove(&self.id);
    }

    /// The topic that moves when what the session watches changes, or the session ends.
    pub(super) fn topic(&self) -> String {
        format!("mcp/session/{}", self.id)
    }

    fn topic_of(&self, question: &str) -> String {
        format!("mcp/session/{}/{question}", self.id)
    }

    /// Takes what a client posted as the answer to a question; the topic to publish, `None` where nothing was asked.
    pub(super) fn take_response(&self, question: &str, answer: Result<Value, Value>) -> Option<String> {
        let open = self.with(|entry| match entry.asked.get_mut(question) {
            Some(place @ None) => {
                *place = Some(answer);
                true
            }
            _ => false,
        });
        open.unwrap_or(false).then(|| self.topic_of(question))
    }

    /// Asks the client on the stream of its request, one question after the other.
    pub(super) async fn ask(&self, exchange: &Exchange, ask: &Ask) -> Result<Map<String, Value>, Error> {
        let mut answers = Map::new();
        for (key, question) in &ask.questions {
            let id = self.begin(exchange)?;
            let params = question.params(exchange.client.version);
            let answer = self.wait_for(exchange, &id, wire::request(&id, question.method(), params)).await;
            self.with(|entry| entry.asked.remove(&id));
            answers.insert(key.clone(), answer?);
        }
        Ok(answers)
    }

    /// A place for an answer, under an id that is used once.
    fn begin(&self, exchange: &Exchange) -> Result<String, Error> {
        let begun = self.with(|entry| {
            entry.count += 1;
            let id = format!("{}-{}", exchange.call.seed.hex128("ask"), entry.count);
            (entry.asked.len() < MOST_QUESTIONS).then(|| entry.asked.insert(id.clone(), None)).map(|_| id)
        });
        begun
            .flatten()
            .ok_or_else(|| Error::precondition("cannot_ask", "the session ended, or too many questions are open in it"))
    }

    async fn wait_for(&self, exchange: &Exchange, id: &str, request: String) -> Result<Value, Error> {
        let (io, until) = (&exchange.io, exchange.call.deadline.min(exchange.io.now().mono + PATIENCE));
        io.emit(request).await?;
        let mut seen = 0;
        loop {
            match self.with(|entry| entry.asked.get_mut(id).and_then(Option::take)) {
                Some(None) => {}
                Some(Some(Ok(answer))) => return Ok(answer),
                Some(Some(Err(error))) => return Err(refused(&error)),
                None => return Err(Error::precondition("session_ended", "the session ended before the answer came")),
            }
            let left = until.saturating_sub(io.now().mono);
            if left.is_zero() {
                return Err(Error::new(ErrorKind::DeadlineExceeded, "no_answer", "the client did not answer in time"));
            }
            if let Wake::Topics(moved) = io.wait(vec![(self.topic_of(id), seen)], left.min(LOOK)).await? {
                seen = moved.iter().map(|(_, seq, _)| *seq).max().unwrap_or(seen);
            }
        }
    }
}

fn refused(error: &Value) -> Error {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    Error::precondition("client_refused", "the client refused to answer")
        .with("client_message", crate::text::clean_line(message, 256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Caller, Role};

    fn call(number: usize) -> Call {
        let mut random = [0; 32];
        random[..8].copy_from_slice(&number.to_be_bytes());
        Call::local(Caller::with_role("me", Role::Viewer), Duration::MAX, random)
    }

    fn open(all: &Sessions, number: usize, now_ms: u64) -> Session {
        all.open(&call(number), Version::V2025_06_18, Value::Null, now_ms)
    }

    #[test]
    fn sessions_that_nobody_uses_are_forgotten() {
        let all = Sessions::default();
        (0..9).for_each(|number| drop(open(&all, number, 1)));
        open(&all, 9, IDLE_MS);
        assert_eq!(all.lock().len(), 10);
        open(&all, 10, IDLE_MS + 1);
        assert_eq!(all.lock().len(), 2);
    }

    #[test]
    fn a_session_watches_no_more_than_it_may() {
        let session = open(&Sessions::default(), 0, 1);
        (0..MOST_WATCHED).for_each(|number| session.watch(format!("beam://jobs/{number}"), true).unwrap());
        session.watch("beam://jobs/0".into(), true).unwrap();
        assert!(session.watch("beam://jobs/one-more".into(), true).is_err());
        session.watch("beam://jobs/0".into(), false).unwrap();
        session.watch("beam://jobs/one-more".into(), true).unwrap();
        assert_eq!(session.watched().len(), MOST_WATCHED);
    }
}
