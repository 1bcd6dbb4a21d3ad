//! What the core asks a host to do, and what the host answers.
//!
//! An [`Effect`] and a [`Reply`] are plain comparable values with one JSON form (serde, below), which is the
//! format of the shared vectors and of every language binding. Bytes travel beside that form: see [`Blob`].
//!
//! A client sends and sleeps; the effects only an engine asks for are not in a build without the feature `server`, and
//! those only an MCP client asks for not in one without `mcp-client`.

mod blob;
mod http;
mod process;
mod wire;

pub use blob::Blob;
pub use http::{Body, CredentialId, Fault, FaultKind, Method, Part, Request, Response};
pub use process::{
    Artifact, Fact, Handle, Held, Launch, Limits, LogStream, Origin, Outline, Query, Recipe, Refusal, Signal, Source,
    SourceId, Use, YamlFault,
};
pub use wire::{decode_reply, encode_effect};

use serde::{Deserialize, Serialize};
#[cfg(feature = "mcp-client")]
use serde_json::Value;

#[cfg(feature = "server")]
use crate::store::{Op, StoreReply};

/// One thing a flow asks its host to do; the host answers with exactly one [`Reply`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Sends one HTTP request: [`Reply::Response`] or [`Reply::Fault`].
    Send(Request),
    /// Sends requests side by side: [`Reply::Responses`], one outcome for each, in the same order.
    #[cfg(feature = "server")]
    SendAll {
        /// The requests; at most 64.
        requests: Vec<Request>,
    },
    /// One gRPC call, unary or to a server stream that is read in part: [`Reply::Rpc`] or [`Reply::Fault`].
    #[cfg(feature = "server")]
    Rpc {
        /// Target whose endpoint and credential the host uses.
        target: String,
        /// Full method, for instance `/org.apache.beam.model.job_management.v1.JobService/GetState`.
        method: String,
        /// The encoded message.
        message: Blob,
        /// Limit on the call in milliseconds.
        timeout_ms: u64,
        /// How much is read of a server stream; `None`: the call is unary.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<StreamLimit>,
    },
    /// Waits: [`Reply::Elapsed`].
    Sleep {
        /// Milliseconds.
        ms: u64,
    },
    /// Sends one HTTP request whose answer is read in pieces: [`Reply::Opened`] once its head is there, or
    /// [`Reply::Fault`]. The request's time is that until the head.
    #[cfg(feature = "mcp-client")]
    Open(Request),
    /// Takes what has arrived of an answer that was opened, and waits for something where nothing has:
    /// [`Reply::Piece`], [`Reply::Ended`], [`Reply::Elapsed`] or [`Reply::Fault`].
    #[cfg(feature = "mcp-client")]
    Read {
        /// The number in [`Reply::Opened`].
        stream: u64,
        /// Milliseconds.
        timeout_ms: u64,
    },
    /// Leaves the rest of an answer alone and ends its connection where something is left: [`Reply::Ok`], also when it
    /// has ended already.
    #[cfg(feature = "mcp-client")]
    Shut {
        /// The number in [`Reply::Opened`].
        stream: u64,
    },
    /// Asks the application, or the person before it: [`Reply::Answer`].
    #[cfg(feature = "mcp-client")]
    Ask {
        /// What is asked: `elicitation/create`, `sampling/createMessage`, `roots/list`, or `authorize` with the members
        /// `url` and `redirect_uri`, which is answered with the URL the browser was sent back to.
        method: String,
        /// The question.
        params: Value,
    },
    /// Tells the application something it need not answer: [`Reply::Ok`].
    #[cfg(feature = "mcp-client")]
    Tell {
        /// Method of the notification.
        method: String,
        /// What it says.
        params: Value,
    },
    /// One store operation: [`Reply::Store`].
    #[cfg(feature = "server")]
    Store(Op),
    /// Reads, hashes and keeps a copy of a file or artifact: [`Reply::Staged`] or [`Reply::Refused`].
    #[cfg(feature = "server")]
    Stage(Recipe),
    /// Starts a child that waits for its release: [`Reply::Held`] or [`Reply::Refused`].
    #[cfg(feature = "server")]
    Launch(Launch),
    /// Acts on a child: [`Reply::Ok`], also when it is gone already.
    #[cfg(feature = "server")]
    Signal {
        /// The child.
        handle: Handle,
        /// What to do to it.
        signal: Signal,
    },
    /// Asks about a child: [`Reply::Facts`], in the order of the queries.
    #[cfg(feature = "server")]
    Observe {
        /// The child.
        handle: Handle,
        /// The questions.
        queries: Vec<Query>,
    },
    /// Sends one frame of a streamed answer: [`Reply::Ok`] or [`Reply::Closed`].
    ///
    /// The first one commits status 200 and `text/event-stream`.
    #[cfg(feature = "server")]
    Emit(Frame),
    /// Tells waiting flows of this process (and others, where the host can) that a topic moved: [`Reply::Ok`].
    #[cfg(feature = "server")]
    Publish {
        /// Name of the topic.
        topic: String,
        /// Hint of at most 64 KiB; the truth is re-read from the store.
        payload: String,
    },
    /// Waits for any topic to move past what was seen: [`Reply::Woken`], [`Reply::Elapsed`] or [`Reply::Closed`].
    #[cfg(feature = "server")]
    Wait {
        /// Topics with the last sequence number seen (0: none).
        topics: Vec<(String, u64)>,
        /// Milliseconds.
        timeout_ms: u64,
    },
}

/// How much is read of a server stream. Reaching a limit, [`Effect::Rpc`]'s time included, is a good end: status 0.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct StreamLimit {
    /// Milliseconds without a message after which the rest is left alone.
    pub quiet_ms: u64,
    /// Most bytes of frames.
    pub max_bytes: u64,
}

/// One frame of a streamed answer.
#[cfg(feature = "server")]
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Text of one event's `data`; has no newline. Empty and without an id: begins the stream, or keeps it alive,
    /// without an event.
    pub data: String,
    /// Id of the event, for a stream that can be taken up again. Only where a host holds sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the event where it is not `message`. Only where a host holds sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

#[cfg(feature = "server")]
impl Frame {
    /// A message as it is.
    pub fn data(data: String) -> Self {
        Self { data, ..Self::default() }
    }

    /// Bytes of its data.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True for a frame that carries nothing: see [`Frame::data`].
    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.id.is_none()
    }
}

/// The answer to one [`Effect`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// An HTTP answer, whatever its status.
    Response(Response),
    /// No HTTP answer.
    Fault(Fault),
    /// One outcome for each request of a [`Effect::SendAll`].
    #[cfg(feature = "server")]
    Responses {
        /// In the order of the requests.
        outcomes: Vec<Outcome>,
    },
    /// A gRPC answer.
    #[cfg(feature = "server")]
    Rpc {
        /// gRPC status code; 0 is OK.
        status: u32,
        /// gRPC status message.
        message: String,
        /// The encoded message; of a stream all that were read, each in gRPC's frame (a zero byte, the length in four
        /// bytes from the highest down, the message).
        body: Blob,
    },
    /// A sleep, wait or read ran its time.
    Elapsed,
    /// The head of an answer that is read in pieces.
    #[cfg(feature = "mcp-client")]
    Opened {
        /// Number of the stream, of the host's choice; no other open stream of the flow has it.
        stream: u64,
        /// Status code.
        status: u16,
        /// Header names in lower case, with values.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The next bytes of an answer; at least one.
    #[cfg(feature = "mcp-client")]
    Piece {
        /// The bytes.
        body: Blob,
    },
    /// An answer is read to its end, as its framing says.
    #[cfg(feature = "mcp-client")]
    Ended,
    /// What the application answered.
    #[cfg(feature = "mcp-client")]
    Answer {
        /// The answer, in the form the question's method has.
        value: Value,
    },
    /// A store operation ended.
    #[cfg(feature = "server")]
    Store(StoreReply),
    /// A recipe was carried out.
    #[cfg(feature = "server")]
    Staged(Source),
    /// A recipe or launch was refused.
    #[cfg(feature = "server")]
    Refused(Refusal),
    /// A child was started and waits for its release.
    #[cfg(feature = "server")]
    Held(Held),
    /// Answers about a child, one per query.
    #[cfg(feature = "server")]
    Facts {
        /// In the order of the queries.
        facts: Vec<Fact>,
    },
    /// Done; nothing to tell.
    Ok,
    /// The peer of a stream is gone.
    #[cfg(feature = "server")]
    Closed,
    /// Topics that moved: name, sequence number, payload.
    #[cfg(feature = "server")]
    Woken {
        /// At least one.
        topics: Vec<(String, u64, String)>,
    },
    /// The caller went away or the host stops; end the flow.
    Cancelled,
    /// The host has no way to do this effect.
    Unsupported {
        /// Why, and which host can.
        reason: String,
    },
}

/// What became of one request among several.
#[cfg(feature = "server")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// An HTTP answer.
    Response(Response),
    /// No HTTP answer.
    Fault(Fault),
}
