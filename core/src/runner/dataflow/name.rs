//! Names and labels: how a job of ours is known where Dataflow chooses the id.

use crate::job::id::is_token;

/// Label that holds our token.
pub(super) const LABEL: &str = "beam_mcp_job";
/// Longest part of a name that people chose.
const PREFIX_BYTES: usize = 40;

/// The name of a job on Dataflow: what people called it, in Dataflow's letters, and our token.
pub(super) fn job_name(name: &str, token: &str) -> String {
    let mut prefix = String::with_capacity(PREFIX_BYTES);
    for c in name.chars() {
        let letter = c.to_ascii_lowercase();
        if letter.is_ascii_lowercase() || (letter.is_ascii_digit() && !prefix.is_empty()) {
            prefix.push(letter);
        } else if !prefix.is_empty() && !prefix.ends_with('-') {
            prefix.push('-');
        }
        if prefix.len() == PREFIX_BYTES {
            break;
        }
    }
    let prefix = prefix.trim_end_matches('-');
    format!("{}-{token}", if prefix.is_empty() { "job" } else { prefix })
}

/// Our token at the end of a name.
pub(super) fn token_of_name(name: &str) -> Option<&str> {
    name.rsplit_once('-').map(|(_, end)| end).filter(|end| is_token(end))
}

/// True for a name Dataflow takes: `[a-z]([-a-z0-9]{0,1022}[a-z0-9])?`.
pub(super) fn is_job_name(name: &str) -> bool {
    name.len() <= 1024
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// True for the key and value of a label Google takes.
pub(super) fn is_label(key: &str, value: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.len() <= 63
        && value.len() <= 63
        && key.chars().chain(value.chars()).all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_one_that_dataflow_takes_and_leads_back_to_the_token() {
        let token = "0bea0000000000000000000000000001";
        for (given, prefix) in [
            ("word-count", "word-count"),
            ("Word Count.py", "word-count-py"),
            ("7 days", "days"),
            ("ÄÖÜ", "job"),
            ("--x--", "x"),
            (&"a".repeat(128), &"a".repeat(40)),
        ] {
            let name = job_name(given, token);
            assert_eq!(name, format!("{prefix}-{token}"));
            assert!(is_job_name(&name));
            assert_eq!(token_of_name(&name), Some(token));
        }
        assert_eq!(token_of_name("words-0bea"), None);
        assert!(!is_job_name("A") && !is_job_name("a-") && !is_job_name("1a") && !is_job_name(""));
    }

    #[test]
    fn labels_are_google_s() {
        assert!(is_label(LABEL, "0bea") && is_label("team", ""));
        assert!(!is_label("Team", "x") && !is_label("team", "X y") && !is_label("", "x") && !is_label("9", "x"));
    }
}
