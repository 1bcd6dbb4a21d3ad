//! The store of the world, in two flavours that differ in how they fail.
//!
//! `SQLite`: one writer; a commit is visible once its transaction is synced. A power cut takes what was not synced, and
//! a torn tail is found by its checksum and left out. `DynamoDB`: an acknowledged write stays; scans may show the past.

use std::collections::{BTreeMap, VecDeque};

use beam_mcp_core::store::{Commit, Expect, Key, Op, Page, Record, Scan, StoreReply, Write};

use crate::plant::Plant;

/// How much a store keeps of the past for stale scans, in milliseconds.
const STALE_MS: u64 = 2_000;

/// Records by key, with what a crash would take.
#[derive(Debug, Default)]
pub struct Store {
    /// By kind, so that a scan goes through its own kind only.
    kinds: BTreeMap<String, BTreeMap<Key, Record>>,
    /// What unsynced commits replaced, oldest first.
    unsynced: VecDeque<Replaced>,
    /// What commits of the last two seconds replaced, with their time.
    past: VecDeque<(u64, Replaced)>,
    /// Keeps the past.
    stale: bool,
    plant: Option<Plant>,
    /// Writes are refused.
    pub full: bool,
}

type Replaced = Vec<(Key, Option<Record>)>;

/// What became of a commit.
#[derive(Debug)]
pub enum Outcome {
    /// Written now.
    Written,
    /// Written before, or refused.
    Unchanged,
}

impl Store {
    /// An empty store; one that keeps the past for scans that show it.
    pub fn new(stale: bool, plant: Option<Plant>) -> Self {
        Self { stale, plant, ..Self::default() }
    }

    /// Carries an operation out at a time.
    pub fn perform(&mut self, op: &Op, now: u64) -> (StoreReply, Outcome) {
        match op {
            Op::Get { key } => (StoreReply::Record { record: self.get(key).cloned() }, Outcome::Unchanged),
            Op::Scan(scan) => (StoreReply::Page(Page { records: self.scan(scan) }), Outcome::Unchanged),
            Op::Commit(commit) => self.commit(commit, now),
        }
    }

    /// A scan that shows the store as it was up to two seconds ago.
    pub fn stale_scan(&mut self, scan: &Scan, now: u64, age: u64) -> StoreReply {
        self.forget(now);
        let then = now.saturating_sub(age.min(STALE_MS));
        let mut back = Vec::new();
        let recent = self.past.iter().rev().take_while(|(at, _)| *at > then);
        let replaced = recent.flat_map(|(_, replaced)| replaced.iter().rev());
        let undone: Replaced = replaced.filter(|(key, _)| *key.kind == *scan.kind).cloned().collect();
        for (key, old) in undone {
            let new = self.swap(&key, old);
            back.push((key, new));
        }
        let page = StoreReply::Page(Page { records: self.scan(scan) });
        for (key, new) in back.into_iter().rev() {
            self.swap(&key, new);
        }
        page
    }

    fn swap(&mut self, key: &Key, record: Option<Record>) -> Option<Record> {
        let Some(rows) = self.kinds.get_mut(&*key.kind) else {
            let first = record.map(|record| (key.clone(), record));
            self.kinds.insert(key.kind.clone().into_owned(), first.into_iter().collect());
            return None;
        };
        match (rows.get_mut(key), record) {
            (Some(place), Some(record)) => Some(std::mem::replace(place, record)),
            (None, Some(record)) => rows.insert(key.clone(), record),
            (Some(_), None) => rows.remove(key),
            (None, None) => None,
        }
    }

    fn forget(&mut self, now: u64) {
        while self.past.front().is_some_and(|(at, _)| at + STALE_MS < now) {
            self.past.pop_front();
        }
    }

    fn scan(&self, scan: &Scan) -> Vec<Record> {
        let limit = usize::try_from(scan.limit).unwrap_or(0);
        let Some(rows) = self.kinds.get(scan.kind.as_str()) else { return Vec::new() };
        if scan.tenant == "*" {
            return rows.values().filter(|record| fits(&record.key, scan)).take(limit).cloned().collect();
        }
        let from = Key::new(&scan.tenant, scan.kind.clone(), scan.prefix.clone());
        let here = |key: &Key| key.tenant == scan.tenant && key.id.starts_with(&scan.prefix);
        let range = rows.range(from..).take_while(|(key, _)| here(key));
        let fitting = range.filter(|(key, _)| fits(key, scan)).map(|(_, record)| record.clone());
        if scan.descending {
            let mut all: Vec<Record> = fitting.collect();
            all.reverse();
            all.truncate(limit);
            return all;
        }
        fitting.take(limit).collect()
    }

    fn commit(&mut self, commit: &Commit, now: u64) -> (StoreReply, Outcome) {
        if self.full {
            return (StoreReply::Failed { reason: "disk_full".into() }, Outcome::Unchanged);
        }
        let misfit = commit.writes.iter().position(|write| !self.is_as_expected(write));
        match misfit {
            None => (self.write(commit, now), Outcome::Written),
            Some(_) if self.was_made(commit) => {
                (StoreReply::Committed { versions: self.versions(commit) }, Outcome::Unchanged)
            }
            Some(index) => {
                let current = self.get(&commit.writes[index].key).cloned();
                (StoreReply::Conflict { index, current }, Outcome::Unchanged)
            }
        }
    }

    fn is_as_expected(&self, write: &Write) -> bool {
        let version = || self.get(&write.key).map(|record| record.version);
        match write.expect {
            Expect::Any => true,
            Expect::Absent => version().is_none() || self.plant == Some(Plant::BlindMake),
            Expect::Version(wanted) => version() == Some(wanted) || self.plant == Some(Plant::BlindWrite),
        }
    }

    /// Every write that does not fit is there under the commit's own id, and nothing was written over it.
    fn was_made(&self, commit: &Commit) -> bool {
        let ours = |write: &Write| match self.get(&write.key) {
            Some(record) => record.op == commit.op_id,
            None => write.put.is_none(),
        };
        if self.plant == Some(Plant::OpIdIgnored) {
            return false;
        }
        let signed = commit.writes.iter().any(|w| self.get(&w.key).is_some_and(|r| r.op == commit.op_id));
        signed && commit.writes.iter().filter(|write| !self.is_as_expected(write)).all(ours)
    }

    fn versions(&self, commit: &Commit) -> Vec<u64> {
        commit.writes.iter().map(|write| self.get(&write.key).map_or(0, |record| record.version)).collect()
    }

    fn write(&mut self, commit: &Commit, now: u64) -> StoreReply {
        let mut replaced = Vec::with_capacity(commit.writes.len());
        let mut versions = Vec::with_capacity(commit.writes.len());
        let kept = self.stale || self.plant == Some(Plant::EarlyAnswer);
        for write in &commit.writes {
            if let (Some(put), Some(record), false) = (&write.put, self.get_mut(&write.key), kept) {
                (record.version, record.schema, record.expires_at) = (record.version + 1, put.schema, put.expires_at);
                record.op.clone_from(&commit.op_id);
                record.value.clone_from(&put.value);
                versions.push(record.version);
                continue;
            }
            let version = self.get(&write.key).map_or(0, |record| record.version) + 1;
            let new = write.put.as_ref().map(|put| Record {
                key: write.key.clone(),
                version,
                op: commit.op_id.clone(),
                schema: put.schema,
                expires_at: put.expires_at,
                value: put.value.clone(),
            });
            versions.push(if new.is_some() { version } else { 0 });
            let old = self.swap(&write.key, new);
            if kept {
                replaced.push((write.key.clone(), old));
            }
        }
        self.keep(replaced, now);
        StoreReply::Committed { versions }
    }

    fn keep(&mut self, replaced: Replaced, now: u64) {
        if self.plant == Some(Plant::EarlyAnswer) {
            self.unsynced.push_back(replaced);
            if self.unsynced.len() > 2 {
                self.unsynced.pop_front();
            }
        } else if self.stale {
            self.forget(now);
            self.past.push_back((now, replaced));
        }
    }

    /// Power is gone: what was not synced is lost, newest first.
    pub fn cut(&mut self) {
        while let Some(replaced) = self.unsynced.pop_back() {
            for (key, old) in replaced.into_iter().rev() {
                self.swap(&key, old);
            }
        }
    }

    /// Half of a commit reached the log before the process was gone. Recovery finds by the checksum that it is not
    /// whole, and leaves it out.
    pub fn torn(&mut self, commit: &Commit) {
        if self.plant == Some(Plant::TornTail) {
            let half = Commit { writes: commit.writes[..commit.writes.len() / 2].to_vec(), ..commit.clone() };
            self.commit(&half, 0);
        }
    }

    /// A record.
    pub fn get(&self, key: &Key) -> Option<&Record> {
        self.kinds.get(&*key.kind)?.get(key)
    }

    fn get_mut(&mut self, key: &Key) -> Option<&mut Record> {
        self.kinds.get_mut(&*key.kind)?.get_mut(key)
    }

    /// Records of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Record> {
        self.kinds.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.kinds.values().flat_map(BTreeMap::values)
    }
}

fn fits(key: &Key, scan: &Scan) -> bool {
    let after = |after: &String| if scan.descending { key.id < *after } else { key.id > *after };
    key.id.starts_with(&scan.prefix) && scan.after.as_ref().is_none_or(after)
}
