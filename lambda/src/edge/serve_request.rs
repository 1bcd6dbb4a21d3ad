use std::{
    borrow::Cow,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use beam_mcp_core::{
    Call, Error, ErrorKind,
    auth::Caller,
    call::{Labels, Peer, request_id},
    effect::Response,
    engine::{BodyRule, HttpRequest, Inbound, is_public, refuse, too_large},
    error::Retry,
    random::Seed,
};
use hyper::{
    Request,
    body::{Body as _, Incoming},
};

use super::{
    Edge,
    answer::{Answer, attend, response_of},
    connection::{Connection, Phase},
    handover::{Ending, Framing, Handover},
    request::{Unread, buffer, head, labels, stage},
    response::{Body, asks_to_close, closing, streaming, whole},
    sse::Events,
};
use crate::{
    admission::{Urgency, Working},
    attendance::Attendance,
    budget::Share,
    logging::{Level, Line},
    random::random,
    tasks,
};

/// Longer than any wait the core allows; the core's own limits end a call.
const LONGEST: Duration = Duration::from_secs(620);

/// One connection as its requests see it.
pub(super) struct Wire {
    pub(super) connection: Arc<Connection>,
    pub(super) peer: Arc<str>,
    pub(super) handover: Arc<Handover>,
}

/// Answers one request of a connection.
pub(super) async fn serve_request(
    edge: Arc<Edge>,
    wire: Arc<Wire>,
    request: Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let (begun, version) = (Instant::now(), request.version());
    let Wire { connection, peer, handover } = &*wire;
    connection.enter(Phase::Body);
    let (parts, body) = request.into_parts();
    let mut request = head(&parts);
    let is_head = request.method == "HEAD";
    if is_head {
        "GET".clone_into(&mut request.method);
    }
    let (labels, for_page) = (labels(&request), edge.entry.cors(&request));
    let mut record = Record::new(&request, peer, &labels);
    let reply = match answer(&edge, &wire, request, body, labels, &mut record).await {
        Ok(Answer::Whole(response)) => {
            connection.enter(Phase::Idle);
            whole(response.unwrap_or_else(|error| response_of(&error)), is_head)
        }
        Ok(Answer::Stream(caller)) => {
            let events = Events::new(caller, connection.clone(), edge.driver.metrics.clone());
            let serves_on = !asks_to_close(&parts.headers);
            streaming(events, Ending { framing: Framing::of(version), serves_on }, handover.clone(), &for_page)
        }
        Err(refusal) => {
            connection.enter(Phase::Idle);
            closing(whole(refusal, is_head))
        }
    };
    record.finish(&edge, &reply, begun.elapsed());
    Ok(reply)
}

/// The answer; an `Err` is one after which the connection is closed, as its body was not read.
async fn answer(
    edge: &Edge,
    wire: &Wire,
    mut request: HttpRequest,
    body: Incoming,
    labels: Labels,
    record: &mut Record,
) -> Result<Answer, Response> {
    let connection = &wire.connection;
    let call = call(edge, labels, &wire.peer).map_err(|error| response_of(&error))?;
    record.seed = Some(call.seed);
    let refused = |request: &HttpRequest, error| {
        let mut response = refuse(request, &error, &call, edge.driver.clock.now().wall_ms);
        response.headers.extend(edge.entry.cors(request));
        response
    };
    if let Err(error) = check(edge, &request) {
        return Err(refused(&request, error));
    }
    let passes = edge.gate.check(&request).is_ok();
    let working = match edge.driver.admission.enter(urgency(&request, passes)) {
        Ok(working) => working,
        Err(seconds) => return Ok(Answer::Whole(Ok(refused(&request, overloaded(seconds))))),
    };
    if request.path == "/metrics" {
        return Ok(Answer::Whole(Ok(metrics(edge, &request))));
    }
    let mut memory = edge.bodies.share();
    // Whom the engine will turn away is not let fill memory, and hold a place, for as long as its body takes.
    let unread = !passes && !body.is_end_stream() && request.method != "OPTIONS" && !is_public(&request.path);
    if !unread && let Err(why) = read_body(edge, &mut request, body, &mut memory, &working).await {
        let mut response = refused(&request, error_of(&why));
        response.status = if why == Unread::Slow { 408 } else { response.status };
        return Err(response);
    }
    connection.enter(Phase::Busy);
    let flow = edge.entry.handle(Inbound::Http(Box::new(request)), call);
    let caller = Arc::new(Attendance::streaming(edge.frames.share(), connection.clone()));
    caller.works(working);
    match attend(&edge.driver, flow, caller).await {
        Answer::Whole(answer) if unread => Err(answer.unwrap_or_else(|error| response_of(&error))),
        answer => Ok(answer),
    }
}

fn check(edge: &Edge, request: &HttpRequest) -> Result<(), Error> {
    if edge.driver.stop.phase() > tasks::Phase::Running {
        return Err(Error::new(ErrorKind::Unavailable, "stopping", "the server is stopping"));
    }
    if request.headers.iter().filter(|(name, _)| name == "host").count() > 1 {
        return Err(Error::invalid("duplicate_host", "a request has one Host header"));
    }
    Ok(())
}

fn call(edge: &Edge, labels: Labels, peer: &str) -> Result<Call, Error> {
    Ok(Call {
        caller: Caller::nobody(),
        deadline: edge.driver.clock.mono() + LONGEST,
        time_limit: None,
        seed: Seed::new(random()?),
        labels,
        peer: Peer::Remote(peer.to_owned()),
    })
}

async fn read_body(
    edge: &Edge,
    request: &mut HttpRequest,
    body: Incoming,
    memory: &mut Share,
    working: &Arc<Working>,
) -> Result<(), Unread> {
    match edge.entry.body_rule(&request.method, &request.path) {
        BodyRule::Buffer(most) => request.body = buffer(body, most, memory, working).await?.into(),
        BodyRule::Stage(most) => {
            let _rest = working.rest();
            // The engine refuses what comes without a staged body, and that body is not worth the disk.
            let staging = edge.driver.staging.as_ref().filter(|_| edge.gate.check(request).is_ok());
            if let Some(staging) = staging {
                request.staged = Some(stage(body, most, staging.as_ref()).await?);
            }
        }
    }
    Ok(())
}

fn error_of(why: &Unread) -> Error {
    match why {
        Unread::TooLarge(most) => too_large(*most),
        Unread::Slow => Error::invalid("slow_body", "the body came too slowly")
            .suggest("send at least 1 KiB per second, then call again"),
        Unread::Broken => Error::invalid("broken_body", "the body ended early or is malformed")
            .suggest("send as many bytes as Content-Length says, or well-formed chunks"),
        Unread::Full => Error::new(ErrorKind::Unavailable, "bodies_full", "too many large bodies are being read now")
            .suggest("call again after the time in Retry-After"),
        Unread::Refused(refusal) => {
            let large = refusal.reason == "too_large";
            let kind = if large { ErrorKind::PayloadTooLarge } else { ErrorKind::Unavailable };
            Error::new(kind, refusal.reason.clone(), "the upload could not be kept").with("detail", &refusal.detail)
        }
    }
}

/// Health and cancellations of those who may cancel are heard also when the server has more to do than it can.
pub(super) fn urgency(request: &HttpRequest, passes: bool) -> Urgency {
    let names_it = request.path.starts_with("/mcp") && request.header("mcp-name") == Some("cancel_job");
    let is_cancel = request.method == "POST" && (names_it || request.path.trim_end_matches('/').ends_with("/cancel"));
    let is_health = request.path.starts_with("/health") || request.path == "/metrics";
    if (is_cancel && passes) || is_health { Urgency::High } else { Urgency::Normal }
}

fn overloaded(seconds: u64) -> Error {
    let wait = Retry::After(Duration::from_secs(seconds));
    Error::new(ErrorKind::Unavailable, "overloaded", "the server has more to do than it can").retry_as(wait)
}

fn metrics(edge: &Edge, request: &HttpRequest) -> Response {
    if request.method != "GET" {
        return response_of(&Error::new(ErrorKind::MethodNotAllowed, "method", "metrics are read with GET"));
    }
    edge.gate.check(request).map_or_else(
        |error| response_of(&error),
        |()| Response {
            status: 200,
            headers: vec![("content-type".into(), "text/plain; version=0.0.4; charset=utf-8".into())],
            body: edge.rendered().into(),
        },
    )
}

/// What is logged of a request.
struct Record {
    line: Line,
    /// Names a request whose answer does not.
    seed: Option<Seed>,
}

impl Record {
    fn new(request: &HttpRequest, peer: &str, labels: &Labels) -> Self {
        let line = Line::new(Level::Info, "request")
            .text("method", Some(&request.method))
            .text("path", Some(&request.path))
            .text("peer", Some(peer))
            .text("session_id", labels.session_id.as_deref())
            .text("trace_id", labels.trace_id.as_deref())
            .text("transaction_id", labels.transaction_id.as_deref())
            .text("user_id", labels.user_id.as_deref());
        Self { line, seed: None }
    }

    fn finish(self, edge: &Edge, reply: &hyper::Response<Body>, took: Duration) {
        let status = reply.status().as_u16();
        edge.driver.metrics.request(status, took);
        let told = reply.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(Cow::Borrowed);
        let id = told.or_else(|| self.seed.map(|seed| request_id(&seed).into()));
        let ms = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds with a fraction, for people")]
        let ms = ms as f64 / 1000.0;
        self.line.text("request_id", id.as_deref()).value("status", status).value("ms", ms).send();
    }
}
