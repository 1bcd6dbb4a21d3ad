//! One engine per process: the only entry for requests, embedded calls and the reconciler.

mod cors;
mod edge;
mod state;
#[cfg(test)]
mod tests;

pub use cors::{bare_origin, cors};
pub use edge::{refuse, serve_surface};
pub use state::{Claim, Health, State};

pub use crate::{guard::Snapshot, lifecycle::Share, rest::is_public};

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    call::Call,
    config::{self, Config},
    effect::{Blob, Response, Source},
    error::Error,
    flow::Flow,
    job_service, lifecycle, mcp, rest, runner,
    tool::BeamSurface,
    verb::{self, Context},
};

/// The engine: shared by all calls of a process, cheap to clone.
#[derive(Clone)]
pub struct Engine {
    state: Arc<State>,
    /// By their path below `/mcp`.
    surfaces: Arc<BTreeMap<&'static str, Arc<BeamSurface>>>,
}

impl Engine {
    /// An engine for a configuration on a host.
    ///
    /// # Errors
    /// `invalid_argument` when the two do not fit: a host that others can reach, without any token; a target with
    /// settings its runner does not know; a Job API that leads nowhere.
    pub fn new(config: Config, host: Host) -> Result<Self, Error> {
        edge::check_posture(&config, &host)?;
        config.targets.values().try_for_each(runner::check_target)?;
        job_service::check(&config)?;
        let state = Arc::new(State::new(config, host));
        Ok(Self { surfaces: Arc::new(BeamSurface::all(&state)), state })
    }

    /// The checked configuration.
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// What to do with the body of a request.
    pub fn body_rule(&self, method: &str, path: &str) -> BodyRule {
        rest::body_rule(method, path)
    }

    /// As [`cors`], by the engine's configuration.
    pub fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        cors(&self.state.config, request)
    }

    /// Answers something that arrived.
    pub fn handle(&self, inbound: Inbound, call: Call) -> Flow<Response> {
        let (engine, call) = (self.clone(), Box::new(call));
        match inbound {
            Inbound::Http(request) => Flow::new(move |io| edge::http(engine, io, request, call)),
            Inbound::Line(line) => Flow::new(move |io| async move {
                let surface = engine.surface("/mcp").ok_or_else(|| Error::misuse("an engine without a surface"))?;
                mcp::line(io, surface, line, call).await
            }),
        }
    }

    /// The MCP surface at a path, with or without a slash at its end.
    fn surface(&self, path: &str) -> Option<Arc<BeamSurface>> {
        let below = path.trim_end_matches('/').strip_prefix("/mcp")?;
        self.surfaces.get(below).cloned()
    }

    /// Runs a verb for a caller of the same process.
    pub fn run(&self, verb: &str, input: Value, call: Call) -> Flow<Value> {
        let (state, verb) = (Arc::clone(&self.state), verb.to_owned());
        Flow::new(move |io| async move {
            let verb = verb::find(&verb).ok_or_else(|| verb::unknown(&verb))?;
            verb.run(Context::new(io, call, state), input).await
        })
    }

    /// Answers one call of Beam's Job API, or one round of a stream of it.
    pub fn job_api(&self, request: job_service::Request, call: Call) -> Flow<job_service::Answer> {
        let state = Arc::clone(&self.state);
        Flow::new(move |io| async move {
            let context = Context::new(io, call, state);
            Box::pin(job_service::answer(&context, request)).await
        })
    }

    /// One round of the reconciler; answers when to come again.
    pub fn tick(&self, call: Call) -> Flow<Duration> {
        self.tick_share(Share::All, call)
    }

    /// The shares of a round that a host may drive side by side instead, each at its own pace.
    pub fn shares(&self) -> Vec<Share> {
        Share::every(self.state.targets().map(|target| target.name.clone()))
    }

    /// One round of one share; answers when to come again.
    pub fn tick_share(&self, share: Share, call: Call) -> Flow<Duration> {
        let state = Arc::clone(&self.state);
        Flow::new(move |io| async move { lifecycle::reconcile(&Context::new(io, call, state), &share).await })
    }

    /// How the guards of the targets are now, in name order.
    pub fn guards(&self, mono: Duration) -> Vec<(String, Snapshot)> {
        let named =
            |target: &Arc<config::Target>| Some((target.name.clone(), self.state.guard(&target.name)?.snapshot(mono)));
        self.state.targets().filter_map(named).collect()
    }
}

/// Something that arrived.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// An HTTP request; the answer is the flow's [`Response`], or a stream of [`crate::effect::Effect::Emit`] frames.
    Http(Box<HttpRequest>),
    /// One line of MCP over standard input; the answer's body is the line to write, empty for none.
    Line(Arc<str>),
}

/// An inbound HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// Method in upper case.
    pub method: String,
    /// Encoded path, without the query.
    pub path: String,
    /// Query without `?`.
    #[serde(default)]
    pub query: String,
    /// Header names in lower case, with values, in order; a name may repeat.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, where [`BodyRule::Buffer`] holds.
    #[serde(default)]
    pub body: Blob,
    /// The staged body, where [`BodyRule::Stage`] holds.
    #[serde(default)]
    pub staged: Option<Source>,
}

impl HttpRequest {
    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a host does with the body of a request before it hands the request over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyRule {
    /// Reads at most this many bytes into memory; more is answered by [`refuse`] with [`too_large`].
    Buffer(u64),
    /// Streams at most this many bytes into a staged source.
    Stage(u64),
}

/// Where an engine runs and what its host can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// `server`, `lambda`, `embedded`, `wasm`, `simulation`.
    pub kind: String,
    /// Listens on loopback addresses only.
    pub loopback_only: bool,
    /// `host:port` values accepted in `Host`, besides configured ones.
    pub authorities: Vec<String>,
    /// Has a durable store.
    pub durable: bool,
    /// Longest a caller is kept waiting for `/savepoint`, `/scale`, `/cancel`, in milliseconds: 600,000 natively,
    /// 25,000 on Lambda.
    pub longest_wait_ms: u64,
    /// Can stream an answer.
    pub streams: bool,
}

/// The error of a body over its limit.
pub fn too_large(limit: u64) -> Error {
    let message = format!("the body is larger than {limit} bytes");
    Error::new(crate::error::ErrorKind::PayloadTooLarge, "body_too_large", message)
}
