//! Tests that span the parts of beam-mcp.

mod explore;
