use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use beam_mcp_core::store::{Commit, Key, Op, Page, Record, Scan, StoreReply, Write};

use super::{
    commit::{Stamp, Verdict, judge, record},
    failed,
    range::{ALL_TENANTS, Range, merge},
};

/// Records in this process. Twin of the `SQLite` store: the same suite runs against both.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    most_bytes: usize,
}

/// Kind and tenant, then the id as bytes.
type Shelf = (String, String);

#[derive(Debug, Default)]
struct State {
    shelves: BTreeMap<Shelf, BTreeMap<Vec<u8>, Record>>,
    bytes: usize,
}

impl MemoryStore {
    /// An empty store that refuses to grow past this many bytes of ids and values.
    pub fn new(most_bytes: usize) -> Self {
        Self { state: Mutex::default(), most_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn perform(&self, op: &Op) -> StoreReply {
        match op {
            Op::Get { key } => StoreReply::Record { record: self.lock().get(key).cloned() },
            Op::Scan(scan) => StoreReply::Page(Page { records: self.lock().scan(scan) }),
            Op::Commit(commit) => self.lock().commit(commit, self.most_bytes),
        }
    }

    pub(super) fn purge(&self, before_ms: u64) -> u64 {
        let mut state = self.lock();
        let expired = |record: &Record| record.expires_at.is_some_and(|at| at < before_ms);
        let records = state.shelves.values().flat_map(BTreeMap::values);
        let gone: Vec<Key> = records.filter(|record| expired(record)).map(|record| record.key.clone()).collect();
        for key in &gone {
            state.remove(key);
        }
        gone.len() as u64
    }
}

impl State {
    fn get(&self, key: &Key) -> Option<&Record> {
        self.shelves.get(&shelf(key))?.get(key.id.as_bytes())
    }

    fn scan(&self, scan: &Scan) -> Vec<Record> {
        let range = Range::of(scan);
        if range.is_empty() {
            return Vec::new();
        }
        let fits =
            |(kind, tenant): &Shelf| *kind == scan.kind && (scan.tenant == ALL_TENANTS || *tenant == scan.tenant);
        let shelves = self.shelves.iter().filter(|(shelf, _)| fits(shelf));
        merge(shelves.flat_map(|(_, records)| page(records, &range, scan)).collect(), scan)
    }

    fn commit(&mut self, commit: &Commit, most_bytes: usize) -> StoreReply {
        let stored: Vec<_> = commit.writes.iter().map(|write| self.get(&write.key).map(stamp)).collect();
        match judge(commit, &stored) {
            Verdict::Made(versions) => StoreReply::Committed { versions },
            Verdict::Conflict(index) => self.conflict(commit, index),
            Verdict::Write(_) if self.bytes + size(commit) > most_bytes => failed("memory_full"),
            Verdict::Write(versions) => {
                commit.writes.iter().zip(&versions).for_each(|(write, version)| self.write(commit, write, *version));
                StoreReply::Committed { versions }
            }
        }
    }

    fn conflict(&self, commit: &Commit, index: usize) -> StoreReply {
        let current = commit.writes.get(index).and_then(|write| self.get(&write.key)).cloned();
        StoreReply::Conflict { index, current }
    }

    fn write(&mut self, commit: &Commit, write: &Write, version: u64) {
        self.remove(&write.key);
        let Some(put) = &write.put else { return };
        self.bytes += write.key.id.len() + put.value.len();
        let records = self.shelves.entry(shelf(&write.key)).or_default();
        records.insert(write.key.id.clone().into_bytes(), record(commit, write, put, version));
    }

    fn remove(&mut self, key: &Key) {
        let Some(records) = self.shelves.get_mut(&shelf(key)) else { return };
        if let Some(record) = records.remove(key.id.as_bytes()) {
            self.bytes -= record.key.id.len() + record.value.len();
        }
    }
}

fn page(records: &BTreeMap<Vec<u8>, Record>, range: &Range, scan: &Scan) -> Vec<Record> {
    let found = records.range(range.low.clone()..range.high.clone()).map(|(_, record)| record);
    let most = scan.limit as usize;
    if scan.descending { found.rev().take(most).cloned().collect() } else { found.take(most).cloned().collect() }
}

fn shelf(key: &Key) -> Shelf {
    (key.kind.clone().into_owned(), key.tenant.clone())
}

fn stamp(record: &Record) -> Stamp {
    Stamp { version: record.version, op: record.op.clone() }
}

/// Bytes a commit may add at most.
fn size(commit: &Commit) -> usize {
    let of = |write: &Write| write.put.as_ref().map_or(0, |put| write.key.id.len() + put.value.len());
    commit.writes.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{Store, suite};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_suite_holds() {
        suite::run(&Arc::new(Store::Memory(MemoryStore::new(64 << 20)))).await;
    }

    #[tokio::test]
    async fn a_full_store_refuses_writes_and_answers_reads() {
        let store = Store::Memory(MemoryStore::new(64));
        assert_eq!(suite::put(&store, "op1", "a", &"v".repeat(60)).await, vec![1]);
        let refused = store.perform(Op::Commit(suite::commit("op2", vec![suite::write("b", "more")]))).await;
        assert_eq!(refused, failed("memory_full"));
        assert_eq!(suite::value(&store, "a").await.as_deref(), Some("v".repeat(60).as_str()));
    }
}
