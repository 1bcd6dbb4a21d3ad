//! Acknowledged commits per second of the `SQLite` store beside `SQLite` itself, on the same disk in one run.
//!
//! Both write what the reference measured: a job row of 1 kB under a version check and an audit row of 300 bytes.
//! Printed, not judged: `make bench-store`.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use beam_mcp_core::store::{Commit, Expect, Key, Op, Put, StoreReply, Write};
use beam_mcp_server::store::{SqliteStore, Store};
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::{runtime::Runtime, task::JoinSet};

const COMMITS: usize = 6000;
const JOB: usize = 1000;
const AUDIT: usize = 300;

fn main() {
    let place = std::env::var("BENCH_FOLDER").unwrap_or_else(|_| ".".into());
    let folder = tempfile::tempdir_in(place).expect("a folder for the files");
    println!("{:<34}{:>10}{:>10}{:>10}", "", "commits/s", "p50 ms", "p99 ms");
    print("rusqlite, one thread, WAL FULL", raw(&folder.path().join("raw.db")));
    let runtime = Runtime::new().expect("a runtime");
    for callers in [1, 8, 64, 256] {
        let home = folder.path().join(callers.to_string());
        std::fs::create_dir(&home).expect("a folder for the store");
        print(&format!("store, {callers} callers"), runtime.block_on(ours(&home, callers)));
    }
}

/// Time of the whole, and of each commit.
type Times = (Duration, Vec<Duration>);

fn print(name: &str, (whole, mut each): Times) {
    each.sort();
    let at = |part: usize| each[each.len() * part / 100].as_secs_f64() * 1000.0;
    let rate = f64::from(u32::try_from(each.len()).unwrap_or(u32::MAX)) / whole.as_secs_f64();
    println!("{name:<34}{rate:>10.0}{:>10.2}{:>10.2}", at(50), at(99));
}

fn raw(path: &Path) -> Times {
    let mut connection = Connection::open(path).expect("a database");
    let setting = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE records (kind TEXT, tenant TEXT, id BLOB, version INTEGER, value TEXT,
            PRIMARY KEY (kind, tenant, id)) STRICT, WITHOUT ROWID;";
    connection.execute_batch(setting).expect("tables");
    let (job, audit) = ("j".repeat(JOB), "a".repeat(AUDIT));
    let (begun, mut each) = (Instant::now(), Vec::with_capacity(COMMITS));
    for number in 0..COMMITS {
        let sent = Instant::now();
        raw_commit(&mut connection, number, &job, &audit).expect("a commit");
        each.push(sent.elapsed());
    }
    (begun.elapsed(), each)
}

fn raw_commit(connection: &mut Connection, number: usize, job: &str, audit: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id = format!("{:06}", number % 1000);
    let find = "SELECT version FROM records WHERE kind = 'job' AND tenant = 'default' AND id = ?1";
    let found = transaction.prepare_cached(find)?.query_row([id.as_bytes()], |row| row.get::<_, u32>(0)).unwrap_or(0);
    let put = "INSERT INTO records VALUES (?1, 'default', ?2, ?3, ?4) ON CONFLICT DO UPDATE
        SET version = excluded.version, value = excluded.value";
    transaction.prepare_cached(put)?.execute(params!["job", id.as_bytes(), found + 1, job])?;
    transaction.prepare_cached(put)?.execute(params!["audit", format!("{number:08}").as_bytes(), 1, audit])?;
    transaction.commit()
}

async fn ours(home: &Path, callers: usize) -> Times {
    let store = Arc::new(Store::Sqlite(SqliteStore::open(home, 0).expect("a store")));
    let begun = Instant::now();
    let mut work = JoinSet::new();
    for caller in 0..callers {
        let store = store.clone();
        work.spawn(async move {
            let mut each = Vec::new();
            for number in (caller..COMMITS).step_by(callers) {
                let sent = Instant::now();
                let reply = store.perform(Op::Commit(commit(caller, callers, number))).await;
                assert!(matches!(reply, StoreReply::Committed { .. }), "{reply:?}");
                each.push(sent.elapsed());
            }
            each
        });
    }
    let each = work.join_all().await.concat();
    let whole = begun.elapsed();
    store.close();
    (whole, each)
}

/// Each caller writes jobs of its own, so that none waits for another's version.
fn commit(caller: usize, callers: usize, number: usize) -> Commit {
    let (turn, jobs) = (number / callers, (1000 / callers).max(1));
    let version = (turn / jobs) as u64;
    let expect = if version == 0 { Expect::Absent } else { Expect::Version(version) };
    let put = |size: usize| Some(Put { schema: 1, expires_at: None, value: "v".repeat(size).into() });
    let job = Key::new("default", "job", format!("{caller:03}/{:04}", turn % jobs));
    let audit = Key::new("default", "audit.new", format!("{number:08}"));
    Commit {
        op_id: format!("{number:032x}"),
        writes: vec![
            Write { key: job, expect, put: put(JOB) },
            Write { key: audit, expect: Expect::Absent, put: put(AUDIT) },
        ],
    }
}
