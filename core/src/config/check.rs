use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{CredentialRef, StoreConfig, TokenSource};
use crate::error::Error;

pub(super) fn bad(path: &str, message: &str) -> Error {
    Error::invalid("bad_configuration", format!("configuration key `{path}`: {message}"))
        .suggest("correct the key; `beam-mcp-server doctor` shows what was read")
}

/// Reads a document; errors carry the path of the key and, for an unknown one, the nearest known key.
pub(super) fn read<T: DeserializeOwned>(document: &Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner().to_string());
        unknown_key(&path, &inner).unwrap_or_else(|| bad(&path, &inner))
    })
}

/// Reads serde's own sentence "unknown field `x`, expected one of `a`, `b`" (or "expected `a` or `b`").
fn unknown_key(path: &str, message: &str) -> Option<Error> {
    let mut names = message.strip_prefix("unknown field `")?.split('`').step_by(2);
    let unknown = names.next()?;
    let known: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let error =
        Error::invalid("unknown_key", format!("configuration key `{path}` is unknown")).with("known", known.join(", "));
    Some(match nearest(unknown, known.iter().copied()) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("use one of the known keys"),
    })
}

/// Checks the base URL of a server.
///
/// # Errors
/// `invalid_argument`, reason `bad_configuration`.
pub fn server(server: &str) -> Result<(), Error> {
    url("url", server)
}

pub(super) fn url(path: &str, url: &str) -> Result<(), Error> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.is_empty() || authority.contains(['@', ' ', '\\']) || url.contains(['?', '#']) {
        return Err(bad(path, "expected http://host:port or https://host:port, without user, query or fragment"));
    }
    Ok(())
}

/// Checks where a credential comes from; what is there is the host's to find out.
pub(super) fn credential(target: &str, credential: &CredentialRef) -> Result<(), Error> {
    let path = format!("{target}.credential");
    let token = match (&credential.secret, &credential.token) {
        (Some(_), None) => return Ok(()),
        (None, Some(token)) => token,
        (None, None) | (Some(_), Some(_)) => return Err(bad(&path, "one of `secret` and `token` is expected")),
    };
    let (fits, expected) = match token {
        TokenSource::GoogleDefault => (true, ""),
        TokenSource::GoogleKey(place) => (is_place(place), "env:NAME or file:PATH of the key"),
        TokenSource::GoogleMetadata(account) => (is_account(account), "an account of the machine, such as default"),
        TokenSource::Command(argv) => {
            (argv.first().is_some_and(|program| program.starts_with('/')), "the absolute path of a program first")
        }
        TokenSource::File(path) => (path.starts_with('/'), "an absolute path"),
    };
    if fits { Ok(()) } else { Err(bad(&format!("{path}.token.{}", token.kind()), &format!("expected {expected}"))) }
}

fn is_place(text: &str) -> bool {
    matches!(text.split_once(':'), Some(("env" | "file", rest)) if !rest.is_empty())
}

fn is_account(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
}

/// Checks the table, and that it is the only place for jobs.
pub(super) fn store(store: &StoreConfig) -> Result<(), Error> {
    let Some(table) = &store.dynamodb else { return Ok(()) };
    for (key, value) in [("store.kind", &store.kind), ("store.path", &store.path)] {
        if value.is_some() {
            return Err(bad(key, "jobs cannot be kept there and in `store.dynamodb` too"));
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !(3..=255).contains(&table.table.len()) || !table.table.chars().all(plain) {
        return Err(bad("store.dynamodb.table", "a table name is 3 to 255 of letters, digits, `_`, `.`, `-`"));
    }
    table.endpoint.as_deref().map_or(Ok(()), |endpoint| url("store.dynamodb.endpoint", endpoint))
}

/// Longest word that may be meant as another, in bytes: what is compared with hundreds of names comes from callers.
const LONGEST_WORD: usize = 128;

/// The known word with the smallest edit distance to `word`, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let limit = word.chars().count().max(4) / 2;
    known.into_iter().map(|other| (distance(word, other), other)).filter(|(d, _)| *d <= limit).min().map(|(_, w)| w)
}

/// How far a word is from a known one, where that is near enough to be a slip of the pen: one letter of six, two of ten.
/// A word that is the end of the other (`region_name`, `s3_region_name`) is another name.
pub fn slip(word: &str, known: &str) -> Option<usize> {
    let most = match word.chars().count() {
        0..6 => return None,
        6..10 => 1,
        10.. => 2,
    };
    if word.ends_with(known) || known.ends_with(word) || word.len().abs_diff(known.len()) > 4 * most {
        return None;
    }
    Some(distance(word, known)).filter(|distance| (1..=most).contains(distance))
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let left = next.last().copied().unwrap_or(0) + 1;
            next.push(left.min(at(j + 1) + 1).min(at(j) + usize::from(from != *to)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_longer_than_a_name_is_none() {
        let long = "e".repeat(1_000_000);
        assert_eq!((nearest(&long, ["elements"; 1_000]), slip(&long, "elements")), (None, None));
        assert_eq!(slip("elementts", "elements"), Some(1));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("ulr", "url"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("paralelism", ["name", "parallelism"]), Some("parallelism"));
        assert_eq!(nearest("zzz", ["name"]), None);
        assert_eq!(
            (slip("regio", "region"), slip("regionn", "region"), slip("region", "region")),
            (None, Some(1), None)
        );
        assert_eq!((slip("apiversion", "s3apiversion"), slip("paralelism", "parallelism")), (None, Some(1)));
    }
}
