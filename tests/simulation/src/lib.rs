//! The seeded simulation: the production engine, unchanged, in a world of invented clocks, stores, clusters, children
//! and clients, with the faults of `reference/security-reliability.md` section 5.1. See `README.md`.

pub mod children;
pub mod client;
pub mod coverage;
pub mod dataflow;
pub mod effects;
pub mod fault;
pub mod flink;
pub mod ledger;
pub mod plant;
pub mod profile;
pub mod queue;
pub mod random;
pub mod runner;
pub mod service;
pub mod shrink;
pub mod spark;
pub mod store;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod violation;
#[cfg(target_arch = "wasm32")]
mod wasm;
pub mod world;

pub use coverage::Coverage;
pub use fault::Fault;
pub use plant::Plant;
pub use profile::{Cell, Fixed, Flavour, Mode, Profile};
pub use violation::Violation;
pub use world::{Ended, World};

/// Runs the schedule of a seed.
pub fn schedule(seed: u64, fixed: &Fixed, readable: bool, coverage: &mut Coverage) -> Ended {
    World::new(Profile::draw(seed, fixed), readable, coverage).run()
}
