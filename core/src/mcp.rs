//! The Model Context Protocol, generic over a [`Surface`]; knows nothing of Beam.
//!
//! Revision 2026-07-28 is the native one: each request carries its version and the client's capabilities, so nothing
//! is remembered between two requests. The older revisions (2025-11-25 to 2024-11-05) are served on the same endpoint
//! without sessions: `initialize` is answered and forgotten, and the version header, where there is one, says how an
//! answer must look.
//!
//! # How a request is taken
//! ```text
//! http: verb → media types → JSON ─┐                      ┌ modern: _meta → headers → version → method → params ┐
//! line: JSON ──────────────────────┴ message → era ───────┤                                                     ├ Plan
//!                                                         └ legacy: method → params ────────────────────────────┘
//! ```
//! Everything up to the [`plan::Plan`] is a pure function of the surface and the request; only a tool call that was
//! found in order runs as part of the flow. A refusal is therefore always decided before a stream is committed.
//!
//! # Streams
//! A tool may send notifications about its own request with [`crate::flow::Io::emit`]; the first one makes the host
//! commit `text/event-stream`, and the body of the answer below is then the last frame, whatever status it names. No
//! tool does so yet.
//!
//! # Source
//! MCP specification 2026-07-28 (base protocol, transports, server features); older revisions as published.

mod call;
mod capability;
mod header;
mod http;
mod id;
mod legacy;
mod line;
mod list;
mod media;
mod message;
mod modern;
mod param;
mod plan;
mod protocol_error;
mod surface;
mod version;
mod wire;

#[cfg(test)]
mod tests;

pub use http::{http, refusal};
pub use id::Id;
pub use line::{cancelled_id, line, request_id};
pub use surface::{Annotations, Info, Surface, Tool, ToolFuture, ToolResult};
pub use version::Version;
