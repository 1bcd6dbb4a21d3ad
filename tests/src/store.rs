//! A store in a map: what [`beam_mcp_core::store`] promises, and nothing else.

use std::collections::BTreeMap;

use beam_mcp_core::store::{Commit, Expect, Key, Op, Page, Put, Record, Scan, StoreReply, Write};

/// Records by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelStore {
    records: BTreeMap<Key, Record>,
}

impl ModelStore {
    /// Performs one operation.
    pub fn perform(&mut self, op: &Op) -> StoreReply {
        match op {
            Op::Get { key } => StoreReply::Record { record: self.get(key).cloned() },
            Op::Scan(scan) => StoreReply::Page(Page { records: self.scan(scan) }),
            Op::Commit(commit) => self.commit(commit),
        }
    }

    /// One record.
    pub fn get(&self, key: &Key) -> Option<&Record> {
        self.records.get(key)
    }

    /// All records.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// All records of a kind, of all tenants.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Record> {
        self.records.values().filter(move |record| record.key.kind == kind)
    }

    /// Makes a commit.
    pub fn commit(&mut self, commit: &Commit) -> StoreReply {
        if let Some(versions) = self.made_before(commit) {
            return StoreReply::Committed { versions };
        }
        if let Some(index) = self.misfit(commit) {
            return StoreReply::Conflict { index, current: self.get(&commit.writes[index].key).cloned() };
        }
        let versions = commit.writes.iter().map(|write| self.write(commit, write)).collect();
        StoreReply::Committed { versions }
    }

    /// Index of the first write that does not fit.
    pub fn misfit(&self, commit: &Commit) -> Option<usize> {
        commit.writes.iter().position(|write| match (write.expect, self.get(&write.key)) {
            (Expect::Any, _) | (Expect::Absent, None) => false,
            (Expect::Version(wanted), Some(record)) => record.version != wanted,
            (Expect::Absent, Some(_)) | (Expect::Version(_), None) => true,
        })
    }

    /// The versions of a commit that does not fit only because it was made before.
    fn made_before(&self, commit: &Commit) -> Option<Vec<u64>> {
        let ours = |write: &Write| match self.get(&write.key) {
            Some(record) => record.op == commit.op_id,
            None => write.put.is_none(),
        };
        let signed = commit.writes.iter().any(|write| self.get(&write.key).is_some_and(|r| r.op == commit.op_id));
        let version = |write: &Write| self.get(&write.key).filter(|_| write.put.is_some()).map_or(0, |r| r.version);
        self.misfit(commit)?;
        (signed && commit.writes.iter().all(ours)).then(|| commit.writes.iter().map(version).collect())
    }

    fn write(&mut self, commit: &Commit, write: &Write) -> u64 {
        let Some(Put { schema, expires_at, value }) = &write.put else {
            self.records.remove(&write.key);
            return 0;
        };
        let version = self.get(&write.key).map_or(0, |record| record.version) + 1;
        let (key, op, value) = (write.key.clone(), commit.op_id.clone(), value.clone());
        let record = Record { key: key.clone(), version, op, schema: *schema, expires_at: *expires_at, value };
        self.records.insert(key, record);
        version
    }

    fn scan(&self, scan: &Scan) -> Vec<Record> {
        let fits = |record: &&Record| {
            let (key, after) = (&record.key, scan.after.as_deref());
            let beyond = after.is_none_or(|after| if scan.descending { *key.id < *after } else { *key.id > *after });
            beyond
                && key.kind == scan.kind
                && (scan.tenant == "*" || key.tenant == scan.tenant)
                && key.id.starts_with(&scan.prefix)
        };
        let mut found: Vec<Record> = self.records.values().filter(fits).cloned().collect();
        found.sort_by(|a, b| (&a.key.id, &a.key.tenant).cmp(&(&b.key.id, &b.key.tenant)));
        if scan.descending {
            found.reverse();
        }
        found.truncate(scan.limit as usize);
        found
    }
}
