//! Versions of the shapes of rows: every kind is written as its current version and read as that or the one before.
//!
//! An upgrade goes in two steps. First every process gets the new build with `store.write_previous_schema`, which reads
//! both versions and writes what the old build reads; then the switch goes. What is new in a version is additive:
//! readers of the version before ignore it.

use super::{Kind, Record, Write};
use crate::error::{Error, ErrorKind};

/// Jobs and their index rows. 2: generations with tokens of their own, the runner's memory, late arrivals.
pub const JOB: u32 = 2;
/// Audit rows. 2: process and sequence, results, seals.
pub const AUDIT: u32 = 2;
/// Every other kind.
pub const OTHER: u32 = 1;

/// The current version of a kind; unknown kinds have [`OTHER`].
pub fn current(kind: &str) -> u32 {
    if kind == Kind::Job.as_str() || kind.starts_with("job.") {
        JOB
    } else if kind.starts_with(Kind::Audit.as_str()) {
        AUDIT
    } else {
        OTHER
    }
}

/// The version before, where there is one.
pub fn previous(kind: &str) -> u32 {
    current(kind).saturating_sub(1).max(1)
}

/// Refuses a row this build cannot read, before anything is made of it.
///
/// # Errors
/// `internal` with reason `newer_row` or `older_row`.
pub fn check(record: &Record) -> Result<(), Error> {
    let kind = &*record.key.kind;
    let (reason, message, suggestion) = if record.schema > current(kind) {
        ("newer_row", "a stored row was written by a newer version of beam-mcp", "finish the upgrade of this process")
    } else if record.schema < previous(kind) {
        (
            "older_row",
            "a stored row was written by a version of beam-mcp that is too old",
            "upgrade through the versions between, one at a time",
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Internal, reason, message)
        .with("kind", kind)
        .with("schema", record.schema)
        .with("known", current(kind))
        .suggest(suggestion))
}

/// Marks writes as the version before, for builds that do not know the current one yet.
pub fn as_previous(writes: &mut [Write]) {
    for write in writes {
        let schema = previous(&write.key.kind);
        if let Some(put) = &mut write.put {
            put.schema = schema;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    fn record(kind: &'static str, schema: u32) -> Record {
        Record {
            key: Key::new("default", kind, "x"),
            version: 1,
            op: String::new(),
            schema,
            expires_at: None,
            value: "{}".into(),
        }
    }

    #[test]
    fn the_current_version_and_the_one_before_are_read() {
        for kind in ["job", "job.due", "audit", "audit.new", "operation", "idempotency"] {
            check(&record(kind, current(kind))).unwrap();
            check(&record(kind, previous(kind))).unwrap();
            assert_eq!(check(&record(kind, current(kind) + 1)).unwrap_err().reason(), "newer_row", "{kind}");
            assert_eq!(check(&record(kind, previous(kind) - 1)).unwrap_err().reason(), "older_row", "{kind}");
        }
    }
}
