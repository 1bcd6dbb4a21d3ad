use super::Key;
use crate::random::{hex, hmac};

/// Kinds of record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Sealed audit rows: `<16 digits of the place in the tenant's chain>`.
    Audit,
    /// The end of a tenant's chain: one row, `head`.
    AuditHead,
    /// Audit rows that wait for their seal: `<process>/<12 digits of its sequence>`.
    AuditNew,
    /// Contexts of the catalogue by id.
    Context,
    /// Answers by idempotency key.
    Idempotency,
    /// Jobs by id.
    Job,
    /// Index `<state>/<13 digits of ms>/<job id>`.
    JobByState,
    /// Index `<target>/<13 digits of ms>/<job id>`.
    JobByTarget,
    /// Index `<target>/<state>/<13 digits of ms>/<job id>`.
    JobByTargetState,
    /// Index `<13 digits of ms>/<job id>`.
    JobByTime,
    /// Index `<target>/<job id>` of jobs that have not ended.
    JobDue,
    /// Index `<13 digits of the end in ms>/<job id>` of jobs that have ended with nothing left to do.
    JobEnded,
    /// Operations by id `<job id>/<kind>-<hex>`.
    Operation,
    /// Keys that the instances before one store share.
    Secret,
    /// Whose a job on a runner is: `<target>/<token or native id>`, under [`SHARED`].
    Owner,
}

/// Tenant of rows that concern all tenants; no caller has it.
pub const SHARED: &str = "~";

impl Kind {
    const ALL: [Self; 15] = [
        Self::Audit,
        Self::AuditHead,
        Self::AuditNew,
        Self::Context,
        Self::Idempotency,
        Self::Job,
        Self::JobByState,
        Self::JobByTarget,
        Self::JobByTargetState,
        Self::JobByTime,
        Self::JobDue,
        Self::JobEnded,
        Self::Operation,
        Self::Secret,
        Self::Owner,
    ];

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// True for the kinds that `tick` reads for all tenants at once; only these may be scanned so.
    pub fn is_swept(self) -> bool {
        matches!(self, Self::AuditNew | Self::JobDue | Self::JobEnded)
    }

    /// The word in keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::AuditHead => "audit.head",
            Self::AuditNew => "audit.new",
            Self::Context => "context",
            Self::Idempotency => "idempotency",
            Self::Job => "job",
            Self::JobByState => "job.by_state",
            Self::JobByTarget => "job.by_target",
            Self::JobByTargetState => "job.by_target_state",
            Self::JobByTime => "job.by_time",
            Self::JobDue => "job.due",
            Self::JobEnded => "job.ended",
            Self::Operation => "operation",
            Self::Secret => "secret",
            Self::Owner => "owner",
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
