//! A request and its result: repeated where it may be, answered where it asks, corrected where the server says how.

use serde_json::{Map, Value};

use super::{
    cache::Epoch,
    failure::{self, HEADER_MISMATCH, UNSUPPORTED_VERSION},
    hear::{Heard, Wanted, is_refusal},
    link::Link,
    message, mirror,
    version::Peer,
};
use crate::{
    error::{Error, Landed},
    pace::Backoff,
    random::Branch,
    retry::retry_while,
};

/// A request of the application.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
    /// It changes nothing, or is known by a key: it may be sent again although it may have arrived.
    pub(super) repeatable: bool,
    /// The application wants to hear of its progress.
    pub(super) progress: bool,
    /// It asks although an earlier result still holds.
    pub(super) fresh: bool,
}

impl Asked {
    pub(super) fn read(method: &str, params: Map<String, Value>) -> Self {
        Self { method: method.to_owned(), params, repeatable: true, progress: false, fresh: false }
    }
}

/// The methods whose results may ask for input.
fn may_ask(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

impl Link {
    /// The result of a request; what it asks for in between is answered by the application.
    ///
    /// # Errors
    /// What the server says; `failed_precondition` when it never stops asking.
    pub(super) async fn request(&self, asked: Asked) -> Result<Map<String, Value>, Error> {
        let now = self.io.now().mono;
        let kept = self.shared.state().cache.get(&asked.method, &asked.params, now).filter(|_| !asked.fresh);
        match kept {
            Some(result) => Ok(result),
            None => self.rounds(asked).await,
        }
    }

    async fn rounds(&self, asked: Asked) -> Result<Map<String, Value>, Error> {
        let mut round = asked.clone();
        for _ in 0..=self.options().max_rounds {
            let mut result = self.repeated(&round).await?;
            match result.get("resultType").and_then(Value::as_str) {
                Some("input_required") if may_ask(&asked.method) => round = self.answered(&asked, &mut result).await?,
                None | Some("complete") => return self.checked(&round, result),
                Some("task") if asked.method == "tools/call" && self.knows_tasks() => return Ok(result),
                Some(other) => {
                    let other = crate::text::clean_line(other, 64);
                    return Err(failure::no_answer().with("result_type", other));
                }
            }
        }
        Err(Error::precondition("asks_for_ever", "the server asks again and again")
            .with("rounds", self.options().max_rounds))
    }

    /// The same request with the answers to what its result asked.
    async fn answered(&self, asked: &Asked, result: &mut Map<String, Value>) -> Result<Asked, Error> {
        let state = result.remove("requestState").filter(|state| !state.is_null());
        let questions = match result.remove("inputRequests") {
            Some(Value::Object(questions)) => Some(questions),
            None | Some(Value::Null) => None,
            Some(_) => return Err(failure::no_answer()),
        };
        if state.is_none() && questions.is_none() {
            return Err(failure::no_answer().with("result_type", "input_required without a question"));
        }
        let mut next = asked.clone();
        if let Some(questions) = questions {
            let answers = self.inputs(&questions).await?;
            next.params.insert("inputResponses".to_owned(), Value::Object(answers));
        }
        if let Some(state) = state {
            next.params.insert("requestState".to_owned(), state);
        }
        // An answer given twice could be taken twice.
        next.repeatable = false;
        Ok(next)
    }

    async fn repeated(&self, asked: &Asked) -> Result<Map<String, Value>, Error> {
        let backoff = Backoff { tries: self.limits.max_retries.saturating_add(1), ..Backoff::READ };
        let branch = Branch::new(self.call.seed, "mcp client");
        let may = |error: &Error| asked.repeatable || error.landed() == Landed::No;
        retry_while(&self.io, backoff, self.call.deadline, &branch, || Box::pin(self.corrected(asked)), may).await
    }

    /// Sends once, and once more with what the server said was wrong put right.
    async fn corrected(&self, asked: &Asked) -> Result<Map<String, Value>, Error> {
        let epoch = || self.shared.state().cache.epoch(&asked.method);
        let peer = self.peer().await?;
        let mut sent = epoch();
        let mut heard = self.once(&peer, asked).await?;
        if self.put_right(&peer, asked, &heard).await? {
            let peer = self.peer().await?;
            sent = epoch();
            heard = self.once(&peer, asked).await?;
        }
        let result = match heard {
            Heard::Message(_, message) => failure::result(message)?,
            Heard::Else(response) => return Err(failure::refusal(&response)),
        };
        self.keep(asked, &result, sent);
        Ok(result)
    }

    /// Keeps a result that may be. One that took answers is that of these answers alone.
    fn keep(&self, asked: &Asked, result: &Map<String, Value>, sent: Epoch) {
        let took_answers = asked.params.contains_key("inputResponses") || asked.params.contains_key("requestState");
        let whole = result.get("resultType").is_none_or(|kind| *kind == "complete");
        if whole && !took_answers {
            self.shared.state().cache.put(&asked.method, &asked.params, result, self.io.now().mono, sent);
        }
    }

    /// True when the request is worth another try at once.
    async fn put_right(&self, peer: &Peer, asked: &Asked, heard: &Heard) -> Result<bool, Error> {
        match heard {
            Heard::Message(status, message) => match failure::code(message) {
                Some(HEADER_MISMATCH) if asked.method == "tools/call" && peer.is_modern() => {
                    self.shared.state().cache.forget("tools/list");
                    self.list_tools().await.map(|_| true).map_err(|error| error.landed_as(Landed::No))
                }
                Some(UNSUPPORTED_VERSION) => {
                    self.forget(peer);
                    Ok(true)
                }
                // It speaks as was agreed with it.
                code if failure::is_modern(*status, code) && peer.is_modern() => Ok(false),
                _ => Ok(self.is_another(peer, *status)),
            },
            Heard::Else(response) if is_refusal(response.status) => Ok(false),
            Heard::Else(response) => Ok(self.is_another(peer, response.status)),
        }
    }

    /// Forgets a server that does not take what was agreed with it: it is asked anew with the next call, or at once
    /// where only its session is over.
    fn is_another(&self, peer: &Peer, status: u16) -> bool {
        if (400..500).contains(&status) {
            self.forget(peer);
        }
        self.is_over(peer, status)
    }

    /// True for a session that its server does not know any more, which is forgotten then.
    pub(super) fn is_over(&self, peer: &Peer, status: u16) -> bool {
        let over = status == 404 && peer.session.is_some();
        if over {
            self.forget(peer);
        }
        over
    }

    async fn once(&self, peer: &Peer, asked: &Asked) -> Result<Heard, Error> {
        let id = self.shared.state().next_id();
        let mut params = asked.params.clone();
        if asked.progress {
            let meta = params.entry("_meta").or_insert_with(|| Value::Object(Map::new()));
            meta.as_object_mut().map(|meta| meta.insert("progressToken".to_owned(), id.into()));
        }
        let message = if peer.is_modern() {
            let mut message = message::modern(self.options(), id, &asked.method, &params);
            message.headers.extend(self.mirrored(&asked.method, &params)?);
            message
        } else {
            message::legacy(peer, id, &asked.method, &params)
        };
        if peer.paired {
            return Box::pin(self.paired(&message, id)).await;
        }
        let patience = self.patience();
        let opened = self.post(&message).await?;
        let heard = self.hear(opened, Wanted { id, peer: Some(peer), patience }).await;
        // The server took it: whatever failed since then, also a request of another kind.
        heard.map_err(|error| error.landed_as(Landed::Perhaps))
    }

    /// The headers of a call's marked arguments.
    ///
    /// # Errors
    /// `failed_precondition` for a tool whose marks are wrong.
    fn mirrored(&self, method: &str, params: &Map<String, Value>) -> Result<Vec<(String, String)>, Error> {
        let name = params.get("name").and_then(Value::as_str).filter(|_| method == "tools/call");
        let state = self.shared.state();
        match name.and_then(|name| state.tools.get(name)).map(|known| &known.marks) {
            None => Ok(Vec::new()),
            Some(Ok(marks)) => {
                Ok(params.get("arguments").map(|given| mirror::headers(marks, given)).unwrap_or_default())
            }
            Some(Err(why)) => Err(Error::precondition("unusable_tool", format!("the tool's schema is wrong: {why}"))
                .suggest("tell the server's maker; its other tools can be used")),
        }
    }
}
