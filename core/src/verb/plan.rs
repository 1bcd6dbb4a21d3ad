use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    auth::{Caller, Scope},
    error::Error,
    random::sha256_hex,
    runner::{PlannedCall, ResolvedOption},
};

/// What a write will do, before it does it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Plan {
    /// Send it back as `plan_digest` to have exactly this done.
    pub digest: String,
    /// One sentence.
    pub summary: String,
    /// The exact calls, in order.
    pub calls: Vec<PlannedCall>,
    /// Each option with its origin.
    pub options: Vec<ResolvedOption>,
    /// What changes, and what was decided on the way.
    pub changes: Vec<String>,
    /// What cannot be known beforehand.
    pub unknown: Vec<String>,
}

impl Plan {
    /// The plan as a caller reads it.
    #[must_use]
    pub(in crate::verb) fn shown_to(self, caller: &Caller) -> Self {
        if caller.may(Scope::Admin) {
            return self;
        }
        Self {
            calls: self.calls.into_iter().map(PlannedCall::withheld).collect(),
            options: self.options.into_iter().map(ResolvedOption::withheld).collect(),
            ..self
        }
    }

    /// The plan with its digest: SHA-256 over all the rest and what it is bound to (job version, code hash).
    #[must_use]
    pub fn sealed(mut self, bound_to: &str) -> Self {
        self.digest = String::new();
        let text = serde_json::to_string(&self).unwrap_or_default();
        self.digest = sha256_hex(format!("{bound_to}\n{text}").as_bytes());
        self
    }

    /// Refuses when the caller confirmed another plan.
    ///
    /// # Errors
    /// `failed_precondition` with reason `plan_changed`.
    pub fn confirm(&self, confirmed: Option<&str>) -> Result<(), Error> {
        if confirmed.is_none_or(|digest| digest == self.digest) {
            return Ok(());
        }
        Err(Error::precondition("plan_changed", "the plan you confirmed is not what would be done now")
            .suggest("make a new dry run, read it and send its digest"))
    }
}
