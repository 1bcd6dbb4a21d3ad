use std::collections::BTreeSet;

use beam_mcp_core::store::{Commit, Kind, Op, Scan, Write};

const MOST_WRITES: usize = 20;
const LONGEST_VALUE: usize = 256 << 10;
const LONGEST_ID: usize = 512;
const LARGEST_PAGE: u32 = 200;

/// The machine word of the limit an operation breaks.
pub(super) fn check(op: &Op) -> Result<(), &'static str> {
    match op {
        Op::Get { .. } => Ok(()),
        Op::Scan(scan) => check_scan(scan),
        Op::Commit(commit) => check_commit(commit),
    }
}

fn check_scan(scan: &Scan) -> Result<(), &'static str> {
    let swept = || Kind::parse(&scan.kind).is_some_and(Kind::is_swept);
    if scan.tenant == super::range::ALL_TENANTS && !swept() {
        return Err("not_swept");
    }
    if (1..=LARGEST_PAGE).contains(&scan.limit) { Ok(()) } else { Err("bad_page_size") }
}

fn check_commit(commit: &Commit) -> Result<(), &'static str> {
    if commit.writes.len() > MOST_WRITES {
        return Err("too_many_writes");
    }
    let keys: BTreeSet<_> = commit.writes.iter().map(|write| &write.key).collect();
    if keys.len() < commit.writes.len() {
        return Err("key_written_twice");
    }
    commit.writes.iter().try_for_each(check_write)
}

fn check_write(write: &Write) -> Result<(), &'static str> {
    if write.key.id.is_empty() || write.key.id.len() > LONGEST_ID {
        return Err("bad_id_length");
    }
    if write.key.tenant == super::range::ALL_TENANTS {
        return Err("bad_tenant");
    }
    match &write.put {
        Some(put) if put.value.len() > LONGEST_VALUE => Err("value_too_large"),
        _ => Ok(()),
    }
}
