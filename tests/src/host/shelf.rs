//! The store of an explored host: it fails, others write first, and it keeps account of what may be sent.

use std::collections::BTreeMap;

use beam_mcp_core::{
    effect::Reply,
    job::{Job, Operation},
    store::{Commit, Expect, Op, StoreReply, Write, operation_key},
};

use super::{ledger, rival};
use crate::store::ModelStore;

/// A store with its faults.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    records: ModelStore,
    /// Every write that makes a job or an operation has a key to remember.
    pub(super) keyed: bool,
    /// Permits to send that commits of the explored flow took and no send used up, by job or operation.
    permits: BTreeMap<String, u32>,
    objections: Vec<String>,
    state: String,
}

impl Shelf {
    /// What decides the replies to come: where jobs and operations are, whoever brought them there.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// What was stored that must not be.
    pub(super) fn objections(&self) -> Vec<String> {
        let jobs = self.jobs();
        let indexed = jobs.iter().filter_map(|job| ledger::indexed(&self.records, job).err());
        self.objections.iter().cloned().chain(indexed).collect()
    }

    /// What came before was no part of the exploration.
    pub(super) fn begin(&mut self, keyed: bool) {
        self.permits.clear();
        self.keyed = keyed;
    }

    /// The jobs.
    ///
    /// # Panics
    /// For a row that does not read back.
    pub fn jobs(&self) -> Vec<Job> {
        self.records.of_kind("job").map(|record| serde_json::from_str(&record.value).expect("a job")).collect()
    }

    /// An operation by its id.
    pub(super) fn operation(&self, id: &str) -> Option<Operation> {
        let record = self.records.get(&operation_key("default", id))?;
        Some(serde_json::from_str(&record.value).expect("an operation"))
    }

    /// Uses up a permit; false when there is none.
    pub(super) fn take_permit(&mut self, id: &str) -> bool {
        let left = self.permits.get_mut(id).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    pub(super) fn offers(&self, op: &Op) -> Vec<&'static str> {
        let Op::Commit(commit) = op else { return vec!["read", "failed"] };
        let mut words = vec!["made"];
        let replaces = commit.writes.iter().any(|write| matches!(write.expect, Expect::Version(_)));
        if self.records.misfit(commit).is_none() {
            if replaces {
                words.push("touched before");
            }
            if commit.writes.iter().any(|write| write.key.kind == "idempotency") {
                words.push("a twin before");
            } else if replaces {
                words.push("done by another before");
            }
        }
        words.extend(["failed, not made", "failed, made"]);
        words
    }

    pub(super) fn answer(&mut self, op: &Op, word: &str) -> Reply {
        let Op::Commit(commit) = op else {
            return Reply::Store(if word == "failed" { failed() } else { self.records.perform(op) });
        };
        let others = match word {
            "touched before" => Some(rival::touch(&self.records, commit)),
            "done by another before" => Some(rival::same(commit)),
            "a twin before" => Some(rival::twin(commit)),
            _ => None,
        };
        if let Some(others) = others {
            self.store(&others, false);
        }
        Reply::Store(match word {
            "failed, not made" => failed(),
            "failed, made" => {
                self.store(commit, true);
                failed()
            }
            _ => self.store(commit, true),
        })
    }

    /// Makes a commit; only what the explored flow makes is judged and gives permits.
    fn store(&mut self, commit: &Commit, ours: bool) -> StoreReply {
        let before: Vec<_> = commit.writes.iter().map(|write| self.records.get(&write.key).cloned()).collect();
        let reply = self.records.commit(commit);
        if ours && matches!(reply, StoreReply::Committed { .. }) {
            for (write, before) in commit.writes.iter().zip(&before) {
                let before = before.as_ref();
                if before.is_none_or(|record| record.op != commit.op_id) {
                    self.judge(commit, write, before.map(|record| &*record.value));
                }
            }
        }
        self.state = ledger::state(&self.records);
        reply
    }

    fn judge(&mut self, commit: &Commit, write: &Write, was: Option<&str>) {
        let version = self.records.get(&write.key).map_or(0, |record| record.version);
        match ledger::judge(commit, write, was, version, self.keyed) {
            Ok(0) => {}
            Ok(permits) => *self.permits.entry(write.key.id.clone()).or_default() += permits,
            Err(seen) => self.objections.push(seen),
        }
    }
}

fn failed() -> StoreReply {
    StoreReply::Failed { reason: "timeout".into() }
}
