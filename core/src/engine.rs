//! One engine per process: the only entry for requests, embedded calls and the reconciler.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::effect::{Blob, Response, Source};

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
    /// Reads at most this many bytes into memory; more is answered with [`too_large`].
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

/// The answer to a body over its limit.
pub fn too_large(limit: u64) -> Response {
    let error = crate::error::Error::new(
        crate::error::ErrorKind::PayloadTooLarge,
        "body_too_large",
        format!("the body is larger than {limit} bytes"),
    );
    Response::json(413, &serde_json::json!({"success": false, "error": error.to_json()}))
}
