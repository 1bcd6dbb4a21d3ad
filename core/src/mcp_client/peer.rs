//! Which era a server is of, and what it says about itself.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    failure::{self, UNSUPPORTED_VERSION},
    hear::{Heard, Wanted, is_refusal},
    link::Link,
    message::{self, Message},
    options::EraChoice,
    state::State,
    version::{LEGACY, MODERN, Peer, legacy},
};
use crate::{
    error::{Error, ErrorKind, Landed},
    text,
};

/// Silence behind a pipe after which a server is taken for one with a handshake.
const SILENCE: Duration = Duration::from_secs(5);

/// What a server made of `server/discover`.
enum Found {
    Modern(Value),
    /// It named other revisions, ours among them.
    Again,
    /// It has a handshake, and named this revision or none.
    Older(Option<&'static str>),
}

impl Link {
    /// The server; asked once for all calls of the connection.
    ///
    /// A network that fails says nothing about an era, and neither does a server that is busy or wants a token.
    pub(super) async fn peer(&self) -> Result<Arc<Peer>, Error> {
        let known = |state: &State| state.peer.clone();
        if let Some(peer) = known(&self.shared.state()) {
            return Ok(peer);
        }
        let connected = self.in_turn(|state| &mut state.connecting, known, Box::pin(self.connected())).await;
        if !connected.as_ref().is_err_and(Error::gave_up) {
            self.tell_untold().await?;
        }
        // Nothing of the call was sent yet.
        connected.map_err(|error| error.landed_as(Landed::No))
    }

    async fn connected(&self) -> Result<Arc<Peer>, Error> {
        let peer = match &self.options().era {
            EraChoice::Legacy(version) => {
                let known = legacy(version).ok_or_else(|| Error::invalid("unknown_version", "no such revision"))?;
                self.greet(known).await?
            }
            EraChoice::Auto | EraChoice::Modern => self.discover().await?,
        };
        let peer = Arc::new(peer);
        self.shared.state().peer = Some(Arc::clone(&peer));
        Ok(peer)
    }

    /// Makes the next call ask again, unless that was done since this one had its peer.
    pub(super) fn forget(&self, peer: &Peer) {
        let mut state = self.shared.state();
        if state.peer.as_deref().is_some_and(|known| std::ptr::eq(known, peer)) {
            state.forget_peer();
        }
    }

    async fn discover(&self) -> Result<Peer, Error> {
        let mut found = self.probe().await?;
        if matches!(found, Found::Again) {
            found = self.probe().await?;
        }
        match found {
            Found::Modern(said) => Ok(Peer { version: MODERN, session: None, paired: false, said }),
            Found::Older(version) if self.options().era == EraChoice::Auto => {
                self.greet(version.unwrap_or(LEGACY[0])).await
            }
            Found::Older(_) | Found::Again => {
                Err(Error::unsupported("no_common_version", "the server does not speak 2026-07-28"))
            }
        }
    }

    async fn probe(&self) -> Result<Found, Error> {
        let id = self.shared.state().next_id();
        let asked = message::modern(self.options(), id, "server/discover", &Map::new());
        let heard = match self.ask_peer(&asked, id).await {
            // Old servers behind pipes do not answer what comes before the handshake, or end on it.
            Err(error) if self.is_pipe() && is_silence(&error) => return Ok(Found::Older(None)),
            heard => heard?,
        };
        match heard {
            Heard::Message(status, answer) => read(status, answer),
            Heard::Else(response) if is_refusal(response.status) => Err(failure::refusal(&response)),
            Heard::Else(_) => Ok(Found::Older(None)),
        }
    }

    async fn ask_peer(&self, asked: &Message, id: u64) -> Result<Heard, Error> {
        let mut patience = self.patience();
        if self.is_pipe() {
            patience.shorten(self.io.now().mono, SILENCE);
        }
        let opened = self.post(asked).await?;
        self.hear(opened, Wanted { id, peer: None, patience }).await
    }

    /// The handshake.
    async fn greet(&self, version: &'static str) -> Result<Peer, Error> {
        let id = self.shared.state().next_id();
        let hello = message::initialize(self.options(), id, version);
        let patience = self.patience();
        let opened = self.post(&hello).await?;
        let session = opened
            .header("mcp-session-id")
            .filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
        let session = session.map(str::to_owned);
        let answer = match self.hear(opened, Wanted { id, peer: None, patience }).await? {
            Heard::Message(status, answer) => (status, failure::result(answer)),
            Heard::Else(response) if response.status == 200 => (200, Err(failure::no_answer())),
            Heard::Else(response) => (response.status, Err(failure::refusal(&response))),
        };
        let answer = match answer {
            (400 | 404 | 405, Err(refused)) => return self.paired_peer().await?.ok_or(refused),
            (_, answer) => answer?,
        };
        let peer = greeted(answer, session)?;
        self.notify(&message::notification(&peer, "notifications/initialized", None)).await?;
        Ok(peer)
    }

    /// Posts what is not answered.
    pub(super) async fn notify(&self, message: &Message) -> Result<(), Error> {
        let opened = self.post(message).await?;
        let status = opened.status;
        self.io.shut(opened.stream).await?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        Err(failure::refusal(&crate::effect::Response { status, headers: opened.headers, body: "".into() }))
    }
}

fn is_silence(error: &Error) -> bool {
    error.kind() == ErrorKind::DeadlineExceeded || error.reason() == "stream_lost"
}

fn read(status: u16, answer: Value) -> Result<Found, Error> {
    let code = failure::code(&answer);
    if code == Some(UNSUPPORTED_VERSION) {
        return other_version(&answer);
    }
    if failure::is_modern(status, code) {
        // It knows the revision and misses something else, which the call itself will be told of.
        return Ok(Found::Modern(json!({"protocolVersion": MODERN})));
    }
    let Ok(mut result) = failure::result(answer) else { return Ok(Found::Older(None)) };
    let Some(versions) = result.get("supportedVersions").and_then(Value::as_array) else {
        return Ok(Found::Older(None));
    };
    if !versions.iter().any(|version| version == MODERN) {
        return Ok(Found::Older(newest(versions)));
    }
    let server =
        result.get_mut("_meta").and_then(|meta| meta.get_mut("io.modelcontextprotocol/serverInfo")).map(Value::take);
    result.insert("protocolVersion".to_owned(), MODERN.into());
    if let Some(server) = server {
        result.insert("serverInfo".to_owned(), server);
    }
    Ok(Found::Modern(said(
        result,
        &["supportedVersions", "protocolVersion", "capabilities", "serverInfo", "instructions"],
    )))
}

/// A version that both sides have, from the error that names the server's.
fn other_version(answer: &Value) -> Result<Found, Error> {
    let supported = answer.get("error").and_then(|error| error.get("data")?.get("supported")?.as_array());
    let Some(supported) = supported else { return Ok(Found::Older(None)) };
    if supported.iter().any(|version| version == MODERN) {
        return Ok(Found::Again);
    }
    if let Some(version) = newest(supported) {
        return Ok(Found::Older(Some(version)));
    }
    let names: Vec<&str> = supported.iter().filter_map(Value::as_str).take(8).collect();
    Err(Error::unsupported("no_common_version", "the server speaks none of this client's revisions")
        .with("supported", text::clean_line(&names.join(", "), 200)))
}

fn newest(versions: &[Value]) -> Option<&'static str> {
    LEGACY.into_iter().find(|known| versions.iter().any(|version| version == known))
}

/// The server that answered a handshake.
pub(super) fn greeted(mut answer: Map<String, Value>, session: Option<String>) -> Result<Peer, Error> {
    let named = answer.get("protocolVersion").and_then(Value::as_str).ok_or_else(failure::no_answer)?;
    let version = legacy(named).ok_or_else(|| {
        Error::unsupported("no_common_version", "the server speaks none of this client's revisions")
            .with("supported", text::clean_line(named, 32))
    })?;
    answer.remove("_meta");
    Ok(Peer {
        version,
        session,
        paired: false,
        said: said(answer, &["protocolVersion", "capabilities", "serverInfo", "instructions"]),
    })
}

fn said(mut answer: Map<String, Value>, names: &[&str]) -> Value {
    answer.retain(|name, _| names.contains(&name.as_str()));
    Value::Object(answer)
}
