//! Runners: each a folder of `mod`, `request`, `response` and `flow`, behind one set of calls.
//!
//! A runner's calls are flows over [`crate::flow::Io`]; they know the target and the stored [`crate::job::Job`],
//! never a caller, store or door.

mod backend;
mod beam_metric;
mod beam_name;
mod capability;
pub mod code;
mod contract;
pub mod dataflow;
pub mod direct;
mod dispatch;
pub mod flink;
mod launches;
mod log_line;
pub mod options;
mod outbound;
pub mod portable;
mod python;
pub mod simulator;
pub mod spark;
mod stack_trace;

pub use backend::Backend;
pub use capability::{Capability, options_are_fixed, refusal};
pub use contract::{
    Bearer, Begun, Build, Look, Memory, PlannedCall, Probe, Progress, Provenance, ResolvedOption, Sighting, Submission,
    Submitted,
};
pub use dispatch::{Runner, check_target};
pub use launches::Launches;

use std::{sync::Arc, time::Duration};

use crate::{config::Target, flow::Io, guard::Guard, random::Branch};

/// What every runner's calls need: the way out, the target, the time limit and randomness.
#[derive(Clone)]
pub struct Context {
    /// The way to the host; calls to the target take [`Context::send`] and its kin.
    pub io: Io,
    /// What stands before the target.
    pub guard: Arc<Guard>,
    /// The target.
    pub target: Arc<Target>,
    /// When the calls must have ended, on the mono clock.
    pub deadline: Duration,
    /// Randomness for jitter.
    pub branch: Branch,
    /// What this process sent lately.
    pub launches: Arc<Launches>,
}

#[cfg(test)]
impl Context {
    /// With what the tests of runners call.
    pub(crate) fn for_test(io: Io, target: Arc<Target>) -> Self {
        let branch = Branch::new(crate::random::Seed::new([3; 32]), "test");
        let (guard, deadline) = (Arc::new(Guard::new(&target.name)), Duration::from_secs(300));
        Self { io, guard, target, deadline, branch, launches: Arc::default() }
    }
}
