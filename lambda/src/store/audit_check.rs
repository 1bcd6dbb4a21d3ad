//! Audit chains of a store that others write meanwhile, read page by page: no more than one is held.

use std::time::Duration;

use beam_mcp_core::store::{
    AuditChain, AuditHead, AuditRow, Kind, Op, Record, Scan, StoreReply, audit_head_key, audit_key, parse_record,
};
use serde::de::DeserializeOwned;

use super::Store;
use crate::setup::Failure;

const PAGE: u32 = 200;
/// Tries of one read, and the pause before the next.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Why a chain is not known to hold.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// It does not, in words.
    Broken(String),
    /// The store did not answer, by its machine word.
    Unread(String),
}

/// Follows the chains of these tenants, and tells how many rows hold.
///
/// # Errors
/// A chain that does not hold, or a store that does not answer.
pub async fn check_chains(store: &Store, tenants: &[String]) -> Result<String, Failure> {
    let mut sealed = 0;
    for tenant in tenants {
        sealed += check_chain(store, tenant).await.map_err(|fault| match fault {
            Fault::Broken(why) => Failure::data(format!("the audit chain of {tenant} does not hold: {why}")),
            Fault::Unread(why) => Failure::unavailable(format!("the audit chain of {tenant} cannot be read: {why}")),
        })?;
    }
    Ok(format!("{sealed} sealed audit rows of {}", tenants.join(", ")))
}

/// The number of rows of a tenant's chain that hold.
pub(super) async fn check_chain(store: &Store, tenant: &str) -> Result<u64, Fault> {
    let mut end = end_of(store, tenant).await?;
    loop {
        let found = follow(store, tenant, &end).await;
        let Err(Fault::Broken(_)) = found else { return found };
        // What retention took away since the end was read is not missing.
        let now = end_of(store, tenant).await?;
        if now.removed <= end.removed {
            return found;
        }
        end = now;
    }
}

async fn follow(store: &Store, tenant: &str, end: &AuditHead) -> Result<u64, Fault> {
    let (mut chain, last) = (AuditChain::new(Some(end.clone())), audit_key(tenant, end.place).id.clone());
    let mut after = None;
    loop {
        let page = page(store, tenant, after).await?;
        for record in &page {
            if record.key.id > last {
                sealed_since(store, tenant, record, end).await?;
                return chain.finish().map_err(Fault::Broken);
            }
            chain.link(&parsed::<AuditRow>(record)?).map_err(Fault::Broken)?;
        }
        if page.len() < PAGE as usize {
            return chain.finish().map_err(Fault::Broken);
        }
        after = page.last().map(|record| record.key.id.clone());
    }
}

/// A row behind the end has come since the end was read, or it stands there unsealed by it.
async fn sealed_since(store: &Store, tenant: &str, row: &Record, end: &AuditHead) -> Result<(), Fault> {
    if end_of(store, tenant).await?.place > end.place {
        return Ok(());
    }
    Err(Fault::Broken(format!("audit row {} stands behind the end, which is row {}", row.key.id, end.place)))
}

async fn end_of(store: &Store, tenant: &str) -> Result<AuditHead, Fault> {
    match read(store, || Op::Get { key: audit_head_key(tenant) }).await? {
        StoreReply::Record { record } => record.as_ref().map_or_else(|| Ok(AuditHead::default()), parsed),
        other => Err(unexpected(&other)),
    }
}

async fn page(store: &Store, tenant: &str, after: Option<String>) -> Result<Vec<Record>, Fault> {
    let (tenant, kind) = (tenant.to_owned(), Kind::Audit.as_str().into());
    let scan = Scan { tenant, kind, after, limit: PAGE, ..Scan::default() };
    match read(store, || Op::Scan(scan.clone())).await? {
        StoreReply::Page(page) => Ok(page.records),
        other => Err(unexpected(&other)),
    }
}

async fn read(store: &Store, op: impl Fn() -> Op) -> Result<StoreReply, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        match store.perform(op()).await {
            StoreReply::Failed { reason } if tries >= TRIES => return Err(Fault::Unread(reason)),
            StoreReply::Failed { .. } => tokio::time::sleep(PAUSE).await,
            reply => return Ok(reply),
        }
    }
}

fn parsed<T: DeserializeOwned>(record: &Record) -> Result<T, Fault> {
    parse_record(record)
        .map_err(|error| Fault::Broken(format!("{} {}: {}", record.key.kind, record.key.id, error.message())))
}

fn unexpected(reply: &StoreReply) -> Fault {
    Fault::Unread(format!("an answer to something else: {reply:?}"))
}
