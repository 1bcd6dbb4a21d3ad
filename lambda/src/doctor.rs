//! `beam-mcp-server doctor`: what the server would do, and whether its targets answer.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use beam_mcp_core::{
    Call,
    auth::{Caller, Role},
    config::{AuthConfig, CredentialRef, Target, TokenSource},
    engine::{Engine, Host},
    text::clean_line,
};
use serde_json::{Value, json};

use crate::{
    attendance::{Attendance, Purpose},
    driver::Driver,
    options::Options,
    random::random,
    setup::{Failure, Setup},
};

const LONGEST: Duration = Duration::from_secs(30);

/// Prints the effective posture and a probe of every target; no secret is read for it or shown.
///
/// # Errors
/// The configuration cannot be used, or a target does not answer.
pub async fn doctor(options: &Options, setup: &Setup) -> Result<(), Failure> {
    // Not in the server's own folder, where one may be running.
    let apart = Setup { folder: None, ..setup.clone() };
    let driver = Arc::new(apart.driver(true)?);
    let runners = probe(setup, &driver).await?;
    print!("{}\n{}", posture(options, setup)?, targets(setup, &runners));
    let silent = runners.iter().filter(|runner| runner["status"] != "AVAILABLE").count();
    match silent {
        0 => Ok(()),
        _ => Err(Failure::unavailable(format!("{silent} of {} targets cannot be used now", runners.len()))),
    }
}

async fn probe(setup: &Setup, driver: &Driver) -> Result<Vec<Value>, Failure> {
    let host = Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: Vec::new(),
        durable: setup.folder.is_some(),
        longest_wait_ms: 0,
        streams: false,
    };
    let failure = |error: beam_mcp_core::Error| Failure::config(error.message());
    let engine = Engine::new(setup.config.clone(), host).map_err(failure)?;
    let caller = Caller::with_role("doctor", Role::Viewer);
    let call = Call::local(caller, driver.clock.mono() + LONGEST, random().map_err(failure)?);
    let flow = engine.run("list_runners", json!({}), call);
    let found = driver.drive(flow, &Attendance::new(Purpose::Answer)).await.map_err(failure)?;
    Ok(found["runners"].as_array().cloned().unwrap_or_default())
}

fn posture(options: &Options, setup: &Setup) -> Result<String, Failure> {
    let config = &setup.config;
    let roots = setup.roots(true)?;
    let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    let server = &config.server;
    let kept = setup.folder.as_ref().map(|folder| format!("sqlite in {}", folder.display()));
    let store = kept.unwrap_or_else(|| "memory, gone at the end".into());
    let file = options.config.as_ref().map(|path| path.display().to_string());
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("config", file.or_else(|| std::env::var("BEAM_MCP_CONFIG").ok()).unwrap_or_else(|| "none".into())),
        ("listen", format!("{}:{}, at most {} connections", server.host, server.port, server.max_connections)),
        ("auth", auth(&config.auth)),
        ("hosts", list(&config.auth.allowed_hosts, "those of the address")),
        ("origins", list(&config.auth.allowed_origins, "none")),
        ("store", store),
        ("roots", roots.join(", ")),
        ("default", config.default_runner.clone().unwrap_or_else(|| "none: callers name a target".into())),
    ];
    Ok(rows.iter().fold(String::new(), |text, (name, value)| format!("{text}{name:<9}{value}\n")))
}

fn auth(auth: &AuthConfig) -> String {
    let tokens: Vec<_> =
        auth.tokens.iter().map(|token| format!("{} ({:?}, tenant {})", token.name, token.role, token.tenant)).collect();
    match (auth.enabled, tokens.is_empty()) {
        (Some(false), _) => "off: every caller may run jobs; loopback only unless --insecure".into(),
        (_, true) => "off while there are no tokens; loopback only unless --insecure".into(),
        (_, false) => format!("on, tokens: {}", tokens.join(", ")),
    }
}

fn list(words: &[String], none: &str) -> String {
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

fn targets(setup: &Setup, runners: &[Value]) -> String {
    let mut rows = vec![["TARGET", "RUNNER", "ENDPOINT", "CREDENTIAL", "STATE"].map(str::to_owned)];
    rows.extend(runners.iter().filter_map(|runner| {
        let target = setup.config.targets.get(runner["name"].as_str()?)?;
        let credential = target.credential.as_ref().map_or_else(|| "none".into(), credential);
        Some([target.name.clone(), target.runner.as_str().to_owned(), endpoint(target), credential, state(runner)])
    }));
    let mut text = table(&rows);
    for target in setup.config.targets.values().filter(|target| is_exposed(target)) {
        let _ = writeln!(
            text,
            "warning: target {} is plain HTTP to another machine, and whoever reaches it can run code there",
            target.name
        );
    }
    text
}

fn endpoint(target: &Target) -> String {
    target.url.clone().or_else(|| target.python.clone()).unwrap_or_else(|| "-".into())
}

/// The reference, which is no secret, and whether something is there.
fn credential(reference: &CredentialRef) -> String {
    let secret = match (&reference.secret, &reference.token) {
        (_, Some(TokenSource::GoogleKey(place))) | (Some(place), None) => place,
        (_, Some(token)) => return format!("token: {}", token.kind()),
        (None, None) => return "neither secret nor token".into(),
    };
    let found = match secret.split_once(':') {
        Some(("env", name)) => std::env::var_os(name).is_some_and(|value| !value.is_empty()),
        Some(("file", path)) => std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0),
        _ => return "neither env:NAME nor file:PATH".into(),
    };
    format!("{secret} ({})", if found { "set" } else { "missing" })
}

fn state(runner: &Value) -> String {
    let text = |value: &Value| value.as_str().map(|text| clean_line(text, 200)).unwrap_or_default();
    match runner["status"].as_str() {
        Some("AVAILABLE") => format!("ok {}", text(&runner["version"])),
        _ => format!("{}: {}", text(&runner["status"]).to_lowercase(), text(&runner["error"]["message"])),
    }
}

/// Plain HTTP to elsewhere without a credential or with one that travels in the clear (security-reliability.md T29).
fn is_exposed(target: &Target) -> bool {
    let authority = target.url.as_deref().and_then(|url| url.strip_prefix("http://")).unwrap_or_default();
    let host = authority.split('/').next().unwrap_or_default();
    let local = ["127.", "localhost", "[::1]"].iter().any(|prefix| host.starts_with(prefix));
    !host.is_empty() && !local
}

fn table(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3), 0];
    rows.iter().fold(String::new(), |mut text, row| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        text
    })
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::config::RunnerKind;

    use super::*;

    #[test]
    fn a_pasted_secret_is_not_shown() {
        let reference = CredentialRef { secret: Some("hunter2".into()), ..CredentialRef::default() };
        assert!(!credential(&reference).contains("hunter2"));
        let named = CredentialRef { secret: Some("env:BEAM_MCP_SURELY_UNSET".into()), ..reference };
        assert_eq!(credential(&named), "env:BEAM_MCP_SURELY_UNSET (missing)");
    }

    #[test]
    fn plain_http_elsewhere_is_told() {
        for (url, exposed) in
            [("http://127.0.0.1:8081", false), ("http://flink:8081", true), ("https://flink:8081", false)]
        {
            let mut target = Target::new("t", RunnerKind::Flink);
            target.url = Some(url.into());
            assert_eq!(is_exposed(&target), exposed, "{url}");
        }
    }
}
