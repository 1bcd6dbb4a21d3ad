use std::{sync::Arc, time::Duration};

use beam_mcp_core::{
    Call, Flow,
    effect::{Reply, Response},
    engine::{BodyRule, HttpRequest, Inbound, Share, Snapshot},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Edge, Gate, listen, serve_request::urgency};
use crate::{admission::Urgency, driver::Driver, entry::Entry, tasks::Phase, testing::driver};

const LONG: Duration = Duration::from_secs(600);

/// Answers by path; the flows are such as an engine would make.
struct Paths;

impl Entry for Paths {
    fn body_rule(&self, _: &str, path: &str) -> BodyRule {
        if path == "/stage" { BodyRule::Stage(9) } else { BodyRule::Buffer(9) }
    }

    fn cors(&self, request: &HttpRequest) -> Vec<(String, String)> {
        request.header("origin").map(|page| ("x-for-page".into(), page.into())).into_iter().collect()
    }

    fn handle(&self, inbound: Inbound, _: Call) -> Flow<Response> {
        let Inbound::Http(request) = inbound else { panic!("a line") };
        match request.path.as_str() {
            "/sleep" => Flow::new(|io| async move {
                let ended = io.sleep(LONG).await;
                io.publish("ended".into(), format!("{ended:?}")).await?;
                Ok(Response::json(200, &"slept"))
            }),
            "/intent" => Flow::new(|io| async move {
                io.intent_is_durable();
                io.sleep(Duration::from_millis(300)).await?;
                io.publish("ended".into(), "done".into()).await?;
                Ok(Response::json(200, &"done"))
            }),
            "/stream" => Flow::new(|io| async move {
                io.emit("one".into()).await?;
                io.wait(vec![("go".into(), 0)], LONG).await?;
                io.emit("two".into()).await?;
                Ok(Response::json(200, &"last"))
            }),
            "/large" => Flow::new(|io| async move {
                io.emit("one".into()).await?;
                io.wait(vec![("go".into(), 0)], LONG).await?;
                Ok(Response::json(200, &"x".repeat(16 << 20)))
            }),
            "/panic" => Flow::new(|_| async move { panic!("canary") }),
            _ => Flow::new(move |_| async move { Ok(echo(&request)) }),
        }
    }

    fn shares(&self) -> Vec<Share> {
        vec![Share::All]
    }
    fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
        Vec::new()
    }
    fn tick(&self, _: Share, _: Call) -> Flow<Duration> {
        Flow::new(|_| async { Ok(LONG) })
    }
}

fn echo(request: &HttpRequest) -> Response {
    let mut response = Response::json(200, request);
    response.headers.push(("connection".into(), "x-secret".into()));
    response.headers.push(("x-kept".into(), "yes".into()));
    response
}

struct Server {
    driver: Arc<Driver>,
    address: String,
    running: JoinHandle<()>,
}

async fn start() -> Server {
    let driver = Arc::new(driver());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let gate = Gate { authorities: vec!["h".into()], ..Gate::default() };
    let edge = Arc::new(Edge::new(driver.clone(), Arc::new(Paths), gate, 8));
    Server { driver, address, running: tokio::spawn(listen(edge, vec![listener])) }
}

impl Server {
    async fn open(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Status and body of a request after which the connection ends.
    async fn ask(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = self.open(&format!("{head} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{body}")).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    async fn topic(&self, name: &str) -> String {
        match self.driver.topics.wait(&[(name.to_owned(), 0)], Duration::from_secs(5)).await {
            Reply::Woken { topics } => topics[0].2.clone(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        text.push(byte[0] as char);
    }
    text
}

/// Time passes for all timers at once, and then for what they woke.
async fn pass(later: Duration) {
    tokio::time::pause();
    tokio::time::advance(later).await;
    tokio::time::resume();
    tokio::time::sleep(QUIET).await;
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let server = start().await;
    let (status, head, body) =
        server.ask("POST /a%20b?q=1&r", "X-Twice: 1\r\nX-Twice: 2\r\ncontent-length: 2\r\n\r\nhi").await;
    let read: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &read["method"], &read["path"], &read["query"]),
        (200, &json!("POST"), &json!("/a%20b"), &json!("q=1&r"))
    );
    assert_eq!(read["body"], json!({"text": "hi"}));
    let twice = read["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == "x-twice").count();
    assert_eq!((twice, head.contains("x-kept: yes"), head.contains("x-secret")), (2, true, false));
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = start().await;
    let request = "GET /x HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut stream = server.open(request).await;
    for _ in 0..3 {
        let head = read_until(&mut stream, "\r\n\r\n").await.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn head_tells_the_length_alone() {
    let (status, head, body) = start().await.ask("HEAD /x", "\r\n").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: ") && !head.contains("content-length: 0"), "{head}");
}

#[tokio::test]
async fn bodies_over_their_limit_are_refused() {
    let server = start().await;
    let told = server.ask("POST /x", "content-length: 10\r\n\r\n").await;
    let chunked =
        server.ask("POST /x", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n").await;
    for (status, head, body) in [told, chunked] {
        assert_eq!((status, head.contains("connection: close")), (413, true));
        assert!(body.contains("body_too_large"), "{body}");
    }
    let (status, _, body) = server.ask("POST /stage", "content-length: 1\r\n\r\nx").await;
    assert!(status == 200 && body.contains("\"staged\":null"), "{body}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_when_its_time_is_over_and_not_before() {
    let server = start().await;
    let mut stream = server.open("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhalf").await;
    tokio::time::sleep(QUIET).await;
    pass(Duration::from_secs(5)).await;
    let early = tokio::time::timeout(QUIET, stream.peek(&mut [0])).await;
    assert!(early.is_err(), "there is time to send: {early:?}");
    pass(Duration::from_secs(20)).await;
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_body_may_come_in_parts() {
    let server = start().await;
    let mut stream = server.open("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nha").await;
    pass(Duration::from_secs(5)).await;
    stream.write_all(b"lf").await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// RFC 9112 section 9.6: a reset would make the peer forget the answer it has not read yet.
#[tokio::test]
async fn who_sends_on_still_reads_the_refusal() {
    let server = start().await;
    let mut stream = server.open("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 10000000\r\n\r\n").await;
    for _ in 0..100 {
        stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut stream = server.open(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(200_000))).await;
    answer.clear();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let server = start().await;
    assert_eq!(server.ask("GET /x", "host: other\r\n\r\n").await.0, 400);
    assert_eq!(server.ask("GET /x", &format!("x-long: {}\r\n\r\n", "x".repeat(17 << 10))).await.0, 431);
    assert_eq!(server.ask("NONSENSE", "\r\n").await.0, 400);
    let (status, _, body) = server.ask("GET /panic", "\r\n").await;
    assert_eq!((status, body.contains("canary")), (500, false));
}

#[tokio::test]
async fn frames_are_events_and_the_answer_is_the_last() {
    let server = start().await;
    let mut stream = server.open("GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let head = read_until(&mut stream, "one\n\n").await;
    assert!(head.contains("text/event-stream") && head.contains("x-accel-buffering: no"), "{head}");
    server.driver.topics.publish("go", String::new());
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(rest.contains("data: two\n\n") && rest.contains("data: \"last\"\n\n"), "{rest}");
}

/// Longer than a stream is silent before it leaves hyper.
const QUIET: Duration = Duration::from_millis(700);

async fn quiet(server: &Server, version: &str) -> TcpStream {
    let mut stream = server.open(&format!("GET /stream HTTP/{version}\r\nhost: h\r\n\r\n")).await;
    read_until(&mut stream, "one\n\n").await;
    tokio::time::sleep(QUIET).await;
    stream
}

#[tokio::test]
async fn a_quiet_stream_goes_on_as_it_began_and_its_connection_after_it() {
    let server = start().await;
    let mut stream = quiet(&server, "1.1").await;
    server.driver.topics.publish("go", String::new());
    let rest = read_until(&mut stream, "0\r\n\r\n").await;
    assert!(rest.contains("data: two\n\n") && rest.ends_with("data: \"last\"\n\n\r\n0\r\n\r\n"), "{rest}");
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_quiet_stream_of_http_1_0_ends_with_its_connection() {
    let server = start().await;
    let mut stream = quiet(&server, "1.0").await;
    server.driver.topics.publish("go", String::new());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "data: two\n\ndata: \"last\"\n\n");
}

#[tokio::test]
async fn a_quiet_stream_closes_its_connection_where_it_was_asked_to() {
    let server = start().await;
    let mut stream = server.open("GET /stream HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    read_until(&mut stream, "one\n\n").await;
    tokio::time::sleep(QUIET).await;
    server.driver.topics.publish("go", String::new());
    let mut rest = String::new();
    let read = stream.read_to_string(&mut rest);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("the connection stays open").unwrap();
    assert!(rest.ends_with("data: \"last\"\n\n\r\n0\r\n\r\n"), "{rest}");
}

/// A stream that has said all it has to say to a peer that reads no more, in hyper and after it.
#[tokio::test]
async fn who_does_not_read_the_end_of_a_stream_holds_no_connection() {
    for silence in [Duration::ZERO, QUIET] {
        let server = start().await;
        let connections = || server.driver.metrics.connections.load(std::sync::atomic::Ordering::Relaxed);
        let mut stream = server.open("GET /large HTTP/1.1\r\nhost: h\r\n\r\n").await;
        read_until(&mut stream, "one\n\n").await;
        tokio::time::sleep(silence).await;
        server.driver.topics.publish("go", String::new());
        tokio::time::sleep(QUIET).await;
        pass(Duration::from_secs(30)).await;
        assert_eq!(connections(), 1, "{silence:?}: there is time to read");
        pass(Duration::from_secs(60)).await;
        for _ in 0..100 {
            if connections() == 0 {
                break;
            }
            tokio::time::sleep(QUIET).await;
        }
        assert_eq!(connections(), 0, "{silence:?}");
    }
}

#[tokio::test]
async fn who_asks_on_during_a_quiet_stream_is_answered_after_it() {
    let server = start().await;
    let mut stream = quiet(&server, "1.1").await;
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    server.driver.topics.publish("go", String::new());
    read_until(&mut stream, "0\r\n\r\n").await;
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_hangs_up_on_a_quiet_stream_is_noticed() {
    let server = start().await;
    let streams = || server.driver.metrics.streams.load(std::sync::atomic::Ordering::Relaxed);
    let stream = quiet(&server, "1.1").await;
    assert_eq!(streams(), 1);
    drop(stream);
    for _ in 0..50 {
        if streams() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} streams", streams());
}

#[tokio::test]
async fn who_hangs_up_cancels_a_read_and_not_an_intent() {
    let server = start().await;
    let stream = server.open("GET /sleep HTTP/1.1\r\nhost: h\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    assert!(server.topic("ended").await.contains("Cancelled"));
    let server = start().await;
    let stream = server.open("GET /intent HTTP/1.1\r\nhost: h\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    assert_eq!(server.topic("ended").await, "done");
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_refuses_the_rest() {
    let server = start().await;
    let mut under_way = server.open("GET /intent HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let mut idle = server.open("").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.driver.stop.advance(Phase::Draining);
    idle.write_all(b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut refused = String::new();
    idle.read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("\r\nretry-after: "), "{refused}");
    let mut answered = String::new();
    under_way.read_to_string(&mut answered).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    server.running.await.unwrap();
    assert!(server.driver.tasks.idle(Duration::from_secs(2)).await);
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test]
async fn who_finds_every_connection_answered_is_told_when_to_come_again_and_not_all_at_once() {
    let server = start().await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = server.open("GET /stream HTTP/1.1\r\nhost: h\r\n\r\n").await;
        read_until(&mut stream, "one\n\n").await;
        streams.push(stream);
    }
    for seconds in 1..=5 {
        let mut answer = String::new();
        TcpStream::connect(&server.address).await.unwrap().read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains(&format!("\r\nretry-after: {seconds}\r\n")), "{answer}");
    }
    drop(streams.pop());
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let _ = stream.write_all(b"GET /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no connection was free");
}

#[tokio::test]
async fn metrics_are_behind_the_gate() {
    let server = start().await;
    let (status, _, text) = server.ask("GET /metrics", "\r\n").await;
    assert!(status == 200 && text.contains("beam_mcp_connections 1"), "{text}");
    assert_eq!(server.ask("GET /metrics", "origin: https://evil.example\r\n\r\n").await.0, 403);
    assert_eq!(server.ask("POST /metrics", "\r\n").await.0, 405);
}

#[tokio::test]
async fn the_head_of_a_stream_and_a_refusal_of_the_host_are_for_the_page_that_asked() {
    let server = start().await;
    let mut stream = server.open("GET /stream HTTP/1.1\r\nhost: h\r\norigin: https://app.example\r\n\r\n").await;
    let head = read_until(&mut stream, "\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.contains("x-for-page: https://app.example"), "{head}");
    let (status, head, _) =
        server.ask("POST /x", "origin: https://app.example\r\nhost: h\r\ncontent-length: 0\r\n\r\n").await;
    assert!(status == 400 && head.contains("x-for-page: https://app.example"), "{head}");
}

#[tokio::test]
async fn whom_the_engine_turns_away_is_not_read() {
    let server = start().await;
    // 9 bytes are promised, and none is sent: who may not come in is answered at once, and for the last time.
    let mut stream = server.open("POST /x HTTP/1.1\r\nhost: evil\r\ncontent-length: 9\r\n\r\n").await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
}

#[test]
fn only_who_may_cancel_is_heard_first_with_a_cancel() {
    let request = |method: &str, path: &str, name: &str| HttpRequest {
        method: method.into(),
        path: path.into(),
        headers: vec![("mcp-name".into(), name.into())],
        ..HttpRequest::default()
    };
    for (method, path, name, passes, urgent) in [
        ("POST", "/mcp", "cancel_job", true, true),
        ("POST", "/mcp", "cancel_job", false, false),
        ("POST", "/api/v1/jobs/a/cancel", "", true, true),
        ("GET", "/api/v1/jobs", "cancel_job", true, false),
        ("POST", "/mcp", "get_job", true, false),
        ("GET", "/health/live", "", false, true),
    ] {
        let urgency = urgency(&request(method, path, name), passes);
        assert_eq!(urgency == Urgency::High, urgent, "{method} {path} {name} {passes}");
    }
}
