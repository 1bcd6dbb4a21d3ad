/// The scope that stands for a refresh token.
pub(super) const OFFLINE: &str = "offline_access";

/// What is known about the scopes to ask for.
pub(super) struct Wanted<'a> {
    /// Those asked for before, when more are wanted.
    pub(super) before: &'a [String],
    /// Those of the challenge.
    pub(super) challenged: Option<&'a str>,
    /// All the resource knows.
    pub(super) known: &'a [String],
    /// The application's own.
    pub(super) own: &'a [String],
    /// The authorization server gives refresh tokens for [`OFFLINE`].
    pub(super) offline: bool,
}

/// The scopes to ask for, each once; none leaves the choice to the authorization server.
pub(super) fn choose(wanted: &Wanted<'_>) -> Vec<String> {
    let challenged: Vec<&str> = wanted.challenged.unwrap_or_default().split_ascii_whitespace().collect();
    let named: Vec<&str> =
        if challenged.is_empty() { wanted.known.iter().map(String::as_str).collect() } else { challenged };
    let before = wanted.before.iter().map(String::as_str);
    let own = wanted.own.iter().map(String::as_str);
    let mut chosen: Vec<String> = Vec::new();
    for scope in before.chain(named).chain(own).chain(wanted.offline.then_some(OFFLINE)) {
        if !chosen.iter().any(|known| known == scope) {
            chosen.push(scope.to_owned());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_come_from_the_challenge_first() {
        let list = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (before, challenged, known, offline, want) in [
            ("", Some("a b"), "x y", false, "a b"),
            ("", None, "x y", false, "x y"),
            ("", Some(" "), "x", false, "x"),
            ("", None, "", false, ""),
            ("a", Some("b"), "x", false, "a b"),
            ("a b", Some("b"), "", false, "a b"),
            ("", Some("a"), "", true, "a offline_access"),
        ] {
            let (before, known) = (list(before), list(known));
            let wanted = Wanted { before: &before, challenged, known: &known, own: &[], offline };
            assert_eq!(choose(&wanted), list(want), "{before:?} {challenged:?}");
        }
    }
}
