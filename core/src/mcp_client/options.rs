use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// How a connection behaves.
///
/// # Shape
/// `{"url": "https://host/mcp"}` at least.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// URL of the endpoint; [`super::PIPE`] for a server behind a pipe.
    pub url: String,
    /// Which era the server is of.
    #[serde(default)]
    pub era: EraChoice,
    /// What the client says it is: `{name, version, …}`; `None`: this library.
    #[serde(default)]
    pub client_info: Option<Value>,
    /// What the application answers to: members `elicitation`, `sampling`, `roots`, `extensions`.
    #[serde(default)]
    pub capabilities: Map<String, Value>,
    /// Limit on one request in milliseconds; a progress notification of it begins the time anew.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// Limit on one request however much it progresses.
    #[serde(default = "longest_ms")]
    pub longest_ms: u64,
    /// Tries after the first, of requests that may be repeated.
    #[serde(default = "max_retries")]
    pub max_retries: u32,
    /// Largest message accepted, in bytes.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
    /// Most times one request may ask for input.
    #[serde(default = "max_rounds")]
    pub max_rounds: u32,
    /// How a token is had when the server wants one. `None`: the host's own credential is all there is.
    #[serde(default)]
    pub oauth: Option<OAuth>,
}

fn timeout_ms() -> u64 {
    30_000
}
fn longest_ms() -> u64 {
    600_000
}
fn max_retries() -> u32 {
    3
}
fn max_bytes() -> u64 {
    32 << 20
}
fn max_rounds() -> u32 {
    10
}

/// Which era a server is taken to be of.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraChoice {
    /// `server/discover` first, `initialize` where that is not understood.
    #[default]
    Auto,
    /// 2026-07-28 only.
    Modern,
    /// A handshake that asks for this revision.
    Legacy(String),
}

/// How the client gets its tokens.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// What stands behind the token.
    #[serde(default)]
    pub grant: Grant,
    /// Where the browser is sent back to: `https`, `http` on this machine, or a scheme of the application's own with a
    /// dot in it (`com.example.app:/cb`).
    #[serde(default)]
    pub redirect_uri: String,
    /// Shown to the person who consents.
    #[serde(default)]
    pub client_name: String,
    /// URL of the client's own metadata document, which is its id where the server takes such ids.
    #[serde(default)]
    pub client_metadata_url: Option<String>,
    /// Id of a client that was registered by hand.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The authorization server it was registered at; `None`: whichever the MCP server names.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Scopes to ask for besides those the server names.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl fmt::Debug for OAuth {
    /// Without the secret and the assertion in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OAuth").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What a token is given for.
#[derive(Clone, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person's consent, in a browser.
    #[default]
    AuthorizationCode,
    /// The client's own secret.
    ClientCredentials,
    /// A signed statement of somebody both sides trust (RFC 7523).
    JwtBearer {
        /// The statement.
        assertion: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_no_text() {
        let options = r#"{"url": "http://a", "oauth": {"client_secret": "hush", "grant": {"jwt_bearer": {"assertion": "hush"}}}}"#;
        let options: Options = serde_json::from_str(options).unwrap();
        assert!(!format!("{options:?}").contains("hush"));
        let connection = crate::mcp_client::Connection::new(options).unwrap();
        assert!(!format!("{connection:?}").contains("hush"));
    }
}
