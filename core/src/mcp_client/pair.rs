//! The transport of 2024-11-05: a stream that names where to post, and answers what is posted there.
//!
//! Each call has a stream and a handshake of its own: nothing is shared, so nothing has to be kept open between calls.

use serde_json::{Map, Value};

use super::{
    exchange::Asked,
    failure,
    hear::{Events, Heard, Patience, Wanted},
    link::Link,
    message::{self, Message},
    peer::greeted,
    place::Place,
    version::Peer,
};
use crate::error::{Error, Landed};

/// The revision that this transport came with.
pub(super) const PAIRED: &str = "2024-11-05";

/// A stream under way, and the link that posts to its endpoint.
struct Pair {
    events: Events,
    link: Link,
}

impl Link {
    /// The server behind a pair of endpoints; `None` where the URL is no stream that names one.
    pub(super) async fn paired_peer(&self) -> Result<Option<Peer>, Error> {
        let Some(mut pair) = self.pair().await? else { return Ok(None) };
        let greeted = pair.greet().await;
        pair.leave(greeted).await.map(Some)
    }

    /// The answer to a request, on a stream of its own.
    pub(super) async fn paired(&self, message: &Message, id: u64) -> Result<Heard, Error> {
        let pair = self.pair().await.map_err(|error| error.landed_as(Landed::No))?;
        let mut pair = pair.ok_or_else(failure::no_answer)?;
        let answer = pair.ask(message, id, self.patience()).await;
        pair.leave(answer).await.map(|answer| Heard::Message(200, answer))
    }

    /// News of the server, on a stream of their own.
    pub(super) async fn paired_news(&self, news: &Map<String, Value>, failed: &mut u32) -> Result<Value, Error> {
        let mut pair = self.pair().await?.ok_or_else(failure::no_answer)?;
        let ended = pair.news(news, failed).await;
        pair.leave(ended).await
    }

    async fn pair(&self) -> Result<Option<Pair>, Error> {
        let opened = self.get(&[], None).await?;
        if !self.is_stream(&opened) {
            self.io.shut(opened.stream).await?;
            return Ok(None);
        }
        let mut events = Events::of(&opened);
        let wanted = Wanted { id: 0, peer: None, patience: self.patience() };
        let named = match self.event(&mut events, &wanted).await {
            Ok(event) => event.filter(|event| event.name.as_deref() == Some("endpoint")).map(|event| event.data),
            Err(error) => return self.leave(&events, &wanted, Some(&error)).await.and(Err(error)),
        };
        match named.and_then(|named| self.shared.place.joined(&named)) {
            Some(endpoint) => Ok(Some(Pair { events, link: Self { endpoint: Some(endpoint), ..self.clone() } })),
            None => self.leave(&events, &wanted, None).await.map(|()| None),
        }
    }
}

impl Pair {
    /// Ends the stream with what came of it.
    async fn leave<T>(self, ended: Result<T, Error>) -> Result<T, Error> {
        let wanted = Wanted { id: 0, peer: None, patience: Patience::endless(self.link.call.deadline) };
        self.link.leave(&self.events, &wanted, ended.as_ref().err()).await?;
        ended
    }

    async fn greet(&mut self) -> Result<Peer, Error> {
        let id = self.link.shared.state().next_id();
        let hello = message::initialize(self.link.options(), id, PAIRED);
        let answer = self.answer(&hello, Wanted { id, peer: None, patience: self.link.patience() }).await?;
        let peer = Peer { paired: true, ..greeted(failure::result(answer)?, None)? };
        self.link.notify(&message::notification(&peer, "notifications/initialized", None)).await?;
        Ok(peer)
    }

    /// The same for a call that nobody waits for.
    async fn greeted(&mut self) -> Result<Peer, Error> {
        let peer = self.greet().await?;
        self.link.tell_untold().await?;
        Ok(peer)
    }

    async fn ask(&mut self, message: &Message, id: u64, patience: Patience) -> Result<Value, Error> {
        let peer = self.greeted().await.map_err(|error| error.landed_as(Landed::No))?;
        self.answer(message, Wanted { id, peer: Some(&peer), patience }).await
    }

    async fn answer(&mut self, message: &Message, mut wanted: Wanted<'_>) -> Result<Value, Error> {
        self.link.notify(message).await?;
        let heard = self.link.hear_events(&mut self.events, &mut wanted).await;
        heard.map_err(|error| error.landed_as(Landed::Perhaps))
    }

    async fn news(&mut self, news: &Map<String, Value>, failed: &mut u32) -> Result<Value, Error> {
        let peer = self.greeted().await?;
        for uri in news.get("resourceSubscriptions").and_then(Value::as_array).into_iter().flatten() {
            let id = self.link.shared.state().next_id();
            let asked = Asked::read("resources/subscribe", Map::from_iter([("uri".to_owned(), uri.clone())]));
            let subscribe = message::legacy(&peer, id, &asked.method, &asked.params);
            let wanted = Wanted { id, peer: Some(&peer), patience: self.link.patience() };
            failure::result(self.answer(&subscribe, wanted).await?)?;
        }
        self.link.told_news(&peer, news, &mut self.events, failed).await
    }
}

impl Place {
    /// The path of an endpoint that a stream named; `None` for one on another origin.
    fn joined(&self, named: &str) -> Option<String> {
        let named = named.trim();
        if named.contains("://") {
            let place = Self::of(named).ok().filter(|place| place.origin == self.origin)?;
            return Some(place.request_path());
        }
        let plain = !named.is_empty() && !named.starts_with("//") && named.bytes().all(|byte| byte.is_ascii_graphic());
        match named.chars().next().filter(|_| plain)? {
            '/' => Some(named.to_owned()),
            '?' => Some(format!("{}{named}", self.bare_path())),
            _ => {
                let base = self.request_path();
                let folder = base.split('?').next()?.rsplit_once('/')?.0;
                Some(format!("{folder}/{named}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_on_the_server_that_names_it() {
        let place = Place::of("http://a.example/x/sse?y=1").unwrap();
        for (named, want) in [
            ("/messages?sessionId=1", Some("/messages?sessionId=1")),
            ("messages", Some("/x/messages")),
            ("http://a.example/m", Some("/m")),
            ("?s=1", Some("/x/sse?s=1")),
            ("http://b.example/m", None),
            ("https://a.example/m", None),
            ("//b.example/m", None),
            ("", None),
            ("/a b", None),
        ] {
            assert_eq!(place.joined(named).as_deref(), want, "{named}");
        }
    }
}
