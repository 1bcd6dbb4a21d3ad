//! What one process remembers from round to round. All of it is bounded and may be lost: a restart looks again.

use std::{collections::BTreeMap, time::Duration};

use super::poll::Polls;

/// Submissions whose settle time runs in this process. One that is pushed out begins anew.
const SETTLING: usize = 10_000;
/// Jobs on runners whose last shown state is remembered.
const SHOWN: usize = 200_000;

/// Memory of the reconciler of one process.
#[derive(Debug, Default)]
pub struct Watch {
    settling: BTreeMap<String, Duration>,
    shown: BTreeMap<String, u64>,
    cursors: BTreeMap<String, String>,
    /// When which job is looked at next.
    pub(super) polls: Polls,
    /// Which pair of target and tenant comes first in the next round.
    pub(super) turn: usize,
    /// When old rows are looked for next.
    pub(super) next_cleaning: Duration,
}

impl Watch {
    /// When this process first found a submission absent, on its monotonic clock; now, where it never did.
    pub(super) fn absent_since(&mut self, submission: String, now: Duration) -> Duration {
        if self.settling.len() >= SETTLING && !self.settling.contains_key(&submission) {
            self.settling.pop_first();
        }
        *self.settling.entry(submission).or_insert(now)
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

    /// True when a runner showed exactly this the last time, and it was taken in.
    pub(super) fn is_known(&self, sighting: &str, print: u64) -> bool {
        self.shown.get(sighting) == Some(&print)
    }

    /// Remembers what was taken in.
    pub(super) fn took_in(&mut self, sighting: String, print: u64) {
        if self.shown.len() >= SHOWN {
            self.shown.clear();
        }
        self.shown.insert(sighting, print);
    }
}
