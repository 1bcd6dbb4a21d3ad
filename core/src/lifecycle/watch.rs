//! What one process remembers from round to round. All of it is bounded and may be lost: a restart looks again.

use std::{collections::BTreeMap, time::Duration};

use super::{Recent, poll::Polls};
use crate::job::LastCheckpoint;

/// Submissions whose settle time runs in this process. One that is pushed out begins anew.
const SETTLING: usize = 10_000;
/// Jobs on runners whose last shown state is remembered.
const SHOWN: usize = 200_000;
/// Jobs whose newest checkpoint is remembered; of the others, their rows know one that is a minute older at most.
const CHECKPOINTS: usize = 10_000;
/// Milliseconds after which a checkpoint that nobody has seen again is forgotten.
const FORGOTTEN_MS: u64 = 3_600_000;
/// Time after which a job that its runner no longer shows is forgotten.
const GONE: Duration = Duration::from_secs(600);

/// When something was first seen: its age by the wall then, and this process's own clock then and at the last sight.
#[derive(Debug)]
struct Sight {
    age_ms: i64,
    first: Duration,
    last: Duration,
}

/// Memory of the reconciler of one process.
#[derive(Debug)]
pub struct Watch {
    settling: BTreeMap<String, Duration>,
    /// First sends that may be unexplained, with their ages when they were first and last seen here.
    first_sends: Recent<Sight>,
    permits: Recent<Duration>,
    /// What was shown, and when last.
    shown: Recent<(u64, Duration)>,
    /// The newest checkpoint of each job that was looked at.
    checkpoints: Recent<LastCheckpoint>,
    cursors: BTreeMap<String, String>,
    /// When which job is looked at next.
    pub(super) polls: Polls,
    /// Which pair of target and tenant comes first in the next round.
    pub(super) turn: usize,
    /// When old rows are looked for next.
    pub(super) next_cleaning: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            settling: BTreeMap::new(),
            first_sends: Recent::new(SETTLING),
            permits: Recent::new(SETTLING),
            shown: Recent::new(SHOWN),
            checkpoints: Recent::new(CHECKPOINTS),
            cursors: BTreeMap::new(),
            polls: Polls::default(),
            turn: 0,
            next_cleaning: Duration::ZERO,
        }
    }
}

impl Watch {
    /// When this process first found a submission absent, on its monotonic clock; now, where it never did.
    pub(super) fn absent_since(&mut self, submission: String, now: Duration) -> Duration {
        if self.settling.len() >= SETTLING && !self.settling.contains_key(&submission) {
            self.settling.pop_first();
        }
        *self.settling.entry(submission).or_insert(now)
    }

    /// Age of a first send by the clock of this process alone, since it first saw it; `age_ms`: by the wall, now.
    pub(super) fn age_of(&mut self, send: String, age_ms: i64, now: Duration) -> i64 {
        if let Some(seen) = self.first_sends.get_mut(&send) {
            seen.last = now;
            let since = i64::try_from(now.saturating_sub(seen.first).as_millis()).unwrap_or(i64::MAX);
            return seen.age_ms.saturating_add(since);
        }
        let sight = Sight { age_ms, first: now, last: now };
        self.first_sends.insert(send, sight, |seen| seen.last + GONE < now);
        age_ms
    }

    /// When this process first saw a permit to send, on its monotonic clock; now, where it never did.
    pub(super) fn permitted_since(&mut self, permit: String, now: Duration) -> Duration {
        if let Some(since) = self.permits.get(&permit) {
            return *since;
        }
        // A rescale is waited for as long as what is gone is kept.
        self.permits.insert(permit, now, |since| *since + 2 * GONE < now);
        now
    }

    /// Where the last round of a scan ended.
    pub(super) fn cursor(&self, scan: &str) -> Option<String> {
        self.cursors.get(scan).cloned()
    }

    /// Where the next round goes on; `None`: at the start.
    pub(super) fn set_cursor(&mut self, scan: &str, after: Option<String>) {
        match after {
            Some(after) => self.cursors.insert(scan.to_owned(), after),
            None => self.cursors.remove(scan),
        };
    }

    /// The newest checkpoint of a job, the one that was just shown included.
    pub(super) fn newest_checkpoint(
        &mut self,
        job: &str,
        shown: Option<LastCheckpoint>,
        now_ms: u64,
    ) -> Option<LastCheckpoint> {
        if let Some(kept) = shown {
            let is_stale = |kept: &LastCheckpoint| kept.at_ms.saturating_add(FORGOTTEN_MS) < now_ms;
            self.checkpoints.insert(job.to_owned(), kept, is_stale);
        }
        self.checkpoints.get(job).cloned()
    }

    /// True when a runner showed exactly this the last time, and it was taken in.
    pub(super) fn is_known(&mut self, sighting: &str, print: u64, now: Duration) -> bool {
        self.shown.get_mut(sighting).filter(|(known, _)| *known == print).is_some_and(|(_, at)| {
            *at = now;
            true
        })
    }

    /// When a runner last showed what was taken in.
    pub(super) fn last_shown(&self, sighting: &str) -> Option<Duration> {
        self.shown.get(sighting).map(|(_, at)| *at)
    }

    /// What a runner showed is not how the job is any more.
    pub(super) fn forget(&mut self, sighting: &str) {
        self.shown.remove(sighting);
    }

    /// Remembers what was taken in.
    pub(super) fn took_in(&mut self, sighting: String, print: u64, now: Duration) {
        self.shown.insert(sighting, (print, now), |(_, at)| *at + GONE < now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_send_ages_by_the_own_clock_wherever_the_wall_goes() {
        let mut watch = Watch::default();
        let mut at = |name: &str, wall_ms, seconds| watch.age_of(name.into(), wall_ms, Duration::from_secs(seconds));
        assert_eq!(at("mine", 0, 7), 0);
        assert_eq!(at("mine", -600_000, 7 + 3_600), 3_600_000, "the wall was set back");
        assert_eq!(at("taken over", 30_000, 100), 30_000, "until then only the wall tells");
        assert_eq!(at("taken over", 900_000, 101), 31_000);
        let days = 200_000;
        for other in 0..2_000 {
            at(&format!("other {other}"), 0, days + other);
        }
        assert_eq!(at("mine", 5, days + 2_000), 5, "not seen for long, it is forgotten");
    }

    #[test]
    fn what_was_not_taken_in_is_not_what_was_shown_last() {
        let (mut watch, at) = (Watch::default(), Duration::from_secs);
        watch.took_in("f/a".into(), 1, at(1));
        assert!(watch.is_known("f/a", 1, at(2)));
        assert!(!watch.is_known("f/a", 2, at(9)), "it ended, and nobody has asked why yet");
        assert_eq!(watch.last_shown("f/a"), Some(at(2)), "so that who waits for it asks");
    }

    #[test]
    fn everything_that_is_remembered_by_name_has_a_most() {
        let (mut watch, now) = (Watch::default(), Duration::from_secs(1));
        for number in 0..=SETTLING.max(CHECKPOINTS) {
            let name = format!("{number:06}");
            watch.absent_since(name.clone(), now);
            watch.age_of(name.clone(), 0, now);
            watch.permitted_since(name.clone(), now);
            watch.newest_checkpoint(&name, Some(LastCheckpoint { path: "p".into(), at_ms: 1 }), 1);
        }
        (0..=SHOWN).for_each(|number| watch.took_in(number.to_string(), 0, now));
        assert_eq!(
            (watch.settling.len(), watch.first_sends.len(), watch.permits.len()),
            (SETTLING, SETTLING, SETTLING)
        );
        assert_eq!((watch.checkpoints.len(), watch.shown.len()), (CHECKPOINTS, SHOWN));
        assert_eq!(watch.absent_since("010000".into(), now * 9), now, "the first by name went, not the last to come");
    }
}
