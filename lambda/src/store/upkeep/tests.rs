use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use beam_mcp_core::store::{AuditRow, Expect, Key, Kind, Op, Put, Record, StoreReply, Write, seal};
use tempfile::TempDir;

use super::*;
use crate::store::{SqliteStore, Store, suite::commit};

fn open(folder: &Path) -> Store {
    Store::Sqlite(SqliteStore::open(folder, 0).unwrap())
}

fn answered(number: u32) -> Write {
    let put = Put { schema: 1, expires_at: None, value: "{}".into() };
    Write { key: Kind::Idempotency.key("default", format!("{number:05}")), expect: Expect::Absent, put: Some(put) }
}

async fn store_with(folder: &Path, numbers: std::ops::Range<u32>) -> Store {
    let store = open(folder);
    for number in numbers {
        let reply = store.perform(Op::Commit(commit(&format!("o{number}"), vec![answered(number)]))).await;
        assert!(matches!(reply, StoreReply::Committed { .. }), "{reply:?}");
    }
    store
}

async fn has(store: &Store, number: u32) -> bool {
    let key = Key::new("default", "idempotency", format!("{number:05}"));
    matches!(store.perform(Op::Get { key }).await, StoreReply::Record { record: Some(_) })
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_under_writes_is_whole_and_can_be_restored() {
    let (home, away) = (folder(), folder());
    let store = Arc::new(store_with(home.path(), 0..50).await);
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 50..400 {
                store.perform(Op::Commit(commit(&format!("o{number}"), vec![answered(number)]))).await;
            }
        }
    });
    let copy = away.path().join("copy.db");
    let report = backup(home.path(), &copy).unwrap();
    assert!(report.contains(" rows, 0 jobs, "), "{report}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    writing.await.unwrap();
    assert!(check(home.path()).unwrap().contains("ok, 400 rows"));

    let report = restore(&away.path().join("new"), &copy).unwrap();
    assert!(!report.contains("is kept as"), "{report}");
    let restored = open(&away.path().join("new"));
    assert!(has(&restored, 49).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_not_replaced_and_what_is_replaced_is_kept() {
    let (home, away) = (folder(), folder());
    let store = store_with(home.path(), 0..3).await;
    let copy = away.path().join("copy.db");
    backup(home.path(), &copy).unwrap();
    assert_eq!(backup(home.path(), &copy).unwrap_err().exit, 74);
    let refused = restore(home.path(), &copy).unwrap_err();
    assert_eq!((refused.exit, refused.message.contains("in use")), (69, true), "{refused}");
    store.close();
    drop(store);
    let other = Connection::open(home.path().join("beam-mcp.db")).unwrap();
    other.query_row("SELECT count(*) FROM records", [], |_| Ok(())).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM records").unwrap();
    assert_eq!(restore(home.path(), &copy).unwrap_err().exit, 69);
    drop(other);

    store_with(home.path(), 3..5).await.close();
    let report = restore(home.path(), &copy).unwrap();
    let restored = open(home.path());
    assert_eq!((has(&restored, 2).await, has(&restored, 4).await), (true, false));
    let kept = report.split("is kept as ").nth(1).unwrap().lines().next().unwrap();
    let rows = |path: &str| {
        Connection::open(path).unwrap().query_row("SELECT count(*) FROM records", [], |row| row.get::<_, u32>(0))
    };
    assert_eq!(rows(kept), Ok(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_and_a_faulty_copy_is_not_restored() {
    let (home, away) = (folder(), folder());
    store_with(home.path(), 0..3).await.close();
    let path = home.path().join("beam-mcp.db");
    let sql = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
    sql("UPDATE records SET schema = 7 WHERE id = x'3030303031'");
    let found = check(home.path()).unwrap_err();
    assert_eq!(found.exit, 65);
    assert!(found.message.contains("1 faults in 3 rows\n  idempotency 00001 of default of schema 7"), "{found}");
    assert_eq!(restore(away.path(), &path).unwrap_err().exit, 65);
    assert!(!away.path().join("beam-mcp.db").exists());
    let copy = away.path().join("copy.db");
    assert_eq!(backup(home.path(), &copy).unwrap_err().exit, 65);
    assert_eq!(
        fs::read_dir(away.path())
            .unwrap()
            .filter(|file| { !file.as_ref().unwrap().file_name().to_string_lossy().contains("lock") })
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_row_that_was_changed_breaks_its_chain() {
    let home = folder();
    let row = |sequence: u64| {
        let row = AuditRow { sequence, verb: "create_job".into(), ..AuditRow::default() };
        let value = serde_json::to_string(&row).unwrap().into();
        let key = Kind::AuditNew.key("default", format!("p/{sequence:012}"));
        Record { key, version: 1, op: "o".into(), schema: 2, expires_at: None, value }
    };
    let mut writes = seal("default", None, &[row(1), row(2), row(3)]).unwrap();
    writes.retain(|write| write.put.is_some());
    let store = open(home.path());
    store.perform(Op::Commit(commit("seal", writes))).await;
    store.close();
    drop(store);
    assert!(check(home.path()).unwrap().contains("4 rows, 0 jobs, 3 sealed audit rows"));
    let path = home.path().join("beam-mcp.db");
    let change = "UPDATE records SET value = replace(value, 'create_job', 'cancel_job') WHERE id LIKE '%2'";
    Connection::open(path).unwrap().execute_batch(change).unwrap();
    let found = check(home.path()).unwrap_err();
    assert!(found.message.contains("audit row 2 was changed after it was sealed"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_told_and_can_be_replaced() {
    let (home, away) = (folder(), folder());
    store_with(home.path(), 0..400).await.close();
    let copy = away.path().join("copy.db");
    backup(home.path(), &copy).unwrap();
    let path = home.path().join("beam-mcp.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 2000].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    assert_eq!(check(home.path()).unwrap_err().exit, 65);
    restore(home.path(), &copy).unwrap();
    assert!(check(home.path()).unwrap().contains("400 rows"));
    assert_eq!(check(away.path()).unwrap_err().exit, 69);
    assert_eq!(restore(home.path(), &away.path().join("none")).unwrap_err().exit, 69);
}
