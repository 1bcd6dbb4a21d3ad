//! How long to wait between tries and polls.

use std::time::Duration;

use crate::random::Seed;

/// Back-off between tries of one call: full jitter under a growing cap (security-reliability.md 4.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// Cap of the first delay.
    pub base: Duration,
    /// Cap of all delays.
    pub cap: Duration,
    /// Tries in all, the first included.
    pub tries: u32,
}

impl Backoff {
    /// Reads: at most 6 tries.
    pub const READ: Self = Self { base: Duration::from_millis(200), cap: Duration::from_secs(20), tries: 6 };
    /// Store operations: at most 4 tries.
    pub const STORE: Self = Self { base: Duration::from_millis(50), cap: Duration::from_secs(2), tries: 4 };

    /// Delay before try number `next` (2 is the first repetition): evenly drawn from 0 to the grown cap.
    pub fn delay(&self, next: u32, seed: &Seed) -> Duration {
        let grown = self.base.saturating_mul(1_u32.checked_shl(next.saturating_sub(2)).unwrap_or(u32::MAX));
        let most = u64::try_from(grown.min(self.cap).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(seed.below(&format!("backoff {next}"), most.saturating_add(1)))
    }
}

/// Delays between polls of one wait: a first delay that grows by half up to a longest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    next: Duration,
    longest: Duration,
}

impl Pace {
    /// Polls after `first`, then at growing distances up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The next delay, or `None` when it would pass `deadline`.
    pub fn next(&mut self, now: Duration, deadline: Duration) -> Option<Duration> {
        let delay = self.next;
        self.next = (delay + delay / 2).min(self.longest);
        (now + delay < deadline).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_jittered_under_a_growing_cap() {
        let seed = Seed::new([1; 32]);
        for next in 2..40 {
            assert!(Backoff::READ.delay(next, &seed) <= Duration::from_secs(20));
        }
        assert!(Backoff::READ.delay(2, &seed) <= Duration::from_millis(200));
    }

    #[test]
    fn a_pace_grows_and_ends_at_the_deadline() {
        let mut pace = Pace::new(Duration::from_secs(1), Duration::from_secs(2));
        let far = Duration::from_secs(99);
        let delays: Vec<_> = (0..3).filter_map(|_| pace.next(Duration::ZERO, far)).collect();
        assert_eq!(delays, [1000, 1500, 2000].map(Duration::from_millis));
        assert_eq!(pace.next(Duration::from_secs(98), far), None);
    }
}
