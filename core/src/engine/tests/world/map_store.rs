use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::{Commit, Expect, Key, Op, Page, Record, Scan, StoreReply, Write};

/// A store as `store::op` describes it, strict about its limits.
#[derive(Default)]
pub(in crate::engine::tests) struct MapStore {
    pub(in crate::engine::tests) records: BTreeMap<Key, Record>,
    /// Commits made.
    pub(in crate::engine::tests) commits: u64,
}

impl MapStore {
    pub(in crate::engine::tests) fn perform(&mut self, op: Op) -> StoreReply {
        match op {
            Op::Get { key } => StoreReply::Record { record: self.records.get(&key).cloned() },
            Op::Scan(scan) => StoreReply::Page(Page { records: self.scan(&scan) }),
            Op::Commit(commit) => self.commit(&commit),
        }
    }

    fn scan(&self, scan: &Scan) -> Vec<Record> {
        assert!((1..=200).contains(&scan.limit), "{scan:?}");
        let fits = |key: &Key| {
            (scan.tenant == "*" || key.tenant == scan.tenant)
                && key.kind == scan.kind
                && key.id.starts_with(&scan.prefix)
                && scan
                    .after
                    .as_ref()
                    .is_none_or(|after| if scan.descending { key.id < *after } else { key.id > *after })
        };
        let mut found: Vec<Record> =
            self.records.iter().filter(|(key, _)| fits(key)).map(|(_, record)| record.clone()).collect();
        found.sort_by(|a, b| (&a.key.id, &a.key.tenant).cmp(&(&b.key.id, &b.key.tenant)));
        if scan.descending {
            found.reverse();
        }
        found.truncate(scan.limit as usize);
        found
    }

    fn commit(&mut self, commit: &Commit) -> StoreReply {
        assert!(commit.writes.len() <= 20, "{} writes", commit.writes.len());
        for (index, write) in commit.writes.iter().enumerate() {
            assert!((1..=512).contains(&write.key.id.len()), "{:?}", write.key);
            assert!(commit.writes[..index].iter().all(|other| other.key != write.key), "twice {:?}", write.key);
        }
        let misfit = commit.writes.iter().position(|write| !self.fits(write));
        match misfit {
            None => self.write(commit),
            Some(_) if self.made(commit) => StoreReply::Committed { versions: self.versions(commit) },
            Some(index) => {
                StoreReply::Conflict { index, current: self.records.get(&commit.writes[index].key).cloned() }
            }
        }
    }

    fn fits(&self, write: &Write) -> bool {
        let version = self.records.get(&write.key).map(|record| record.version);
        match write.expect {
            Expect::Any => true,
            Expect::Absent => version.is_none(),
            Expect::Version(wanted) => version == Some(wanted),
        }
    }

    /// Every write that does not fit is there under this commit's own id.
    fn made(&self, commit: &Commit) -> bool {
        let ours = |write: &Write| match self.records.get(&write.key) {
            Some(record) => record.op == commit.op_id,
            None => write.put.is_none(),
        };
        commit.writes.iter().filter(|write| !self.fits(write)).all(ours)
    }

    fn versions(&self, commit: &Commit) -> Vec<u64> {
        commit.writes.iter().map(|write| self.records.get(&write.key).map_or(0, |record| record.version)).collect()
    }

    fn write(&mut self, commit: &Commit) -> StoreReply {
        self.commits += 1;
        for write in &commit.writes {
            let version = self.records.get(&write.key).map_or(0, |record| record.version) + 1;
            match &write.put {
                None => drop(self.records.remove(&write.key)),
                Some(put) => {
                    assert!(put.value.len() <= 256 << 10);
                    let record = Record {
                        key: write.key.clone(),
                        version,
                        op: commit.op_id.clone(),
                        schema: put.schema,
                        expires_at: put.expires_at,
                        value: put.value.clone(),
                    };
                    self.records.insert(write.key.clone(), record);
                }
            }
        }
        StoreReply::Committed { versions: self.versions(commit) }
    }

    /// Puts a row there.
    pub(in crate::engine::tests) fn insert(&mut self, key: Key, value: &Value) {
        let value = value.to_string().into();
        let record = Record { key: key.clone(), version: 1, op: String::new(), schema: 1, expires_at: None, value };
        self.records.insert(key, record);
    }

    /// Rows of a kind as JSON.
    pub(in crate::engine::tests) fn rows(&self, kind: &str) -> Vec<Value> {
        let of_kind = self.records.values().filter(|record| record.key.kind == kind);
        of_kind.map(|record| serde_json::from_str(&record.value).unwrap()).collect()
    }
}
