//! The Model Context Protocol, generic over a [`Surface`]; knows nothing of Beam.
//!
//! Revision 2026-07-28 is the native one: each request carries its version and the client's capabilities, so nothing
//! is remembered between two requests. The older revisions (2025-11-25 to 2024-11-05) are served on the same endpoint.
//! Where the surface holds [`Sessions`], `initialize` opens one and the client can be asked and told news, and the two
//! endpoints of 2024-11-05 are served beside ([`pair()`]); elsewhere it is answered and forgotten, and the version header,
//! where there is one, says how an answer must look.
//!
//! # How a request is taken
//! ```text
//! http: verb → media types → JSON ─┐                      ┌ modern: _meta → headers → version → method → params ┐
//! line: JSON ──────────────────────┴ message → era ───────┤                                                     ├ Plan
//!                                                         └ legacy: method → params ────────────────────────────┘
//! ```
//! Everything up to the plan is a pure function of the surface and the request; only a handler that was found
//! in order runs as part of the flow. A refusal is therefore always decided before a stream is committed.
//!
//! # Streams
//! A tool may send notifications about its own request with [`crate::flow::Io::emit`]; the first one makes the host
//! commit `text/event-stream`, and the body of the answer below is then the last frame, whatever status it names. A
//! subscription is a stream that ends with its client or its host.
//!
//! # Questions
//! A handler that needs an answer returns [`Outcome::Ask`] and is run again with it. A modern client is sent
//! `input_required` and comes back with a new request; what the handler must remember travels sealed. A client in a
//! session is asked on the stream of its request. A client that cannot be asked is refused or told.
//!
//! # Source
//! MCP specification 2026-07-28 (base protocol, transports, server features); older revisions as published.

mod capability;
mod complete;
mod content;
mod exchange;
mod feature;
mod header;
mod http;
mod id;
mod legacy;
mod line;
mod list;
mod listen;
mod media;
mod message;
mod modern;
mod offer;
mod outcome;
mod owed;
mod pair;
mod param;
mod plan;
mod protocol_error;
mod run;
mod seal;
mod session;
mod surface;
mod version;
mod wire;

#[cfg(test)]
mod tests;

pub use content::{Content, ResourceContents, ResourceData};
pub use exchange::{APP_TYPE, Answered, Exchange, Level, Question};
pub use http::{http, refusal, unserved};
pub use id::Id;
pub use line::{cancelled_id, holds_request, line, request_id};
pub use listen::Change;
pub use offer::{
    Annotations, Completion, Features, Info, Partial, Prompt, PromptArgument, PromptMessage, PromptMessages, Read,
    Reference, Resource, ResourcePage, ResourceTemplate, Role, Tool, ToolResult,
};
pub use outcome::{Ask, Outcome, Task, TaskDetail, TaskState, TaskStatus};
pub use pair::{is_pair, pair};
pub(crate) use run::failed;
pub use session::Sessions;
pub use surface::{Answer, Handled, Surface};
pub use version::Version;
