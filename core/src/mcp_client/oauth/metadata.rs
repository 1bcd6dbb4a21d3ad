//! Documents: what protects the server (RFC 9728), and where its authorization server is (RFC 8414, `OpenID` Connect).

use serde_json::Value;

use super::{super::options::EraChoice, Challenge, Grant, Link, OAuth, Place, text, texts};
use crate::error::Error;

/// What a server says of its own protection.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name for itself, as it is sent to authorization servers; `None` before 2025-06-18.
    pub(super) name: Option<String>,
    pub(super) issuers: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// What an authorization server says of itself.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) authorization: Option<String>,
    pub(super) token: String,
    pub(super) registration: Option<String>,
    pub(super) scopes: Vec<String>,
    /// How clients prove themselves at its token endpoint.
    pub(super) methods: Option<Vec<String>>,
    /// It takes the URL of a client's metadata for an id.
    pub(super) takes_urls: bool,
    /// It names itself in the answer of the browser.
    pub(super) names_itself: bool,
}

impl Link {
    /// The server's own metadata: where the challenge says, else beside its path, else at its root.
    ///
    /// # Errors
    /// `failed_precondition` when it is of another resource; `not_found` when there is none.
    pub(super) async fn resource(&self, challenge: &Challenge) -> Result<Resource, Error> {
        let place = &self.shared.place;
        let path = place.bare_path();
        let mut urls =
            vec![place.well_known("oauth-protected-resource", path), place.well_known("oauth-protected-resource", "")];
        if let Some(named) = &challenge.metadata {
            urls = vec![named.clone()];
        }
        urls.dedup();
        for url in &urls {
            if let Some(document) = self.document(url).await? {
                return read_resource(&document, place);
            }
        }
        if self.options().era == EraChoice::Legacy("2025-03-26".to_owned()) {
            // Then the server was its own authorization server.
            return Ok(Resource { name: None, issuers: vec![place.origin.clone()], scopes: Vec::new() });
        }
        Err(Error::not_found("no_resource_metadata", "the server wants a token and does not say from where")
            .suggest("give the connection a token that the server's operator gave you"))
    }

    /// The authorization server: the one the client was registered at, else the first the resource names.
    pub(super) async fn issuer(&self, resource: &Resource, oauth: &OAuth) -> Result<Issuer, Error> {
        let own = oauth.issuer.as_ref().filter(|own| resource.issuers.contains(own));
        let name = own.or_else(|| resource.issuers.first()).ok_or_else(|| wrong("names no authorization server"))?;
        let place = Place::named(name, &self.shared.place)?;
        for url in candidates(&place) {
            if let Some(document) = self.document(&url).await? {
                return read_issuer(&document, name, oauth);
            }
        }
        if resource.name.is_none() {
            return Ok(by_default(name));
        }
        Err(Error::not_found("no_issuer_metadata", "the authorization server does not describe itself")
            .with("issuer", name))
    }
}

/// Where an issuer's document may be: with its path behind the well-known name first.
fn candidates(issuer: &Place) -> Vec<String> {
    let path = issuer.bare_path();
    let mut urls =
        vec![issuer.well_known("oauth-authorization-server", path), issuer.well_known("openid-configuration", path)];
    if !path.is_empty() {
        urls.push(format!("{}{path}/.well-known/openid-configuration", issuer.origin));
    }
    urls
}

fn read_resource(document: &Value, place: &Place) -> Result<Resource, Error> {
    let resource = text(document, "resource").ok_or_else(|| wrong("does not say what it is about"))?;
    if !covers(resource, place) {
        return Err(wrong("is that of another server").with("resource", resource));
    }
    Ok(Resource {
        name: Some(resource.to_owned()),
        issuers: texts(document, "authorization_servers").unwrap_or_default(),
        scopes: texts(document, "scopes_supported").unwrap_or_default(),
    })
}

/// True for the server's own URL, and for one above it on the same origin.
fn covers(resource: &str, place: &Place) -> bool {
    let Ok(named) = Place::of(resource) else { return false };
    let (above, path) = (named.bare_path(), place.bare_path());
    let rest = path.strip_prefix(above);
    named.origin.eq_ignore_ascii_case(&place.origin)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read_issuer(document: &Value, name: &str, oauth: &OAuth) -> Result<Issuer, Error> {
    let issuer = text(document, "issuer").unwrap_or_default();
    if issuer != name {
        return Err(wrong("is that of another issuer").with("issuer", issuer).with("wanted", name));
    }
    let token = text(document, "token_endpoint").ok_or_else(|| wrong("names no token endpoint"))?;
    let flag = |name: &str| document.get(name).and_then(Value::as_bool).unwrap_or(false);
    let challenges = texts(document, "code_challenge_methods_supported").unwrap_or_default();
    if oauth.grant == Grant::AuthorizationCode && !challenges.iter().any(|method| method == "S256") {
        return Err(
            wrong("does not offer PKCE with S256").suggest("ask its operator for it: without it a code can be stolen")
        );
    }
    Ok(Issuer {
        name: issuer.to_owned(),
        authorization: text(document, "authorization_endpoint").map(str::to_owned),
        token: token.to_owned(),
        registration: text(document, "registration_endpoint").map(str::to_owned),
        scopes: texts(document, "scopes_supported").unwrap_or_default(),
        methods: texts(document, "token_endpoint_auth_methods_supported"),
        takes_urls: flag("client_id_metadata_document_supported"),
        names_itself: flag("authorization_response_iss_parameter_supported"),
    })
}

/// The endpoints of 2025-03-26 for a server that describes nothing.
fn by_default(origin: &str) -> Issuer {
    let at = |path: &str| format!("{origin}{path}");
    Issuer {
        name: origin.to_owned(),
        authorization: Some(at("/authorize")),
        token: at("/token"),
        registration: Some(at("/register")),
        scopes: Vec::new(),
        methods: None,
        takes_urls: false,
        names_itself: false,
    }
}

fn wrong(what: &str) -> Error {
    Error::precondition("authorization_metadata", format!("the metadata of the server's protection {what}"))
        .suggest("do not sign in there before the server's operator has explained it")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        Place::of("https://a.example/x/mcp").unwrap()
    }

    #[test]
    fn a_resource_is_the_server_or_above_it() {
        for (resource, fine) in [
            ("https://a.example/x/mcp", true),
            ("https://a.example/x/mcp/", true),
            ("https://a.example/x", true),
            ("https://a.example", true),
            ("https://a.example/x/m", false),
            ("https://a.example/y", false),
            ("http://a.example/x/mcp", false),
            ("https://a.example.evil/x/mcp", false),
            ("https://evil.example/mcp", false),
            ("nonsense", false),
        ] {
            assert_eq!(covers(resource, &place()), fine, "{resource}");
        }
    }

    #[test]
    fn an_issuer_is_looked_for_where_it_may_be() {
        let at = |url: &str| candidates(&Place::of(url).unwrap());
        assert_eq!(
            at("https://as.example/t"),
            [
                "https://as.example/.well-known/oauth-authorization-server/t",
                "https://as.example/.well-known/openid-configuration/t",
                "https://as.example/t/.well-known/openid-configuration",
            ]
        );
        assert_eq!(at("https://as.example").len(), 2);
        assert_eq!(at("https://as.example/"), at("https://as.example"));
    }

    #[test]
    fn an_issuer_is_itself_to_the_byte_and_offers_pkce() {
        let oauth: OAuth = serde_json::from_value(json!({})).unwrap();
        let document = |issuer: &str, methods: Value| json!({"issuer": issuer, "token_endpoint": "https://as/t", "code_challenge_methods_supported": methods});
        assert!(read_issuer(&document("https://as", json!(["S256"])), "https://as", &oauth).is_ok());
        assert!(read_issuer(&document("https://as/", json!(["S256"])), "https://as", &oauth).is_err());
        assert!(read_issuer(&document("https://as", json!(["plain"])), "https://as", &oauth).is_err());
        assert!(read_issuer(&json!({"issuer": "https://as", "token_endpoint": "t"}), "https://as", &oauth).is_err());
    }
}
