//! The surface that the official suite calls, behind the checks that an engine makes. Protocol, HTTP edge, driver and
//! topics are those of the product, on whichever host this is served.

mod asking;
#[cfg(feature = "native")]
pub mod native;
mod prompts;
mod resources;
mod surface;
mod tasks;

use std::sync::Arc;

use beam_mcp_core::{
    Call, Error, Flow,
    config::Config,
    effect::Response,
    engine::{Host, HttpRequest, serve_surface},
    mcp,
};
use serde_json::{Value, json};
use surface::Fixture;

/// The fixture on a host.
#[derive(Clone)]
pub struct Conformance {
    shared: Arc<Shared>,
}

struct Shared {
    surface: Arc<Fixture>,
    config: Config,
    host: Host,
}

impl Conformance {
    /// The fixture on a host that anybody may call, with sessions for older clients or without.
    pub fn new(host: Host, config: Config, sessions: bool) -> Self {
        let host = Host { loopback_only: true, ..host };
        let surface = Arc::new(Fixture::new(sessions, host.streams));
        Self { shared: Arc::new(Shared { surface, config, host }) }
    }

    /// Answers a request.
    pub fn http(&self, request: HttpRequest, call: Call) -> Flow<Response> {
        let shared = Arc::clone(&self.shared);
        Flow::new(move |io| async move {
            let surface = Arc::clone(&shared.surface);
            serve_surface(&shared.config, &shared.host, surface, io, request, call).await
        })
    }

    /// Answers a line.
    pub fn line(&self, line: Arc<str>, call: Call) -> Flow<Response> {
        let surface = Arc::clone(&self.shared.surface);
        Flow::new(move |io| mcp::line(io, surface, line, call))
    }
}

/// A configuration of nothing but the origins that may call.
///
/// # Errors
/// None that an operator can cause.
pub fn config(origins: &[String]) -> Result<Config, Error> {
    let auth: Value = json!({"allowed_origins": origins});
    Config::from_json(&json!({"targets": {"unused": {"runner": "simulator"}}, "auth": auth}))
}
