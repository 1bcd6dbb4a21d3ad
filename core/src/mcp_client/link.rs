use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    SERVER,
    hear::Patience,
    message::Message,
    oauth::{Challenge, bearer, check_redirect},
    options::Options,
    pipe::PIPE,
    place::Place,
    state::State,
};
use crate::{
    call::Call,
    effect::{Body, CredentialId, Method, Request},
    error::{Error, ErrorKind, Landed, Retry},
    flow::{Io, Opened},
};

/// Most times one request makes the client ask for a token.
const MOST_AUTHORIZATIONS: u32 = 3;
/// What is accepted in answer to a message.
pub(super) const EITHER: &str = "application/json, text/event-stream";

/// What all flows of a connection share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) place: Place,
    state: Mutex<State>,
}

impl fmt::Debug for Shared {
    /// Without the tokens and secrets in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(options: Options) -> Result<Self, Error> {
        let place = if options.url == PIPE { Place::pipe() } else { Place::of(&options.url)? };
        options.oauth.as_ref().map_or(Ok(()), check_redirect)?;
        Ok(Self { options, place, state: Mutex::default() })
    }

    /// The state; never held over an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way over a connection.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) io: Io,
    pub(super) shared: Arc<Shared>,
    pub(super) call: Call,
    pub(super) limits: Limits,
    /// Headers of the call's own, beside the protocol's.
    pub(super) headers: Vec<(String, String)>,
    /// Where to post, where that is not the server's URL.
    pub(super) endpoint: Option<String>,
}

/// The limits of one call; those of the connection where it has none of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) timeout_ms: u64,
    pub(super) max_retries: u32,
}

impl Limits {
    pub(super) fn of(options: &Options) -> Self {
        Self { timeout_ms: options.timeout_ms, max_retries: options.max_retries }
    }
}

impl Link {
    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// True where all calls share one stream of lines, and a request cannot be left by closing its connection.
    pub(super) fn is_pipe(&self) -> bool {
        self.shared.place.is_pipe()
    }

    /// The time one request may take from now on.
    pub(super) fn patience(&self) -> Patience {
        let (idle, longest) = (self.limits.timeout_ms, self.options().longest_ms);
        Patience::new(self.io.now().mono, idle, longest.max(idle), self.call.deadline)
    }

    /// Posts a message and reads the head of the answer. Gets a token first where the server asks for one.
    pub(super) async fn post(&self, message: &Message) -> Result<Opened, Error> {
        let request = || {
            let body = Body::Json(message.body.clone());
            Request { body, ..self.envelope(Method::Post, EITHER, &message.headers) }
        };
        self.admitted(request).await
    }

    /// Opens the stream of a session's news, or takes up a stream after an event.
    pub(super) async fn get(&self, headers: &[(String, String)], last: Option<&str>) -> Result<Opened, Error> {
        let request = || {
            let mut request = self.envelope(Method::Get, "text/event-stream", headers);
            request.headers.extend(last.map(|id| ("last-event-id".to_owned(), id.to_owned())));
            request
        };
        self.admitted(request).await
    }

    async fn admitted(&self, request: impl Fn() -> Request) -> Result<Opened, Error> {
        let mut authorizations = 0;
        loop {
            let request = self.limited(request())?;
            let shown =
                request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone());
            let opened = self.io.open(request).await.map_err(|error| unanswered(&error))?;
            let Some(challenge) = self.challenge(&opened) else { return Ok(opened) };
            self.io.shut(opened.stream).await?;
            authorizations += 1;
            if authorizations > MOST_AUTHORIZATIONS {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    "still_refused",
                    "the server refuses every token it is shown",
                )
                .with("scope", challenge.scope.unwrap_or_default())
                .with("status", opened.status));
            }
            // What was turned away did nothing, whatever becomes of the requests for a token.
            let signed_in = Box::pin(self.signed_in(&challenge, shown.as_deref())).await;
            signed_in.map_err(|error| error.landed_as(Landed::No))?;
        }
    }

    /// What a refusal asks for, where this client can get it.
    fn challenge(&self, opened: &Opened) -> Option<Challenge> {
        self.options().oauth.as_ref()?;
        let challenge = Challenge::of(opened);
        match opened.status {
            401 => Some(challenge),
            403 if challenge.error.as_deref() == Some("insufficient_scope") => Some(challenge),
            _ => None,
        }
    }

    pub(super) fn envelope(&self, method: Method, accept: &str, headers: &[(String, String)]) -> Request {
        let endpoint = self.endpoint.clone().filter(|_| method == Method::Post);
        let path = endpoint.unwrap_or_else(|| self.shared.place.request_path());
        let mut request = Request::new(SERVER, method, path);
        request.headers.push(("accept".to_owned(), accept.to_owned()));
        request.headers.extend(headers.iter().chain(&self.headers).cloned());
        match bearer(&self.shared.state().tokens) {
            Some(token) => request.headers.push(("authorization".to_owned(), token)),
            None => request.credential = Some(CredentialId(SERVER.to_owned())),
        }
        request.max_bytes = self.options().max_bytes;
        request
    }

    /// The request with the time that is left for its head.
    pub(super) fn limited(&self, mut request: Request) -> Result<Request, Error> {
        let left = self.patience().left(self.io.now().mono);
        if left < Duration::from_millis(1) {
            return Err(Error::deadline("the call's time is over").retry_as(Retry::Never));
        }
        request.timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Ok(request)
    }
}

/// The error of an exchange without an answer, in words that fit a client.
pub(super) fn unanswered(error: &Error) -> Error {
    let message = error.message().replace("the target", "the server");
    let told = Error::new(error.kind(), error.reason().to_owned(), message)
        .retry_as(if matches!(error.reason(), "tls" | "credential") { Retry::Never } else { error.retry() })
        .landed_as(error.landed());
    error.context().iter().fold(told, |told, (key, value)| told.with(key.clone(), value))
}
