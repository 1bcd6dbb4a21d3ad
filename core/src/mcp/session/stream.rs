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
    events: u64,
    marks: VecDeque<(String, Seen)>,
}

impl Session {
    /// Begins a stream; the one before ends, since a message is told on one stream only.
    pub(in crate::mcp) fn begin_stream(&self) -> u64 {
        let begun = self.with(|entry| {
            entry.streams.current += 1;
            entry.streams.current
        });
        begun.unwrap_or_default()
    }

    /// True while the session is open and no later stream began.
    pub(in crate::mcp) fn is_current(&self, stream: u64) -> bool {
        self.with(|entry| entry.streams.current == stream).unwrap_or(false)
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
