//! Tests that span the parts of beam-mcp.

mod apps;
mod architecture;
mod contract;
mod dataflow;
mod dry_run;
mod errors;
mod mcp_client;
mod readme;
mod tools;
mod watching;
