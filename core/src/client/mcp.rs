//! The same calls as MCP tools: for any server that has them, of either era.
//!
//! A call is first made as 2026-07-28 has it, without a handshake. A server that refuses it without one of that
//! revision's own errors is older: it is greeted, asked in the session it may open, and taken leave of. Nothing is
//! declared that a server could ask for, so it must answer; one that plans first is sent the digest of its plan, since
//! whoever calls a write of this client wants it done.

mod answer;
mod call;
mod message;

use answer::{Heard, Peer};
pub(super) use message::Tool;
