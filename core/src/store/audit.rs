//! Evidence of what was asked for and what became of it (DESIGN 6.11): written with the intent, sealed into the tenant's
//! hash chain soon after.

use serde::{Deserialize, Serialize};

use super::{Expect, Key, Kind, Put, Record, Stored, Write, parse_record, rows::text, schema};
use crate::{call::Call, error::Error, random::sha256_hex};

/// Evidence that a caller asked for something, or of its result, written in the same commit.
#[derive(Clone, Debug, Serialize)]
pub struct Audit<'a> {
    /// The verb.
    pub verb: &'a str,
    /// What it acts on.
    pub subject: &'a str,
    /// SHA-256 of the input as read, in lower-case hex; empty for a result.
    pub digest: &'a str,
    /// How it ended; empty for an intent.
    pub outcome: &'a str,
}

/// A row as it is stored.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Process that wrote it; empty in rows of schema 1.
    #[serde(default)]
    pub process: String,
    /// Place in the sequence of its process, from 1; a commit that was not made leaves a gap.
    #[serde(default)]
    pub sequence: u64,
    /// Who.
    pub principal: String,
    /// Request it belongs to.
    pub request_id: String,
    /// The verb.
    pub verb: String,
    /// What it acts on.
    pub subject: String,
    /// SHA-256 of the input as read; empty for a result.
    pub digest: String,
    /// How it ended; empty for an intent.
    #[serde(default)]
    pub outcome: String,
    /// Its place in the chain, once it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

/// Place in a tenant's chain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// From 1, without gaps.
    pub place: u64,
    /// Hash of the row before; empty for the first.
    pub previous: String,
    /// SHA-256 over the row without this member.
    pub hash: String,
}

/// The end of a tenant's chain, and where what is kept of it begins.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Place of the last sealed row; 0: none.
    pub place: u64,
    /// Its hash.
    pub hash: String,
    /// Place of the last row that retention took away; 0: none.
    #[serde(default)]
    pub removed: u64,
    /// Its hash.
    #[serde(default)]
    pub removed_hash: String,
}

impl Audit<'_> {
    /// The write of the row, the next of its process.
    ///
    /// # Errors
    /// `internal` when the row cannot be JSON.
    pub fn write(&self, call: &Call, (process, sequence): (&str, u64), at_ms: u64) -> Result<Write, Error> {
        let row = AuditRow {
            at_ms,
            process: process.to_owned(),
            sequence,
            principal: call.caller.principal.clone(),
            request_id: call.request_id(),
            verb: self.verb.to_owned(),
            subject: self.subject.to_owned(),
            digest: self.digest.to_owned(),
            outcome: self.outcome.to_owned(),
            seal: None,
        };
        let key = Kind::AuditNew.key(&call.caller.tenant, format!("{process}/{sequence:012}"));
        Ok(Write { key, expect: Expect::Any, put: Some(put(text(&row)?)) })
    }
}

fn put(value: std::sync::Arc<str>) -> Put {
    Put { schema: schema::AUDIT, expires_at: None, value }
}

/// Key of the end of a tenant's chain.
pub fn audit_head_key(tenant: &str) -> Key {
    Kind::AuditHead.key(tenant, "head")
}

/// Key of a sealed row.
pub fn audit_key(tenant: &str, place: u64) -> Key {
    Kind::Audit.key(tenant, format!("{place:016}"))
}

/// The write of a chain's end in place of `old`.
///
/// # Errors
/// `internal` when the row cannot be JSON.
pub fn audit_head_write(tenant: &str, old: Option<&Stored<AuditHead>>, new: &AuditHead) -> Result<Write, Error> {
    let expect = super::rows::expect(old);
    Ok(Write { key: audit_head_key(tenant), expect, put: Some(put(text(new)?)) })
}

/// The writes that append rows of one tenant to its chain, in this order: each leaves the waiting ones and gets its seal.
///
/// # Errors
/// `internal` for a row that cannot be read.
pub fn seal(tenant: &str, old: Option<&Stored<AuditHead>>, waiting: &[Record]) -> Result<Vec<Write>, Error> {
    let mut head = old.map(|old| old.value.clone()).unwrap_or_default();
    let mut writes = Vec::with_capacity(waiting.len() * 2 + 1);
    for record in waiting {
        let row = sealed(parse_record(record)?, &mut head)?;
        writes.push(Write { key: record.key.clone(), expect: Expect::Version(record.version), put: None });
        writes.push(Write { key: audit_key(tenant, head.place), expect: Expect::Absent, put: Some(put(text(&row)?)) });
    }
    writes.push(audit_head_write(tenant, old, &head)?);
    Ok(writes)
}

fn sealed(mut row: AuditRow, head: &mut AuditHead) -> Result<AuditRow, Error> {
    row.seal = Some(Seal { place: head.place + 1, previous: head.hash.clone(), hash: String::new() });
    let hash = sha256_hex(text(&row)?.as_bytes());
    if let Some(seal) = &mut row.seal {
        seal.hash.clone_from(&hash);
    }
    (head.place, head.hash) = (head.place + 1, hash);
    Ok(row)
}

/// Checks a tenant's chain row by row, from the first that is kept.
#[derive(Clone, Debug)]
pub struct AuditChain {
    end: AuditHead,
    place: u64,
    hash: String,
}

impl AuditChain {
    /// A check against the stored end; `None`: nothing was ever sealed.
    pub fn new(end: Option<AuditHead>) -> Self {
        let end = end.unwrap_or_default();
        Self { place: end.removed, hash: end.removed_hash.clone(), end }
    }

    /// Takes the next sealed row, in the order of keys.
    ///
    /// # Errors
    /// A sentence: the row is not the next one, does not follow the one before, or was changed.
    pub fn link(&mut self, row: &AuditRow) -> Result<(), String> {
        let seal = row.seal.as_ref().ok_or("an audit row without a seal stands among the sealed ones")?;
        let place = self.place + 1;
        if seal.place != place {
            return Err(format!("audit row {place} is missing: {} comes in its place", seal.place));
        }
        if seal.previous != self.hash {
            return Err(format!("audit row {place} does not follow the row before it"));
        }
        let bare = AuditRow { seal: Some(Seal { hash: String::new(), ..seal.clone() }), ..row.clone() };
        let found = text(&bare).map_err(|error| error.to_string())?;
        if sha256_hex(found.as_bytes()) != seal.hash {
            return Err(format!("audit row {place} was changed after it was sealed"));
        }
        (self.place, self.hash) = (place, seal.hash.clone());
        Ok(())
    }

    /// Ends the check: the number of rows that hold.
    ///
    /// # Errors
    /// A sentence: rows are missing at the end, or the stored end is another.
    pub fn finish(self) -> Result<u64, String> {
        if (self.place, &self.hash) == (self.end.place, &self.end.hash) {
            return Ok(self.place - self.end.removed);
        }
        Err(format!("the audit chain ends at row {} and not at row {}, as stored", self.place, self.end.place))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::{Caller, Role};

    fn waiting(sequence: u64) -> Record {
        let call = Call::local(Caller::with_role("me", Role::Operator), Duration::ZERO, [1; 32]);
        let audit = Audit { verb: "create_job", subject: "t:1", digest: "d", outcome: "" };
        let write = audit.write(&call, ("p", sequence), 5).unwrap();
        let put = write.put.unwrap();
        let (schema, value) = (put.schema, put.value);
        Record { key: write.key, version: 1, op: String::new(), schema, expires_at: None, value }
    }

    fn chain() -> (AuditHead, Vec<AuditRow>) {
        let rows: Vec<Record> = (1..=5).map(waiting).collect();
        let first = seal("default", None, &rows[..2]).unwrap();
        let head = |writes: &[Write]| -> AuditHead {
            serde_json::from_str(&writes.last().unwrap().put.as_ref().unwrap().value).unwrap()
        };
        let old = Stored { value: head(&first), version: 1 };
        let rest = seal("default", Some(&old), &rows[2..]).unwrap();
        let kept = first.iter().chain(&rest).filter(|write| write.key.kind == "audit");
        let kept = kept.map(|write| serde_json::from_str(&write.put.as_ref().unwrap().value).unwrap());
        (head(&rest), kept.collect())
    }

    fn check(head: &AuditHead, rows: &[AuditRow]) -> Result<u64, String> {
        let mut chain = AuditChain::new(Some(head.clone()));
        rows.iter().try_for_each(|row| chain.link(row))?;
        chain.finish()
    }

    #[test]
    fn a_chain_holds_until_a_row_is_changed_moved_or_taken_away() {
        let (head, rows) = chain();
        assert_eq!(check(&head, &rows), Ok(5));
        let mut changed = rows.clone();
        changed[2].principal = "somebody else".into();
        assert!(check(&head, &changed).unwrap_err().contains("row 3 was changed"));
        let mut moved = rows.clone();
        moved.swap(1, 2);
        assert!(check(&head, &moved).unwrap_err().contains("row 2 is missing"));
        assert!(check(&head, &rows[1..]).unwrap_err().contains("row 1 is missing"));
        assert!(check(&head, &rows[..4]).unwrap_err().contains("ends at row 4"));
        let mut forged = rows.clone();
        let own = forged[4].seal.as_mut().unwrap();
        own.previous = "0".into();
        assert!(check(&head, &forged).unwrap_err().contains("row 5 does not follow"));
    }

    #[test]
    fn what_retention_took_away_is_where_the_rest_begins() {
        let (head, rows) = chain();
        let seal = rows[1].seal.clone().unwrap();
        let head = AuditHead { removed: 2, removed_hash: seal.hash, ..head };
        assert_eq!(check(&head, &rows[2..]), Ok(3));
        assert!(check(&head, &rows).is_err());
    }
}
