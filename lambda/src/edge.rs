//! HTTP/1.1: connections, bodies and answers around [`crate::entry::Entry`].
//!
//! The edge decides nothing of the product. It reads a request within limits, has it answered, and writes the answer.

mod accept;
mod answer;
mod connection;
mod gate;
mod request;
mod response;
mod serve_request;
mod sse;
#[cfg(test)]
mod tests;

pub use accept::listen;
#[cfg(feature = "lambda")]
pub(crate) use answer::response_of;
pub use answer::{Answer, attend};
pub use gate::Gate;

use std::sync::Arc;

use crate::{driver::Driver, entry::Entry};

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
}
