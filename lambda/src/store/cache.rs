use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use beam_mcp_core::store::{Key, Record};

const SHARDS: usize = 8;
/// What an entry costs besides its texts, about.
const OVERHEAD: usize = 256;

/// Records read before, bounded in bytes. An entry is given up when its turn comes and it was not read since.
#[derive(Debug)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    most_bytes: usize,
    generation: AtomicU64,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    turns: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    read: bool,
}

impl Cache {
    pub(super) fn new(most_bytes: usize) -> Self {
        let (shards, most_bytes) = (Default::default(), most_bytes / SHARDS);
        Self { shards, most_bytes, generation: AtomicU64::new(0), hasher: RandomState::new() }
    }

    pub(super) fn is_off(&self) -> bool {
        self.most_bytes == 0
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(key);
        let number = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Record> {
        if self.is_off() {
            return None;
        }
        let mut shard = self.shard(key);
        let entry = shard.entries.get_mut(key)?;
        entry.read = true;
        Some(entry.record.clone())
    }

    /// Changes with every write; see [`Cache::insert`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a record that was read after the generation was looked at, unless something was written since: the record
    /// may be older than that.
    pub(super) fn insert(&self, record: &Record, seen: u64) {
        if self.is_off() || size(record) > self.most_bytes {
            return;
        }
        let mut shard = self.shard(&record.key);
        if self.generation() == seen {
            shard.put(record.clone());
            shard.shrink(self.most_bytes);
        }
    }

    /// Brings what is kept of these keys up to date: replaced by these records, else dropped.
    pub(super) fn wrote<'a>(&self, keys: impl Iterator<Item = &'a Key>, records: &[Record]) {
        if self.is_off() {
            return;
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        for key in keys {
            let mut shard = self.shard(key);
            if !shard.entries.contains_key(key) {
                continue;
            }
            match records.iter().find(|record| record.key == *key) {
                Some(record) if size(record) <= self.most_bytes => shard.put(record.clone()),
                _ => shard.remove(key),
            }
            shard.shrink(self.most_bytes);
        }
    }

    pub(super) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }
}

impl Shard {
    fn put(&mut self, record: Record) {
        self.bytes += size(&record);
        let key = record.key.clone();
        match self.entries.insert(key.clone(), Entry { record, read: false }) {
            Some(old) => self.bytes -= size(&old.record),
            None => self.turns.push_back(key),
        }
    }

    /// The key keeps its turn, which then finds nothing.
    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= size(&old.record);
            self.turns.retain(|turn| turn != key);
        }
    }

    fn shrink(&mut self, most: usize) {
        while self.bytes > most {
            let Some(key) = self.turns.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if std::mem::take(&mut entry.read) {
                self.turns.push_back(key);
            } else if let Some(old) = self.entries.remove(&key) {
                self.bytes -= size(&old.record);
            }
        }
    }
}

fn size(record: &Record) -> usize {
    let key = &record.key;
    // The key is kept three times: in the map, in the record, in the queue.
    3 * (key.tenant.len() + key.kind.len() + key.id.len()) + record.op.len() + record.value.len() + OVERHEAD
}
