//! One error type, and one table that says how each kind looks at every door.

mod kept;
mod kind;

pub use kept::Kept;
pub use kind::{Door, ErrorKind};

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{effect::Fault, random::Seed};

/// What went wrong, for whom, and what to do next.
///
/// `message` says what was wrong and what was expected; [`Error::suggestion`] says what to do next. Text that came
/// from a runner has been through [`crate::text::clean`] before it gets here.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    reason: Cow<'static, str>,
    suggestion: Cow<'static, str>,
    context: BTreeMap<Cow<'static, str>, String>,
    retry: Retry,
    landed: Landed,
}

/// Whether the same call may be made again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Repeating cannot help.
    #[default]
    Never,
    /// Repeating may help, after a back-off.
    Safe,
    /// Repeating may help, not before this time.
    After(Duration),
}

/// Whether the far side may have acted on the request that failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landed {
    /// It certainly did nothing.
    #[default]
    No,
    /// Nobody knows: look before sending again.
    Perhaps,
}

impl Error {
    /// An error of a kind; `reason` is a `snake_case` machine word.
    pub fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: "",
            message: message.into(),
            reason: reason.into(),
            suggestion: Cow::Borrowed(""),
            context: BTreeMap::new(),
            retry: kind.retry(),
            landed: Landed::No,
        }))
    }

    /// Bad input of the caller.
    pub fn invalid(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, reason, message)
    }

    /// Something named does not exist (or is not the caller's to see).
    pub fn not_found(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, reason, message)
    }

    /// The state of things does not allow it.
    pub fn precondition(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::FailedPrecondition, reason, message)
    }

    /// The runner or host has no such thing.
    pub fn unsupported(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, reason, message)
    }

    /// The contract between core and host was broken.
    pub fn misuse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misuse, "misuse", message)
    }

    /// The caller went away or the host stops.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled", "the call was cancelled before it ended")
    }

    /// Time ran out.
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DeadlineExceeded, "deadline", message)
    }

    /// An answer that is not what its reference promises.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MalformedResponse, "malformed_response", message)
    }

    /// No HTTP answer came.
    pub fn transport(fault: &Fault) -> Self {
        use crate::effect::FaultKind as F;
        let (kind, reason, message) = match fault.kind {
            F::Refused => (ErrorKind::Unavailable, "connection_refused", "nobody answers at the target's address"),
            F::Unreachable => (ErrorKind::Unavailable, "unreachable", "the target's address cannot be reached"),
            F::Tls => (ErrorKind::Unavailable, "tls", "the TLS handshake with the target failed"),
            F::Credential => (ErrorKind::Unavailable, "credential", "the credential for the target cannot be had"),
            F::UnknownTarget => (ErrorKind::Internal, "unknown_target", "the host has no endpoint for the target"),
            F::Source => (ErrorKind::Internal, "source", "the staged file could not be read"),
            F::Timeout => (ErrorKind::DeadlineExceeded, "timeout", "the target did not answer in time"),
            F::Reset => (ErrorKind::Unavailable, "connection_reset", "the target ended the connection early"),
            F::TooLarge => (ErrorKind::MalformedResponse, "response_too_large", "the target's answer is too large"),
        };
        let landed = if fault.kind.never_arrived() { Landed::No } else { Landed::Perhaps };
        let error = Self::new(kind, reason, message).landed_as(landed);
        if fault.detail.is_empty() { error } else { error.with("detail", &fault.detail) }
    }

    /// The same with the name of the operation that failed.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = operation;
        self
    }

    /// The same with what to do next.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<Cow<'static, str>>) -> Self {
        self.0.suggestion = suggestion.into();
        self
    }

    /// The same with one named fact.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.0.context.insert(key.into(), crate::text::clean(&value.to_string(), 512));
        self
    }

    /// The same with another retry class.
    #[must_use]
    pub fn retry_as(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same with another belief about whether the far side acted.
    #[must_use]
    pub fn landed_as(mut self, landed: Landed) -> Self {
        self.0.landed = landed;
        self
    }

    /// The same with a wait of 1 to 5 s where the caller may come again and nobody has said when: callers that were
    /// turned away together do not come back together (security-reliability.md 4.4).
    #[must_use]
    pub fn with_wait(self, seed: &Seed) -> Self {
        match (self.kind(), self.retry()) {
            (ErrorKind::RateLimited | ErrorKind::Unavailable, Retry::Safe) => self.retry_as(Retry::After(wait(seed))),
            _ => self,
        }
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
    /// What was being done, empty when unknown.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }
    /// What was wrong and what was expected.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// Machine word, finer than the kind.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
    /// What to do next; the kind's own advice where none was given.
    pub fn suggestion(&self) -> &str {
        if self.0.suggestion.is_empty() { self.0.kind.advice() } else { &self.0.suggestion }
    }
    /// Named facts.
    pub fn context(&self) -> &BTreeMap<Cow<'static, str>, String> {
        &self.0.context
    }
    /// Whether repeating the call may help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }
    /// Whether the far side may have acted.
    pub fn landed(&self) -> Landed {
        self.0.landed
    }
    /// True when the flow must end without another try: cancelled or past its deadline.
    pub fn gave_up(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Cancelled | ErrorKind::Misuse)
    }

    /// The error object of every envelope.
    ///
    /// # Shape
    /// `{code, message, details: {reason, suggestion, …context}, retryable, retry_after_ms?}`
    pub fn to_json(&self) -> serde_json::Value {
        let mut details = serde_json::Map::new();
        for (key, value) in &self.0.context {
            details.insert(key.clone().into_owned(), value.clone().into());
        }
        details.insert("reason".into(), self.reason().into());
        details.insert("suggestion".into(), self.suggestion().into());
        let mut object = serde_json::json!({
            "code": self.0.kind.code(),
            "message": self.0.message,
            "details": details,
            "retryable": self.0.retry != Retry::Never,
        });
        if let (Retry::After(delay), Some(map)) = (self.0.retry, object.as_object_mut()) {
            map.insert("retry_after_ms".into(), u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).into());
        }
        object
    }
}

/// 1 to 5 s.
pub fn wait(seed: &Seed) -> Duration {
    Duration::from_millis(1_000 + seed.below("retry after", 4_001))
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0.kind.code(), self.0.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::FaultKind;

    #[test]
    fn a_refused_connection_is_known_not_to_have_landed() {
        let refused = Error::transport(&Fault { kind: FaultKind::Refused, detail: String::new() });
        assert_eq!(
            (refused.kind(), refused.landed(), refused.retry()),
            (ErrorKind::Unavailable, Landed::No, Retry::Safe)
        );
        let timeout = Error::transport(&Fault { kind: FaultKind::Timeout, detail: String::new() });
        assert_eq!(timeout.landed(), Landed::Perhaps);
    }

    #[test]
    fn who_is_turned_away_is_told_when_to_come_again() {
        let seeds = (0..50).map(|number| Seed::new([number; 32]));
        let busy = Error::new(ErrorKind::Unavailable, "store", "no");
        let waits: Vec<_> = seeds.map(|seed| busy.clone().with_wait(&seed).retry()).collect();
        let told = |retry: &Retry| matches!(retry, Retry::After(wait) if (1..=5).contains(&wait.as_secs()));
        assert!(waits.iter().all(told) && waits.windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
        let said = Retry::After(Duration::from_secs(9));
        assert_eq!(busy.clone().retry_as(said).with_wait(&Seed::new([0; 32])).retry(), said);
        assert_eq!(busy.retry_as(Retry::Never).with_wait(&Seed::new([0; 32])).retry(), Retry::Never);
    }

    #[test]
    fn the_error_object_has_reason_and_suggestion() {
        let json = Error::invalid("bad_name", "no").with("field", "name").to_json();
        assert_eq!(json["code"], "invalid_argument");
        assert_eq!(json["details"]["reason"], "bad_name");
        assert_eq!(json["details"]["field"], "name");
        assert!(!json["details"]["suggestion"].as_str().unwrap().is_empty());
    }
}
