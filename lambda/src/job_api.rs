//! Beam's Job API as a door: gRPC on loopback around [`crate::entry::Entry::job_api`].
//!
//! Frames and statuses are written here; what a call means is the core's. SDK programs send no token, so the listener
//! is bound to 127.0.0.1 whatever the server's own address is, and the core refuses a configuration with tokens.

use std::{
    convert::Infallible,
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error,
    auth::{Caller, Role},
    job_service::{self, Answer},
};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};

use crate::{
    attendance::{Attendance, Purpose},
    driver::Driver,
    entry::Entry,
    logging::{Level, Line},
    random::random,
    tasks::Phase,
};

/// Connections at once, and calls at once on each: a program has three under way.
const CONNECTIONS: usize = 64;
const CALLS: u32 = 16;
/// Longest a call or a round of a stream takes.
const LONGEST: Duration = Duration::from_secs(120);
/// Longest a request's body takes to arrive.
const BODY: Duration = Duration::from_secs(60);
/// Longest the first message of a stream is waited for.
const WORD: Duration = Duration::from_secs(10);
/// Frames that wait for a slow reader.
const QUEUE: usize = 64;
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The door.
#[derive(Clone)]
pub struct Door {
    /// The machine.
    pub driver: Arc<Driver>,
    /// The way into the core.
    pub entry: Arc<dyn Entry>,
}

/// Binds the door's port on this machine.
///
/// # Errors
/// What the system says.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Serves until the process stops.
pub async fn listen(door: Door, listener: TcpListener) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.driver.stop.reached(Phase::Draining) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            connection(door, stream).await;
            drop(seat);
        });
    }
}

async fn connection(door: Door, stream: TcpStream) {
    // Without it small answers wait for the peer's acknowledgement; failing is no reason not to serve.
    let _ = stream.set_nodelay(true);
    let service = {
        let door = door.clone();
        service_fn(move |request| answer(door.clone(), request))
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(CALLS).max_header_list_size(16 << 10);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    // How the connection ends is the peer's affair.
    tokio::select! {
        _ = serving => {}
        () = door.driver.stop.reached(Phase::Draining) => {}
    }
}

async fn answer(door: Door, request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    let method = request.uri().path().to_owned();
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    if !is_grpc || request.method() != hyper::Method::POST {
        let mut response = Response::new(Frames::of(Vec::new()));
        *response.status_mut() = hyper::StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Ok(response);
    }
    // Such a stream is open until we have asked for everything, which is nothing. It ends behind the program's first word:
    // Java's SDK fails, or stands, where its end was faster.
    if method == job_service::STAGING {
        let _ = tokio::time::timeout(WORD, request.into_body().frame()).await;
        let mut response = Response::new(Frames::of(vec![trailers(0, "")]));
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        return Ok(response);
    }
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let frames = match message(request.into_body()).await {
        Ok(message) => called(door, job_service::Request { method, message, cursor: None, authority }).await,
        Err((status, text)) => Frames::of(vec![trailers(status, text)]),
    };
    let mut response = Response::new(frames);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    Ok(response)
}

/// The one message of a request.
async fn message(body: Incoming) -> Result<Vec<u8>, (u32, &'static str)> {
    let most = usize::try_from(job_service::MOST_BYTES).unwrap_or(usize::MAX);
    let read = tokio::time::timeout(BODY, Limited::new(body, most + 5).collect()).await;
    let bytes = read.map_err(|_| (4, "the request came too slowly"))?.map_err(|_| (8, "the request is too large"))?;
    let bytes = bytes.to_bytes();
    let Some(([compressed, length @ ..], message)) = bytes.split_first_chunk::<5>() else {
        return Err((13, "a request is one message in its frame"));
    };
    if *compressed != 0 {
        return Err((12, "compressed messages are not read"));
    }
    if u32::from_be_bytes(*length) as usize != message.len() {
        return Err((13, "a request is one message in its frame"));
    }
    Ok(message.to_vec())
}

/// A call, or a stream in rounds for as long as somebody reads it.
async fn called(door: Door, request: job_service::Request) -> Frames {
    if !request.method.ends_with("Stream") {
        let place = door.driver.tasks.enter();
        // A task of its own: a submission goes on although its caller leaves.
        let work = tokio::spawn(async move {
            let answer = round(&door, request, Purpose::Answer).await;
            drop(place);
            answer
        });
        let answer = work.await.unwrap_or_else(|_| Err(Error::misuse("a defect")));
        return Frames::of(match answer {
            Ok(answer) => answer.messages.iter().map(|message| data(message)).chain([trailers(0, "")]).collect(),
            Err(error) => vec![failed(&error)],
        });
    }
    let (send, receive) = mpsc::channel(QUEUE);
    tokio::spawn(stream(door, request, send));
    Frames(receive)
}

async fn stream(door: Door, mut request: job_service::Request, send: mpsc::Sender<Frame<Bytes>>) {
    loop {
        let answer = tokio::select! {
            answer = round(&door, request.clone(), Purpose::Stream) => answer,
            () = send.closed() => return,
            () = door.driver.stop.reached(Phase::Draining) => return,
        };
        let (messages, next, end) = match answer {
            Ok(Answer { messages, next: Some(next) }) => (messages, Some(next), None),
            Ok(Answer { messages, next: None }) => (messages, None, Some(trailers(0, ""))),
            Err(error) => (Vec::new(), None, Some(failed(&error))),
        };
        for frame in messages.iter().map(|message| data(message)).chain(end) {
            if send.send(frame).await.is_err() {
                return;
            }
        }
        if next.is_none() {
            return;
        }
        request.cursor = next;
    }
}

async fn round(door: &Door, request: job_service::Request, purpose: Purpose) -> Result<Answer, Error> {
    // Whoever reaches loopback may what a local caller of the REST API may.
    let caller = Caller::with_role("local", Role::Operator);
    let method = request.method.clone();
    let call = Call::local(caller, door.driver.clock.mono() + LONGEST, random()?);
    let answer = door.driver.drive(door.entry.job_api(request, call), &Attendance::new(purpose)).await;
    let line = Line::new(Level::Info, "job_api").text("method", Some(&method));
    line.text("error", answer.as_ref().err().map(Error::reason)).send();
    answer
}

fn failed(error: &Error) -> Frame<Bytes> {
    trailers(job_service::status(error), &format!("{}; {}", error.message(), error.suggestion()))
}

fn data(message: &[u8]) -> Frame<Bytes> {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    Frame::data(framed.freeze())
}

fn trailers(status: u32, text: &str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(status));
    // gRPC wants the message percent-encoded, so it is a header's value whatever it holds.
    if let Ok(text) = HeaderValue::from_str(&beam_mcp_core::url::encode(text))
        && status != 0
    {
        trailers.insert("grpc-message", text);
    }
    Frame::trailers(trailers)
}

/// The frames of an answer, as they come.
struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl Frames {
    fn of(frames: Vec<Frame<Bytes>>) -> Self {
        let (send, receive) = mpsc::channel(frames.len().max(1));
        for frame in frames {
            // There is room for all of them.
            let _ = send.try_send(frame);
        }
        Self(receive)
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::{
        Flow,
        effect::{FaultKind, Reply, Response as Answered, StreamLimit},
        engine::{BodyRule, Inbound, Share, Snapshot},
    };

    use super::*;
    use crate::{
        http_send::rpc,
        testing::{driver, sender, target},
    };

    /// Answers each call with its own message; streams go on for ever, one message each 50 ms.
    struct Echo;

    impl Entry for Echo {
        fn body_rule(&self, _: &str, _: &str) -> BodyRule {
            BodyRule::Buffer(0)
        }

        fn handle(&self, _: Inbound, _: Call) -> Flow<Answered> {
            Flow::new(|_| async { Err(Error::misuse("not HTTP")) })
        }

        fn job_api(&self, request: job_service::Request, _: Call) -> Flow<Answer> {
            Flow::new(move |io| async move {
                let next = request.method.ends_with("Stream").then(String::new);
                match request.method.as_str() {
                    "/s/Fail" => return Err(Error::not_found("gone", "no such job: é")),
                    "/s/Slow" => io.sleep(Duration::from_secs(60)).await?,
                    "/s/Stream" => io.sleep(Duration::from_millis(50)).await?,
                    _ => {}
                }
                Ok(Answer { messages: vec![request.message], next })
            })
        }

        fn shares(&self) -> Vec<Share> {
            Vec::new()
        }

        fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
            Flow::new(|_| async { Ok(Duration::ZERO) })
        }

        fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
            Vec::new()
        }
    }

    /// Our own client at our own door.
    async fn ask(method: &str, message: &[u8], limit: Duration, stream: Option<StreamLimit>) -> Reply {
        let listener = bind(0).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let door = Door { driver: Arc::new(driver()), entry: Arc::new(Echo) };
        tokio::spawn(listen(door, listener));
        let (target_name, method, message) = ("t".to_owned(), method.to_owned(), message.to_vec());
        let call = rpc::Call { target: target_name, method, message, limit, stream };
        sender(&target("t", &url), None).rpc(call).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_call_and_its_status_come_back_whole() {
        let large = vec![7; 3 << 20];
        let Reply::Rpc { status: 0, body, .. } = ask("/s/Echo", &large, LONG, None).await else { panic!("no answer") };
        assert_eq!(body.as_slice(), large);
        let failed = ask("/s/Fail", b"", LONG, None).await;
        let Reply::Rpc { status: 5, message, .. } = failed else { panic!("{failed:?}") };
        assert!(message.starts_with("no such job: é; "), "{message}");
    }

    #[tokio::test]
    async fn an_answer_that_is_late_is_a_fault_and_a_stream_is_read_as_far_as_asked() {
        let late = ask("/s/Slow", b"", Duration::from_millis(300), None).await;
        assert!(matches!(&late, Reply::Fault(fault) if fault.kind == FaultKind::Timeout), "{late:?}");
        let limit = StreamLimit { quiet_ms: 5_000, max_bytes: 20 };
        let Reply::Rpc { status: 0, body, .. } = ask("/s/Stream", b"abc", LONG, Some(limit)).await else { panic!() };
        assert_eq!(body.as_slice(), b"\0\0\0\0\x03abc".repeat(3), "whole frames only");
        let limit = StreamLimit { quiet_ms: 5_000, max_bytes: 1 << 20 };
        let Reply::Rpc { status: 0, body, .. } = ask("/s/Stream", b"a", Duration::from_secs(1), Some(limit)).await
        else {
            panic!()
        };
        assert!(!body.as_slice().is_empty(), "time ran out, which is a good end of a stream");
    }

    #[tokio::test]
    async fn nobody_there_is_told_apart() {
        let call =
            rpc::Call { target: "t".into(), method: "/s/Echo".into(), message: vec![], limit: LONG, stream: None };
        let reply = sender(&target("t", "http://127.0.0.1:1"), None).rpc(call).await;
        assert!(matches!(&reply, Reply::Fault(fault) if fault.kind == FaultKind::Refused), "{reply:?}");
    }
}
