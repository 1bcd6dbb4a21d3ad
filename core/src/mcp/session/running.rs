//! Requests at work in a session, so that its client can cancel them by their ids.

use super::Session;
use crate::{flow::Io, mcp::Id};

/// A request at work; dropping it takes its name off the list.
pub(in crate::mcp) struct Running {
    session: Session,
    id: Id,
    number: u64,
    io: Io,
}

impl Session {
    /// A request is at work from here on.
    pub(in crate::mcp) fn start(&self, id: &Id, io: &Io) -> Option<Running> {
        let number = self.with(|entry| {
            entry.count += 1;
            entry.running.insert(id.clone(), (entry.count, io.clone()));
            entry.count
        })?;
        io.begin_turn(format!("mcp/session/{}/request/{number}", self.id));
        Some(Running { session: self.clone(), id: id.clone(), number, io: io.clone() })
    }

    /// Cancels a request: one that waits is forgotten, one at work ends. The topic to publish, where that wakes it.
    pub(in crate::mcp) fn cancel(&self, id: &Id) -> Option<String> {
        let at_work = self.with(|entry| {
            entry.inbox.iter_mut().for_each(|inbox| inbox.forget(id));
            entry.running.get(id).map(|(_, io)| io.clone())
        });
        at_work.flatten()?.cancel_turn()
    }
}

impl Running {
    /// The request is over; true when it was cancelled.
    pub(in crate::mcp) fn end(self) -> bool {
        self.io.end_turn()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.session.with(|entry| {
            if entry.running.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
                entry.running.remove(&self.id);
            }
        });
    }
}
