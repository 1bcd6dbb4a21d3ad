use beam_mcp_core::{
    Error, ErrorKind,
    auth::{TokenEntry, bearer, find_token},
    engine::{HttpRequest, bare_origin},
};

/// Who may reach what the host answers itself, and who may fill its disk: the engine's own checks come after the body.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// `host:port` values accepted in `Host`; any when empty.
    pub authorities: Vec<String>,
    /// Origins accepted.
    pub origins: Vec<String>,
    /// Tokens accepted; one is needed when there are any.
    pub tokens: Vec<TokenEntry>,
    /// A token is needed even though there are none.
    pub closed: bool,
}

impl Gate {
    /// Lets a request through.
    ///
    /// # Errors
    /// `permission_denied` for an unknown `Host` or `Origin`, `unauthenticated` without a token.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Error> {
        let known = |host: &str| self.authorities.iter().any(|known| known.eq_ignore_ascii_case(host));
        if !self.authorities.is_empty() && !request.header("host").is_some_and(known) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "unknown_host",
                "the Host header names another server",
            ));
        }
        let allowed = |origin: &str| {
            let origin = bare_origin(origin);
            self.origins.iter().any(|known| bare_origin(known).eq_ignore_ascii_case(origin))
        };
        if !request.header("origin").is_none_or(allowed) {
            return Err(Error::new(ErrorKind::PermissionDenied, "unknown_origin", "the Origin is not allowed"));
        }
        if (self.tokens.is_empty() && !self.closed) || self.has_token(request) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Unauthenticated, "no_token", "a token of this server is needed"))
        }
    }

    fn has_token(&self, request: &HttpRequest) -> bool {
        let presented = request.header("authorization").and_then(bearer).or_else(|| request.header("x-api-key"));
        presented.is_some_and(|token| find_token(&self.tokens, token).is_some())
    }
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::{auth::Role, random::sha256_hex};

    use super::*;

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HttpRequest { headers, ..HttpRequest::default() }
    }

    #[test]
    fn host_origin_and_token_are_all_needed() {
        let token = TokenEntry {
            name: "ci".into(),
            sha256: sha256_hex(b"secret"),
            tenant: "default".into(),
            role: Role::Viewer,
        };
        let open = Gate { authorities: vec!["localhost:1".into()], ..Gate::default() };
        let shut = Gate { tokens: vec![token], ..open.clone() };
        let host = ("host", "LocalHost:1");
        for (gate, headers, outcome) in [
            (&open, vec![host], Ok(())),
            (&open, vec![], Err(403)),
            (&open, vec![("host", "evil.example:1")], Err(403)),
            (&open, vec![host, ("origin", "null")], Err(403)),
            (&shut, vec![host], Err(401)),
            (&shut, vec![host, ("authorization", "bearer secret")], Ok(())),
            (&shut, vec![host, ("authorization", "Basic secret")], Err(401)),
            (&shut, vec![host, ("x-api-key", "secret")], Ok(())),
            (&shut, vec![host, ("x-api-key", "Secret")], Err(401)),
            (&Gate { closed: true, ..open.clone() }, vec![host], Err(401)),
        ] {
            let status = gate.check(&request(&headers)).map_err(|error| error.kind().door().http);
            assert_eq!(status, outcome, "{headers:?}");
        }
    }
}
