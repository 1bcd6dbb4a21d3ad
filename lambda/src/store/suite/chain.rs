//! A chain longer than a page, changed and mended.

use std::ops::RangeInclusive;

use beam_mcp_core::store::{
    AuditHead, AuditRow, Expect, Key, Kind, Op, Put, Record, StoreReply, Stored, Write, audit_head_key,
    audit_head_write, audit_key, parse_record, seal,
};
use serde::de::DeserializeOwned;

use super::{
    super::{
        Store,
        audit_check::{Fault, check_chain},
    },
    made, make,
};

const CHAINED: &str = "chained#one";

async fn chained<T: DeserializeOwned>(store: &Store, key: Key) -> Option<Stored<T>> {
    match store.perform(Op::Get { key }).await {
        StoreReply::Record { record } => {
            record.map(|record| Stored { value: parse_record(&record).unwrap(), version: record.version })
        }
        other => panic!("{other:?}"),
    }
}

async fn end(store: &Store) -> Option<Stored<AuditHead>> {
    chained(store, audit_head_key(CHAINED)).await
}

fn waiting(sequence: u64) -> Record {
    let row = AuditRow { sequence, verb: "create_job".into(), ..AuditRow::default() };
    let (key, value) = (Kind::AuditNew.key(CHAINED, format!("p/{sequence:012}")), serde_json::to_string(&row).unwrap());
    Record { key, version: 1, op: "o".into(), schema: 2, expires_at: None, value: value.into() }
}

async fn seal_rows(store: &Store, rows: RangeInclusive<u64>) {
    let rows: Vec<Record> = rows.map(waiting).collect();
    for (at, rows) in rows.chunks(19).enumerate() {
        let mut writes = seal(CHAINED, end(store).await.as_ref(), rows).unwrap();
        // The rows that waited are not stored here.
        writes.retain(|write| write.put.is_some());
        let reply = make(store, &format!("seal {at} {}", rows[0].key.id), writes).await;
        assert!(matches!(reply, StoreReply::Committed { .. }), "{reply:?}");
    }
}

fn of_chain(key: Key, row: Option<&AuditRow>) -> Write {
    let value = |row| serde_json::to_string(row).unwrap().into();
    Write { key, expect: Expect::Any, put: row.map(|row| Put { schema: 2, expires_at: None, value: value(row) }) }
}

/// What is found of the chain while one row is changed so.
async fn with_row(store: &Store, place: u64, row: Option<&AuditRow>) -> Result<u64, Fault> {
    let key = audit_key(CHAINED, place);
    let kept = chained::<AuditRow>(store, key.clone()).await.map(|stored| stored.value);
    make(store, &format!("change {place} {row:?}"), vec![of_chain(key.clone(), row)]).await;
    let found = check_chain(store, CHAINED).await;
    make(store, &format!("mend {place} {row:?}"), vec![of_chain(key, kept.as_ref())]).await;
    found
}

fn broken(found: Result<u64, Fault>) -> String {
    match found {
        Err(Fault::Broken(why)) => why,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn an_audit_chain_is_followed_to_its_end(store: &Store) {
    assert_eq!(check_chain(store, CHAINED).await, Ok(0), "nothing was ever sealed");
    seal_rows(store, 1..=230).await;
    assert_eq!(check_chain(store, CHAINED).await, Ok(230));
    let row = chained::<AuditRow>(store, audit_key(CHAINED, 210)).await.unwrap().value;
    let changed = AuditRow { verb: "cancel_job".into(), ..row.clone() };
    assert_eq!(broken(with_row(store, 210, Some(&changed)).await), "audit row 210 was changed after it was sealed");
    assert_eq!(broken(with_row(store, 210, None).await), "audit row 210 is missing: 211 comes in its place");
    let cut = broken(with_row(store, 230, None).await);
    assert_eq!(cut, "the audit chain ends at row 229 and not at row 230, as stored");
    assert!(broken(with_row(store, 231, Some(&row)).await).contains("stands behind the end, which is row 230"));
    assert_eq!(check_chain(store, CHAINED).await, Ok(230), "all is mended");

    let old = end(store).await.unwrap();
    let first = chained::<AuditRow>(store, audit_key(CHAINED, 1)).await.unwrap().value.seal.unwrap();
    let removed = AuditHead { removed: 1, removed_hash: first.hash, ..old.value.clone() };
    let head = audit_head_write(CHAINED, Some(&old), &removed).unwrap();
    assert_eq!(
        make(store, "retention", vec![of_chain(audit_key(CHAINED, 1), None), head]).await,
        made(&[0, old.version + 1])
    );
    assert_eq!(check_chain(store, CHAINED).await, Ok(229));
    make(store, "behead", vec![of_chain(audit_head_key(CHAINED), None)]).await;
    assert!(broken(check_chain(store, CHAINED).await).contains("stands behind the end, which is row 0"));
}
