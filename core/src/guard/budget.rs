use std::time::Duration;

use super::window::{Counts, Window};

/// Retries of any one second that are always within the budget.
const FLOOR: u32 = 3;

/// Retries against calls: at most a tenth in 60 s, and never fewer than three a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Window<60>);

impl Budget {
    /// Counts a call, be it a first try or another.
    pub(super) fn call(&mut self, now: Duration) {
        self.0.add(now, Counts { all: 1, marked: 0 });
    }

    /// Takes one retry from the budget; false when it is spent.
    pub(super) fn spend(&mut self, now: Duration) -> bool {
        let recent = self.0.sum(now);
        let within = recent.marked.saturating_add(1).saturating_mul(10) <= recent.all;
        let may = within || self.0.this_second(now).marked < FLOOR;
        if may {
            self.0.add(now, Counts { all: 0, marked: 1 });
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn three_a_second_are_always_allowed_and_a_tenth_of_many_calls() {
        let mut budget = Budget::default();
        let spent = |budget: &mut Budget, now| (0..1_000).filter(|_| budget.spend(now)).count();
        assert_eq!(spent(&mut budget, SECOND), 3);
        assert_eq!(spent(&mut budget, SECOND), 0);
        assert_eq!(spent(&mut budget, 2 * SECOND), 3);
        (0..1_000).for_each(|_| budget.call(3 * SECOND));
        assert_eq!(spent(&mut budget, 3 * SECOND), 94, "of 100 six were spent");
        assert_eq!(spent(&mut budget, 4 * SECOND), 3);
        assert_eq!(spent(&mut budget, 200 * SECOND), 3, "old calls earn nothing");
    }
}
