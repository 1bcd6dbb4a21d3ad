//! Tests that span the parts of beam-mcp.

mod architecture;
mod contract;
mod errors;
mod tools;
