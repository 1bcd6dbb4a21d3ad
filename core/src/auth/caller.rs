use serde::{Deserialize, Serialize};

/// Right to use a verb.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub enum Scope {
    /// See jobs, runners, metrics, operations.
    #[serde(rename = "beam:read")]
    Read,
    /// Read job logs and exceptions.
    #[serde(rename = "beam:logs")]
    Logs,
    /// Submit, change and end jobs.
    #[serde(rename = "beam:jobs.write")]
    JobsWrite,
    /// Upload code.
    #[serde(rename = "beam:code.write")]
    CodeWrite,
    /// Set options that only the operator may set; implies all others.
    #[serde(rename = "beam:admin")]
    Admin,
}

impl Scope {
    /// The word in tokens and challenges.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "beam:read",
            Self::Logs => "beam:logs",
            Self::JobsWrite => "beam:jobs.write",
            Self::CodeWrite => "beam:code.write",
            Self::Admin => "beam:admin",
        }
    }
}

/// Named set of scopes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Reads, and runs jobs.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// Its scopes.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Viewer => &[Scope::Read, Scope::Logs],
            Self::Operator => &[Scope::Read, Scope::Logs, Scope::JobsWrite, Scope::CodeWrite],
            Self::Admin => &[Scope::Read, Scope::Logs, Scope::JobsWrite, Scope::CodeWrite, Scope::Admin],
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Whose data it sees.
    pub tenant: String,
    /// Name for the audit and for idempotency keys.
    pub principal: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// A caller with a role in the `default` tenant.
    pub fn with_role(principal: &str, role: Role) -> Self {
        Self { tenant: "default".into(), principal: principal.into(), scopes: role.scopes().to_vec() }
    }

    /// A caller without any right.
    pub fn nobody() -> Self {
        Self { tenant: "default".into(), principal: "anonymous".into(), scopes: Vec::new() }
    }

    /// True when it holds the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}
