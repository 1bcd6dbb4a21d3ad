//! Requests that arrive beside the stream that answers them (2024-11-05).

use std::collections::VecDeque;

use super::Session;
use crate::mcp::{Id, message::Ask};

/// Most requests that wait.
const MOST_REQUESTS: usize = 16;
/// Most bytes of them.
const MOST_BYTES: usize = 1 << 20;

/// Requests in the order they came, with their size.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: VecDeque<(Id, Ask, usize)>,
    bytes: usize,
}

impl Inbox {
    /// Leaves a request undone.
    pub(super) fn forget(&mut self, id: &Id) {
        self.waiting.retain(|(other, ..)| other != id);
        self.bytes = self.waiting.iter().map(|(.., bytes)| bytes).sum();
    }
}

impl Session {
    /// Makes this a session whose answers go to one stream.
    pub(in crate::mcp) fn with_inbox(self) -> Self {
        self.with(|entry| entry.inbox = Some(Inbox::default()));
        self
    }

    /// True for such a session.
    pub(in crate::mcp) fn has_inbox(&self) -> bool {
        self.with(|entry| entry.inbox.is_some()).unwrap_or(false)
    }

    /// Leaves a request of so many bytes for the stream; false when too much waits.
    pub(in crate::mcp) fn leave(&self, id: Id, ask: Ask, bytes: usize) -> bool {
        let left = self.with(|entry| {
            let inbox = entry.inbox.as_mut()?;
            let fits = inbox.waiting.len() < MOST_REQUESTS && inbox.bytes + bytes <= MOST_BYTES;
            fits.then(|| {
                inbox.bytes += bytes;
                inbox.waiting.push_back((id, ask, bytes));
            })
        });
        left.flatten().is_some()
    }

    /// The next request.
    pub(in crate::mcp) fn next_request(&self) -> Option<(Id, Ask)> {
        self.with(|entry| {
            let inbox = entry.inbox.as_mut()?;
            let (id, ask, bytes) = inbox.waiting.pop_front()?;
            inbox.bytes -= bytes;
            Some((id, ask))
        })
        .flatten()
    }
}
