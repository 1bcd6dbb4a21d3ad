//! How a token is had: what the server protects itself with, where its authorization server is, who this client is
//! there, and what stands behind the token.
//!
//! Documents come from addresses that others name: each is checked against the one that named it (the resource against
//! the server's URL, the issuer against the document's own address, the answer of the browser against the issuer),
//! byte for byte where the standards say so.

mod challenge;
mod client;
mod consent;
mod metadata;
mod redirect;
mod scope;
mod token;

use std::collections::BTreeMap;

pub(super) use challenge::Challenge;
use client::Registered;
use metadata::{Issuer, Resource};
pub(super) use redirect::check_redirect;
use serde_json::Value;
use token::Token;

use super::{
    failure,
    link::{Link, unanswered},
    options::{Grant, OAuth},
    place::Place,
    state::State,
    turn::Turns,
};
use crate::{
    effect::{Body, Method, Request, Response},
    error::Error,
};

/// Largest document of an authorization server.
const MOST_BYTES: u64 = 1 << 20;

/// What a connection holds of OAuth, by issuer: what one gave is never shown to another.
#[derive(Default)]
pub(super) struct Tokens {
    current: Option<Token>,
    clients: BTreeMap<String, Registered>,
    requested: BTreeMap<String, Vec<String>>,
    sign_in: Turns,
}

/// The header that shows the current token.
pub(super) fn bearer(tokens: &Tokens) -> Option<String> {
    tokens.current.as_ref().map(|token| format!("Bearer {}", token.access))
}

impl Link {
    /// Gets a token in the place of the one that was shown and refused.
    ///
    /// # Errors
    /// What the sign-in ended with, whichever call made it.
    pub(super) async fn signed_in(&self, challenge: &Challenge, shown: Option<&str>) -> Result<(), Error> {
        let is_another = |current: &String| Some(current.as_str()) != shown;
        let renewed = |state: &State| bearer(&state.tokens).filter(is_another).map(drop);
        self.in_turn(|state| &mut state.tokens.sign_in, renewed, self.authorize(challenge)).await
    }

    /// Gets a token that answers a challenge.
    ///
    /// # Errors
    /// What is wrong with the server's or the authorization server's documents; a person's refusal.
    async fn authorize(&self, challenge: &Challenge) -> Result<(), Error> {
        let Some(oauth) = self.options().oauth.clone() else { return Ok(()) };
        let resource = self.resource(challenge).await?;
        let issuer = self.issuer(&resource, &oauth).await?;
        if challenge.error.as_deref() != Some("insufficient_scope") && self.refreshed(&resource, &issuer).await? {
            return Ok(());
        }
        let scopes = self.scopes(challenge, &resource, &issuer, &oauth);
        let token = match &oauth.grant {
            Grant::AuthorizationCode => {
                let client = self.client(&issuer, &oauth).await?;
                let consent = self.consent(&oauth, &resource, &issuer, &client, &scopes).await?;
                self.exchanged(&resource, &issuer, &client, consent).await?
            }
            Grant::ClientCredentials | Grant::JwtBearer { .. } => {
                self.granted(&oauth, &resource, &issuer, &scopes).await?
            }
        };
        let mut state = self.shared.state();
        state.tokens.requested.insert(issuer.name, scopes);
        state.tokens.current = Some(token);
        state.cache.another_caller();
        Ok(())
    }

    /// The scopes to ask for: those of the challenge, else all the resource knows; with those asked for before when
    /// more are wanted.
    fn scopes(&self, challenge: &Challenge, resource: &Resource, issuer: &Issuer, oauth: &OAuth) -> Vec<String> {
        let state = self.shared.state();
        let before = state.tokens.requested.get(&issuer.name).map_or(&[][..], Vec::as_slice);
        let more = challenge.error.as_deref() == Some("insufficient_scope");
        let wanted = scope::Wanted {
            before: if more { before } else { &[] },
            challenged: challenge.scope.as_deref(),
            known: &resource.scopes,
            own: &oauth.scopes,
            offline: oauth.grant == Grant::AuthorizationCode
                && issuer.scopes.iter().any(|scope| scope == scope::OFFLINE),
        };
        scope::choose(&wanted)
    }

    /// Gets a document; `None` where there is none.
    async fn document(&self, url: &str) -> Result<Option<Value>, Error> {
        let response = self.fetched(Method::Get, url, &[], Body::Empty).await?;
        match response.status {
            200 => Ok(serde_json::from_slice(response.body.as_slice()).ok().filter(Value::is_object)),
            500.. => Err(failure::refusal(&response)),
            _ => Ok(None),
        }
    }

    /// Sends to an address that was named by the server or its metadata.
    async fn fetched(
        &self,
        method: Method,
        url: &str,
        headers: &[(String, String)],
        body: Body,
    ) -> Result<Response, Error> {
        let place = Place::named(url, &self.shared.place)?;
        let mut request = Request::new(super::SERVER, method, place.request_path());
        request.server = (place.origin != self.shared.place.origin).then_some(place.origin);
        request.headers.push(("accept".to_owned(), "application/json".to_owned()));
        request.headers.extend(headers.iter().cloned());
        (request.body, request.max_bytes) = (body, MOST_BYTES);
        self.io.send(self.limited(request)?).await.map_err(|error| unanswered(&error))
    }
}

/// Text of a member.
fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

/// Texts of a member that is a list.
fn texts(document: &Value, name: &str) -> Option<Vec<String>> {
    let list = document.get(name)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
