use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Blob, SourceId};

/// HTTP method of an outbound request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `DELETE`
    Delete,
    /// `GET`
    Get,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

/// Name of a credential that the host holds; never the secret itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialId(pub String);

/// One outbound HTTP request.
///
/// The host joins `path` to the endpoint of `target` from its configuration, or to `server`, attaches the credential, refreshes it
/// single-flight and retries once after 401. It follows no redirect, uses no proxy of the environment, sends no
/// header but these and its own framing, and repeats nothing by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Name of the target in the configuration; `server` is the beam-mcp server of a client.
    pub target: String,
    /// Base URL of another server of the same target, `http://host:port` or `https://host:port`: one the configuration
    /// names, or one the target named and the configuration admits. `None`: the target's endpoint. Never a caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The method.
    pub method: Method,
    /// Absolute path with encoded query, for instance `/jobs/overview`.
    pub path: String,
    /// Header names in lower case, with values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What is sent.
    #[serde(default)]
    pub body: Body,
    /// Credential to attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// Limit on the whole exchange in milliseconds.
    pub timeout_ms: u64,
    /// Largest body accepted in the answer, in bytes; more is [`FaultKind::TooLarge`].
    pub max_bytes: u64,
    /// Keep only the last `max_bytes` of a larger answer instead of failing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tail: bool,
}

impl Request {
    /// A request with the limits of a read: 5 s, 8 MiB.
    pub fn new(target: &str, method: Method, path: impl Into<String>) -> Self {
        Self {
            target: target.to_owned(),
            server: None,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Body::Empty,
            credential: None,
            timeout_ms: 5_000,
            max_bytes: 8 << 20,
            tail: false,
        }
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// The same with another time limit in milliseconds.
    #[must_use]
    pub fn timeout(mut self, ms: u64) -> Self {
        self.timeout_ms = ms;
        self
    }
}

/// Body of an outbound request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
    /// The bytes of something the host holds.
    Source(SourceId),
    /// Bytes as they are.
    Raw(Blob),
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Field name.
    pub name: String,
    /// File name sent along.
    pub file_name: String,
    /// Media type.
    pub content_type: String,
    /// What the host reads the bytes from.
    pub source: SourceId,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, with values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: Blob,
}

impl Response {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self { status, headers: vec![("content-type".into(), "application/json".into())], body: bytes.into() }
    }

    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The wait that `Retry-After` asks for, where it is in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Why there is no HTTP answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Short text for a log; holds no address of the host and no secret.
    #[serde(default)]
    pub detail: String,
}

/// Kinds of [`Fault`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nobody listens: nothing was sent.
    Refused,
    /// Name or route not found: nothing was sent.
    Unreachable,
    /// The TLS handshake failed: nothing was sent.
    Tls,
    /// No credential could be had: nothing was sent.
    Credential,
    /// The target is not in the host's configuration: nothing was sent.
    UnknownTarget,
    /// The source of the body could not be read: nothing whole was sent.
    Source,
    /// No answer in time; the request may have arrived.
    Timeout,
    /// The connection ended early; the request may have arrived.
    Reset,
    /// The answer was larger than allowed.
    TooLarge,
}

impl FaultKind {
    /// True when the peer certainly did not act on the request.
    pub fn never_arrived(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable | Self::Tls | Self::Credential | Self::UnknownTarget | Self::Source => {
                true
            }
            Self::Timeout | Self::Reset | Self::TooLarge => false,
        }
    }
}
