use serde::{Deserialize, Serialize};

use super::Retry;

/// Kinds of error: stable, one row each in [`ErrorKind::door`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller's input is wrong.
    InvalidArgument,
    /// No or an unknown token.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// No such thing for this caller.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The answer's media type is not among those the caller accepts.
    NotAcceptable,
    /// Another write was first, or the key is used for something else.
    Conflict,
    /// An idempotency key was used for something else.
    IdempotencyKeyReused,
    /// The state of things does not allow it.
    FailedPrecondition,
    /// The body is too large.
    PayloadTooLarge,
    /// The body's media type is not understood.
    UnsupportedMediaType,
    /// The runner or host has no such thing.
    Unsupported,
    /// Too many calls.
    RateLimited,
    /// The caller went away.
    Cancelled,
    /// The runner's job failed.
    JobFailed,
    /// A runner answered something else than its reference promises.
    MalformedResponse,
    /// A runner, store or network is not there.
    Unavailable,
    /// Time ran out.
    DeadlineExceeded,
    /// A defect of ours.
    Internal,
    /// The contract between core and host was broken.
    Misuse,
}

/// How a kind looks at every door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Door {
    /// `error.code` of every envelope.
    pub code: &'static str,
    /// HTTP status.
    pub http: u16,
    /// JSON-RPC code of a protocol error; `None`: an MCP tool answers with `isError` instead.
    pub json_rpc: Option<i32>,
    /// Class of `beam_mcp_client`.
    pub python: &'static str,
    /// `name` of the JavaScript error.
    pub js: &'static str,
    /// Exit code of the command line (features.md F45).
    pub exit: u8,
}

/// Every kind, in table order.
const ALL: [ErrorKind; 20] = {
    use ErrorKind as K;
    [
        K::InvalidArgument,
        K::Unauthenticated,
        K::PermissionDenied,
        K::NotFound,
        K::MethodNotAllowed,
        K::NotAcceptable,
        K::Conflict,
        K::IdempotencyKeyReused,
        K::FailedPrecondition,
        K::PayloadTooLarge,
        K::UnsupportedMediaType,
        K::Unsupported,
        K::RateLimited,
        K::Cancelled,
        K::JobFailed,
        K::MalformedResponse,
        K::Unavailable,
        K::DeadlineExceeded,
        K::Internal,
        K::Misuse,
    ]
};

const fn row(
    code: &'static str,
    http: u16,
    json_rpc: Option<i32>,
    python: &'static str,
    js: &'static str,
    exit: u8,
) -> Door {
    Door { code, http, json_rpc, python, js, exit }
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &ALL;

    /// The row of the kind in the one table.
    pub const fn door(self) -> Door {
        match self {
            Self::InvalidArgument => row("invalid_argument", 400, None, "ValidationError", "InvalidArgument", 2),
            Self::Unauthenticated => row("unauthenticated", 401, None, "AuthError", "Unauthenticated", 4),
            Self::PermissionDenied => {
                row("permission_denied", 403, None, "PermissionDeniedError", "PermissionDenied", 4)
            }
            Self::NotFound => row("not_found", 404, None, "NotFoundError", "NotFound", 3),
            Self::MethodNotAllowed => row("method_not_allowed", 405, Some(-32601), "APIError", "MethodNotAllowed", 1),
            Self::NotAcceptable => row("not_acceptable", 406, Some(-32600), "APIError", "NotAcceptable", 1),
            Self::Conflict => row("conflict", 409, None, "ConflictError", "Conflict", 1),
            Self::IdempotencyKeyReused => {
                row("idempotency_key_reused", 422, None, "ConflictError", "IdempotencyKeyReused", 1)
            }
            Self::FailedPrecondition => {
                row("failed_precondition", 409, None, "FailedPreconditionError", "FailedPrecondition", 5)
            }
            Self::PayloadTooLarge => {
                row("payload_too_large", 413, Some(-32600), "ValidationError", "PayloadTooLarge", 2)
            }
            Self::UnsupportedMediaType => {
                row("unsupported_media_type", 415, Some(-32600), "APIError", "UnsupportedMediaType", 1)
            }
            Self::Unsupported => row("unsupported", 422, None, "UnsupportedError", "Unsupported", 6),
            Self::RateLimited => row("rate_limited", 429, None, "RateLimitError", "RateLimited", 1),
            Self::Cancelled => row("cancelled", 499, None, "CancelledError", "Cancelled", 1),
            Self::JobFailed => row("job_failed", 502, None, "JobFailedError", "JobFailed", 7),
            Self::MalformedResponse => row("malformed_response", 502, None, "APIError", "MalformedResponse", 1),
            Self::Unavailable => row("unavailable", 503, None, "UnavailableError", "Unavailable", 1),
            Self::DeadlineExceeded => row("deadline_exceeded", 504, None, "DeadlineError", "DeadlineExceeded", 124),
            Self::Internal => row("internal", 500, Some(-32603), "APIError", "Internal", 1),
            Self::Misuse => row("misuse", 500, Some(-32603), "MisuseError", "Misuse", 1),
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        self.door().code
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Retry class where nothing more is known.
    pub(super) const fn retry(self) -> Retry {
        match self {
            Self::RateLimited | Self::Unavailable | Self::DeadlineExceeded => Retry::Safe,
            _ => Retry::Never,
        }
    }

    /// What to do next where nothing more is known.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::InvalidArgument => "correct the named value and call again",
            Self::Unauthenticated => {
                "send `Authorization: Bearer <token>` or `X-API-Key` with a token the operator gave you"
            }
            Self::PermissionDenied => "ask the operator for a role that holds the named scope",
            Self::NotFound => "list what exists first, for instance with list_jobs or list_runners",
            Self::MethodNotAllowed => "use one of the methods in the Allow header",
            Self::NotAcceptable => "accept application/json (and text/event-stream on /mcp)",
            Self::Conflict => "read the current state and decide again",
            Self::IdempotencyKeyReused => "use a new key for a new call",
            Self::FailedPrecondition => "read the job with get_job and act on its state",
            Self::PayloadTooLarge => "send less; upload files through POST /api/v1/artifacts",
            Self::UnsupportedMediaType => "send application/json",
            Self::Unsupported => "list_runners shows what each target can do",
            Self::RateLimited => "wait for the time in Retry-After, then call again",
            Self::Cancelled => "call again",
            Self::JobFailed => "read the job's diagnostics and get_logs",
            Self::MalformedResponse => "check the runner's version and health with list_runners",
            Self::Unavailable => "check the target with list_runners and call again later",
            Self::DeadlineExceeded => "call again, or raise the time limit",
            Self::Internal => "report this with the request id",
            Self::Misuse => "report this: the host broke the contract of the core",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_distinct_word_that_reads_back() {
        for kind in ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
            assert!((400..600).contains(&kind.door().http));
        }
    }
}
