use super::Key;
use crate::random::{hex, hmac};

/// Kinds of record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Audit rows: `<13 digits of ms>/<request id>/<label>`.
    Audit,
    /// Answers by idempotency key.
    Idempotency,
    /// Jobs by id.
    Job,
    /// Index `<state>/<13 digits of ms>/<job id>`.
    JobByState,
    /// Index `<target>/<13 digits of ms>/<job id>`.
    JobByTarget,
    /// Index `<13 digits of ms>/<job id>`.
    JobByTime,
    /// Index `<target>/<job id>` of jobs that have not ended.
    JobDue,
    /// Operations by id `<job id>/<kind>-<hex>`.
    Operation,
}

impl Kind {
    /// The word in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Idempotency => "idempotency",
            Self::Job => "job",
            Self::JobByState => "job.by_state",
            Self::JobByTarget => "job.by_target",
            Self::JobByTime => "job.by_time",
            Self::JobDue => "job.due",
            Self::Operation => "operation",
        }
    }

    /// The key of this kind.
    pub fn key(self, tenant: &str, id: impl Into<String>) -> Key {
        Key::new(tenant, self.as_str(), id)
    }
}

/// Key of the row that holds the answer to a keyed write: scope is tenant, principal and verb (G5).
pub fn idempotency_key(tenant: &str, principal: &str, verb: &str, key: &str) -> Key {
    let digest = hmac(b"idempotency", &[principal.as_bytes(), verb.as_bytes(), key.as_bytes()]);
    Kind::Idempotency.key(tenant, hex(&digest))
}
