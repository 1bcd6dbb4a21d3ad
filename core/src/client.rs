//! The other side: calls of a beam-mcp server as flows, for the Python and JavaScript clients.
//!
//! Knows the REST surface, and nothing of runners or stores. Asks its host for [`Effect::Send`] and [`Effect::Sleep`]
//! only. Every request goes to the target [`SERVER`] with the credential of the same name: the host joins the base
//! URL, and attaches its token or key where it was given one. With the feature `mcp-client` the same verbs can be called
//! as tools, over a connection of [`crate::mcp_client`] (not in the wasm client, which speaks to beam-mcp servers only).
//!
//! [`Effect::Send`]: crate::effect::Effect::Send
//! [`Effect::Sleep`]: crate::effect::Effect::Sleep

mod flow;
#[cfg(feature = "mcp-client")]
mod mcp;
mod request;
mod response;
mod route;

pub use flow::call;
#[cfg(feature = "mcp-client")]
pub use flow::call_over;
pub use route::{Class, ROUTES, Route, route};

use serde::Deserialize;

/// Target and credential of every request of a client.
pub const SERVER: &str = "server";

/// How a call is made.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientOptions {
    /// Limit on one exchange in milliseconds; a call that waits on the server has [`Class::Waits`]'s own.
    pub timeout_ms: u64,
    /// Tries after the first, of calls that may be repeated.
    pub max_retries: u32,
    /// Largest answer accepted, in bytes.
    pub max_bytes: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { timeout_ms: 30_000, max_retries: 3, max_bytes: 32 << 20 }
    }
}

#[cfg(test)]
mod tests;
