use crate::engine::State;

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
    /// The shares that make up all of the work.
    pub fn every(state: &State) -> Vec<Self> {
        state.targets().map(|target| Self::Target(target.name.clone())).chain([Self::Rest]).collect()
    }

    /// True when a target's jobs are in it.
    pub(super) fn has(&self, state: &State, target: &str) -> bool {
        match self {
            Self::All => true,
            Self::Target(name) => name == target,
            Self::Rest => state.target(target).is_none(),
        }
    }

    /// True where the upkeep of the store is in it.
    pub(super) fn has_upkeep(&self) -> bool {
        matches!(self, Self::All | Self::Rest)
    }
}
