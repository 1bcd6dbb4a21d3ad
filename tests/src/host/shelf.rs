//! The store of an explored host: it fails, others write first, and it keeps account of what may be sent.

use std::collections::BTreeMap;

use beam_mcp_core::{
    effect::Reply,
    job::{Job, JobState, Operation, Phase},
    store::{Commit, Expect, Op, StoreReply, Stored, Write, job_writes, operation_key},
};

use super::{
    ledger::{self, Sends},
    rival,
};
use crate::store::ModelStore;

/// What the explored flow may send, and has sent.
#[derive(Clone, Copy, Debug, Default)]
struct Permit {
    /// A commit of its own is the permit for a send that was not made yet.
    open: bool,
    /// Sends that may have reached somebody.
    arrived: u32,
    generation: u32,
}

/// A store with its faults.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    records: ModelStore,
    /// Every write that makes a job or an operation has a key to remember.
    pub(super) keyed: bool,
    /// By job or operation.
    permits: BTreeMap<String, Permit>,
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
        let operations = self.records.of_kind("operation").map(|record| serde_json::from_str(&record.value));
        let operations = operations.map(|operation| operation.expect("an operation"));
        let jobs = self.jobs().into_iter().map(|job| (job.id.to_string(), ledger::sends_of_job(&job)));
        let before = |(id, sends): (String, Sends)| {
            (id, Permit { open: false, arrived: sends.counted, generation: sends.generation })
        };
        let operations = operations.map(|row: Operation| (row.id.clone(), ledger::sends_of_operation(&row)));
        self.permits = operations.chain(jobs).map(before).collect();
        self.keyed = keyed;
    }

    /// The jobs.
    ///
    /// # Panics
    /// For a row that does not read back.
    pub fn jobs(&self) -> Vec<Job> {
        self.records.of_kind("job").map(|record| serde_json::from_str(&record.value).expect("a job")).collect()
    }

    /// Parks the one job there is, as the reconciler does with a submission that stays unexplained; gives its id.
    pub(super) fn park(&mut self) -> String {
        let jobs = self.jobs();
        let [job] = jobs.as_slice() else { panic!("not one job: {jobs:?}") };
        let old = Stored { value: job.clone(), version: job.version };
        let (phase, state, version) = (Phase::Parked, JobState::Parked, job.version + 1);
        let new = Job { phase, state, version, ambiguous: true, handle: None, ..job.clone() };
        let writes = job_writes("default", Some(&old), &new).expect("rows");
        self.store(&Commit { op_id: "parked".into(), writes }, false);
        job.id.to_string()
    }

    /// An operation by its id.
    pub(super) fn operation(&self, id: &str) -> Option<Operation> {
        let record = self.records.get(&operation_key("default", id))?;
        Some(serde_json::from_str(&record.value).expect("an operation"))
    }

    /// Uses up a permit; false when there is none.
    pub(super) fn take_permit(&mut self, id: &str) -> bool {
        self.permits.get_mut(id).is_some_and(|permit| std::mem::take(&mut permit.open))
    }

    /// A send may have reached somebody.
    pub(super) fn note_arrival(&mut self, id: &str) {
        self.permits.entry(id.to_owned()).or_default().arrived += 1;
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
            Ok(sends) => sends.into_iter().for_each(|sends| self.count(&write.key.id, sends)),
            Err(seen) => self.objections.push(seen),
        }
    }

    /// A permit comes back where its send reached nobody, and nowhere else.
    fn count(&mut self, id: &str, sends: Sends) {
        let permit = self.permits.entry(id.to_owned()).or_default();
        if permit.generation != sends.generation {
            *permit = Permit { generation: sends.generation, ..Permit::default() };
        }
        permit.open = sends.permitted;
        if sends.counted < permit.arrived {
            let seen = format!("{id} counts {} sends, {} may have arrived", sends.counted, permit.arrived);
            self.objections.push(seen);
        }
    }
}

fn failed() -> StoreReply {
    StoreReply::Failed { reason: "timeout".into() }
}
