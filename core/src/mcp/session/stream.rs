//! Where the stream of a session is, so that a client that lost it can take it up again.
//!
//! An event's id stands for what had been told by then: how far each topic had moved. Nothing that was sent is kept;
//! what moved since is told again, once, as it is then.

use std::collections::{BTreeMap, VecDeque};

use super::Session;

/// Events of a session that can be resumed from; an older or unknown one tells everything again.
const MOST_MARKS: usize = 8;

/// How far each topic had moved.
pub(in crate::mcp) type Seen = BTreeMap<String, u64>;

/// The streams of a session so far.
#[derive(Default)]
pub(super) struct Streams {
    current: u64,
    open: usize,
    events: u64,
    marks: VecDeque<(String, Seen)>,
}

impl Streams {
    pub(super) fn are_open(&self) -> bool {
        self.open > 0
    }
}

/// A stream of a session; dropping it ends it.
pub(in crate::mcp) struct Streaming {
    session: Session,
    number: u64,
}

impl Streaming {
    /// True while the session is open and no later stream began.
    pub(in crate::mcp) fn is_current(&self) -> bool {
        self.session.with(|entry| entry.streams.current == self.number).unwrap_or(false)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.session.with(|entry| entry.streams.open = entry.streams.open.saturating_sub(1));
    }
}

impl Session {
    /// Begins a stream; the one before ends, since a message is told on one stream only.
    pub(in crate::mcp) fn begin_stream(&self) -> Streaming {
        let begun = self.with(|entry| {
            entry.streams.open += 1;
            entry.streams.current += 1;
            entry.streams.current
        });
        Streaming { session: self.clone(), number: begun.unwrap_or_default() }
    }

    /// The id of an event by which this much had been told.
    pub(in crate::mcp) fn mark(&self, seen: &Seen) -> Option<String> {
        self.with(|entry| {
            let streams = &mut entry.streams;
            streams.events += 1;
            let id = streams.events.to_string();
            streams.marks.push_back((id.clone(), seen.clone()));
            if streams.marks.len() > MOST_MARKS {
                streams.marks.pop_front();
            }
            id
        })
    }

    /// What had been told by an event; nothing for one that nobody remembers.
    pub(in crate::mcp) fn seen_at(&self, event: &str) -> Seen {
        let find =
            |marks: &VecDeque<(String, Seen)>| marks.iter().find(|(id, _)| id == event).map(|(_, at)| at.clone());
        self.with(|entry| find(&entry.streams.marks)).flatten().unwrap_or_default()
    }
}
