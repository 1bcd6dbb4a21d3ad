use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::protocol_error::ProtocolError;
use crate::engine::HttpRequest;

/// The headers of a request, as the protocol reads them.
#[derive(Clone, Copy)]
pub(super) struct Headers<'a>(&'a [(String, String)]);

/// Header with the revision.
pub(super) const VERSION: &str = "MCP-Protocol-Version";

impl<'a> Headers<'a> {
    pub(super) fn of(request: &'a HttpRequest) -> Self {
        Self(&request.headers)
    }

    /// The value of a header without white space around it; `name` in lower case.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim_matches([' ', '\t']))
    }

    /// The revision the headers name.
    pub(super) fn version(self) -> Option<&'a str> {
        self.get("mcp-protocol-version")
    }

    /// Refuses a header that routes or repeats a parameter and is there twice: proxies and we might each believe
    /// another one.
    pub(super) fn check_single(self) -> Result<(), ProtocolError> {
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in self.0.iter().filter(|(name, _)| is_routing(name)) {
            if seen.contains(&name.as_str()) {
                return Err(ProtocolError::header_mismatch(name, "is there more than once"));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// Refuses headers that say something else than the body.
    pub(super) fn check_agreement(
        self,
        version: &str,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<(), ProtocolError> {
        agree(VERSION, self.version(), version)?;
        agree("Mcp-Method", self.get("mcp-method"), method)?;
        match name_key(method) {
            Some(key) => self.check_name(params.get(key).and_then(Value::as_str)),
            None => Ok(()),
        }
    }

    /// A body without a name is for the handler to refuse, unless a header names one.
    fn check_name(self, body: Option<&str>) -> Result<(), ProtocolError> {
        let refuse = |problem| Err(ProtocolError::header_mismatch("Mcp-Name", problem));
        match (self.get("mcp-name").map(decode), body) {
            (None, None) => Ok(()),
            (None, Some(_)) => refuse("is missing"),
            (Some(None), _) => refuse("is malformed"),
            (Some(Some(name)), Some(body)) if name == body => Ok(()),
            (Some(Some(_)), _) => refuse("differs from the body"),
        }
    }
}

fn is_routing(name: &str) -> bool {
    matches!(name, "mcp-protocol-version" | "mcp-method" | "mcp-name") || name.starts_with("mcp-param-")
}

fn agree(header: &str, value: Option<&str>, body: &str) -> Result<(), ProtocolError> {
    match value {
        Some(value) if value == body => Ok(()),
        Some(_) => Err(ProtocolError::header_mismatch(header, "differs from the body")),
        None => Err(ProtocolError::header_mismatch(header, "is missing")),
    }
}

/// The parameter that `Mcp-Name` repeats, for the methods that have one.
fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// What a header value stands for: itself, or the UTF-8 text between `=?base64?` and `?=`. `None` for characters that
/// no such header may hold and for base64 that is not canonical.
pub(super) fn decode(value: &str) -> Option<Cow<'_, str>> {
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match encoded {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok().map(Cow::Owned),
        None => value.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then_some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_decoded_and_anything_else_is_literal() {
        for (value, want) in [
            ("", Some("")),
            ("plain text", Some("plain text")),
            ("=?base64?w6k=?=", Some("é")),
            ("=?base64??=", Some("")),
            ("=?base64?w6k=", Some("=?base64?w6k=")),
            ("w6k=?=", Some("w6k=?=")),
            ("=?BASE64?w6k=?=", Some("=?BASE64?w6k=?=")),
            ("=?base64?=", Some("=?base64?=")),
            ("=?base64?w6k?=", None),
            ("=?base64?w6l=?=", None),
            ("=?base64?w-k=?=", None),
            ("=?base64?/w==?=", None),
            ("é", None),
            ("a\tb", None),
            ("a\u{7f}", None),
        ] {
            assert_eq!(decode(value).as_deref(), want, "{value}");
        }
    }
}
