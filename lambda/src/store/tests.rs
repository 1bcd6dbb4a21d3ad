//! What only the `SQLite` store has to prove.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use beam_mcp_core::store::{Key, Op, Scan, StoreReply};
use rusqlite::{Connection, types::ValueRef};

use super::{
    SqliteStore, Store,
    database::{DatabaseFile, check_version},
    failed,
    suite::{self, commit, put, value, write},
};

const CACHE: usize = 1 << 20;

fn open(folder: &Path, cache: usize) -> Store {
    Store::Sqlite(SqliteStore::open(folder, cache).unwrap())
}

fn sqlite(store: &Store) -> &SqliteStore {
    match store {
        Store::Sqlite(store) => store,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_holds_with_and_without_a_cache() {
    for cache in [CACHE, 0] {
        let folder = tempfile::tempdir().unwrap();
        suite::run(&Arc::new(open(folder.path(), cache))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), CACHE);
    put(&first, "o1", "a", "x").await;
    first.close();
    assert_eq!(first.perform(Op::Commit(commit("o2", vec![write("a", "y")]))).await, failed("closed"));
    let mode = std::fs::metadata(folder.path().join("beam-mcp.db")).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, folder.path().join("beam-mcp.db-wal").exists()), (0o600, false));
    let second = open(folder.path(), CACHE);
    assert_eq!(value(&second, "a").await.as_deref(), Some("x"));
    assert_eq!(put(&second, "o3", "a", "z").await, vec![2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_is_seen_through_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (open(folder.path(), CACHE), open(folder.path(), CACHE));
    put(&ours, "o1", "a", "x").await;
    for round in 0..20 {
        let old = value(&ours, "a").await;
        assert_eq!(value(&ours, "a").await, old);
        put(&theirs, &format!("t{round}"), "a", &format!("by them {round}")).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(value(&ours, "a").await.unwrap(), format!("by them {round}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_an_older_record_than_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), CACHE));
    put(&store, "o", "a", "0").await;
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            let mut last = 0;
            while last < 300 {
                let now: u32 = value(&store, "a").await.unwrap().parse().unwrap();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        }
    });
    for number in 1..=300 {
        put(&store, &format!("o{number}"), "a", &number.to_string()).await;
        assert_eq!(value(&store, "a").await.unwrap(), number.to_string());
    }
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_and_not_reads_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    put(&store, "o1", "a", "x").await;
    let limit = |pages: u32| sqlite(&store).execute(&format!("PRAGMA max_page_count = {pages}"));
    limit(1);
    let large = "v".repeat(200 << 10);
    assert_eq!(store.perform(Op::Commit(commit("o2", vec![write("b", &large)]))).await, failed("disk_full"));
    assert_eq!((value(&store, "a").await.as_deref(), value(&store, "b").await), (Some("x"), None));
    limit(u32::MAX - 1);
    assert_eq!(put(&store, "o3", "b", &large).await, vec![1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_where_somebody_always_reads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    let over = Arc::new(AtomicBool::new(false));
    let readers = [0, 1, 2, 3].map(|number| {
        let (file, over) = (DatabaseFile::in_folder(folder.path()), over.clone());
        std::thread::spawn(move || {
            let reader = file.open_reader().unwrap();
            std::thread::sleep(Duration::from_millis(20 * number));
            while !over.load(Ordering::Relaxed) {
                reader.execute_batch("BEGIN; SELECT count(*) FROM records;").unwrap();
                std::thread::sleep(Duration::from_millis(80));
                reader.execute_batch("COMMIT;").unwrap();
            }
        })
    });
    for number in 0..600 {
        // Pages that hold what they held before are not written.
        let large = if number % 2 == 0 { "v" } else { "w" }.repeat(100 << 10);
        put(&store, &format!("o{number}"), "a", &large).await;
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    let log = std::fs::metadata(folder.path().join("beam-mcp.db-wal")).unwrap().len();
    assert!(log < 32 << 20, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_connection_are_set_as_the_rules_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    let reader = DatabaseFile::in_folder(folder.path()).open_reader().unwrap();
    for (pragma, written, read) in [
        ("journal_mode", "wal", "wal"),
        ("synchronous", "2", "2"),
        ("mmap_size", "0", "0"),
        ("trusted_schema", "0", "0"),
        ("busy_timeout", "5000", "5000"),
        ("wal_autocheckpoint", "0", "1000"),
        ("cell_size_check", "1", "1"),
    ] {
        let of = |connection: &Connection| {
            connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get_ref(0).map(text)).unwrap()
        };
        assert_eq!((sqlite(&store).read(of), of(&reader)), (written.to_owned(), read.to_owned()), "{pragma}");
    }
    let strict = "SELECT strict FROM pragma_table_list WHERE name = 'records'";
    assert_eq!(reader.query_row(strict, [], |row| row.get::<_, i32>(0)), Ok(1));
    assert!(reader.execute_batch("DELETE FROM records").unwrap_err().to_string().contains("readonly"));
    let defensive =
        |writer: &Connection| writer.execute_batch("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema");
    assert!(sqlite(&store).read(|writer| defensive(writer).unwrap_err().to_string().contains("not be modified")));
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        other => other.as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_library_that_loses_logs_is_refused() {
    assert!(check_version(3_051_002).unwrap_err().contains("3.51.3"));
    assert_eq!(check_version(rusqlite::version_number()), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_folded_in_by_the_writer_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    let large = "v".repeat(200 << 10);
    let length = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    for number in 0..60 {
        put(&store, &format!("o{number}"), &format!("{number}"), &large).await;
    }
    // 12 MB were written; a log of 1000 pages and one commit is the most that is kept.
    assert!(length("beam-mcp.db-wal") < 6 << 20, "{}", length("beam-mcp.db-wal"));
    assert!(length("beam-mcp.db") > 8 << 20, "{}", length("beam-mcp.db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_as_it_should_be_is_opened_without_a_write() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0).close();
    let file = || std::fs::read(folder.path().join("beam-mcp.db")).unwrap();
    let before = file();
    open(folder.path(), 0).close();
    assert!(before == file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_not_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let file = DatabaseFile::in_folder(folder.path());
    let (first, second) = (open(folder.path(), 0), open(folder.path(), 0));
    drop(first);
    assert!(file.reserve().unwrap_err().contains("in use"));
    drop(second);
    let reserved = file.reserve().unwrap();
    assert!(SqliteStore::open(folder.path(), 0).unwrap_err().contains("restore"));
    drop(reserved);
    open(folder.path(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_large_kind_are_found_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 0);
    for batch in 0..10 {
        let writes = (0..20).map(|n| write(&format!("{:05}", batch * 20 + n), "{}")).collect();
        store.perform(Op::Commit(commit(&format!("b{batch}"), writes))).await;
    }
    let scan = Scan { tenant: "default".into(), kind: "job".into(), limit: 3, descending: true, ..Scan::default() };
    let StoreReply::Page(page) = store.perform(Op::Scan(scan)).await else { panic!("no page") };
    assert_eq!(
        page.records.iter().map(|record| record.key.id.as_str()).collect::<Vec<_>>(),
        ["00199", "00198", "00197"]
    );
    for sql in [
        "SELECT id FROM records WHERE kind = 'job' AND tenant = 'default' AND id >= x'30' AND id < x'31' ORDER BY id DESC LIMIT 3",
        "SELECT kind FROM records WHERE expires_at IS NOT NULL AND expires_at < 5 LIMIT 9",
    ] {
        let plan = sqlite(&store).explain(sql);
        assert!(plan.starts_with("SEARCH") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn foreign_newer_and_damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beam-mcp.db");
    let refusal = || SqliteStore::open(folder.path(), 0).unwrap_err();
    let sql = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
    sql("CREATE TABLE theirs (x)");
    assert!(refusal().contains("another program"), "{}", refusal());
    std::fs::remove_file(&path).unwrap();
    SqliteStore::open(folder.path(), 0).unwrap().close();
    sql("PRAGMA user_version = 99");
    assert!(refusal().contains("newer version"), "{}", refusal());
    std::fs::write(&path, "no database at all, but long enough to be read as one".repeat(100)).unwrap();
    assert!(refusal().contains("not a database"), "{}", refusal());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_after_an_unclean_end_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beam-mcp.db");
    let store = open(folder.path(), 0);
    for number in 0..40 {
        put(&store, &format!("o{number}"), &format!("{number}"), &"v".repeat(3000)).await;
    }
    store.close();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 2000].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    std::fs::write(folder.path().join("beam-mcp.db-wal"), "left over").unwrap();
    let refusal = SqliteStore::open(folder.path(), 0).unwrap_err();
    assert!(refusal.contains("damaged") || refusal.contains("malformed"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_stays_within_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), CACHE);
    for number in 0..300 {
        put(&store, &format!("o{number}"), &format!("{number}"), &"v".repeat(10_000)).await;
        assert!(value(&store, &format!("{number}")).await.is_some());
    }
    let kept =
        (0..300).filter(|number| sqlite(&store).is_cached(&Key::new("default", "job", number.to_string()))).count();
    assert!((40..110).contains(&kept), "{kept}");
}
