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

/// Memory of the reconciler of one process.
#[derive(Debug)]
pub struct Watch {
    settling: BTreeMap<String, Duration>,
    permits: Recent<Duration>,
    sends: Recent<Duration>,
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
            permits: Recent::new(SETTLING),
            sends: Recent::new(SETTLING),
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

    /// When this process first saw a permit to submit, on its monotonic clock; now, where it never did.
    pub(super) fn permitted_since(&mut self, permit: String, now: Duration) -> Duration {
        if let Some(since) = self.permits.get(&permit) {
            return *since;
        }
        self.permits.insert(permit, now, |since| *since + GONE < now);
        now
    }

    /// Notes that this process sends an operation.
    pub(super) fn sent(&mut self, operation: &str, now: Duration) {
        self.sends.insert(operation.to_owned(), now, |sent| *sent + GONE < now);
    }

    /// When this process last sent an operation, on its monotonic clock.
    pub(super) fn last_sent(&self, operation: &str) -> Option<Duration> {
        self.sends.get(operation).copied()
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
        self.shown.get_mut(sighting).is_some_and(|(known, at)| {
            *at = now;
            *known == print
        })
    }

    /// Remembers what was taken in.
    pub(super) fn took_in(&mut self, sighting: String, print: u64, now: Duration) {
        self.shown.insert(sighting, (print, now), |(_, at)| *at + GONE < now);
    }
}
