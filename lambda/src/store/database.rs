//! The file of the `SQLite` store: how it is opened, claimed and checked.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

/// `SQLite` up to 3.51.2 can corrupt a database when a write-ahead log is reset (security-reliability.md 4.5).
const LEAST_VERSION: i32 = 3_051_003;
/// `BEAM` as a number: marks the file as ours.
const APPLICATION: i32 = 0x4245_414d;
const SCHEMA_VERSION: i32 = 1;
pub(super) const BUSY: Duration = Duration::from_secs(5);

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

/// `beam-mcp.db` of a folder.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile(PathBuf);

impl DatabaseFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self(folder.join("beam-mcp.db"))
    }

    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file beside it.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(extension);
        name.into()
    }

    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.0).map_or(0, |file| file.len())
    }

    /// True when a write-ahead log is left: another process is at work, or one ended without closing.
    pub(super) fn was_left_open(&self) -> bool {
        std::fs::metadata(self.beside("-wal")).is_ok_and(|file| file.len() > 0)
    }

    /// Tells others that the store is in use until the lock is dropped.
    pub(super) fn share(&self) -> Result<File, String> {
        self.lock(File::try_lock_shared, "a restore is under way")
    }

    /// Keeps everybody from opening the store until the lock is dropped.
    pub(super) fn reserve(&self) -> Result<File, String> {
        self.lock(File::try_lock, "the store is in use: stop the servers on it first")
    }

    fn lock(&self, take: fn(&File) -> Result<(), TryLockError>, taken: &str) -> Result<File, String> {
        let path = self.beside(".lock");
        let lock = open_private(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        match take(&lock) {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(taken.to_owned()),
            Err(TryLockError::Error(error)) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The connection that writes; makes the file and its tables where there are none.
    pub(super) fn claim(&self) -> Result<Connection, String> {
        // Made before `SQLite` opens it: `SQLite` gives its log files the mode of the database.
        open_private(&self.0).map_err(|error| error.to_string())?;
        let connection = self.open_writer().map_err(sentence)?;
        let found = Marks::read(&connection)?;
        found.check()?;
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(sentence)?;
        if mode != "wal" {
            return Err(format!("the file system allows no write-ahead log (journal mode is {mode})"));
        }
        // A file that is as it should be is not written: a server must be able to start on a full disk.
        if found.is_empty {
            let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA_VERSION};");
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} {marks} COMMIT;")).map_err(sentence)?;
        }
        Ok(connection)
    }

    fn open_writer(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0, flags)?;
        harden(&connection)?;
        // Where the file system allows none the answer is another mode, and `claim` refuses it.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // `SQLite` drops the errors of its automatic checkpoints, a failed sync among them: the writer makes its own.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -2048;
             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
        )?;
        Ok(connection)
    }

    pub(super) fn open_reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0, flags)?;
        harden(&connection)?;
        connection.execute_batch("PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;")?;
        Ok(connection)
    }
}

/// Refuses a library that can lose what it acknowledged.
pub(super) fn check_version(version: i32) -> Result<(), String> {
    if version < LEAST_VERSION {
        return Err(format!("SQLite {} is too old: 3.51.3 or later is needed", rusqlite::version()));
    }
    Ok(())
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;")
}

/// Whose file it is.
#[derive(Debug)]
pub(super) struct Marks {
    is_empty: bool,
    application: i32,
    version: i32,
}

impl Marks {
    pub(super) fn read(connection: &Connection) -> Result<Self, String> {
        let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0)).map_err(sentence);
        Ok(Self {
            is_empty: number("SELECT count(*) FROM sqlite_schema")? == 0,
            application: number("PRAGMA application_id")?,
            version: number("PRAGMA user_version")?,
        })
    }

    /// Refuses a file that is not ours or not safe.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.is_empty && self.application != APPLICATION {
            return Err("the file belongs to another program".into());
        }
        if self.version > SCHEMA_VERSION {
            return Err("the file was written by a newer version of beam-mcp".into());
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
pub(super) fn sentence(error: rusqlite::Error) -> String {
    error.to_string()
}

pub(super) fn quick_check(connection: &Connection) -> Result<(), String> {
    found_by(connection, "PRAGMA quick_check(1)")
}

pub(super) fn integrity_check(connection: &Connection) -> Result<(), String> {
    found_by(connection, "PRAGMA integrity_check(1)")
}

fn found_by(connection: &Connection, check: &str) -> Result<(), String> {
    let found: String = connection.query_row(check, [], |row| row.get(0)).map_err(sentence)?;
    if found == "ok" { Ok(()) } else { Err(format!("the file is damaged: {found}")) }
}
