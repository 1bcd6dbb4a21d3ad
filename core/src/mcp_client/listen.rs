//! News of a server, told to the application as they come.

use serde_json::{Map, Value, json};

use super::{
    exchange::Asked,
    failure,
    hear::{Events, Heard, Patience, Wanted, is_refusal},
    link::Link,
    message::{self, SUBSCRIPTION},
    version::Peer,
};
use crate::{
    effect::Response,
    error::{Error, ErrorKind, Landed},
    pace::Backoff,
};

impl Link {
    /// Tells the application the news it asks for until the server ends the subscription; one that broke is begun
    /// anew, and each begin is told (`notifications/subscriptions/acknowledged`): what changed in between is not.
    pub(super) async fn listen(&self, wanted: &Map<String, Value>) -> Result<Value, Error> {
        let backoff = Backoff { tries: self.options().max_retries.saturating_add(1), ..Backoff::READ };
        let seed = self.call.seed.child("listen");
        let mut failed = 0;
        loop {
            // A server that is away is not there to say who it is either.
            let ended = match self.peer().await {
                Ok(peer) => self.news_of(&peer, wanted, &mut failed).await,
                Err(error) => Err(error),
            };
            let error = match ended {
                Ok(end) => return Ok(end),
                Err(error) => error,
            };
            failed += 1;
            if error.gave_up() || error.retry() == crate::error::Retry::Never || failed > backoff.tries {
                return Err(error);
            }
            self.io.sleep(backoff.delay(failed + 1, &seed)).await?;
        }
    }

    async fn news_of(&self, peer: &Peer, wanted: &Map<String, Value>, failed: &mut u32) -> Result<Value, Error> {
        if peer.is_modern() {
            self.subscription(peer, wanted, failed).await
        } else if peer.paired {
            Box::pin(self.paired_news(wanted, failed)).await
        } else {
            self.session_news(peer, wanted, failed).await
        }
    }

    async fn subscription(&self, peer: &Peer, news: &Map<String, Value>, failed: &mut u32) -> Result<Value, Error> {
        let id = self.shared.state().next_id();
        let params = Map::from_iter([("notifications".to_owned(), Value::Object(news.clone()))]);
        let opened = self.post(&message::modern(self.options(), id, "subscriptions/listen", &params)).await?;
        if !self.is_stream(&opened) {
            return self.refused(opened, id, peer).await;
        }
        let mut events = Events::of(&opened);
        let mut wanted = Wanted { id, peer: Some(peer), patience: Patience::endless(self.call.deadline) };
        let ended = self.news(&mut events, &mut wanted, failed).await;
        self.leave(&events, &wanted, ended.as_ref().err()).await?;
        ended
    }

    async fn refused(&self, opened: crate::flow::Opened, id: u64, peer: &Peer) -> Result<Value, Error> {
        let patience = self.patience();
        match self.hear(opened, Wanted { id, peer: Some(peer), patience }).await? {
            Heard::Message(_, message) => failure::result(message).map(Value::Object),
            Heard::Else(response) => Err(failure::refusal(&response)),
        }
    }

    async fn news(&self, events: &mut Events, wanted: &mut Wanted<'_>, failed: &mut u32) -> Result<Value, Error> {
        loop {
            let Some(message) = self.next(events, wanted).await? else {
                return Err(failure::lost().landed_as(Landed::No));
            };
            if let Some(end) = cancelled(&message, wanted.id) {
                return Ok(end);
            }
            if message.get("method").is_some() && !self.is_of(&message, wanted.id) {
                // News of another stream, or of none: whoever mixes them up is not to be believed.
                return Err(failure::no_answer().with("sent", "news without the id of their subscription"));
            }
            *failed = 0;
            if let Some(answer) = self.take(message, wanted).await? {
                return failure::result(answer).map(Value::Object);
            }
        }
    }

    /// True for news that carry the id of their subscription, in its own type; behind a pipe also for those that carry
    /// none, which the host gives to whoever listens.
    fn is_of(&self, message: &Value, id: u64) -> bool {
        let tag = message.get("params").and_then(|params| params.get("_meta")?.get(SUBSCRIPTION));
        tag.map_or(self.is_pipe(), |tag| *tag == id)
    }

    /// The stream of a session's news, after the resources were subscribed to.
    async fn session_news(&self, peer: &Peer, news: &Map<String, Value>, failed: &mut u32) -> Result<Value, Error> {
        for uri in news.get("resourceSubscriptions").and_then(Value::as_array).into_iter().flatten() {
            let params = Map::from_iter([("uri".to_owned(), uri.clone())]);
            self.request(Asked::read("resources/subscribe", params)).await?;
        }
        let opened = self.get(&message::session_headers(peer), None).await?;
        if opened.status != 200 {
            self.io.shut(opened.stream).await?;
            return Err(self.no_news(peer, opened.status));
        }
        let mut events = Events::of(&opened);
        let ended = self.told_news(peer, news, &mut events, failed).await;
        let wanted = Wanted { id: 0, peer: None, patience: Patience::endless(self.call.deadline) };
        self.leave(&events, &wanted, ended.as_ref().err()).await?;
        ended
    }

    /// Why there is no stream of news: the session is over, the server is in trouble, or it has none.
    fn no_news(&self, peer: &Peer, status: u16) -> Error {
        if self.is_over(peer, status) {
            return failure::lost().landed_as(Landed::No);
        }
        if is_refusal(status) {
            return failure::refusal(&Response { status, headers: Vec::new(), body: "".into() });
        }
        Error::new(ErrorKind::Unsupported, "no_news", "the server tells no news")
            .with("status", status)
            .suggest("read the lists again from time to time")
    }

    /// Tells what comes on a stream of news until it ends, which is no end of the news.
    pub(super) async fn told_news(
        &self,
        peer: &Peer,
        news: &Map<String, Value>,
        events: &mut Events,
        failed: &mut u32,
    ) -> Result<Value, Error> {
        let told = json!({"notifications": news});
        self.shared.state().cache.told("notifications/subscriptions/acknowledged", &told);
        self.io.tell("notifications/subscriptions/acknowledged", told).await?;
        let mut wanted = Wanted { id: 0, peer: Some(peer), patience: Patience::endless(self.call.deadline) };
        while let Some(message) = self.next(events, &wanted).await? {
            *failed = 0;
            self.take(message, &mut wanted).await?;
        }
        Err(failure::lost().landed_as(Landed::No))
    }
}

/// Why a server cancels a subscription: how it ends one where all share a channel, whose answer may not come.
fn cancelled(message: &Value, id: u64) -> Option<Value> {
    let is_end = message.get("method").is_some_and(|method| *method == "notifications/cancelled");
    let params = message.get("params").filter(|_| is_end)?;
    let is_ours = params.get("requestId").is_some_and(|request| *request == id);
    is_ours.then(|| params.get("reason").map_or_else(|| json!({}), |reason| json!({"reason": reason})))
}
