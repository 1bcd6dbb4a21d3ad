//! What the host needs of an engine; tests put their own in its place.

use std::time::Duration;

use beam_mcp_core::{
    Call, Flow,
    effect::Response,
    engine::{BodyRule, Inbound},
};

/// The way into the core.
pub trait Entry: Send + Sync + 'static {
    /// What to do with the body of a request.
    fn body_rule(&self, method: &str, path: &str) -> BodyRule;

    /// Answers one request or line.
    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response>;

    /// One round of the reconciler; how long to wait before the next.
    fn tick(&self, call: Call) -> Flow<Duration>;
}

impl Entry for beam_mcp_core::engine::Engine {
    fn body_rule(&self, method: &str, path: &str) -> BodyRule {
        Self::body_rule(self, method, path)
    }

    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        Self::handle(self, inbound, call)
    }

    fn tick(&self, call: Call) -> Flow<Duration> {
        Self::tick(self, call)
    }
}
