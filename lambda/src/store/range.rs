use beam_mcp_core::store::{Record, Scan};

/// The tenant of a scan over all tenants.
pub(super) const ALL_TENANTS: &str = "*";

/// Ids of a scan as bytes: from `low`, inclusive, to `high`, exclusive.
#[derive(Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: Vec<u8>,
    pub(super) high: Vec<u8>,
}

impl Range {
    pub(super) fn of(scan: &Scan) -> Self {
        let mut range = Self { low: scan.prefix.clone().into_bytes(), high: end_of(&scan.prefix) };
        match &scan.after {
            Some(after) if scan.descending => range.high = range.high.min(after.clone().into_bytes()),
            Some(after) => range.low = range.low.max(next(after)),
            None => {}
        }
        range
    }

    pub(super) fn is_empty(&self) -> bool {
        self.low >= self.high
    }
}

/// The first bytes after everything that starts with `prefix`. UTF-8 has no byte 0xFF.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(0xff),
    }
    end
}

fn next(id: &str) -> Vec<u8> {
    let mut next = id.as_bytes().to_vec();
    next.push(0);
    next
}

/// Pages of several tenants as one page in scan order; equal ids in the order of their tenants.
pub(super) fn merge(mut records: Vec<Record>, scan: &Scan) -> Vec<Record> {
    records.sort_by(|a, b| (&a.key.id, &a.key.tenant).cmp(&(&b.key.id, &b.key.tenant)));
    if scan.descending {
        records.reverse();
    }
    records.truncate(scan.limit as usize);
    records
}
