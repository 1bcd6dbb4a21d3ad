//! HTTP/1.1: connections, bodies and answers around [`crate::entry::Entry`].
//!
//! The edge decides nothing of the product. It reads a request within limits, has it answered, and writes the answer.

mod accept;
mod answer;
mod connection;
mod gate;
mod handover;
mod request;
mod response;
mod serve_request;
mod socket;
mod sse;
#[cfg(test)]
mod tests;

pub use accept::listen;
#[cfg(feature = "lambda")]
pub(crate) use answer::response_of;
pub use answer::{Answer, attend};
pub use gate::Gate;
#[cfg(feature = "lambda")]
pub(crate) use sse::event;

use std::sync::Arc;

use crate::{budget::Budget, driver::Driver, entry::Entry};

/// Bytes of request bodies in memory, over all connections.
const BODIES: u64 = 64 << 20;
/// Bytes of frames that wait for their readers, over all streams.
const FRAMES: u64 = 64 << 20;

/// What every connection needs.
pub struct Edge {
    /// The machine.
    pub driver: Arc<Driver>,
    /// The way into the core.
    pub entry: Arc<dyn Entry>,
    /// Who may reach what the host itself answers.
    pub gate: Gate,
    /// Most connections at once.
    pub max_connections: usize,
    bodies: Budget,
    frames: Budget,
}

impl Edge {
    /// An edge in front of an entry.
    pub fn new(driver: Arc<Driver>, entry: Arc<dyn Entry>, gate: Gate, max_connections: usize) -> Self {
        let (bodies, frames) = (Budget::new(BODIES), Budget::new(FRAMES));
        Self { driver, entry, gate, max_connections, bodies, frames }
    }

    /// All counters, in Prometheus' text form.
    fn rendered(&self) -> String {
        let guards = self.entry.guards(self.driver.clock.mono());
        self.driver.metrics.render(&guards, &self.driver.admission)
    }
}
