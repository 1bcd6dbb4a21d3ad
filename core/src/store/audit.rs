use serde::Serialize;

use super::{Expect, Kind, Put, Write};
use crate::{call::Call, error::Error};

/// Evidence that a caller did something, written in the same commit as its intent.
#[derive(Clone, Debug, Serialize)]
pub struct Audit<'a> {
    /// The verb.
    pub verb: &'a str,
    /// What it acts on.
    pub subject: &'a str,
    /// SHA-256 of the input as read, in lower-case hex.
    pub digest: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    at_ms: u64,
    principal: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    audit: &'a Audit<'a>,
}

impl Audit<'_> {
    /// The write of the row.
    ///
    /// # Errors
    /// `internal` when the row cannot be JSON.
    pub fn write(&self, call: &Call, at_ms: u64) -> Result<Write, Error> {
        let request_id = call.request_id();
        let row = Row { at_ms, principal: &call.caller.principal, request_id: &request_id, audit: self };
        Ok(Write {
            key: Kind::Audit.key(&call.caller.tenant, format!("{at_ms:013}/{request_id}/{}", self.verb)),
            expect: Expect::Any,
            put: Some(Put { schema: 1, expires_at: None, value: super::rows::text(&row)? }),
        })
    }
}
