use beam_mcp_core::store::{Commit, Expect, Put, Record, Write};

/// Version and commit of a stored record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamp {
    pub(super) version: u64,
    pub(super) op: String,
}

/// What becomes of a commit.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// All is as expected: write, with these versions.
    Write(Vec<u64>),
    /// It was made before and nothing was written over it since.
    Made(Vec<u64>),
    /// The write of this index does not fit.
    Conflict(usize),
}

/// Judges a commit by what is stored under the keys of its writes.
///
/// A commit counts as made before only when every write that does not fit is itself the cause: a record that another
/// commit has moved on since is a conflict, so that a permit taken long ago is not taken for a fresh one.
pub(super) fn judge(commit: &Commit, stored: &[Option<Stamp>]) -> Verdict {
    let pairs = || commit.writes.iter().zip(stored).enumerate();
    let misfits: Vec<usize> = pairs().filter(|(_, (write, at))| !fits(write, at.as_ref())).map(|(i, _)| i).collect();
    let Some(&first) = misfits.first() else {
        return Verdict::Write(pairs().map(|(_, (write, at))| new_version(write, at.as_ref())).collect());
    };
    let is_misfit = |index: &usize| misfits.contains(index);
    let foreign = pairs().find(|(index, (write, at))| is_misfit(index) && !ours(commit, write, at.as_ref()));
    let signed = stored.iter().flatten().any(|at| at.op == commit.op_id);
    match foreign {
        Some((index, _)) => Verdict::Conflict(index),
        None if signed => Verdict::Made(pairs().map(|(_, (write, at))| made_version(write, at.as_ref())).collect()),
        None => Verdict::Conflict(first),
    }
}

fn fits(write: &Write, at: Option<&Stamp>) -> bool {
    match write.expect {
        Expect::Any => true,
        Expect::Absent => at.is_none(),
        Expect::Version(wanted) => at.is_some_and(|at| at.version == wanted),
    }
}

fn ours(commit: &Commit, write: &Write, at: Option<&Stamp>) -> bool {
    at.map_or(write.put.is_none(), |at| at.op == commit.op_id)
}

fn new_version(write: &Write, at: Option<&Stamp>) -> u64 {
    if write.put.is_none() { 0 } else { at.map_or(0, |at| at.version) + 1 }
}

fn made_version(write: &Write, at: Option<&Stamp>) -> u64 {
    if write.put.is_none() { 0 } else { at.map_or(0, |at| at.version) }
}

/// The record a write leaves.
pub(super) fn record(commit: &Commit, write: &Write, put: &Put, version: u64) -> Record {
    Record {
        key: write.key.clone(),
        version,
        op: commit.op_id.clone(),
        schema: put.schema,
        expires_at: put.expires_at,
        value: put.value.clone(),
    }
}
