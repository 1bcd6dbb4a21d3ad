use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Id, Version, wire};
use crate::{
    effect::Response,
    error::{Error, ErrorKind},
};

/// A JSON-RPC error with the HTTP status it travels under.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProtocolError {
    pub(super) code: i32,
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    pub(super) data: Option<Value>,
}

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;
/// Before 2026-07-28.
const NO_RESOURCE: i32 = -32002;
const HEADER_MISMATCH: i32 = -32020;
const MISSING_CAPABILITY: i32 = -32021;
const UNSUPPORTED_VERSION: i32 = -32022;

impl ProtocolError {
    fn new(code: i32, status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status, message: message.into(), data: None }
    }

    fn with(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The message is no JSON-RPC message of ours.
    pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_REQUEST, 400, message)
    }

    /// Nothing answers to this method.
    pub(super) fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, 404, "this server has no such method")
            .with(json!({"method": crate::text::clean_line(method, 128)}))
    }

    /// The handler refuses the parameters. Answered in-band: at status 400 a client of both eras would take this
    /// server for an older one and fall back to the handshake.
    pub(super) fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, 200, message)
    }

    /// A cursor that was not given out.
    pub(super) fn unknown_cursor() -> Self {
        Self::invalid_params("unknown `cursor`; list again from the first page")
    }

    /// The surface offers no such prompt.
    pub(super) fn no_prompt() -> Self {
        Self::invalid_params("unknown prompt; prompts/list names them all")
    }

    /// The surface offers no such template.
    pub(super) fn no_template() -> Self {
        Self::invalid_params("unknown template; resources/templates/list names them all")
    }

    /// A request state that was not given out to this caller for this request, or too long ago.
    pub(super) fn foreign_state() -> Self {
        Self::invalid_params("`requestState` was not given out by this server for this request; begin again without it")
    }

    /// There is no such resource for this caller.
    pub(super) fn no_resource(uri: &str, version: Version) -> Self {
        let code = if version.is_modern() { INVALID_PARAMS } else { NO_RESOURCE };
        Self::new(code, 200, "there is no such resource").with(json!({"uri": crate::text::clean_line(uri, 512)}))
    }

    /// `_meta` lacks what every request carries, or holds something of the wrong kind.
    pub(super) fn bad_meta(keys: &[&str]) -> Self {
        Self::new(INVALID_PARAMS, 400, format!("params._meta lacks a valid {}", keys.join(" and ")))
            .with(json!({"keys": keys}))
    }

    /// A header is missing, malformed, repeated, or says something else than the body.
    pub(super) fn header_mismatch(header: &str, problem: &str) -> Self {
        let header = crate::text::clean_line(header, 128);
        Self::new(HEADER_MISMATCH, 400, format!("the header {header} {problem}")).with(json!({"header": header}))
    }

    /// The tool needs something of the client that this request does not declare.
    pub(super) fn missing_capability(required: &Value) -> Self {
        Self::new(MISSING_CAPABILITY, 400, "the tool needs a capability that the request does not declare")
            .with(json!({"requiredCapabilities": required}))
    }

    /// The session ended, or is another caller's.
    pub(super) fn no_session() -> Self {
        Self::new(INVALID_REQUEST, 404, "there is no such session; begin again with initialize")
    }

    /// The revision of this request is not served per request.
    pub(super) fn unsupported_version(requested: &str) -> Self {
        Self::new(UNSUPPORTED_VERSION, 400, "this protocol version is not supported here").with(json!({
            "supported": [Version::V2026_07_28.as_str()],
            "requested": crate::text::clean_line(requested, 128),
        }))
    }

    /// A refusal of the HTTP request itself.
    pub(super) fn of_kind(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let door = kind.door();
        Self::new(door.json_rpc.unwrap_or(INVALID_REQUEST), door.http, message)
    }

    /// A body that [`crate::json::parse`] refused.
    pub(super) fn unreadable(error: &Error) -> Self {
        let refused = Self::of_kind(error.kind(), error.message().to_owned());
        if error.reason() == "json_syntax" { Self { code: PARSE_ERROR, ..refused } } else { refused }
    }

    /// An error of a tool that is not for the model to read.
    pub(super) fn of_tool(error: &Error) -> Self {
        let code = error.kind().door().json_rpc.unwrap_or(INTERNAL_ERROR);
        Self::new(code, 200, error.message().to_owned()).with(error.to_json())
    }

    /// An error of any other handler: what the client can mend is a matter of its parameters.
    pub(super) fn of_handler(error: &Error) -> Self {
        use ErrorKind as K;
        let mendable = matches!(
            error.kind(),
            K::InvalidArgument
                | K::NotFound
                | K::PermissionDenied
                | K::FailedPrecondition
                | K::Unsupported
                | K::Conflict
        );
        let of_tool = Self::of_tool(error);
        if mendable { Self { code: INVALID_PARAMS, ..of_tool } } else { of_tool }
    }

    /// The same as older revisions send it: errors of requests travel with status 200.
    pub(super) fn in_band(self) -> Self {
        Self { status: 200, ..self }
    }

    /// The message; without an id where that could not be read.
    pub(super) fn body(&self, id: Option<&Id>) -> Vec<u8> {
        wire::failure(id, self)
    }

    /// The HTTP answer.
    pub(super) fn response(&self, id: Option<&Id>) -> Response {
        wire::response(self.status, self.body(id))
    }
}
