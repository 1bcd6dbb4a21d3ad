//! Keyed writes: the same key and content answer with what the first call made (G5).

use serde::{Deserialize, Serialize};

use super::Context;
use crate::{
    error::{Error, ErrorKind},
    random::sha256_hex,
    store::{Expect, Key, Put, Write, idempotency_key, parse_record},
};

/// How long a key is remembered.
const KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// A write with or without a key.
pub(crate) struct Keyed {
    key: Option<Key>,
    digest: String,
    /// Nothing, or a row that has expired and that no store has removed yet.
    before: Expect,
}

#[derive(Serialize, Deserialize)]
struct Row {
    digest: String,
    subject: String,
}

/// Digest of what a write is about.
pub(crate) fn digest_of(content: &impl Serialize) -> String {
    sha256_hex(serde_json::to_string(content).unwrap_or_default().as_bytes())
}

impl Keyed {
    /// A write of the caller.
    pub(crate) fn new(context: &Context, verb: &str, key: Option<&str>, digest: String) -> Result<Self, Error> {
        if key.is_some_and(|key| key.is_empty() || key.len() > 255) {
            return Err(Error::invalid("bad_idempotency_key", "an idempotency key is 1 to 255 bytes"));
        }
        let caller = &context.call.caller;
        let key = key.map(|key| idempotency_key(&caller.tenant, &caller.principal, verb, key));
        Ok(Self { key, digest, before: Expect::Absent })
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// What the first call with this key made.
    pub(crate) async fn subject(&mut self, context: &Context) -> Result<Option<String>, Error> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let Some(record) = context.rows.record(key).await? else {
            self.before = Expect::Absent;
            return Ok(None);
        };
        if record.expires_at.is_some_and(|at| at <= context.now_ms()) {
            self.before = Expect::Version(record.version);
            return Ok(None);
        }
        let row: Row = parse_record(&record)?;
        if row.digest == self.digest { Ok(Some(row.subject)) } else { Err(reused()) }
    }

    /// The write that remembers what this call makes.
    pub(crate) fn write(&self, subject: &str, now_ms: u64) -> Result<Option<Write>, Error> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let row = Row { digest: self.digest.clone(), subject: subject.to_owned() };
        let value = serde_json::to_string(&row).map_err(|error| Error::misuse(error.to_string()))?;
        let put = Put { schema: 1, expires_at: Some(now_ms + KEPT_MS), value: value.into() };
        Ok(Some(Write { key, expect: self.before, put: Some(put) }))
    }
}

fn reused() -> Error {
    Error::new(
        ErrorKind::IdempotencyKeyReused,
        "idempotency_key_reused",
        "this idempotency key was used for something else",
    )
}
