//! The native host of beam-mcp as a library: it performs the effects of the core on tokio and lends it an edge (HTTP,
//! standard input, Lambda). It holds no logic of the product.

pub mod admission;
pub mod attendance;
pub mod budget;
pub mod clock;
mod command;
mod committed;
pub mod config_file;
pub mod credentials;
pub mod doctor;
pub mod driver;
pub mod edge;
pub mod effects;
pub mod entry;
mod http_body;
pub mod http_send;
pub mod job_api;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "lambda")]
pub mod lambda_event;
pub mod logging;
pub mod metrics;
pub mod options;
#[cfg(target_os = "linux")]
pub mod process;
mod random;
pub mod reconcile;
pub mod serve;
pub mod setup;
pub mod stage;
pub mod stdio;
pub mod store;
pub mod tasks;
pub mod topics;

pub use command::run;
#[cfg(feature = "lambda")]
pub use lambda::run_lambda;

#[cfg(test)]
mod testing;
