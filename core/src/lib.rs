//! The logic of beam-mcp without a socket, file, clock or thread.
//!
//! A host (the native server, the Python package, the wasm module, the Lambda function) makes an `Engine`, hands it
//! requests, and performs the [`effect::Effect`]s its flows ask for. See [`flow`] for the contract between the two.

pub mod auth;
pub mod call;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
pub mod config;
pub mod effect;
pub mod engine;
pub mod error;
pub mod flow;
pub mod job;
pub mod json;
pub mod lifecycle;
pub mod mcp;
pub mod pace;
pub mod random;
pub mod rest;
pub mod retry;
pub mod runner;
pub mod store;
pub mod text;
pub mod tool;
pub mod url;
pub mod verb;

pub use call::Call;
pub use error::{Error, ErrorKind};
pub use flow::{Flow, Io, Now, Step};
