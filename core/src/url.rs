//! Paths and queries of outbound requests.

/// A path segment or query value, percent-encoded (RFC 3986: unreserved characters stay).
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// The text of a percent-encoded segment or value; `plus` reads `+` as a space. `None` for broken escapes or UTF-8.
pub fn decode(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The host of a URL, or of what follows its scheme, without brackets.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// True for an URL whose host is this machine.
pub fn is_loopback(url: &str) -> bool {
    let host = host(url);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// True for `http://` to anywhere but this machine.
pub fn travels_in_the_clear(url: &str) -> bool {
    url.starts_with("http://") && !is_loopback(url)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `?a=1&b=2` of the pairs that have a value; empty when none has.
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let parts: Vec<String> =
        pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", encode(&value?)))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// The pairs of a query string; `None` when one is broken.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(key, true)?, decode(value, true)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_in_the_clear_is_known() {
        for near in ["http://127.0.0.1:1", "http://localhost/x", "http://[::1]:8081", "https://flink.example"] {
            assert!(!travels_in_the_clear(near), "{near}");
        }
        for far in ["http://flink.example:8081", "http://10.0.0.1", "http://127.0.0.1.evil.example:1"] {
            assert!(travels_in_the_clear(far), "{far}");
        }
    }

    #[test]
    fn encoding_reads_back() {
        assert_eq!(encode("a b/ü"), "a%20b%2F%C3%BC");
        assert_eq!(decode("a%20b%2F%C3%BC", false).as_deref(), Some("a b/ü"));
        assert_eq!(decode("%zz", false), None);
        assert_eq!(query([("a", Some("1&2".into())), ("b", None)]), "?a=1%262");
        assert_eq!(pairs("a=1+2&b").unwrap(), [("a".into(), "1 2".into()), ("b".into(), String::new())]);
    }
}
