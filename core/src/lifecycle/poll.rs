//! How often jobs are looked at one by one (security-reliability.md 4.4): 1 s after a change, up to a minute while
//! nothing happens, up to five while nobody answers; at most 20 calls a second for one runner.

use std::{collections::BTreeMap, time::Duration};

use super::Recent;
use crate::random::Seed;

const FIRST: Duration = Duration::from_secs(1);
/// Longest pause while nothing happens.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// Longest pause while something is under way that a caller waits for.
pub(super) const BUSY: Duration = Duration::from_secs(10);
/// Longest pause after failures.
const FAILING: Duration = Duration::from_secs(300);
/// Jobs remembered. One that is pushed out is due at once.
const REMEMBERED: usize = 100_000;
/// Time after which a job that is due and that nobody looks at is none to be looked at.
const STALE: Duration = Duration::from_secs(600);
/// Calls a second for one runner, and how many seconds of them may come at once.
const CALLS_PER_S: u64 = 20;
const BURST_S: u64 = 2;
/// Most calls one look makes (Flink: details, checkpoints, exceptions).
const CALLS_PER_LOOK: u64 = 3;

/// What a look brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Changed,
    Same,
    Failed,
}

/// When which job is looked at next.
#[derive(Debug)]
pub(super) struct Polls {
    next: Recent<(Duration, Duration)>,
    budgets: BTreeMap<String, Budget>,
}

impl Default for Polls {
    fn default() -> Self {
        Self { next: Recent::new(REMEMBERED), budgets: BTreeMap::new() }
    }
}

#[derive(Debug)]
struct Budget {
    /// Thousandths of a call.
    left: u64,
    at: Duration,
}

impl Polls {
    pub(super) fn is_due(&self, job: &str, now: Duration) -> bool {
        self.next.get(job).is_none_or(|(at, _)| *at <= now)
    }

    /// Takes the calls of one look from a runner's budget, if it holds them.
    pub(super) fn afford(&mut self, target: &str, now: Duration) -> bool {
        let full = CALLS_PER_S * BURST_S * 1_000;
        let budget = self.budgets.entry(target.to_owned()).or_insert(Budget { left: full, at: now });
        let passed = u64::try_from(now.saturating_sub(budget.at).as_millis()).unwrap_or(u64::MAX);
        budget.left = budget.left.saturating_add(passed.saturating_mul(CALLS_PER_S)).min(full);
        budget.at = now;
        let rest = budget.left.checked_sub(CALLS_PER_LOOK * 1_000);
        budget.left = rest.unwrap_or(budget.left);
        rest.is_some()
    }

    /// Sets when a job is looked at next, at most `most` from now while nothing happens.
    pub(super) fn after(&mut self, job: &str, now: Duration, outcome: Outcome, most: Duration, seed: &Seed) {
        let last = self.next.get(job).map_or(Duration::ZERO, |(_, pause)| *pause);
        let pause = match outcome {
            Outcome::Changed => FIRST,
            Outcome::Same => (last * 2).clamp(FIRST, most),
            Outcome::Failed => (last * 2).clamp(FIRST, FAILING),
        };
        let at = now + jittered(pause, job, seed);
        self.next.insert(job.to_owned(), (at, pause), |(at, _)| *at + STALE < now);
    }
}

/// Between three quarters of a pause and all of it, so that jobs do not move in step.
fn jittered(pause: Duration, job: &str, seed: &Seed) -> Duration {
    let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(0);
    pause.saturating_sub(Duration::from_millis(seed.below(&format!("poll {job}"), quarter + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn pauses(outcomes: &[Outcome], most: Duration) -> Vec<u64> {
        let (mut polls, mut now) = (Polls::default(), S);
        let seed = Seed::new([1; 32]);
        outcomes
            .iter()
            .map(|outcome| {
                polls.after("j", now, *outcome, most, &seed);
                let (at, pause) = *polls.next.get("j").unwrap();
                assert!((now + pause * 3 / 4..=now + pause).contains(&at));
                let before = at.saturating_sub(Duration::from_millis(1));
                assert!(!polls.is_due("j", before) && polls.is_due("j", at));
                now = at;
                pause.as_secs()
            })
            .collect()
    }

    #[test]
    fn a_quiet_job_is_looked_at_less_and_less_and_a_change_starts_anew() {
        use Outcome::{Changed, Failed, Same};
        let mut outcomes = vec![Same; 8];
        outcomes.push(Changed);
        assert_eq!(pauses(&outcomes, IDLE), [1, 2, 4, 8, 16, 32, 60, 60, 1]);
        assert_eq!(pauses(&[Same; 6], BUSY), [1, 2, 4, 8, 10, 10]);
        assert_eq!(pauses(&[Failed; 11], IDLE), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_runner_is_asked_at_most_twenty_times_a_second() {
        let mut polls = Polls::default();
        let looks = |polls: &mut Polls, now| (0..100).filter(|_| polls.afford("t", now)).count() as u64;
        assert_eq!(looks(&mut polls, S), 13, "a burst of two seconds");
        assert!(polls.afford("other", S), "each has a budget of its own");
        let more: u64 = (2..=10).map(|second| looks(&mut polls, S * second)).sum();
        assert!(more * CALLS_PER_LOOK <= 9 * CALLS_PER_S + 1, "{more} looks in nine seconds");
        assert_eq!(looks(&mut polls, S * 10_000), 13);
    }
}
