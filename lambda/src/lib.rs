//! The native host of beam-mcp as a library: it performs the effects of the core on tokio and lends it an edge (HTTP,
//! standard input, Lambda). It holds no logic of the product.

pub mod effects;
