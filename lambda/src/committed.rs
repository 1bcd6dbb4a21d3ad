//! Tells the reconciler's loops that somebody else has changed jobs, each those of its own share.

use std::collections::BTreeMap;

use beam_mcp_core::{engine::Share, store::Commit};
use tokio::sync::watch;

/// Commits of callers since the process began, by target.
#[derive(Debug)]
pub struct Committed(watch::Sender<BTreeMap<String, u64>>);

impl Default for Committed {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Committed {
    /// The targets whose jobs a commit writes.
    pub fn targets(commit: &Commit) -> Vec<String> {
        let jobs = commit.writes.iter().filter(|write| write.key.kind == "job");
        jobs.filter_map(|write| Some(write.key.id.split_once(':')?.0.to_owned())).collect()
    }

    /// Counts a commit.
    pub fn tell(&self, targets: Vec<String>) {
        if !targets.is_empty() {
            self.0.send_modify(|counts| targets.into_iter().for_each(|target| *counts.entry(target).or_default() += 1));
        }
    }

    /// Commits that concern a share so far.
    pub fn count(&self, share: &Share) -> u64 {
        count(&self.0.borrow(), share)
    }

    /// Waits until more than `seen` concern it.
    pub async fn beyond(&self, seen: u64, share: &Share) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|counts| count(counts, share) > seen).await;
    }
}

fn count(counts: &BTreeMap<String, u64>, share: &Share) -> u64 {
    match share {
        Share::Target(name) => counts.get(name).copied().unwrap_or_default(),
        Share::All | Share::Rest => counts.values().sum(),
    }
}
