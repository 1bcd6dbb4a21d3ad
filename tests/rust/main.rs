//! Tests that span the parts of beam-mcp.

mod apps;
mod architecture;
mod contract;
mod dataflow;
mod errors;
mod mcp_client;
mod tools;
