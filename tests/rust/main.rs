//! Tests that span the parts of beam-mcp.

mod contract;
mod errors;
mod explore;
