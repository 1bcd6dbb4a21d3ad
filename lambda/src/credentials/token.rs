//! Tokens that live for a time: from a file, from a program, from Google.

use std::{process::Stdio, time::Duration};

use beam_mcp_core::config::TokenSource;
use serde::Deserialize;

use super::{NoCredential, google, read_file, read_secret};

/// Longest a token is waited for.
const LIMIT: Duration = Duration::from_secs(10);
/// A file's token is read again this often: who keeps it there does not say how long it lives.
const OF_A_FILE: Duration = Duration::from_secs(60);
/// The same for what a program prints without saying how long it lives.
const OF_A_PROGRAM: Duration = Duration::from_secs(300);
/// Longest output of a program that is read.
const LONGEST: u64 = 64 << 10;

/// A token and how long it lives from now.
#[derive(PartialEq)]
pub(super) struct Token {
    pub(super) secret: String,
    pub(super) lives: Duration,
}

/// OAuth's answer, and what token programs print.
#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "token")]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Fetches a token.
///
/// # Errors
/// [`NoCredential`]: why there is none, without any part of a secret.
pub(super) async fn fetch(source: &TokenSource) -> Result<Token, NoCredential> {
    let fetching = async {
        match source {
            TokenSource::GoogleDefault => google::by_default().await,
            TokenSource::GoogleKey(place) => google::by_key(&read_secret(place).await?).await,
            TokenSource::GoogleMetadata(account) => google::by_metadata(account).await,
            TokenSource::Command(argv) => parse(&printed(argv).await?, OF_A_PROGRAM),
            TokenSource::File(path) => parse(&read_file(path).await?, OF_A_FILE),
        }
    };
    let limited = tokio::time::timeout(LIMIT, fetching).await;
    limited.unwrap_or(Err(NoCredential("its source did not give a token in time")))
}

/// Reads a token as plain text or as OAuth's JSON.
pub(super) fn parse(text: &str, lives: Duration) -> Result<Token, NoCredential> {
    let text = text.trim();
    if !text.starts_with('{') {
        return token(text.to_owned(), lives);
    }
    let answer: Answer = serde_json::from_str(text).map_err(|_| NoCredential("its source did not give a token"))?;
    token(answer.access_token, answer.expires_in.map_or(lives, Duration::from_secs))
}

fn token(secret: String, lives: Duration) -> Result<Token, NoCredential> {
    if secret.is_empty() || secret.contains(char::is_whitespace) {
        return Err(NoCredential("its source did not give a token"));
    }
    Ok(Token { secret, lives })
}

/// What a program prints; what it says elsewhere may hold secrets and is dropped.
async fn printed(argv: &[String]) -> Result<String, NoCredential> {
    use tokio::io::AsyncReadExt as _;
    let (program, arguments) = argv.split_first().ok_or(NoCredential("its program is not named"))?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|_| NoCredential("its program cannot be started"))?;
    let mut text = String::new();
    if let Some(output) = child.stdout.take() {
        let read = output.take(LONGEST).read_to_string(&mut text).await;
        read.map_err(|_| NoCredential("what its program prints cannot be read"))?;
    }
    match child.wait().await {
        Ok(status) if status.success() => Ok(text),
        _ => Err(NoCredential("its program failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str) -> TokenSource {
        TokenSource::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn a_program_prints_a_token_or_oauths_answer() {
        let plain = fetch(&command("echo tok-1")).await.ok().unwrap();
        assert_eq!((plain.secret.as_str(), plain.lives), ("tok-1", OF_A_PROGRAM));
        let answer = fetch(&command(r#"echo '{"access_token": "tok-2", "expires_in": 3599}'"#)).await.ok().unwrap();
        assert_eq!((answer.secret.as_str(), answer.lives.as_secs()), ("tok-2", 3599));
        for (script, reason) in [
            ("echo tok; exit 3", "its program failed"),
            ("echo two words", "its source did not give a token"),
            ("echo '{\"error\": \"no\"}'", "its source did not give a token"),
            (":", "its source did not give a token"),
        ] {
            assert_eq!(fetch(&command(script)).await.err(), Some(NoCredential(reason)), "{script}");
        }
        let missing = TokenSource::Command(vec!["/nonexistent/token".into()]);
        assert_eq!(fetch(&missing).await.err(), Some(NoCredential("its program cannot be started")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_given_up() {
        let hung = fetch(&command("sleep 600")).await;
        assert_eq!(hung.err(), Some(NoCredential("its source did not give a token in time")));
    }
}
