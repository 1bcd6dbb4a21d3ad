//! Who the client is at an authorization server: registered by hand, by the URL of its metadata, or by itself.

use serde_json::{Value, json};

use super::{Issuer, Link, OAuth, redirect::is_native, text};
use crate::{
    effect::{Body, Method},
    error::Error,
    text::clean_line,
};

/// A client as one issuer knows it.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) id: String,
    pub(super) secret: Option<String>,
    /// How it proves itself at the token endpoint, where the issuer has said.
    pub(super) method: Option<String>,
}

impl Link {
    /// The client at an issuer; what one issuer gave is never shown to another.
    pub(super) async fn client(&self, issuer: &Issuer, oauth: &OAuth) -> Result<Registered, Error> {
        if let Some(by_hand) = by_hand(issuer, oauth) {
            return Ok(by_hand);
        }
        if let Some(known) = self.shared.state().tokens.clients.get(&issuer.name).cloned() {
            return Ok(known);
        }
        if let (true, Some(url)) = (issuer.takes_urls, &oauth.client_metadata_url) {
            return Ok(Registered { id: url.clone(), secret: None, method: Some("none".to_owned()) });
        }
        let registered = self.register(issuer, oauth).await?;
        self.shared.state().tokens.clients.insert(issuer.name.clone(), registered.clone());
        Ok(registered)
    }

    /// Registers at an issuer (RFC 7591).
    async fn register(&self, issuer: &Issuer, oauth: &OAuth) -> Result<Registered, Error> {
        let endpoint = issuer.registration.as_ref().ok_or_else(|| {
            Error::precondition("not_registered", "this client is not known at the authorization server")
                .with("issuer", &issuer.name)
                .suggest("register it there by hand and give the connection its client_id")
        })?;
        let response = self.fetched(Method::Post, endpoint, &[], Body::Json(description(issuer, oauth))).await?;
        let document: Value = serde_json::from_slice(response.body.as_slice()).unwrap_or_default();
        let id = text(&document, "client_id").filter(|_| matches!(response.status, 200 | 201));
        let Some(id) = id else {
            let why = text(&document, "error").unwrap_or("no reason given");
            return Err(Error::precondition(
                "not_registered",
                "the authorization server refused to register this client",
            )
            .with("status", response.status)
            .with("error", clean_line(why, 64)));
        };
        Ok(Registered {
            id: id.to_owned(),
            secret: text(&document, "client_secret").map(str::to_owned),
            method: text(&document, "token_endpoint_auth_method").map(str::to_owned),
        })
    }
}

pub(super) fn by_hand(issuer: &Issuer, oauth: &OAuth) -> Option<Registered> {
    let at_home = oauth.issuer.as_ref().is_none_or(|home| *home == issuer.name);
    let id = oauth.client_id.clone().filter(|_| at_home)?;
    Some(Registered { id, secret: oauth.client_secret.clone(), method: None })
}

fn description(issuer: &Issuer, oauth: &OAuth) -> Value {
    let name = if oauth.client_name.is_empty() { "beam-mcp-client" } else { &oauth.client_name };
    let method = issuer.methods.as_ref().and_then(|known| {
        ["none", "client_secret_basic", "client_secret_post"]
            .into_iter()
            .find(|method| known.iter().any(|one| one == method))
    });
    json!({
        "client_name": name,
        "redirect_uris": [oauth.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method.unwrap_or("none"),
        "application_type": if is_native(&oauth.redirect_uri) { "native" } else { "web" },
    })
}
