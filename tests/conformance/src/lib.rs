//! The surface that the official suite calls, behind the checks that an engine makes. Protocol, HTTP edge, driver and
//! topics are those of the product, on whichever host this is served.

mod asking;
#[cfg(feature = "native")]
pub mod native;
mod prompts;
mod resources;
mod surface;
mod tasks;

use std::{sync::Arc, time::Duration};

use beam_mcp_core::{
    Call, Error, Flow,
    config::Config,
    effect::Response,
    engine::{self, BodyRule, Host, HttpRequest, Inbound, serve_surface},
    mcp,
};
use serde_json::{Value, json};
use surface::Fixture;

/// The fixture on a host, with the methods of an engine: it stands in its place.
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
    /// The fixture on a host that anybody may call, without sessions for older clients.
    ///
    /// # Errors
    /// None: it fits every host.
    pub fn new(config: Config, host: Host) -> Result<Self, Error> {
        Ok(Self::of(config, host, false))
    }

    /// The same with sessions.
    pub fn with_sessions(config: Config, host: Host) -> Self {
        Self::of(config, host, true)
    }

    fn of(config: Config, host: Host, sessions: bool) -> Self {
        let host = Host { loopback_only: true, ..host };
        let surface = Arc::new(Fixture::new(sessions, host.streams));
        Self { shared: Arc::new(Shared { surface, config, host }) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What to do with the body of a request.
    pub fn body_rule(&self, _: &str, _: &str) -> BodyRule {
        BodyRule::Buffer(1 << 20)
    }

    /// Headers for a page of another origin.
    pub fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        engine::cors(&self.shared.config, request)
    }

    /// Answers something that arrived.
    pub fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        match inbound {
            Inbound::Http(request) => self.http(*request, call),
            Inbound::Line(line) => self.line(line, call),
        }
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
        Flow::new(move |io| mcp::line(io, surface, line, Box::new(call)))
    }

    /// Runs a verb: the fixture has none.
    pub fn run(&self, verb: &str, _: Value, _: Call) -> Flow<Value> {
        let refused = Err(Error::misuse(format!("the suite's surface has no verb `{verb}`")));
        Flow::new(move |_| std::future::ready(refused))
    }

    /// One round of the reconciler: there is nothing to reconcile.
    pub fn tick(&self, _: Call) -> Flow<Duration> {
        Flow::new(|_| std::future::ready(Ok(Duration::from_secs(60))))
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
