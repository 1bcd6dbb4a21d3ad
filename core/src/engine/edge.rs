//! The edge of HTTP: who may reach the engine at all, before any route is looked at.

use std::{sync::Arc, time::Duration};

use super::{
    Engine, Host, HttpRequest,
    cors::{allowed_origin, cors, preflight},
};
use crate::{
    auth::{Caller, Rates, Role, bearer, find_token},
    call::{Call, Labels, Peer},
    config::Config,
    effect::Response,
    error::{Error, ErrorKind, Retry},
    flow::Io,
    mcp::{self, Surface as _},
    rest,
    verb::Context,
};

/// Longest time limit of a caller.
const LONGEST_LIMIT: Duration = Duration::from_secs(120);

/// Refuses a host that others can reach without any token (security-reliability.md O3).
pub(super) fn check_posture(config: &Config, host: &Host) -> Result<(), Error> {
    let open = config.auth.enabled == Some(false) || config.auth.tokens.is_empty();
    if host.loopback_only || !open || matches!(host.kind.as_str(), "embedded" | "simulation" | "wasm") {
        return Ok(());
    }
    Err(Error::invalid("open_to_others", "the server would be open to others without any token")
        .suggest("configure auth.tokens (name, sha256, role), or listen on 127.0.0.1"))
}

/// One HTTP request: Host, Origin, token, then `/mcp` or REST.
///
/// Request and call go down in boxes: a future keeps what it was given for as long as it lives, and an idle subscription
/// holds the futures of all layers.
pub(super) async fn http(
    engine: Engine,
    io: Io,
    request: Box<HttpRequest>,
    call: Box<Call>,
) -> Result<Response, Error> {
    let surface = engine.surface(&request.path);
    let verb = surface.as_deref().and_then(|surface| mcp::unserved(surface, &request.method));
    let is_mcp = surface.is_some();
    let state = Arc::clone(&engine.state);
    let route = |io, request, call| async move { route(&engine, io, request, call).await };
    let gate = Gate { config: &state.config, host: &state.host, rates: Some(&state.rates), is_mcp, verb };
    at_edge(gate, io, request, call, route).await
}

/// Serves a surface of MCP in the engine's place, behind the same checks: the conformance suite calls one that no
/// engine has.
///
/// # Errors
/// As [`super::Engine::handle`].
pub async fn serve_surface<S: mcp::Surface>(
    config: &Config,
    host: &Host,
    surface: Arc<S>,
    io: Io,
    request: HttpRequest,
    call: Call,
) -> Result<Response, Error> {
    let (request, call) = (Box::new(request), Box::new(call));
    let verb = mcp::unserved(&*surface, &request.method);
    let gate = Gate { config, host, rates: None, is_mcp: true, verb };
    at_edge(gate, io, request, call, |io, request, call| mcp::http(io, surface, request, call)).await
}

/// What a request passes on its way in.
struct Gate<'a> {
    config: &'a Config,
    host: &'a Host,
    rates: Option<&'a Rates>,
    is_mcp: bool,
    /// The answer to a verb that is not served there, which goes before all else (mcp.md 1.5).
    verb: Option<Response>,
}

/// Checks a request, has it answered, and dresses the answer.
async fn at_edge<F: Future<Output = Result<Response, Error>>>(
    Gate { config, host, rates, is_mcp, verb }: Gate<'_>,
    io: Io,
    request: Box<HttpRequest>,
    mut call: Box<Call>,
    route: impl FnOnce(Io, Box<HttpRequest>, Box<Call>) -> F,
) -> Result<Response, Error> {
    call.labels = labels(&request);
    let for_page = cors(config, &request);
    let connection = request.header("x-mcp-connection-id").and_then(label);
    let (labels, seed) = (call.labels.clone(), call.seed);
    let request_id = call.request_id();
    let now = io.now().mono;
    let admitted = verb.map_or_else(|| admit(config, host, &request, call, now), |no| Ok(Admitted::No(no)));
    let admitted = admitted.and_then(|admitted| paced(admitted, config, rates, now));
    let answer = match admitted {
        Ok(Admitted::No(response)) => Ok(response),
        Ok(Admitted::Preflight) => Ok(preflight(request.header("access-control-request-headers"))),
        Ok(Admitted::Call(call)) => route(io.clone(), request, call).await,
        Err(error) => Err(error),
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(error) if error.gave_up() => return Err(error),
        Err(error) => rest::failure(&error.with_wait(&seed), &labels, &request_id, io.now().wall_ms),
    };
    // MCP clients take this header for a session of the protocol: only the protocol sends it to them.
    let shown = if is_mcp { Labels { session_id: None, ..labels } } else { labels };
    decorate(&mut response, &shown, &request_id, connection.as_ref());
    response.headers.extend(for_page);
    Ok(response)
}

/// The answer of a host that turns a request away before the engine has seen it, in the form of its door.
pub fn refuse(request: &HttpRequest, error: &Error, call: &Call, now_ms: u64) -> Response {
    let request_id = call.request_id();
    let is_mcp = request.path == "/mcp" || request.path.starts_with("/mcp/") || mcp::is_pair(&request.path);
    let error = error.clone().with_wait(&call.seed);
    let mut response =
        if is_mcp { mcp::refusal(&error) } else { rest::failure(&error, &call.labels, &request_id, now_ms) };
    let labels = if is_mcp { Labels::default() } else { call.labels.clone() };
    if let (Retry::After(wait), None) = (error.retry(), response.header("retry-after")) {
        response.headers.push(("retry-after".into(), wait.as_millis().div_ceil(1_000).to_string()));
    }
    decorate(&mut response, &labels, &request_id, None);
    response
}

enum Admitted {
    Call(Box<Call>),
    Preflight,
    No(Response),
}

fn admit(
    config: &Config,
    host: &Host,
    request: &HttpRequest,
    mut call: Box<Call>,
    now: Duration,
) -> Result<Admitted, Error> {
    check_host(config, host, request)?;
    check_origin(config, request)?;
    if request.method == "OPTIONS" {
        return Ok(Admitted::Preflight);
    }
    if !rest::is_public(&request.path) {
        call.caller = authenticate(config, host, request, &call)?;
    }
    call.time_limit = time_limit(request)?;
    if let Some(limit) = call.time_limit {
        call.deadline = call.deadline.min(now + limit);
    }
    Ok(Admitted::Call(call))
}

/// Counts the call of a known caller.
fn paced(admitted: Admitted, config: &Config, rates: Option<&Rates>, now: Duration) -> Result<Admitted, Error> {
    let (Some(most), Some(rates), Admitted::Call(call)) = (config.auth.calls_per_minute, rates, &admitted) else {
        return Ok(admitted);
    };
    if call.caller == Caller::nobody() {
        return Ok(admitted);
    }
    let counted = rates.admit(&call.caller, most.get(), now);
    counted.map(|()| admitted).map_err(|wait| {
        let text = format!("more than {most} requests a minute of this caller");
        Error::new(ErrorKind::RateLimited, "caller_rate", text)
            .retry_as(Retry::After(wait))
            .suggest("call again after the time in Retry-After; wait_for_change waits for news in one request")
    })
}

/// The caller's own limit: seconds, of which at most 120 count.
fn time_limit(request: &HttpRequest) -> Result<Option<Duration>, Error> {
    let Some(text) = request.header("x-request-timeout") else { return Ok(None) };
    let seconds = text.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    let limit = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIMIT.as_secs_f64())));
    let wrong = || Error::invalid("bad_timeout", "X-Request-Timeout must be a number of seconds above 0");
    limit.map(Some).ok_or_else(wrong)
}

/// What is long-lived is inline, and all else in boxes of its own: an idle subscription holds the whole of this.
async fn route(engine: &Engine, io: Io, request: Box<HttpRequest>, call: Box<Call>) -> Result<Response, Error> {
    if let Some(surface) = engine.surface(&request.path) {
        return mcp::http(io, surface, request, call).await;
    }
    if mcp::is_pair(&request.path)
        && let Some(surface) = engine.surface("/mcp").filter(|surface| surface.sessions().is_some())
    {
        return Box::pin(mcp::pair(io, surface, *request, *call)).await;
    }
    Box::pin(rest::handle(Context::new(io, *call, Arc::clone(&engine.state)), *request)).await
}

fn check_host(config: &Config, host: &Host, request: &HttpRequest) -> Result<(), Error> {
    let mut named = request.headers.iter().filter(|(name, _)| name == "host").map(|(_, value)| value.as_str());
    let (first, second) = (named.next(), named.next());
    if host.authorities.is_empty() || matches!(host.kind.as_str(), "embedded" | "wasm") {
        return Ok(());
    }
    let known = |name: &str| {
        let mut all = host.authorities.iter().chain(&config.auth.allowed_hosts);
        all.any(|authority| authority.eq_ignore_ascii_case(name))
    };
    match (first, second) {
        (Some(name), None) if known(name) => Ok(()),
        _ => Err(forbidden("foreign_host", "the Host header names another server")
            .suggest("call the server under its own address, or add the name to auth.allowed_hosts")),
    }
}

fn check_origin(config: &Config, request: &HttpRequest) -> Result<(), Error> {
    match request.header("origin") {
        Some(origin) if !allowed_origin(config, origin) => {
            Err(forbidden("foreign_origin", "requests from this Origin are not accepted")
                .suggest("add the origin to auth.allowed_origins if the page is yours"))
        }
        _ => Ok(()),
    }
}

fn forbidden(reason: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, reason, message)
}

/// The caller behind the token. Where none is required a local process is an operator: it may run jobs, not load code
/// through options.
fn authenticate(config: &Config, host: &Host, request: &HttpRequest, call: &Call) -> Result<Caller, Error> {
    if crate::url::pairs(&request.query).unwrap_or_default().iter().any(|(name, _)| name == "access_token") {
        return Err(Error::invalid("token_in_query", "a token in the query is refused: it would end up in logs"));
    }
    let required = config.auth.enabled.unwrap_or(!host.loopback_only || !config.auth.tokens.is_empty());
    let bearer = request.header("authorization").and_then(bearer);
    match bearer.or_else(|| request.header("x-api-key")) {
        Some(token) if required => {
            find_token(&config.auth.tokens, token).ok_or_else(|| unauthenticated("unknown_token"))
        }
        None if required => Err(unauthenticated("no_token")),
        Some(_) | None => Ok(match call.peer {
            Peer::Local => call.caller.clone(),
            Peer::Remote(_) => Caller::with_role("local", Role::Operator),
        }),
    }
}

fn unauthenticated(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, reason, "this server needs a token it knows")
}

fn labels(request: &HttpRequest) -> Labels {
    let read = |name| request.header(name).and_then(label);
    Labels {
        session_id: read("mcp-session-id"),
        trace_id: read("mcp-trace-id"),
        transaction_id: read("mcp-transaction-id"),
        user_id: read("mcp-user-id"),
    }
}

/// A label as it may be echoed and logged: `[A-Za-z0-9._:-]{1,128}`, else it is dropped (T49).
fn label(value: &str) -> Option<String> {
    let fits =
        (1..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
    fits.then(|| value.to_owned())
}

fn decorate(response: &mut Response, labels: &Labels, request_id: &str, connection: Option<&String>) {
    let pairs = [
        ("mcp-session-id", labels.session_id.as_ref()),
        ("mcp-trace-id", labels.trace_id.as_ref()),
        ("mcp-transaction-id", labels.transaction_id.as_ref()),
        ("mcp-user-id", labels.user_id.as_ref()),
        ("x-mcp-connection-id", connection),
    ];
    let is_set = |response: &Response, name: &str| response.header(name).is_some();
    for (name, value) in pairs {
        if let Some(value) = value.filter(|_| !is_set(response, name)) {
            response.headers.push((name.to_owned(), value.clone()));
        }
    }
    response.headers.push(("x-request-id".into(), request_id.to_owned()));
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        if !is_set(response, name) {
            response.headers.push((name.into(), value.into()));
        }
    }
}
