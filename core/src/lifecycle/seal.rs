//! Audit rows that wait get their place in their tenant's hash chain (DESIGN 6.11).

use std::collections::BTreeMap;

use crate::{
    error::Error,
    store::{AuditHead, Committed, Kind, Record, Scan, audit_head_key, seal},
    verb::Context,
};

/// Rows read in one round, of all tenants.
const BATCH: u32 = 200;
/// Rows sealed in one commit: two writes each, and the chain's end.
const TOGETHER: usize = 9;

/// Seals what waits, in order; true when more may wait.
///
/// # Errors
/// The store's.
pub(super) async fn seal_waiting(context: &Context) -> Result<bool, Error> {
    let scan = Scan { tenant: "*".into(), kind: Kind::AuditNew.as_str().into(), limit: BATCH, ..Scan::default() };
    let records = context.io.scan(scan).await?.records;
    let more = !records.is_empty();
    let mut tenants: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in records {
        tenants.entry(record.key.tenant.clone()).or_default().push(record);
    }
    for (tenant, waiting) in tenants {
        seal_tenant(&context.for_tenant(&tenant), &waiting).await?;
    }
    Ok(more)
}

/// Another process may seal the same rows: whoever is second finds them gone and leaves the rest to its next round.
async fn seal_tenant(context: &Context, waiting: &[Record]) -> Result<(), Error> {
    let tenant = context.rows.tenant();
    for rows in waiting.chunks(TOGETHER) {
        let head = context.rows.read::<AuditHead>(audit_head_key(tenant)).await?;
        let place = head.as_ref().map_or(0, |head| head.value.place);
        let writes = seal(tenant, head.as_ref(), rows)?;
        if let Committed::Conflict { .. } = context.rows.commit(&format!("seal {place}"), writes).await? {
            return Ok(());
        }
    }
    Ok(())
}
