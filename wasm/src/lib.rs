//! The core of beam-mcp for JavaScript.
//!
//! A flow is a number. `start` and its like make one, `step` advances it with the reply to its last effect, `free`
//! drops it; see [`beam_mcp_core::flow`] for the contract. There is no promise, no callback, no exported object that
//! lives on, and no exception: what goes wrong is a value of kind `error`. JavaScript performs the effects.
//!
//! The feature `client` is the entry that calls a server, `mcp` the one that calls any MCP server, `engine` the one that is
//! a server.

mod call;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "fixture")]
pub mod fixture;
mod flows;
pub mod glue;
#[cfg(feature = "mcp")]
pub mod mcp;
mod numbered;
