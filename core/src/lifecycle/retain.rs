//! What is old goes, a little in each round: ended jobs with their operations and index rows, and sealed audit rows.
//! Idempotency rows expire by themselves.

use std::time::Duration;

use crate::{
    error::Error,
    store::{
        AuditHead, AuditRow, Committed, Expect, Kind, Record, Scan, Write, audit_head_key, audit_head_write,
        job_removal, listed_job, parse_record,
    },
    verb::Context,
};

/// Jobs taken away in one round.
const JOBS: u32 = 20;
/// Rows of one kind in one commit, with what else it writes.
const TOGETHER: u32 = 18;

/// Pause between two searches that found nothing.
const PAUSE: Duration = Duration::from_secs(60);

/// Takes away what is older than the configuration keeps; true when more may be.
///
/// # Errors
/// The store's.
pub(super) async fn remove_old(context: &Context) -> Result<bool, Error> {
    let now = context.io.now().mono;
    if context.state.watch(|watch| watch.next_cleaning > now) {
        return Ok(false);
    }
    let mut more = remove_jobs(context).await?;
    for tenant in context.state.config.tenants(context.rows.tenant()) {
        more |= remove_audit(&context.for_tenant(&tenant)).await?;
    }
    if !more {
        context.state.watch(|watch| watch.next_cleaning = now + PAUSE);
    }
    Ok(more)
}

async fn remove_jobs(context: &Context) -> Result<bool, Error> {
    let cutoff = context.state.config.job_cutoff_ms(context.now_ms());
    let scan = Scan { tenant: "*".into(), kind: Kind::JobEnded.as_str().into(), limit: JOBS, ..Scan::default() };
    let records = context.io.scan(scan).await?.records;
    let mut any = false;
    for record in records.iter().filter(|record| ended_before(&record.key.id, cutoff)) {
        any = true;
        remove_job(&context.for_tenant(&record.key.tenant), record).await?;
    }
    Ok(any)
}

/// The id begins with 13 digits of the end.
fn ended_before(id: &str, cutoff_ms: u64) -> bool {
    id.get(..13).and_then(|digits| digits.parse::<u64>().ok()).is_some_and(|at| at < cutoff_ms)
}

/// Operations first, so that none is left without its job.
async fn remove_job(context: &Context, record: &Record) -> Result<(), Error> {
    let id = listed_job(record)?.id;
    let scan = Scan { prefix: format!("{id}/"), limit: TOGETHER, ..Scan::default() };
    let operations = context.rows.scan(Kind::Operation, scan).await?.records;
    if !operations.is_empty() {
        let more = operations.len() >= usize::try_from(TOGETHER).unwrap_or(usize::MAX);
        let writes = operations.iter().map(removal).collect();
        context.rows.commit(&format!("forget operations of {id} {}", operations.len()), writes).await?;
        if more {
            return Ok(());
        }
    }
    match context.rows.find_job(&id).await? {
        Some(job) => context.rows.commit(&format!("forget {id}"), job_removal(context.rows.tenant(), &job)).await,
        // An index row without its job: a repaired store.
        None => context.rows.commit(&format!("forget row of {id}"), vec![removal(record)]).await,
    }
    .map(|_| ())
}

fn removal(record: &Record) -> Write {
    Write { key: record.key.clone(), expect: Expect::Version(record.version), put: None }
}

/// One commit a round: the chain's end remembers where the rest begins.
async fn remove_audit(context: &Context) -> Result<bool, Error> {
    let cutoff = context.state.config.audit_cutoff_ms(context.now_ms());
    let records = context.rows.scan(Kind::Audit, Scan { limit: TOGETHER, ..Scan::default() }).await?.records;
    let mut old = Vec::new();
    for record in &records {
        let row: AuditRow = parse_record(record)?;
        if row.at_ms >= cutoff {
            break;
        }
        old.push((record, row));
    }
    let Some(seal) = old.last().and_then(|(_, row)| row.seal.clone()) else { return Ok(false) };
    let tenant = context.rows.tenant();
    let Some(head) = context.rows.read::<AuditHead>(audit_head_key(tenant)).await? else { return Ok(false) };
    let end = AuditHead { removed: seal.place, removed_hash: seal.hash, ..head.value.clone() };
    let mut writes: Vec<Write> = old.iter().map(|(record, _)| removal(record)).collect();
    writes.push(audit_head_write(tenant, Some(&head), &end)?);
    let made = context.rows.commit(&format!("forget audit to {}", seal.place), writes).await?;
    Ok(matches!(made, Committed::Written(_)))
}
