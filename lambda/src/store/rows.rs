use beam_mcp_core::store::{Commit, Key, Record, Scan, StoreReply, Write};
use rusqlite::{Connection, OptionalExtension as _, Row, ffi, params};

use super::{
    commit::{Stamp, Verdict, judge, record},
    range::{ALL_TENANTS, Range, merge},
};

const COLUMNS: &str = "kind, tenant, id, version, op, schema, expires_at, value";
const BY_KEY: &str = "kind = ?1 AND tenant = ?2 AND id = ?3";
/// The tenants of a kind, found by jumping from one to the next in the primary key.
const TENANTS: &str = "
    WITH RECURSIVE found (tenant) AS (
        SELECT (SELECT min(tenant) FROM records WHERE kind = ?1)
        UNION ALL
        SELECT (SELECT min(tenant) FROM records WHERE kind = ?1 AND tenant > found.tenant)
        FROM found WHERE found.tenant IS NOT NULL
    )
    SELECT tenant FROM found WHERE tenant IS NOT NULL";
const PURGE: &str = "
    DELETE FROM records WHERE (kind, tenant, id) IN (
        SELECT kind, tenant, id FROM records WHERE expires_at IS NOT NULL AND expires_at < ?1 LIMIT ?2
    ) RETURNING kind, tenant, id";
const UPSERT: &str = "
    INSERT INTO records (kind, tenant, id, version, op, schema, expires_at, value)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (kind, tenant, id) DO UPDATE SET version = excluded.version, op = excluded.op,
        schema = excluded.schema, expires_at = excluded.expires_at, value = excluded.value";

pub(super) fn get(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Record>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM records WHERE {BY_KEY}"))?;
    statement.query_row(params![key.kind, key.tenant, key.id.as_bytes()], read).optional()
}

pub(super) fn scan(connection: &Connection, scan: &Scan) -> rusqlite::Result<Vec<Record>> {
    let range = Range::of(scan);
    if range.is_empty() {
        return Ok(Vec::new());
    }
    if scan.tenant != ALL_TENANTS {
        return page(connection, scan, &scan.tenant, &range);
    }
    let mut statement = connection.prepare_cached(TENANTS)?;
    let tenants: Vec<String> = statement.query_map([&scan.kind], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let pages = tenants.iter().map(|tenant| page(connection, scan, tenant, &range));
    Ok(merge(pages.collect::<Result<Vec<_>, _>>()?.concat(), scan))
}

/// Every record in the order of keys.
pub(super) fn each(connection: &Connection, mut see: impl FnMut(Record)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM records ORDER BY kind, tenant, id"))?;
    for record in statement.query_map([], read)? {
        see(record?);
    }
    Ok(())
}

/// Every record of a kind of one tenant, in the order of ids.
pub(super) fn each_of(
    connection: &Connection,
    (kind, tenant): (&str, &str),
    mut see: impl FnMut(Record),
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE kind = ?1 AND tenant = ?2 ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    for record in statement.query_map([kind, tenant], read)? {
        see(record?);
    }
    Ok(())
}

fn page(connection: &Connection, scan: &Scan, tenant: &str, range: &Range) -> rusqlite::Result<Vec<Record>> {
    let order = if scan.descending { "DESC" } else { "ASC" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM records WHERE kind = ?1 AND tenant = ?2 AND id >= ?3 AND id < ?4 ORDER BY id {order} LIMIT ?5"
    ))?;
    statement.query_map(params![scan.kind, tenant, range.low, range.high, scan.limit], read)?.collect()
}

/// Judges a commit and, where it fits, writes it; within the caller's transaction.
pub(super) fn apply(connection: &Connection, commit: &Commit) -> rusqlite::Result<(StoreReply, Vec<Record>)> {
    let stored = commit.writes.iter().map(|write| stamp(connection, &write.key)).collect::<Result<Vec<_>, _>>()?;
    let reply = match judge(commit, &stored) {
        Verdict::Made(versions) => StoreReply::Committed { versions },
        Verdict::Conflict(index) => {
            StoreReply::Conflict { index, current: get(connection, &commit.writes[index].key)? }
        }
        Verdict::Write(versions) => {
            let written = commit.writes.iter().zip(&versions);
            let records = written.map(|(write, version)| put(connection, commit, write, *version));
            let records = records.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            return Ok((StoreReply::Committed { versions }, records));
        }
    };
    Ok((reply, Vec::new()))
}

fn stamp(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Stamp>> {
    let mut statement = connection.prepare_cached(&format!("SELECT version, op FROM records WHERE {BY_KEY}"))?;
    let read = |row: &Row<'_>| Ok(Stamp { version: unsigned(row.get(0)?), op: row.get(1)? });
    statement.query_row(params![key.kind, key.tenant, key.id.as_bytes()], read).optional()
}

fn put(connection: &Connection, commit: &Commit, write: &Write, version: u64) -> rusqlite::Result<Option<Record>> {
    let key = &write.key;
    let Some(put) = &write.put else {
        let mut statement = connection.prepare_cached(&format!("DELETE FROM records WHERE {BY_KEY}"))?;
        statement.execute(params![key.kind, key.tenant, key.id.as_bytes()])?;
        return Ok(None);
    };
    connection.prepare_cached(UPSERT)?.execute(params![
        key.kind,
        key.tenant,
        key.id.as_bytes(),
        signed(version),
        commit.op_id,
        put.schema,
        put.expires_at.map(signed),
        &*put.value,
    ])?;
    Ok(Some(record(commit, write, put, version)))
}

/// Deletes at most `most` records that expired before a time; their keys.
pub(super) fn purge(connection: &Connection, before_ms: u64, most: u32) -> rusqlite::Result<Vec<Key>> {
    let mut statement = connection.prepare_cached(PURGE)?;
    statement.query_map(params![signed(before_ms), most], key)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        key: key(row)?,
        version: unsigned(row.get(3)?),
        op: row.get(4)?,
        schema: row.get(5)?,
        expires_at: row.get::<_, Option<i64>>(6)?.map(unsigned),
        value: row.get_ref(7)?.as_str()?.into(),
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    let id = String::from_utf8_lossy(row.get_ref(2)?.as_blob()?).into_owned();
    let (kind, tenant): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(Key::new(&tenant, kind, id))
}

/// `SQLite`'s integers are signed; no version or time of ours comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The machine word of a failure.
pub(super) fn reason(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ffi::ErrorCode::DiskFull) => "disk_full",
        Some(ffi::ErrorCode::ReadOnly) => "read_only",
        Some(ffi::ErrorCode::DatabaseBusy | ffi::ErrorCode::DatabaseLocked) => "busy",
        Some(ffi::ErrorCode::SystemIoFailure | ffi::ErrorCode::CannotOpen) => "io",
        Some(ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase) => "corrupt",
        _ => "internal",
    }
}

/// True when nobody knows any more what is on the disk: a sync failed, or the file is damaged.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return false };
    matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
        || matches!(failure.code, ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase)
}
