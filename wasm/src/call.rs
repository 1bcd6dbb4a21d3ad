//! The call as the page describes it.

use std::time::Duration;

use beam_mcp_core::{Call, Error, auth::Caller, call::Labels};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Who calls, until when, with which labels.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallForm {
    /// On the clock of the steps, in milliseconds; absent: none.
    deadline_ms: Option<u64>,
    labels: LabelsForm,
    /// Name for the audit.
    #[cfg(feature = "engine")]
    principal: Option<String>,
    /// Absent: a caller without any right.
    #[cfg(feature = "engine")]
    role: Option<beam_mcp_core::auth::Role>,
    /// Address; absent: the page itself.
    #[cfg(feature = "engine")]
    peer: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the names of the labels")]
struct LabelsForm {
    session_id: Option<String>,
    trace_id: Option<String>,
    transaction_id: Option<String>,
    user_id: Option<String>,
}

impl CallForm {
    /// The call, with the 32 random bytes the page drew for it.
    ///
    /// # Errors
    /// `misuse` for any other number of bytes.
    pub(crate) fn call(self, random: &[u8]) -> Result<Call, Error> {
        let random = random.try_into().map_err(|_| Error::misuse("a call needs 32 random bytes"))?;
        let deadline = self.deadline_ms.map_or(Duration::MAX, Duration::from_millis);
        let LabelsForm { session_id, trace_id, transaction_id, user_id } = self.labels;
        let call = Call::local(Caller::nobody(), deadline, random);
        #[cfg(feature = "engine")]
        let call = Call {
            caller: self.role.map_or_else(Caller::nobody, |role| {
                Caller::with_role(self.principal.as_deref().unwrap_or("page"), role)
            }),
            peer: self.peer.map_or(call.peer, beam_mcp_core::call::Peer::Remote),
            ..call
        };
        Ok(Call { labels: Labels { session_id, trace_id, transaction_id, user_id }, ..call })
    }
}

/// A value from JSON the page wrote.
///
/// # Errors
/// `misuse` that names what is wrong.
pub(crate) fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    // By way of a value, for the size: see `decode_reply` of the core.
    let value: Result<Value, _> = serde_json::from_slice(json.as_bytes());
    value.and_then(serde_json::from_value).map_err(|error| Error::misuse(format!("not a {what}: {error}")))
}
