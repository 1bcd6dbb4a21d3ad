//! Calls to runners: one request, one answer, nothing repeated, nothing followed.

pub(crate) mod rpc;

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    io,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

use beam_mcp_core::{
    config::Target,
    effect::{Fault, FaultKind, Method, Outcome, Reply, Request, Response},
};
use reqwest::{
    Client, ClientBuilder,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::task::JoinSet;

use crate::{
    credentials::{Attachment, Credentials},
    effects::Staging,
    http_body::{Outgoing, outgoing},
    metrics::Metrics,
};

const CONNECT: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(15);
const IDLE_PER_HOST: usize = 16;
/// Requests of one `SendAll` under way at once.
const SIDE_BY_SIDE: usize = 8;
const MOST_REQUESTS: usize = 64;

/// The way to every target.
pub struct Sender(Arc<Inner>);

struct Inner {
    endpoints: BTreeMap<String, String>,
    credentials: Credentials,
    staging: Option<Arc<dyn Staging>>,
    metrics: Arc<Metrics>,
    plain: OnceLock<Client>,
    tls: OnceLock<Client>,
    /// For gRPC: without and with TLS.
    h2: [OnceLock<Client>; 2],
}

impl Sender {
    /// A sender for these targets; nothing is connected yet.
    pub fn new<'a>(
        targets: impl IntoIterator<Item = &'a Target> + Clone,
        staging: Option<Arc<dyn Staging>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let endpoint = |target: &Target| {
            let url = target.url.as_deref()?.trim_end_matches('/');
            Some((target.name.clone(), url.to_owned()))
        };
        let endpoints = targets.clone().into_iter().filter_map(endpoint).collect();
        let (plain, tls, h2) = (OnceLock::new(), OnceLock::new(), Default::default());
        Self(Arc::new(Inner { endpoints, credentials: Credentials::of(targets), staging, metrics, plain, tls, h2 }))
    }

    /// Makes one gRPC call to a target.
    pub async fn rpc(&self, call: rpc::Call) -> Reply {
        self.0.rpc(&call).await.unwrap_or_else(Reply::Fault)
    }

    /// Sends once; once more with a renewed credential after 401.
    pub async fn send(&self, request: Request) -> Result<Response, Fault> {
        self.0.send(&request).await
    }

    /// Sends side by side; outcomes in the order of the requests.
    pub async fn send_all(&self, requests: Vec<Request>) -> Vec<Outcome> {
        let count = requests.len();
        let mut outcomes: Vec<Outcome> = vec![Outcome::Fault(fault(FaultKind::Reset, "not sent")); count];
        if count > MOST_REQUESTS {
            return outcomes;
        }
        let mut waiting = requests.into_iter().enumerate();
        let mut running = JoinSet::new();
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some((index, request)) = waiting.next()
            {
                let inner = self.0.clone();
                running.spawn(async move { (index, inner.send(&request).await) });
            }
            match running.join_next().await {
                None => return outcomes,
                Some(Ok((index, outcome))) => outcomes[index] = outcome.map_or_else(Outcome::Fault, Outcome::Response),
                Some(Err(_)) => {}
            }
        }
    }
}

impl Inner {
    async fn send(&self, request: &Request) -> Result<Response, Fault> {
        let limit = Duration::from_millis(request.timeout_ms);
        let outcome = tokio::time::timeout(limit, self.exchange(request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(fault(FaultKind::Timeout, "")));
        self.metrics.runner(&request.target, &outcome);
        outcome
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Fault> {
        let Some(credential) = &request.credential else {
            return self.once(request, None).await;
        };
        // Less than the whole exchange may take, so that its end always says that nothing was sent.
        let limit = Duration::from_millis(request.timeout_ms) * 9 / 10;
        let attachment = match tokio::time::timeout(limit, self.credentials.get(&credential.0)).await {
            Ok(Ok(attachment)) => attachment,
            Ok(Err(error)) => return Err(fault(FaultKind::Credential, error.0)),
            Err(_) => return Err(fault(FaultKind::Credential, "it could not be had in time")),
        };
        let response = self.once(request, Some(&attachment)).await?;
        if response.status != 401 {
            return Ok(response);
        }
        match self.credentials.renew(&credential.0, &attachment).await {
            Ok(Some(fresh)) => self.once(request, Some(&fresh)).await,
            _ => Ok(response),
        }
    }

    async fn once(&self, request: &Request, attachment: Option<&Attachment>) -> Result<Response, Fault> {
        let url = self.url(request)?;
        let body = outgoing(&request.body, self.staging.as_deref()).await;
        let body = body.map_err(|error| fault(FaultKind::Source, &error.kind().to_string()))?;
        let unreadable = body.as_ref().map(|body| body.unreadable.clone());
        let headers = headers(request, attachment, body.as_ref())?;
        let mut call = self.client(&url)?.request(method(request.method), url).headers(headers);
        if let Some(body) = body {
            call = call.body(body.body);
        }
        let answer = call.send().await.map_err(|error| match unreadable {
            Some(flag) if flag.load(Ordering::Relaxed) => fault(FaultKind::Source, "the file ended early"),
            _ => classify(&error),
        })?;
        read(answer, request).await
    }

    /// The URL, exactly as configured and asked for: a path that URL parsing would change is refused.
    fn url(&self, request: &Request) -> Result<reqwest::Url, Fault> {
        let endpoint = self.endpoints.get(&request.target).ok_or_else(|| fault(FaultKind::UnknownTarget, ""))?;
        let base = request.server.as_deref().map_or(endpoint.as_str(), |server| server.trim_end_matches('/'));
        let url = reqwest::Url::parse(&format!("{base}{}", request.path));
        let url = url.map_err(|_| fault(FaultKind::UnknownTarget, "not a URL"))?;
        if request.path.starts_with('/') && url.as_str().ends_with(&request.path) && !url.path().is_empty() {
            Ok(url)
        } else {
            Err(fault(FaultKind::UnknownTarget, "the path is not in its plain form"))
        }
    }

    fn client(&self, url: &reqwest::Url) -> Result<&Client, Fault> {
        let tls = url.scheme() == "https";
        let cell = if tls { &self.tls } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client =
            http_client(tls).map_err(|_| fault(FaultKind::Tls, "no TLS client can be made on this machine"))?;
        Ok(cell.get_or_init(|| client))
    }
}

/// A client that repeats and follows nothing.
pub(crate) fn http_client(tls: bool) -> reqwest::Result<Client> {
    // Without TLS no certificates are needed, and a machine without any must still reach its cluster.
    built(builder().http1_only(), tls)
}

fn built(builder: ClientBuilder, tls: bool) -> reqwest::Result<Client> {
    if tls { builder.build() } else { builder.tls_certs_only([]).build() }
}

fn builder() -> ClientBuilder {
    // Fails when it was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .tcp_nodelay(true)
}

fn headers(request: &Request, attached: Option<&Attachment>, body: Option<&Outgoing>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 2);
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (name, value) = header.ok_or_else(|| fault(FaultKind::UnknownTarget, "a header is malformed"))?;
        headers.append(name, value);
    }
    let content_type = body.and_then(|body| HeaderValue::from_str(body.content_type.as_deref()?).ok());
    if let Some(content_type) = content_type
        && !headers.contains_key(CONTENT_TYPE)
    {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(attachment) = attached {
        headers.insert(attachment.name.clone(), attachment.value.clone());
    }
    Ok(headers)
}

async fn read(mut answer: reqwest::Response, request: &Request) -> Result<Response, Fault> {
    let most = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
    let too_large = || fault(FaultKind::TooLarge, "");
    if !request.tail && answer.content_length().is_some_and(|length| length > request.max_bytes) {
        return Err(too_large());
    }
    let (status, headers) = (answer.status().as_u16(), readable(answer.headers()));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| classify(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > most && !request.tail {
            return Err(too_large());
        }
        // Cutting only at twice the size moves each byte at most twice.
        if body.len() > most.saturating_mul(2) {
            body.drain(..body.len() - most);
        }
    }
    body.drain(..body.len().saturating_sub(most));
    Ok(Response { status, headers, body: body.into() })
}

fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    headers.iter().filter_map(pair).collect()
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Delete => reqwest::Method::DELETE,
        Method::Get => reqwest::Method::GET,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
    }
}

fn fault(kind: FaultKind, detail: &str) -> Fault {
    Fault { kind, detail: detail.to_owned() }
}

/// The kind of a failure; its text is left out because it may name addresses of the host.
fn classify(error: &reqwest::Error) -> Fault {
    if !error.is_connect() {
        let kind = if error.is_timeout() { FaultKind::Timeout } else { FaultKind::Reset };
        return fault(kind, "");
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return fault(FaultKind::Tls, &tls.to_string());
        }
        let io = inner.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return fault(FaultKind::Refused, "");
        }
        cause = io.map_or_else(|| inner.source(), carried);
    }
    fault(FaultKind::Unreachable, "")
}

/// The error an `io::Error` carries; its own `source` skips it.
fn carried(error: &io::Error) -> Option<&(dyn StdError + 'static)> {
    error.get_ref().map(|inner| inner as &(dyn StdError + 'static))
}

#[cfg(test)]
mod tests;
