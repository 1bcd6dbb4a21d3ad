//! Where a browser may be sent back to: a code comes there, which nobody on the way may read.
//!
//! # Source
//! MCP authorization, communication security: this machine or `https`. RFC 8252, section 7.1: the scheme of an application
//! that has neither, which the text of MCP leaves out.

use super::{Grant, OAuth, Place};
use crate::{error::Error, text, url};

/// Holds the redirect URI of a consent against what is safe. Without one there is no consent, and none may be needed.
///
/// # Errors
/// `invalid_argument` for one that is neither `https`, nor `http` on this machine, nor of an application's own scheme.
pub(in crate::mcp_client) fn check_redirect(oauth: &OAuth) -> Result<(), Error> {
    let uri = &oauth.redirect_uri;
    if oauth.grant != Grant::AuthorizationCode || uri.is_empty() || is_safe(uri) {
        return Ok(());
    }
    let shown = text::clean_line(uri, 200);
    let why = format!("`{shown}` is no redirect_uri that a code may be sent to");
    Err(Error::invalid("bad_redirect_uri", why).suggest(
        "take https://, http:// on this machine (http://127.0.0.1:7777/callback), or a scheme of the application's own \
         with a dot in it (com.example.app:/callback)",
    ))
}

/// True for a client that runs at its user's, as authorization servers tell clients apart (`OpenID` registration).
pub(super) fn is_native(uri: &str) -> bool {
    url::is_loopback(uri) || !uri.starts_with("https://")
}

fn is_safe(uri: &str) -> bool {
    match Place::of(uri) {
        Ok(place) => !url::travels_in_the_clear(&place.origin),
        Err(_) => is_of_an_application(uri),
    }
}

/// True for a private-use scheme. The slash tells it from a host and its port.
fn is_of_an_application(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(":/") else { return false };
    let plain = uri.len() <= 2048 && uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    plain && is_scheme && scheme.contains('.')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{error::ErrorKind, mcp_client::Connection};

    fn connection(oauth: &Value) -> Result<Connection, Error> {
        Connection::new(serde_json::from_value(json!({"url": "https://a.example/mcp", "oauth": oauth})).unwrap())
    }

    #[test]
    fn a_code_goes_where_only_its_client_reads_it() {
        for uri in [
            "http://localhost/cb",
            "http://localhost:7/cb",
            "http://127.0.0.1:7/cb?x=1",
            "http://[::1]:7/cb",
            "https://app.example/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert!(connection(&json!({"redirect_uri": uri})).is_ok(), "{uri}");
        }
        for uri in [
            "http://far.example/cb",
            "http://10.0.0.1/cb",
            "http://localhost.far.example/cb",
            "http://localhost:80@far.example/cb",
            "http://127.0.0.1@far.example/cb",
            "https://app.example/cb#x",
            "HTTP://far.example/cb",
            "//localhost/cb",
            "far.example:80/cb",
            "app:/cb",
            "javascript:/x.y",
            "data:text/html,a.b:/",
            "com.example.app:/c b",
            "com.example.app:/cb#x",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            let error = connection(&json!({"redirect_uri": uri})).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, "bad_redirect_uri"), "{uri}");
            assert!(error.suggestion().contains("127.0.0.1"), "{uri}");
        }
    }

    #[test]
    fn without_a_browser_there_is_nowhere_to_be_sent_back_to() {
        assert!(connection(&json!({})).is_ok());
        assert!(connection(&json!({"grant": "client_credentials"})).is_ok());
        assert!(connection(&json!({"grant": {"jwt_bearer": {"assertion": "a"}}})).is_ok());
    }

    #[test]
    fn an_application_is_known_from_a_web_site() {
        for (uri, native) in
            [("http://localhost:7/cb", true), ("com.example.app:/cb", true), ("https://app.example/cb", false)]
        {
            assert_eq!(is_native(uri), native, "{uri}");
        }
    }
}
