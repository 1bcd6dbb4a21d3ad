use beam_mcp_core::store::{AuditChain, AuditHead, Key, Kind, Record, faults, parse_record};
use rusqlite::Connection;

use super::rows;

/// What the rows of a store are like.
#[derive(Debug, Default)]
pub(super) struct RowCheck {
    pub(super) rows: u64,
    pub(super) jobs: u64,
    /// Audit rows whose chain holds.
    pub(super) sealed: u64,
    pub(super) faults: u64,
    /// The first faults, in words.
    pub(super) shown: Vec<String>,
}

impl RowCheck {
    fn fault(&mut self, key: &Key, fault: &str, most: usize) {
        self.faults += 1;
        if self.shown.len() < most {
            self.shown.push(format!("  {} {} of {} {fault}", key.kind, key.id, key.tenant));
        }
    }
}

/// Looks at every row and every audit chain, all of one moment, however long it takes; words for at most `most` faults.
pub(super) fn check_rows(connection: &Connection, most: usize) -> rusqlite::Result<RowCheck> {
    let moment = connection.unchecked_transaction()?;
    let mut found = RowCheck::default();
    let mut failed = None;
    rows::each(&moment, |record| {
        found.rows += 1;
        found.jobs += u64::from(record.key.kind == Kind::Job.as_str());
        let mut get = |key: &Key| rows::get(&moment, key).unwrap_or_else(|error| keep(&mut failed, error));
        for fault in faults(&record, &mut get) {
            found.fault(&record.key, &fault, most);
        }
        if record.key.kind == Kind::AuditHead.as_str() {
            match chain(&moment, &record) {
                Ok(Ok(sealed)) => found.sealed += sealed,
                Ok(Err(broken)) => found.fault(&record.key, &broken, most),
                Err(error) => keep(&mut failed, error).unwrap_or(()),
            }
        }
    })?;
    failed.map_or(Ok(found), Err)
}

fn keep<T>(failed: &mut Option<rusqlite::Error>, error: rusqlite::Error) -> Option<T> {
    failed.get_or_insert(error);
    None
}

/// The number of rows of a tenant's chain that hold, or why it does not.
fn chain(connection: &Connection, head: &Record) -> rusqlite::Result<Result<u64, String>> {
    let end: AuditHead = match parse_record(head) {
        Ok(end) => end,
        // Told as the row's own fault.
        Err(_) => return Ok(Ok(0)),
    };
    let (mut chain, mut broken) = (AuditChain::new(Some(end)), None);
    rows::each_of(connection, (Kind::Audit.as_str(), &head.key.tenant), |row| {
        let linked = parse_record(&row).map_err(|error| error.message().to_owned()).and_then(|row| chain.link(&row));
        if let (Err(reason), None) = (linked, &broken) {
            broken = Some(reason);
        }
    })?;
    Ok(broken.map_or_else(|| chain.finish(), Err))
}
