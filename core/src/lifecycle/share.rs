use crate::verb::Context;

/// A part of the reconciler's work that need not wait for the others: hosts that can, drive them side by side, so that
/// a target which does not answer holds up its own jobs only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Share {
    /// All of it, one target after the other.
    All,
    /// One target and its jobs.
    Target(String),
    /// What belongs to no configured target.
    Rest,
}

impl Share {
    /// The shares that make up all of the work on these targets.
    pub fn every(targets: impl Iterator<Item = String>) -> Vec<Self> {
        targets.map(Self::Target).chain([Self::Rest]).collect()
    }

    /// True when a target's jobs are in it.
    pub(super) fn has(&self, context: &Context, target: &str) -> bool {
        match self {
            Self::All => true,
            Self::Target(name) => name == target,
            Self::Rest => context.state.target(target).is_none(),
        }
    }

    /// True where the upkeep of the store is in it.
    pub(super) fn has_upkeep(&self) -> bool {
        matches!(self, Self::All | Self::Rest)
    }
}
