use std::{fs::File, path::Path, sync::Arc};

use beam_mcp_core::store::{Key, Op, Page, Record, Scan, StoreReply};
#[cfg(test)]
use rusqlite::Connection;

use super::{
    cache::Cache,
    database::{DatabaseFile, check_version, integrity_check, quick_check},
    failed,
    reader::Readers,
    rows,
    writer::Writer,
};

/// Largest database that is checked before it is used after an unclean end; a larger one is checked meanwhile.
const CHECKED_FIRST: u64 = 64 << 20;

/// Records in one `SQLite` file; several processes may use it at once.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    cache: Arc<Cache>,
    /// Tells others that the file is in use, as long as it is held.
    _lock: File,
}

impl SqliteStore {
    /// Opens or makes `beam-mcp.db` in a folder, with a row cache of at most this many bytes (0: none).
    ///
    /// # Errors
    /// A sentence for the operator: the library is too old, the file is not ours, newer, damaged or not accessible.
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<Self, String> {
        check_version(rusqlite::version_number())?;
        let file = DatabaseFile::in_folder(folder);
        let told = |reason: String| format!("store {}: {reason}", file.path().display());
        let lock = file.share().map_err(told)?;
        let unclean = file.was_left_open();
        let connection = file.claim().map_err(told)?;
        if unclean && file.bytes() <= CHECKED_FIRST {
            quick_check(&connection).map_err(told)?;
        }
        let cache = Arc::new(Cache::new(cache_bytes));
        let writer = Writer::start(connection, cache.clone()).map_err(|error| told(error.to_string()))?;
        if unclean {
            check_meanwhile(file.clone(), &writer);
        }
        Ok(Self { writer, readers: Readers::new(file), cache, _lock: lock })
    }

    pub(super) async fn perform(&self, op: Op) -> StoreReply {
        match op {
            Op::Get { key } => self.get(key).await,
            Op::Scan(scan) => self.scan(scan).await,
            Op::Commit(commit) => self.writer.commit(commit).await,
        }
    }

    async fn get(&self, key: Key) -> StoreReply {
        self.writer.forget_if_others_wrote();
        if let Some(record) = self.cache.get(&key) {
            return StoreReply::Record { record: Some(record) };
        }
        let seen = self.cache.generation();
        let found = self.readers.read(move |connection| rows::get(connection, &key)).await;
        let remember = |record: Option<Record>| {
            if let Some(record) = &record {
                self.cache.insert(record, seen);
            }
            StoreReply::Record { record }
        };
        found.map_or_else(|reason| failed(&reason), remember)
    }

    async fn scan(&self, scan: Scan) -> StoreReply {
        let found = self.readers.read(move |connection| rows::scan(connection, &scan)).await;
        found.map_or_else(|reason| failed(&reason), |records| StoreReply::Page(Page { records }))
    }

    pub(super) async fn purge(&self, before_ms: u64) -> u64 {
        self.writer.purge(before_ms).await
    }

    /// Waits until the store must not be written any more; why.
    pub(super) async fn broken(&self) -> String {
        self.writer.broken().await
    }

    /// Ends the writer and folds the write-ahead log into the file. Later commits fail.
    pub(super) fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}

#[cfg(test)]
impl SqliteStore {
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        self.writer.with_connection(work)
    }

    pub(super) fn execute(&self, sql: &str) {
        self.read(|connection| connection.execute_batch(sql)).unwrap();
    }

    pub(super) fn explain(&self, sql: &str) -> String {
        let plan = |connection: &Connection| {
            connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get::<_, String>(3))
        };
        self.read(plan).unwrap()
    }

    pub(super) fn is_cached(&self, key: &Key) -> bool {
        self.cache.get(key).is_some()
    }
}

/// After an unclean end the whole file is checked while it is in use; damage stops the process.
fn check_meanwhile(file: DatabaseFile, writer: &Writer) {
    let alarm = writer.alarm();
    std::thread::spawn(move || {
        let checked = file.open_reader().map_err(|error| error.to_string()).and_then(|opened| integrity_check(&opened));
        if let Err(reason) = checked {
            alarm.ring(&format!("the check after an unclean end found: {reason}"));
        }
    });
}
