//! A person's consent, in a browser: PKCE (RFC 7636), the resource it is for (RFC 8707), who answers (RFC 9207).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Issuer, Link, OAuth, Place, Resource, client::Registered};
use crate::{
    error::{Error, ErrorKind},
    url,
};

/// What a consent gave.
pub(super) struct Consent {
    pub(super) code: String,
    pub(super) verifier: String,
    pub(super) redirect_uri: String,
}

impl Link {
    /// Asks the person.
    ///
    /// # Errors
    /// `permission_denied` when the answer is not that of the issuer, not to this question, or a refusal.
    pub(super) async fn consent(
        &self,
        oauth: &OAuth,
        resource: &Resource,
        issuer: &Issuer,
        client: &Registered,
        scopes: &[String],
    ) -> Result<Consent, Error> {
        let endpoint = issuer.authorization.as_deref().ok_or_else(|| {
            Error::precondition("authorization_metadata", "the authorization server names no page to consent on")
        })?;
        if oauth.redirect_uri.is_empty() {
            return Err(Error::precondition(
                "no_redirect_uri",
                "a sign-in has no place that the browser is sent back to",
            )
            .suggest("set redirect_uri, such as http://127.0.0.1:7777/callback"));
        }
        Place::named(endpoint, &self.shared.place)?;
        let number = self.shared.state().next_id();
        let fresh = |what: &str| URL_SAFE_NO_PAD.encode(self.call.seed.derive(&format!("oauth {what} {number}")));
        let (verifier, state) = (fresh("verifier"), fresh("state"));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let pairs = [
            ("response_type", Some("code".to_owned())),
            ("client_id", Some(client.id.clone())),
            ("redirect_uri", Some(oauth.redirect_uri.clone())),
            ("code_challenge", Some(challenge)),
            ("code_challenge_method", Some("S256".to_owned())),
            ("state", Some(state.clone())),
            ("resource", resource.name.clone()),
            ("scope", (!scopes.is_empty()).then(|| scopes.join(" "))),
        ];
        let query = url::query(pairs);
        let query = if endpoint.contains('?') { query.replacen('?', "&", 1) } else { query };
        let question = json!({"url": format!("{endpoint}{query}"), "redirect_uri": oauth.redirect_uri});
        let answer = self.io.ask("authorize", question).await?;
        let code = read(answer.as_str().unwrap_or_default(), &oauth.redirect_uri, &state, issuer)?;
        Ok(Consent { code, verifier, redirect_uri: oauth.redirect_uri.clone() })
    }
}

/// The code in the URL a browser was sent back to.
fn read(back: &str, redirect_uri: &str, state: &str, issuer: &Issuer) -> Result<String, Error> {
    let query = back.strip_prefix(redirect_uri).and_then(|rest| rest.strip_prefix(['?', '&']));
    let pairs = query.map(|query| query.split('#').next().unwrap_or_default()).and_then(url::pairs);
    let pairs = pairs.ok_or_else(|| denied("the browser was sent somewhere else"))?;
    let find = |name: &str| {
        let mut found = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        (found.next(), found.next())
    };
    if find("state") != (Some(state), None) {
        return Err(denied("the answer is not to this client's question"));
    }
    match find("iss") {
        (Some(iss), None) if iss == issuer.name => {}
        (None, _) if !issuer.names_itself => {}
        _ => return Err(denied("the answer is not from the authorization server that was asked")),
    }
    // What an error says is not shown: whoever made the answer up may have written it.
    if find("error").0.is_some() {
        return Err(denied("the authorization server or the person before it refused"));
    }
    match find("code") {
        (Some(code), None) if !code.is_empty() => Ok(code.to_owned()),
        _ => Err(denied("the answer has no code")),
    }
}

fn denied(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, "authorization", why).suggest("sign in again, and only where you meant to")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK: &str = "http://localhost:9/cb";

    fn issuer(names_itself: bool) -> Issuer {
        Issuer {
            name: "https://as.example".into(),
            authorization: None,
            token: String::new(),
            registration: None,
            scopes: Vec::new(),
            methods: None,
            takes_urls: false,
            names_itself,
        }
    }

    #[test]
    fn only_the_issuers_own_answer_to_this_question_is_taken() {
        const ISS: &str = "iss=https%3A%2F%2Fas.example";
        for (query, advertised, fine) in [
            (format!("?code=c&state=s&{ISS}"), true, true),
            (format!("?code=c&state=s&{ISS}"), false, true),
            ("?code=c&state=s".into(), false, true),
            ("?code=c&state=s".into(), true, false),
            (format!("?code=c&state=s&{ISS}%2F"), true, false),
            (format!("?code=c&state=s&{ISS}%2F"), false, false),
            ("?code=c&state=s&iss=https%3A%2F%2Fevil.example".into(), false, false),
            (format!("?code=c&state=s&{ISS}&{ISS}"), true, false),
            (format!("?code=c&state=x&{ISS}"), true, false),
            (format!("?code=c&{ISS}"), true, false),
            (format!("?code=c&state=s&state=s&{ISS}"), true, false),
            (format!("?error=access_denied&state=s&{ISS}"), true, false),
            (format!("?state=s&{ISS}"), true, false),
            (format!("?code=&state=s&{ISS}"), true, false),
            (".evil?code=c&state=s".into(), false, false),
        ] {
            let told = read(&format!("{BACK}{query}"), BACK, "s", &issuer(advertised));
            assert_eq!(told.is_ok(), fine, "{query}");
        }
        let told = read(&format!("{BACK}?error=x&error_description=call+me&state=s"), BACK, "s", &issuer(false));
        assert!(!told.unwrap_err().to_json().to_string().contains("call"));
    }
}
