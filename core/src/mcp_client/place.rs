use crate::{error::Error, text, url};

/// An absolute URL, cut where requests need it; neither half is rewritten.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// `https://host:port`, as it was written.
    pub(super) origin: String,
    /// Path and query; empty where the URL ends with its authority.
    pub(super) path: String,
}

impl Place {
    /// Cuts a URL.
    ///
    /// # Errors
    /// `invalid_argument` for anything but `http` and `https`, for user names, fragments and white space.
    pub(super) fn of(whole: &str) -> Result<Self, Error> {
        let refuse = || {
            let shown = text::clean_line(whole, 200);
            Error::invalid("bad_url", format!("`{shown}` is no http:// or https:// URL without user name and fragment"))
        };
        let plain = whole.len() <= 2048 && whole.bytes().all(|byte| byte.is_ascii_graphic()) && !whole.contains('#');
        let scheme = ["https://", "http://"].into_iter().find(|scheme| whole.starts_with(scheme)).ok_or_else(refuse)?;
        let rest = whole.strip_prefix(scheme).unwrap_or_default();
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or_else(refuse)?;
        if !plain || authority.is_empty() || authority.contains('@') || path.starts_with('\\') {
            return Err(refuse());
        }
        Ok(Self { origin: format!("{scheme}{authority}"), path: path.to_owned() })
    }

    /// The place of a server behind a pipe, which has none.
    pub(super) const fn pipe() -> Self {
        Self { origin: String::new(), path: String::new() }
    }

    pub(super) fn is_pipe(&self) -> bool {
        self.origin.is_empty()
    }

    /// The same for a URL that a server or its metadata named: what travels there must not be read on the way, and a
    /// server far away must not name this machine.
    ///
    /// # Errors
    /// `failed_precondition` for such a URL; as [`Place::of`].
    pub(super) fn named(whole: &str, by: &Self) -> Result<Self, Error> {
        let place = Self::of(whole)?;
        let near = url::is_loopback(&place.origin);
        if url::travels_in_the_clear(&place.origin) || (near && !url::is_loopback(&by.origin)) {
            let shown = text::clean_line(whole, 200);
            return Err(Error::precondition("unsafe_url", format!("the server named `{shown}`"))
                .suggest("only https:// is followed, and this machine only for servers on it"));
        }
        Ok(place)
    }

    /// The path, at least `/`.
    pub(super) fn request_path(&self) -> String {
        match self.path.chars().next() {
            None => "/".to_owned(),
            Some('/') => self.path.clone(),
            Some(_) => format!("/{}", self.path),
        }
    }

    /// The path without query and without a slash at its end.
    pub(super) fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default().trim_end_matches('/')
    }

    /// `origin` + `.well-known` + what it is about, before the path or, with an empty path, at the root.
    pub(super) fn well_known(&self, name: &str, path: &str) -> String {
        format!("{}/.well-known/{name}{path}", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near() -> Place {
        Place::of("http://localhost:1/mcp").unwrap()
    }

    #[test]
    fn urls_are_cut_and_not_rewritten() {
        for (url, origin, path, sent) in [
            ("http://localhost:1/mcp", "http://localhost:1", "/mcp", "/mcp"),
            ("https://a.example", "https://a.example", "", "/"),
            ("https://a.example/", "https://a.example", "/", "/"),
            ("https://a.example?x=1", "https://a.example", "?x=1", "/?x=1"),
            ("https://[::1]:9/a/b?c#".trim_end_matches('#'), "https://[::1]:9", "/a/b?c", "/a/b?c"),
        ] {
            let place = Place::of(url).unwrap();
            assert_eq!(
                (place.origin.as_str(), place.path.as_str(), place.request_path().as_str()),
                (origin, path, sent)
            );
        }
    }

    #[test]
    fn what_is_no_plain_url_is_refused() {
        for url in [
            "",
            "ftp://a",
            "//a",
            "http://",
            "http://u:p@a/",
            "http://a/#b",
            "http://a b",
            "javascript:1",
            "https://a\\@evil.example/",
            "https://ä.example",
        ] {
            assert!(Place::of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_named_url_is_as_safe_as_the_server_that_named_it() {
        let far = Place::of("https://far.example/mcp").unwrap();
        for (url, by, fine) in [
            ("https://as.example/token", &far, true),
            ("http://as.example/token", &far, false),
            ("http://127.0.0.1:9/token", &far, false),
            ("https://localhost/token", &far, false),
            ("http://127.0.0.1:9/token", &near(), true),
            ("http://as.example/token", &near(), false),
        ] {
            assert_eq!(Place::named(url, by).is_ok(), fine, "{url}");
        }
    }
}
