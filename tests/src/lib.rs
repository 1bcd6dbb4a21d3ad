//! What the tests of more than one part share: the explorer of flows, a store that stands in for the host's, golden
//! files and the place of the vectors.

pub mod explore;
pub mod golden;
pub mod store;
