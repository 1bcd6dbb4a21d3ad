//! Tokens: for a code, for a refresh token, for the client itself, for a statement of somebody else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Grant, Issuer, Link, OAuth, Resource,
    client::{Registered, by_hand},
    consent::Consent,
    failure, text,
};
use crate::{
    effect::{Body, Method, Response},
    error::{Error, ErrorKind},
    text::clean_line,
    url,
};

/// A token, and what is needed to renew it.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) access: String,
    refresh: Option<String>,
    issuer: String,
    client: Option<Registered>,
}

/// The issuer says no, and would say it again.
const REFUSED: &str = "token_refused";
/// It says nothing that can be understood.
const NONE_GIVEN: &str = "no_token";

type Form = Vec<(String, String)>;

impl Link {
    /// Exchanges a code.
    pub(super) async fn exchanged(
        &self,
        resource: &Resource,
        issuer: &Issuer,
        client: &Registered,
        consent: Consent,
    ) -> Result<Token, Error> {
        let form = form([
            ("grant_type", Some("authorization_code")),
            ("code", Some(&consent.code)),
            ("redirect_uri", Some(&consent.redirect_uri)),
            ("code_verifier", Some(&consent.verifier)),
            ("resource", resource.name.as_deref()),
        ]);
        self.token(issuer, Some(client), form).await
    }

    /// A token without a person.
    pub(super) async fn granted(
        &self,
        oauth: &OAuth,
        resource: &Resource,
        issuer: &Issuer,
        scopes: &[String],
    ) -> Result<Token, Error> {
        let client = by_hand(issuer, oauth);
        let scope = scopes.join(" ");
        let (grant, assertion) = match &oauth.grant {
            Grant::JwtBearer { assertion } => ("urn:ietf:params:oauth:grant-type:jwt-bearer", Some(assertion.as_str())),
            Grant::AuthorizationCode | Grant::ClientCredentials => ("client_credentials", None),
        };
        if client.is_none() && assertion.is_none() {
            return Err(Error::precondition("not_registered", "this client has no id at the authorization server")
                .with("issuer", &issuer.name));
        }
        let form = form([
            ("grant_type", Some(grant)),
            ("assertion", assertion),
            ("resource", resource.name.as_deref()),
            ("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty())),
        ]);
        self.token(issuer, client.as_ref(), form).await
    }

    /// Renews the current token, where that can be tried; false where it can not.
    ///
    /// The refresh token is kept until it is replaced, or its issuer says that it is over.
    pub(super) async fn refreshed(&self, resource: &Resource, issuer: &Issuer) -> Result<bool, Error> {
        let had = self.shared.state().tokens.current.clone();
        let Some(old) = had.filter(|old| old.issuer == issuer.name) else { return Ok(false) };
        let (Some(refresh), Some(client)) = (old.refresh, old.client) else { return Ok(false) };
        let form = form([
            ("grant_type", Some("refresh_token")),
            ("refresh_token", Some(&refresh)),
            ("resource", resource.name.as_deref()),
        ]);
        match self.token(issuer, Some(&client), form).await {
            Ok(mut token) => {
                token.refresh = token.refresh.or(Some(refresh));
                self.shared.state().tokens.current = Some(token);
                Ok(true)
            }
            // A refresh token that has run out is the ordinary way to the sign-in page.
            Err(error) if error.reason() == REFUSED => {
                self.shared.state().tokens.current = None;
                Ok(false)
            }
            Err(error) if error.reason() == NONE_GIVEN => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn token(&self, issuer: &Issuer, client: Option<&Registered>, mut form: Form) -> Result<Token, Error> {
        let mut headers = Vec::new();
        if let Some(client) = client {
            prove(issuer, client, &mut form, &mut headers);
        }
        let response = self.fetched(Method::Post, &issuer.token, &headers, Body::Form(form)).await?;
        let document: Value = serde_json::from_slice(response.body.as_slice()).unwrap_or_default();
        let bearer = text(&document, "token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        match text(&document, "access_token").filter(|token| response.status == 200 && bearer && is_token(token)) {
            Some(access) => Ok(Token {
                access: access.to_owned(),
                refresh: text(&document, "refresh_token").map(str::to_owned),
                issuer: issuer.name.clone(),
                client: client.cloned(),
            }),
            None => Err(no_token(&response, &document).with("issuer", &issuer.name)),
        }
    }
}

/// Why there is no token: trouble of the moment, a final word about the grant or client, or an answer that is none.
fn no_token(response: &Response, document: &Value) -> Error {
    let why = text(document, "error");
    let (kind, reason) = match why {
        _ if matches!(response.status, 408 | 429 | 500..) => return failure::refusal(response),
        Some("server_error" | "slow_down" | "temporarily_unavailable") => (ErrorKind::Unavailable, "no_token_now"),
        Some(_) => (ErrorKind::PermissionDenied, REFUSED),
        None => (ErrorKind::PermissionDenied, NONE_GIVEN),
    };
    Error::new(kind, reason, "the authorization server gave no token")
        .with("status", response.status)
        .with("error", clean_line(why.unwrap_or("no bearer token"), 64))
}

/// How the client proves itself: as it was told at its registration, else as the issuer takes it.
fn prove(issuer: &Issuer, client: &Registered, form: &mut Form, headers: &mut Vec<(String, String)>) {
    let takes = |method: &str| issuer.methods.as_ref().is_none_or(|known| known.iter().any(|one| one == method));
    let offered = ["client_secret_basic", "client_secret_post", "none"].into_iter().find(|method| takes(method));
    let method = client.method.as_deref().or(offered).unwrap_or("none");
    match (method, &client.secret) {
        ("client_secret_basic", Some(secret)) => {
            let both = format!("{}:{}", url::encode(&client.id), url::encode(secret));
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(both))));
        }
        ("client_secret_post", Some(secret)) => {
            form.push(("client_id".to_owned(), client.id.clone()));
            form.push(("client_secret".to_owned(), secret.clone()));
        }
        _ => form.push(("client_id".to_owned(), client.id.clone())),
    }
}

fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Form {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// True for what a header can hold (RFC 6750, section 2.1, and what real servers give).
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= 16_384 && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issuer(methods: Option<&[&str]>) -> Issuer {
        Issuer {
            name: "https://as".into(),
            authorization: None,
            token: "https://as/token".into(),
            registration: None,
            scopes: Vec::new(),
            methods: methods.map(|list| list.iter().map(|one| (*one).to_owned()).collect()),
            takes_urls: false,
            names_itself: false,
        }
    }

    #[test]
    fn a_client_proves_itself_as_the_issuer_takes_it() {
        let client = |method: Option<&str>, secret: Option<&str>| Registered {
            id: "a:b".into(),
            secret: secret.map(str::to_owned),
            method: method.map(str::to_owned),
        };
        for (methods, client, want) in [
            (None, client(None, Some("s")), json!([[], [["authorization", "Basic YSUzQWI6cw=="]]])),
            (
                Some(&["client_secret_post"][..]),
                client(None, Some("s")),
                json!([[["client_id", "a:b"], ["client_secret", "s"]], []]),
            ),
            (Some(&["none"]), client(None, Some("s")), json!([[["client_id", "a:b"]], []])),
            (Some(&["client_secret_basic"]), client(Some("none"), None), json!([[["client_id", "a:b"]], []])),
        ] {
            let (mut form, mut headers) = (Vec::new(), Vec::new());
            prove(&issuer(methods), &client, &mut form, &mut headers);
            assert_eq!(json!([form, headers]), want);
        }
    }
}
