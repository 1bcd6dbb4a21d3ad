//! What a browser must read before it shows a page of another origin an answer.

use crate::{
    config::Config,
    effect::{Blob, Response},
    engine::HttpRequest,
};

const HEADERS: &str = "authorization, content-type, accept, idempotency-key, if-match, x-api-key, mcp-protocol-version, \
    mcp-method, mcp-name, mcp-session-id, last-event-id, mcp-trace-id, mcp-transaction-id, mcp-user-id, \
    x-mcp-connection-id, x-request-timeout";
const EXPOSED: &str = "etag, x-mcp-connection-id, x-request-id, mcp-session-id, www-authenticate";
/// Headers that repeat arguments of tools, whatever those are called.
const MIRRORED: &str = "mcp-param-";

/// Headers for the page that sent a request: of every answer to it, also of a stream of events, whose head a host sends
/// before the flow has ended. None where no page of another origin asked, or one that is not allowed.
pub fn cors(config: &Config, request: &HttpRequest) -> Vec<(String, String)> {
    let origin = request.header("origin").filter(|origin| allowed_origin(config, origin));
    let headers = origin.map(|origin| {
        [("access-control-allow-origin", origin), ("vary", "origin"), ("access-control-expose-headers", EXPOSED)]
    });
    headers.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn allowed_origin(config: &Config, origin: &str) -> bool {
    let mut allowed = config.auth.allowed_origins.iter();
    origin != "null" && allowed.any(|allowed| bare_origin(allowed).eq_ignore_ascii_case(bare_origin(origin)))
}

/// An origin without the port that its scheme has anyway: browsers leave it out, people may not.
pub fn bare_origin(origin: &str) -> &str {
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).unwrap_or(origin)
}

pub(super) fn preflight(asked: Option<&str>) -> Response {
    let named = asked.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
    let mirrored = named.filter(|name| name.starts_with(MIRRORED) && name.bytes().all(is_of_a_name));
    let allowed: Vec<String> = std::iter::once(HEADERS.to_owned()).chain(mirrored).collect();
    let headers = [
        ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS".to_owned()),
        ("access-control-allow-headers", allowed.join(", ")),
        ("access-control-max-age", "600".to_owned()),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Response { status: 204, headers, body: Blob::EMPTY }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_allowed_page_is_told_that_it_may_read() {
        let config = Config::from_json(&json!({"auth": {"allowed_origins": ["https://app.example"]}})).unwrap();
        let of = |origin: Option<&str>| {
            let headers = origin.map(|origin| ("origin".to_owned(), origin.to_owned())).into_iter().collect();
            cors(&config, &HttpRequest { headers, ..HttpRequest::default() })
        };
        assert_eq!((of(None), of(Some("https://evil.example")), of(Some("null"))), (vec![], vec![], vec![]));
        let told = of(Some("https://app.example:443"));
        assert_eq!(told[0], ("access-control-allow-origin".into(), "https://app.example:443".into()));
        assert_eq!(told.len(), 3);
    }
}
