use crate::flow::Opened;

/// What `WWW-Authenticate: Bearer …` says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in super::super) struct Challenge {
    /// Where the resource's metadata is.
    pub(super) metadata: Option<String>,
    /// Scopes of what was refused.
    pub(in super::super) scope: Option<String>,
    /// `invalid_token`, `insufficient_scope`, …
    pub(in super::super) error: Option<String>,
}

impl Challenge {
    /// The Bearer challenge of an answer; empty where it has none.
    pub(in super::super) fn of(opened: &Opened) -> Self {
        let mut headers = opened.headers.iter().filter(|(name, _)| name == "www-authenticate");
        headers.find_map(|(_, value)| Self::read(value)).unwrap_or_default()
    }

    /// Reads a header that may hold challenges of several schemes (RFC 9110, section 11.6.1).
    fn read(value: &str) -> Option<Self> {
        let (mut found, mut within) = (None::<Self>, false);
        for (name, value) in parts(value) {
            match value {
                None => within = found.is_none() && name.eq_ignore_ascii_case("bearer"),
                Some(value) if within => found.get_or_insert_default().put(&name, value),
                Some(_) => {}
            }
            if within {
                found.get_or_insert_default();
            }
        }
        found
    }

    fn put(&mut self, name: &str, value: String) {
        let place = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut self.metadata,
            "scope" => &mut self.scope,
            "error" => &mut self.error,
            _ => return,
        };
        place.get_or_insert(value);
    }
}

/// Schemes (without a value) and parameters, in their order.
fn parts(header: &str) -> Vec<(String, Option<String>)> {
    let mut parts = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let trimmed = after.trim_start_matches([' ', '\t']);
        if let Some(after) = trimmed.strip_prefix('=') {
            let (value, after) = value(after.trim_start_matches([' ', '\t']));
            parts.push((name.to_owned(), Some(value)));
            rest = after;
        } else {
            parts.push((name.to_owned(), None));
            rest = after;
        }
        let next = rest.trim_start_matches([' ', '\t', ',', '=']);
        // A character that belongs nowhere is passed over.
        rest = if next.len() == rest.len() && end == 0 { rest.get(1..).unwrap_or_default() } else { next };
    }
    parts
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return (value.to_owned(), rest);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (index, character) in quoted.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, quoted.get(index + 1..).unwrap_or_default()),
            other => {
                value.push(other);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(Option<String>, Option<String>, Option<String>)> {
        Challenge::read(header).map(|challenge| (challenge.metadata, challenge.scope, challenge.error))
    }

    #[test]
    fn bearer_is_found_however_it_is_written() {
        let some = |text: &str| Some(text.to_owned());
        for (header, want) in [
            ("Bearer", Some((None, None, None))),
            ("bearer scope=\"a b\", error=insufficient_scope", Some((None, some("a b"), some("insufficient_scope")))),
            ("Bearer resource_metadata=\"https://a/x?y=1,2\"", Some((some("https://a/x?y=1,2"), None, None))),
            ("Basic realm=\"a, Bearer b\", Bearer scope = \"x\"", Some((None, some("x"), None))),
            ("Bearer error=\"e\", Basic scope=\"y\"", Some((None, None, some("e")))),
            ("Bearer scope=\"a \\\"b\\\"\"", Some((None, some("a \"b\""), None))),
            ("Bearer scope=\"open", Some((None, some("open"), None))),
            ("Bearer =,==\"", None),
            ("Negotiate abc==", None),
            ("", None),
        ] {
            assert_eq!(read(header), want, "{header}");
        }
    }
}
