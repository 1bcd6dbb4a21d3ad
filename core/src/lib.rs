//! The logic of beam-mcp without a socket, file, clock or thread.
//!
//! A host (the native server, the Python package, the wasm module, the Lambda function) makes an `Engine`, hands it
//! requests, and performs the [`effect::Effect`]s its flows ask for. See [`flow`] for the contract between the two.
//!
//! Features: `server` is the engine and what it needs, `client` the calls of a server, `mcp-client` those of any MCP
//! server. What is not marked belongs to all; a client alone is small enough for a web page.

pub mod auth;
pub mod call;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
pub mod effect;
#[cfg(feature = "server")]
pub mod engine;
pub mod error;
pub mod flow;
#[cfg(feature = "server")]
pub mod guard;
#[cfg(feature = "server")]
pub mod job;
#[cfg(feature = "server")]
pub mod job_api;
#[cfg(feature = "server")]
pub mod job_service;
#[cfg(feature = "server")]
pub mod json;
#[cfg(feature = "server")]
pub mod lifecycle;
#[cfg(feature = "server")]
pub mod mcp;
#[cfg(feature = "mcp-client")]
pub mod mcp_client;
pub mod pace;
pub mod random;
#[cfg(feature = "server")]
pub mod rest;
pub mod retry;
#[cfg(feature = "server")]
pub mod runner;
#[cfg(feature = "server")]
pub mod store;
pub mod text;
#[cfg(feature = "server")]
pub mod tool;
pub mod url;
#[cfg(feature = "server")]
pub mod verb;

pub use call::Call;
pub use error::{Error, ErrorKind};
pub use flow::{Flow, Io, Now, Step};
