//! What the host needs of an engine; tests put their own in its place.

use std::time::Duration;

use beam_mcp_core::{
    Call, Error, Flow,
    effect::Response,
    engine::{BodyRule, HttpRequest, Inbound, Share, Snapshot},
    job_service,
};

/// The way into the core.
pub trait Entry: Send + Sync + 'static {
    /// What to do with the body of a request.
    fn body_rule(&self, method: &str, path: &str) -> BodyRule;

    /// Headers for a page of another origin that sends a request: hosts put them on what they answer themselves, and on
    /// the head of a stream.
    fn cors(&self, _request: &HttpRequest) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Answers one request or line.
    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response>;

    /// Answers one call of Beam's Job API, or one round of a stream of it.
    fn job_api(&self, _request: job_service::Request, _call: Call) -> Flow<job_service::Answer> {
        Flow::new(|_| async { Err(Error::unsupported("job_api_off", "this entry has no Job API")) })
    }

    /// The shares of the reconciler's work.
    fn shares(&self) -> Vec<Share>;

    /// One round of the reconciler over a share; how long to wait before the next.
    fn tick(&self, share: Share, call: Call) -> Flow<Duration>;

    /// How the guards of the targets are, at a time of the mono clock.
    fn guards(&self, mono: Duration) -> Vec<(String, Snapshot)>;
}

impl Entry for beam_mcp_core::engine::Engine {
    fn body_rule(&self, method: &str, path: &str) -> BodyRule {
        Self::body_rule(self, method, path)
    }

    fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        Self::cors(self, request)
    }

    fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        Self::handle(self, inbound, call)
    }

    fn job_api(&self, request: job_service::Request, call: Call) -> Flow<job_service::Answer> {
        Self::job_api(self, request, call)
    }

    fn shares(&self) -> Vec<Share> {
        Self::shares(self)
    }

    fn tick(&self, share: Share, call: Call) -> Flow<Duration> {
        self.tick_share(share, call)
    }

    fn guards(&self, mono: Duration) -> Vec<(String, Snapshot)> {
        Self::guards(self, mono)
    }
}
