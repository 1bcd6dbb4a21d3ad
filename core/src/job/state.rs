use serde::{Deserialize, Serialize};

/// State of a job, in one spelling on every wire.
///
/// ```text
/// SUBMITTING     -> SUBMIT_UNKNOWN | PARKED (its sender died) | PENDING | RUNNING | any terminal but UPDATED
/// SUBMIT_UNKNOWN -> PARKED | PENDING | RUNNING | SUBMITTING | any terminal
/// PARKED         -> PENDING | RUNNING | any terminal | SUBMITTING (operator resubmit)
/// PENDING        -> RUNNING | RECOVERING | CANCELLING | LOST | any terminal but UPDATED
/// RUNNING        -> PENDING | RECOVERING | PAUSED | DRAINING | CANCELLING | UPDATING | LOST | any terminal
/// RECOVERING     -> PENDING | RUNNING | DRAINING | CANCELLING | LOST | any terminal
/// PAUSED         -> RUNNING | CANCELLING | LOST | FAILED | CANCELED
/// UPDATING       -> RUNNING | LOST | UPDATED | FAILED | CANCELED
/// DRAINING       -> RUNNING (Flink: the stop failed) | CANCELLING | LOST | any terminal but UPDATED
/// CANCELLING     -> LOST | any terminal but UPDATED
/// LOST           -> anything (found again)
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// The intent is stored; the runner has not acknowledged it.
    Submitting,
    /// The submission was sent and nobody knows whether it arrived.
    SubmitUnknown,
    /// Waits for an operator; `diagnostics` says why.
    Parked,
    /// Acknowledged, not executing yet.
    Pending,
    /// Executing.
    Running,
    /// The runner restarts it by itself.
    Recovering,
    /// Paused (Dataflow only).
    Paused,
    /// Being replaced.
    Updating,
    /// Finishing what is in flight.
    Draining,
    /// A cancel was accepted.
    Cancelling,
    /// A healthy runner does not know it and no end was ever seen; not terminal.
    Lost,
    /// Ended well.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended because it was asked to, with or without a savepoint.
    Canceled,
    /// Ended after flushing.
    Drained,
    /// Replaced by another job.
    Updated,
}

use JobState as S;

impl JobState {
    /// Every state.
    pub const ALL: [Self; 16] = [
        S::Submitting,
        S::SubmitUnknown,
        S::Parked,
        S::Pending,
        S::Running,
        S::Recovering,
        S::Paused,
        S::Updating,
        S::Draining,
        S::Cancelling,
        S::Lost,
        S::Finished,
        S::Failed,
        S::Canceled,
        S::Drained,
        S::Updated,
    ];

    /// True for an end that nothing follows.
    pub fn is_terminal(self) -> bool {
        matches!(self, S::Finished | S::Failed | S::Canceled | S::Drained | S::Updated)
    }

    /// True when a person should look.
    pub fn needs_attention(self) -> bool {
        matches!(self, S::Parked | S::Lost | S::SubmitUnknown | S::Failed)
    }

    /// True when the runner has acknowledged the job and it has not ended.
    pub fn is_live(self) -> bool {
        matches!(self, S::Pending | S::Running | S::Recovering | S::Paused | S::Updating | S::Draining | S::Cancelling)
    }

    /// True when the table of moves has a row from here to `next`. Staying is no move.
    pub fn may_become(self, next: Self) -> bool {
        let ends = next.is_terminal();
        let ends_itself = ends && next != S::Updated;
        match self {
            // A submission that went unanswered is found in whatever state it is by then.
            S::Submitting => next.is_live() || matches!(next, S::SubmitUnknown | S::Parked) || ends_itself,
            S::SubmitUnknown => next.is_live() || matches!(next, S::Parked | S::Submitting) || ends,
            S::Parked => next.is_live() || next == S::Submitting || ends,
            S::Pending => matches!(next, S::Running | S::Recovering | S::Cancelling | S::Lost) || ends_itself,
            S::Running => {
                ends || matches!(
                    next,
                    S::Pending | S::Recovering | S::Paused | S::Draining | S::Cancelling | S::Updating | S::Lost
                )
            }
            S::Recovering => matches!(next, S::Pending | S::Running | S::Draining | S::Cancelling | S::Lost) || ends,
            S::Paused => matches!(next, S::Running | S::Cancelling | S::Lost | S::Failed | S::Canceled),
            S::Updating => matches!(next, S::Running | S::Lost | S::Updated | S::Failed | S::Canceled),
            S::Draining => matches!(next, S::Running | S::Cancelling | S::Lost) || ends_itself,
            S::Cancelling => next == S::Lost || ends_itself,
            S::Lost => next != S::Lost,
            S::Finished | S::Failed | S::Canceled | S::Drained | S::Updated => false,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            S::Submitting => "SUBMITTING",
            S::SubmitUnknown => "SUBMIT_UNKNOWN",
            S::Parked => "PARKED",
            S::Pending => "PENDING",
            S::Running => "RUNNING",
            S::Recovering => "RECOVERING",
            S::Paused => "PAUSED",
            S::Updating => "UPDATING",
            S::Draining => "DRAINING",
            S::Cancelling => "CANCELLING",
            S::Lost => "LOST",
            S::Finished => "FINISHED",
            S::Failed => "FAILED",
            S::Canceled => "CANCELED",
            S::Drained => "DRAINED",
            S::Updated => "UPDATED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_is_absorbing_and_everything_can_end() {
        for from in JobState::ALL {
            let ends = JobState::ALL.into_iter().any(|to| to.is_terminal() && from.may_become(to));
            assert_eq!(ends, !from.is_terminal(), "{from:?}");
            assert!(!from.may_become(from) || from.is_terminal());
            assert_eq!(serde_json::to_value(from).unwrap(), from.as_str());
        }
        assert!(S::Draining.may_become(S::Running) && !S::Cancelling.may_become(S::Running));
    }

    #[test]
    fn what_was_submitted_is_found_in_any_state_it_can_have_by_then() {
        for from in [S::Submitting, S::SubmitUnknown, S::Parked] {
            for found in JobState::ALL.into_iter().filter(|state| state.is_live()) {
                assert!(from.may_become(found), "{from:?} {found:?}");
            }
        }
    }
}
