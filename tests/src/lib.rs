//! What the tests of more than one part share: the explorer of flows, the host they are explored in, golden files
//! and the place of the vectors.

pub mod explore;
pub mod golden;
pub mod host;
pub mod store;
