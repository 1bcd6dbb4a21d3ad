//! Performs what the client's flows ask for, on reqwest.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use beam_mcp_core::{
    Call, Error, Now, Step,
    auth::Caller,
    effect::{Blob, Body, Effect, Fault, FaultKind, Reply, Request, Response},
    mcp_client::Connection,
};
use serde_json::Value;
use tokio::time::timeout;

/// What answers in place of a person.
pub(crate) trait Answers {
    /// The answer to a question; `None` where there is none.
    async fn answer(&self, driver: &Driver, method: &str, params: &Value) -> Result<Option<Value>, Error>;
}

/// A connection, and the machine under it.
pub(crate) struct Driver {
    origin: String,
    connection: Connection,
    http: reqwest::Client,
    began: Instant,
    streams: RefCell<BTreeMap<u64, reqwest::Response>>,
    opened: Cell<u64>,
    listens: Cell<bool>,
}

impl Driver {
    pub(crate) fn new(url: &str, connection: Connection) -> Self {
        // The suite speaks without TLS; reqwest wants to know whose it would be.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self {
            origin: url.split('/').take(3).collect::<Vec<_>>().join("/"),
            connection,
            http: http.tls_certs_only([]).build().expect("a client without TLS needs nothing"),
            began: Instant::now(),
            streams: RefCell::default(),
            opened: Cell::new(0),
            listens: Cell::new(false),
        }
    }

    /// Returns once a subscription has begun, or would have.
    pub(crate) async fn listens(&self) {
        for _ in 0..100 {
            if !self.listens.get() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Drives a call to its end.
    pub(crate) async fn run(&self, answers: &impl Answers, verb: &str, input: Value) -> Result<Value, Error> {
        let random = std::array::from_fn(|_| rand_byte());
        let call = Call::local(Caller::nobody(), Duration::MAX, random);
        let mut flow = self.connection.start(verb, input, call);
        let mut step = flow.step(self.now(), None);
        loop {
            match step {
                Step::Done(result) => return result,
                Step::Effect(effect) => {
                    let reply = Box::pin(self.perform(answers, effect)).await?;
                    step = flow.step(self.now(), Some(reply));
                }
            }
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.began.elapsed(), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
    }

    async fn perform(&self, answers: &impl Answers, effect: Effect) -> Result<Reply, Error> {
        Ok(match effect {
            Effect::Send(request) => self.send(request).await.map_or_else(Reply::Fault, Reply::Response),
            Effect::Open(request) => self.open(request).await.unwrap_or_else(Reply::Fault),
            Effect::Read { stream, timeout_ms } => self.read(stream, Duration::from_millis(timeout_ms)).await,
            Effect::Shut { stream } => {
                self.streams.borrow_mut().remove(&stream);
                Reply::Ok
            }
            Effect::Sleep { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Reply::Elapsed
            }
            Effect::Ask { method, params } => match answers.answer(self, &method, &params).await? {
                Some(value) => Reply::Answer { value },
                None => Reply::Unsupported { reason: format!("nobody answers `{method}`") },
            },
            Effect::Tell { method, .. } => {
                self.listens.set(self.listens.get() || method == "notifications/subscriptions/acknowledged");
                Reply::Ok
            }
            other => Reply::Unsupported { reason: format!("a client cannot do {other:?}") },
        })
    }

    async fn send(&self, request: Request) -> Result<Response, Fault> {
        let limit = Duration::from_millis(request.timeout_ms);
        let answer = self.head(request).await?;
        let (status, headers) = (answer.status().as_u16(), headers(&answer));
        let body = timeout(limit, answer.bytes()).await.map_err(|_| fault(FaultKind::Timeout))?;
        Ok(Response { status, headers, body: body.map_err(|_| fault(FaultKind::Reset))?.to_vec().into() })
    }

    async fn open(&self, request: Request) -> Result<Reply, Fault> {
        let answer = self.head(request).await?;
        let (status, headers) = (answer.status().as_u16(), headers(&answer));
        let stream = self.opened.get() + 1;
        self.opened.set(stream);
        self.streams.borrow_mut().insert(stream, answer);
        Ok(Reply::Opened { stream, status, headers })
    }

    async fn read(&self, stream: u64, limit: Duration) -> Reply {
        let Some(mut answer) = self.streams.borrow_mut().remove(&stream) else {
            return Reply::Unsupported { reason: "no such stream is open".into() };
        };
        let reply = match timeout(limit, answer.chunk()).await {
            Ok(Ok(Some(piece))) => Reply::Piece { body: Blob::Bytes(piece.to_vec()) },
            Ok(Ok(None)) => return Reply::Ended,
            Ok(Err(_)) => return Reply::Fault(fault(FaultKind::Reset)),
            Err(_) => Reply::Elapsed,
        };
        self.streams.borrow_mut().insert(stream, answer);
        reply
    }

    async fn head(&self, request: Request) -> Result<reqwest::Response, Fault> {
        let base = request.server.as_deref().unwrap_or(&self.origin);
        let method = serde_json::to_value(request.method).unwrap_or_default();
        let method = reqwest::Method::from_bytes(method.as_str().unwrap_or_default().as_bytes());
        let mut call = self.http.request(method.unwrap_or_default(), format!("{base}{}", request.path));
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let call = match request.body {
            Body::Json(value) => call.header("content-type", "application/json").body(value.to_string()),
            Body::Form(pairs) => call.header("content-type", "application/x-www-form-urlencoded").body(form(&pairs)),
            _ => call,
        };
        let sent = timeout(Duration::from_millis(request.timeout_ms), call.send()).await;
        let sent = sent.map_err(|_| fault(FaultKind::Timeout))?;
        sent.map_err(|error| fault(if error.is_connect() { FaultKind::Refused } else { FaultKind::Reset }))
    }

    /// Where a page sends the browser.
    pub(crate) async fn redirected(&self, url: &str) -> Option<String> {
        let answer = self.http.get(url).send().await.ok()?;
        answer.headers().get("location")?.to_str().ok().map(str::to_owned)
    }
}

fn headers(answer: &reqwest::Response) -> Vec<(String, String)> {
    let pair = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    answer.headers().iter().filter_map(pair).collect()
}

fn form(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), Some(value.clone())));
    beam_mcp_core::url::query(pairs).trim_start_matches('?').to_owned()
}

fn fault(kind: FaultKind) -> Fault {
    Fault { kind, detail: String::new() }
}

/// Random enough for a rig that talks to this machine alone.
fn rand_byte() -> u8 {
    use std::hash::{BuildHasher, Hasher};
    u8::try_from(std::hash::RandomState::new().build_hasher().finish() & 0xff).unwrap_or_default()
}
