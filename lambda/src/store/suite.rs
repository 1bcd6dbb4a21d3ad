//! What every store must do; run against each of them.

mod chain;

use std::sync::Arc;

use beam_mcp_core::store::{Commit, Expect, Key, Op, Put, Record, Scan, StoreReply, Write};

use tokio::task::JoinSet;

use super::{Store, failed};

const KIND: &str = "job";
/// A kind that is scanned for all tenants.
const SWEPT: &str = "job.due";

/// Runs every case against an empty store.
pub(super) async fn run(store: &Arc<Store>) {
    versions_grow_and_restart(store).await;
    absent_is_won_once(store).await;
    a_conflict_names_its_write_and_changes_nothing(store).await;
    the_same_commit_twice_is_success(store).await;
    a_commit_written_over_is_a_conflict(store).await;
    pages_follow_the_order_of_bytes(store).await;
    prefixes_are_bytes(store).await;
    all_tenants_are_one_order(store).await;
    expiry_is_kept_and_purged_late(store).await;
    limits_hold(store).await;
    chain::an_audit_chain_is_followed_to_its_end(store).await;
}

pub(super) fn write(id: &str, value: &str) -> Write {
    write_of("default", id, Expect::Any, Some(value))
}

fn write_of(tenant: &str, id: &str, expect: Expect, value: Option<&str>) -> Write {
    let put = value.map(|value| Put { schema: 1, expires_at: None, value: Arc::from(value) });
    Write { key: Key::new(tenant, KIND, id), expect, put }
}

fn expecting(id: &str, expect: Expect, value: Option<&str>) -> Write {
    write_of("default", id, expect, value)
}

pub(super) fn commit(op_id: &str, writes: Vec<Write>) -> Commit {
    Commit { op_id: op_id.to_owned(), writes }
}

async fn make(store: &Store, op: &str, writes: Vec<Write>) -> StoreReply {
    store.perform(Op::Commit(commit(op, writes))).await
}

fn made(versions: &[u64]) -> StoreReply {
    StoreReply::Committed { versions: versions.to_vec() }
}

pub(super) async fn put(store: &Store, op: &str, id: &str, value: &str) -> Vec<u64> {
    match make(store, op, vec![write(id, value)]).await {
        StoreReply::Committed { versions } => versions,
        other => panic!("{other:?}"),
    }
}

async fn record(store: &Store, id: &str) -> Option<Record> {
    match store.perform(Op::Get { key: Key::new("default", KIND, id) }).await {
        StoreReply::Record { record } => record,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn value(store: &Store, id: &str) -> Option<String> {
    record(store, id).await.map(|record| record.value.to_string())
}

async fn ids(store: &Store, scan: Scan) -> Vec<String> {
    match store.perform(Op::Scan(scan)).await {
        StoreReply::Page(page) => page.records.into_iter().map(|record| record.key.id.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

fn scan(prefix: &str, limit: u32) -> Scan {
    Scan { tenant: "default".into(), kind: KIND.into(), prefix: prefix.into(), limit, ..Scan::default() }
}

async fn versions_grow_and_restart(store: &Store) {
    assert_eq!(put(store, "v1", "v", "a").await, vec![1]);
    assert_eq!(put(store, "v2", "v", "b").await, vec![2]);
    let stored = record(store, "v").await.unwrap();
    assert_eq!((stored.version, stored.op.as_str(), stored.schema, &*stored.value), (2, "v2", 1, "b"));
    assert_eq!(make(store, "v3", vec![expecting("v", Expect::Version(2), None)]).await, made(&[0]));
    assert_eq!(record(store, "v").await, None);
    assert_eq!(make(store, "v4", vec![expecting("v", Expect::Absent, Some("c"))]).await, made(&[1]));
    let other = Key::new("other", KIND, "v");
    assert_eq!(store.perform(Op::Get { key: other }).await, StoreReply::Record { record: None });
}

async fn absent_is_won_once(store: &Arc<Store>) {
    for round in 0..20 {
        let mut racers = JoinSet::new();
        for racer in 0..8 {
            let (store, id) = (store.clone(), format!("race{round}"));
            racers.spawn(async move {
                make(&store, &format!("r{racer}"), vec![expecting(&id, Expect::Absent, Some("x"))]).await
            });
        }
        let replies = racers.join_all().await;
        let won = replies.iter().filter(|reply| matches!(reply, StoreReply::Committed { .. })).count();
        let lost = |reply: &&StoreReply| matches!(reply, StoreReply::Conflict { index: 0, current: Some(r) } if r.version == 1);
        assert_eq!((won, replies.iter().filter(lost).count()), (1, 7), "{replies:?}");
    }
}

async fn a_conflict_names_its_write_and_changes_nothing(store: &Store) {
    put(store, "c1", "c", "old").await;
    let writes = vec![write("c-other", "x"), expecting("c", Expect::Version(7), Some("new"))];
    let current = record(store, "c").await;
    assert_eq!(make(store, "c2", writes).await, StoreReply::Conflict { index: 1, current });
    assert_eq!((value(store, "c-other").await, value(store, "c").await.as_deref()), (None, Some("old")));
    let absent = make(store, "c3", vec![expecting("nothing", Expect::Version(1), None)]).await;
    assert_eq!(absent, StoreReply::Conflict { index: 0, current: None });
}

async fn the_same_commit_twice_is_success(store: &Store) {
    put(store, "s0", "s-gone", "x").await;
    let writes = || {
        vec![
            expecting("s", Expect::Absent, Some("x")),
            expecting("s-gone", Expect::Version(1), None),
            expecting("s-row", Expect::Absent, Some("y")),
        ]
    };
    assert_eq!(make(store, "s1", writes()).await, made(&[1, 0, 1]));
    assert_eq!(make(store, "s1", writes()).await, made(&[1, 0, 1]));
    assert!(matches!(make(store, "s2", writes()).await, StoreReply::Conflict { index: 0, .. }));
}

async fn a_commit_written_over_is_a_conflict(store: &Store) {
    let writes = || vec![expecting("w-audit", Expect::Absent, Some("a")), expecting("w", Expect::Absent, Some("1"))];
    assert_eq!(make(store, "w1", writes()).await, made(&[1, 1]));
    put(store, "w2", "w", "2").await;
    let again = make(store, "w1", writes()).await;
    assert!(matches!(&again, StoreReply::Conflict { index: 1, current: Some(at) } if at.version == 2), "{again:?}");
}

async fn pages_follow_the_order_of_bytes(store: &Store) {
    for id in ["p/b", "p/a", "p/B", "p/é", "p/a0", "p/a/x"] {
        put(store, &format!("p{id}"), id, "").await;
    }
    let order = ["p/B", "p/a", "p/a/x", "p/a0", "p/b", "p/é"];
    assert_eq!(ids(store, scan("p/", 200)).await, order);
    let mut found = Vec::new();
    let mut page = scan("p/", 4);
    for size in [4, 2] {
        let next = ids(store, page.clone()).await;
        assert_eq!(next.len(), size);
        page.after = next.last().cloned();
        found.extend(next);
    }
    assert_eq!(found, order);
    let back = Scan { descending: true, after: Some("p/b".into()), ..scan("p/", 2) };
    assert_eq!(ids(store, back).await, ["p/a0", "p/a/x"]);
    assert_eq!(ids(store, Scan { after: Some("p/é".into()), ..scan("p/", 9) }).await, [""; 0]);
    let before_all = Scan { descending: true, after: Some("p/B".into()), ..scan("p/", 9) };
    assert_eq!(ids(store, before_all).await, [""; 0]);
}

async fn prefixes_are_bytes(store: &Store) {
    for (number, id) in ["q%a", "q%b", "qxa", "q_", "q\u{10FFFF}", "q\u{10FFFF}z", "q\0", "q'--"].iter().enumerate() {
        put(store, &format!("q{number}"), id, "").await;
    }
    assert_eq!(ids(store, scan("q%", 9)).await, ["q%a", "q%b"]);
    assert_eq!(ids(store, scan("q_", 9)).await, ["q_"]);
    assert_eq!(ids(store, scan("q\u{10FFFF}", 9)).await, ["q\u{10FFFF}", "q\u{10FFFF}z"]);
    assert_eq!(ids(store, scan("q", 200)).await.len(), 8);
    assert_eq!(ids(store, Scan { after: Some("q".into()), ..scan("q", 1) }).await, ["q\0"]);
}

async fn all_tenants_are_one_order(store: &Store) {
    let due = |(tenant, id)| Write { key: Key::new(tenant, SWEPT, id), ..write(id, "") };
    let writes = [("t1", "z/1"), ("t2", "z/2"), ("t1", "z/3"), ("t3", "z/4"), ("t2", "z/3")].map(due);
    assert_eq!(make(store, "z", writes.to_vec()).await, made(&[1; 5]));
    let all = Scan { tenant: "*".into(), kind: SWEPT.into(), ..scan("z/", 3) };
    assert_eq!(ids(store, all.clone()).await, ["z/1", "z/2", "z/3"]);
    assert_eq!(ids(store, Scan { limit: 9, ..all.clone() }).await, ["z/1", "z/2", "z/3", "z/3", "z/4"]);
    assert_eq!(ids(store, Scan { after: Some("z/3".into()), ..all.clone() }).await, ["z/4"]);
    assert_eq!(ids(store, Scan { descending: true, ..all.clone() }).await, ["z/4", "z/3", "z/3"]);
    let below = Scan { descending: true, after: Some("z/2".into()), ..all.clone() };
    assert_eq!(ids(store, below).await, ["z/1"]);
    let one = Scan { tenant: "t1".into(), ..all.clone() };
    assert_eq!(ids(store, one).await, ["z/1", "z/3"]);
    assert_eq!(ids(store, scan("z/", 9)).await, [""; 0]);
    let key = Key::new("t2", SWEPT, "z/3");
    let found = store.perform(Op::Get { key: key.clone() }).await;
    assert!(matches!(found, StoreReply::Record { record: Some(record) } if record.key == key));
    assert_eq!(store.perform(Op::Scan(Scan { kind: KIND.into(), ..all })).await, failed("not_swept"));
}

async fn expiry_is_kept_and_purged_late(store: &Store) {
    let mut expiring = write("e", "x");
    expiring.put.as_mut().unwrap().expires_at = Some(5_000);
    make(store, "e1", vec![expiring]).await;
    assert_eq!(record(store, "e").await.unwrap().expires_at, Some(5_000));
    assert_eq!(ids(store, scan("e", 9)).await, ["e"]);
    if !store.purges() {
        return;
    }
    assert_eq!(store.purge(5_000).await, 0);
    assert_eq!(store.purge(5_001).await, 1);
    assert_eq!(record(store, "e").await, None);
}

async fn limits_hold(store: &Store) {
    let many: Vec<_> = (0..21).map(|n| write(&format!("l{n}"), "")).collect();
    assert_eq!(make(store, "l", many[..20].to_vec()).await, made(&[1; 20]));
    assert_eq!(make(store, "l", many).await, failed("too_many_writes"));
    let largest = "v".repeat(256 << 10);
    assert_eq!(put(store, "l1", &"i".repeat(512), &largest).await, vec![1]);
    assert_eq!(make(store, "l", vec![write("l", &(largest + "v"))]).await, failed("value_too_large"));
    assert_eq!(make(store, "l", vec![write(&"i".repeat(513), "")]).await, failed("bad_id_length"));
    assert_eq!(make(store, "l", vec![write("l", ""), write("l", "")]).await, failed("key_written_twice"));
    assert_eq!(make(store, "l", vec![write_of("*", "l", Expect::Any, None)]).await, failed("bad_tenant"));
    assert_eq!(store.perform(Op::Scan(scan("", 201))).await, failed("bad_page_size"));
    assert_eq!(store.perform(Op::Scan(scan("", 0))).await, failed("bad_page_size"));
    assert_eq!(make(store, "l", Vec::new()).await, made(&[]));
}
