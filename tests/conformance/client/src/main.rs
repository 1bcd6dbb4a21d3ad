//! `beam-mcp-conformance-client URL`: the MCP client of the core, doing what a scenario of the suite wants.
//!
//! Only the script is made for the suite: the flows are those of the product. The suite names scenario, revision and
//! context in the environment; an error of the connection is exit code 1, which some scenarios ask for.

mod driver;
mod scenario;

use std::{env, process::ExitCode};

use serde_json::{Value, json};

/// What the suite told.
pub(crate) struct Given {
    pub(crate) url: String,
    pub(crate) scenario: String,
    version: String,
    pub(crate) context: Value,
}

impl Given {
    fn read() -> Option<Self> {
        let context = env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
        Some(Self {
            url: env::args().nth(1)?,
            scenario: env::var("MCP_CONFORMANCE_SCENARIO").ok()?,
            version: env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").unwrap_or_else(|_| "2026-07-28".to_owned()),
            context: serde_json::from_str(&context).unwrap_or_default(),
        })
    }

    /// The options of the connection.
    pub(crate) fn options(&self) -> Value {
        let era = if self.version == "2026-07-28" { json!("auto") } else { json!({"legacy": self.version}) };
        json!({"url": self.url, "era": era, "capabilities": {"elicitation": {}}, "oauth": self.oauth()})
    }

    fn oauth(&self) -> Value {
        let grant = match self.scenario.as_str() {
            "auth/client-credentials-basic" => json!("client_credentials"),
            "auth/wif-jwt-bearer" => json!({"jwt_bearer": {"assertion": self.context["valid_jwt"]}}),
            _ => json!("authorization_code"),
        };
        json!({
            "grant": grant,
            "redirect_uri": "http://localhost:8765/callback",
            "client_metadata_url": "https://conformance-test.local/client-metadata.json",
            "client_id": self.context["client_id"],
            "client_secret": self.context["client_secret"],
            "issuer": self.context["issuer"],
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(given) = Given::read() else {
        eprintln!("usage: MCP_CONFORMANCE_SCENARIO=NAME beam-mcp-conformance-client URL");
        return ExitCode::from(2);
    };
    match scenario::run(&given).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.to_json());
            ExitCode::FAILURE
        }
    }
}
