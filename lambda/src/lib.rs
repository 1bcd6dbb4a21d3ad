//! The native host of beam-mcp as a library: it performs the effects of the core on tokio and lends it an edge (HTTP,
//! standard input, Lambda). It holds no logic of the product.

pub mod attendance;
pub mod clock;
pub mod credentials;
pub mod driver;
pub mod edge;
pub mod effects;
pub mod entry;
mod http_body;
pub mod http_send;
pub mod logging;
pub mod metrics;
pub mod stage;
pub mod store;
pub mod tasks;
pub mod topics;

#[cfg(test)]
mod testing;
