use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use beam_mcp_core::store::{Key, Op, Page, Record, Scan, StoreReply};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{cache::Cache, failed, reader::Readers, rows, writer::Writer};

/// `SQLite` up to 3.51.2 can corrupt a database when a write-ahead log is reset (security-reliability.md 4.5).
const LEAST_VERSION: i32 = 3_051_003;
/// `BEAM` as a number: marks the file as ours.
const APPLICATION: i32 = 0x4245_414d;
const SCHEMA_VERSION: i32 = 1;
const BUSY: Duration = Duration::from_secs(5);
/// Largest database that is checked before it is used after an unclean end; a larger one is checked meanwhile.
const CHECKED_FIRST: u64 = 64 << 20;

/// Ids are blobs so that their order is the order of their bytes.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS records (
        kind TEXT NOT NULL,
        tenant TEXT NOT NULL,
        id BLOB NOT NULL,
        version INTEGER NOT NULL,
        op TEXT NOT NULL,
        schema INTEGER NOT NULL,
        expires_at INTEGER,
        value TEXT NOT NULL,
        PRIMARY KEY (kind, tenant, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
";

/// Records in one `SQLite` file; several processes may use it at once.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    cache: Arc<Cache>,
}

impl SqliteStore {
    /// Opens or makes `beam-mcp.db` in a folder, with a row cache of at most this many bytes (0: none).
    ///
    /// # Errors
    /// A sentence for the operator: the library is too old, the file is not ours, newer, damaged or not accessible.
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<Self, String> {
        if rusqlite::version_number() < LEAST_VERSION {
            return Err(format!("SQLite {} is too old: 3.51.3 or later is needed", rusqlite::version()));
        }
        let path = folder.join("beam-mcp.db");
        let unclean = std::fs::metadata(folder.join("beam-mcp.db-wal")).is_ok_and(|file| file.len() > 0);
        let explain = |error: rusqlite::Error| format!("store {}: {error}", path.display());
        make_private(&path).map_err(|error| format!("store {}: {error}", path.display()))?;
        let connection = open_writer(&path).map_err(explain)?;
        claim(&connection).map_err(|reason| format!("store {}: {reason}", path.display()))?;
        if unclean && std::fs::metadata(&path).is_ok_and(|file| file.len() <= CHECKED_FIRST) {
            check(&connection).map_err(|reason| format!("store {}: {reason}", path.display()))?;
        }
        let cache = Arc::new(Cache::new(cache_bytes));
        let writer = Writer::start(connection, cache.clone());
        if unclean {
            check_meanwhile(path.clone(), &writer);
        }
        Ok(Self { writer, readers: Readers::new(path), cache })
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
    pub(super) fn execute(&self, sql: &str) {
        self.writer.with_connection(|connection| connection.execute_batch(sql)).unwrap();
    }

    pub(super) fn explain(&self, sql: &str) -> String {
        let plan = |connection: &Connection| {
            connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get::<_, String>(3))
        };
        self.writer.with_connection(plan).unwrap()
    }

    pub(super) fn is_cached(&self, key: &Key) -> bool {
        self.cache.get(key).is_some()
    }
}

/// Made before `SQLite` opens it: `SQLite` gives its log files the mode of the database.
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection)?;
    // Where the file system allows none the answer is another mode, and `claim` refuses it.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection)?;
    connection.execute_batch("PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;")
}

/// Makes the tables, or refuses a file that is not ours or not safe.
fn claim(connection: &Connection) -> Result<(), String> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0)).map_err(sentence);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if tables > 0 && application != APPLICATION {
        return Err("the file belongs to another program".into());
    }
    if version > SCHEMA_VERSION {
        return Err("the file was written by a newer version of beam-mcp".into());
    }
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(sentence)?;
    if mode != "wal" {
        return Err(format!("the file system allows no write-ahead log (journal mode is {mode})"));
    }
    let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA_VERSION};");
    connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} {marks} COMMIT;")).map_err(sentence)
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn sentence(error: rusqlite::Error) -> String {
    error.to_string()
}

fn check(connection: &Connection) -> Result<(), String> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sentence)?;
    if found == "ok" { Ok(()) } else { Err(format!("the file is damaged: {found}")) }
}

/// After an unclean end the whole file is checked while it is in use; damage stops the process.
fn check_meanwhile(path: PathBuf, writer: &Writer) {
    let alarm = writer.alarm();
    std::thread::spawn(move || {
        let checked = open_reader(&path).map_err(sentence).and_then(|connection| {
            let found: String =
                connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sentence)?;
            if found == "ok" { Ok(()) } else { Err(found) }
        });
        if let Err(reason) = checked {
            alarm.ring(&format!("the check after an unclean end found: {reason}"));
        }
    });
}
