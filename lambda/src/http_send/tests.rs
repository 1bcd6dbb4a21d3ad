use beam_mcp_core::{
    config::CredentialRef,
    effect::{Body, Part, Recipe, Reply, SourceId},
};
use serde_json::json;

use super::*;
use crate::{
    effects::{Opened, Receipt, Work},
    testing::{answer, peer, sender, target},
};

fn get(path: &str) -> Request {
    Request::new("t", Method::Get, path)
}

#[tokio::test]
async fn only_what_the_request_names_is_sent() {
    let (url, mut seen) = peer(vec![answer(200, "X-Y: z\r\ncontent-length: 2\r\n", "{}")]).await;
    let mut request = Request::new("t", Method::Post, "/a%2Fb?q=1").json(json!({"a": 1}));
    request.headers.push(("x-marker".into(), "m".into()));
    let answer = sender(&target("t", &url), None).send(request).await.unwrap();
    assert_eq!((answer.status, answer.header("x-y"), answer.body.as_slice()), (200, Some("z"), &b"{}"[..]));
    let raw = seen.recv().await.unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
    lines[1..].sort();
    let host = format!("host: {}", url.trim_start_matches("http://"));
    let expected = [
        "post /a%2fb?q=1 http/1.1",
        "accept: */*",
        "content-length: 7",
        "content-type: application/json",
        &host,
        "x-marker: m",
    ];
    assert_eq!((lines, body), (expected.map(str::to_owned).to_vec(), "{\"a\":1}"));
}

#[tokio::test]
async fn another_server_of_the_target_is_reached_and_only_of_a_target() {
    let (url, mut seen) = peer(vec![answer(200, "content-length: 2\r\n", "{}")]).await;
    let sender = sender(&target("t", "http://127.0.0.1:9"), None);
    let other = Request { server: Some(format!("{url}/")), ..get("/log/?a=1") };
    assert_eq!(sender.send(other.clone()).await.unwrap().status, 200);
    let raw = seen.recv().await.unwrap().to_ascii_lowercase();
    assert!(raw.starts_with("get /log/?a=1 http/1.1\r\n"), "{raw}");
    assert!(raw.contains(&format!("host: {}", url.trim_start_matches("http://"))), "{raw}");
    let foreign = Request { target: "gone".into(), ..other };
    assert_eq!(sender.send(foreign).await.unwrap_err().kind, FaultKind::UnknownTarget);
}

#[tokio::test]
async fn redirects_are_answers() {
    let (url, _seen) = peer(vec![answer(302, "location: http://127.0.0.1:1/\r\ncontent-length: 0\r\n", "")]).await;
    assert_eq!(sender(&target("t", &url), None).send(get("/")).await.unwrap().status, 302);
}

#[tokio::test]
async fn sizes_are_bounded_and_tails_kept() {
    let long = "0123456789".repeat(100);
    let (url, _seen) =
        peer(vec![answer(200, "content-length: 1000\r\n", &long), answer(200, "", &long), answer(200, "", &long)])
            .await;
    let sender = sender(&target("t", &url), None);
    let mut request = get("/");
    request.max_bytes = 10;
    for _ in 0..2 {
        assert_eq!(sender.send(request.clone()).await.unwrap_err().kind, FaultKind::TooLarge);
    }
    request.tail = true;
    assert_eq!(sender.send(request).await.unwrap().body.text(), "0123456789");
}

#[tokio::test]
async fn faults_say_whether_anything_arrived() {
    let sender = sender(&target("t", "http://127.0.0.1:1"), None);
    assert_eq!(sender.send(get("/")).await.unwrap_err().kind, FaultKind::Refused);
    let unknown = Request::new("other", Method::Get, "/");
    assert_eq!(sender.send(unknown).await.unwrap_err().kind, FaultKind::UnknownTarget);
    for path in ["/a/../b", "b", "/a b", "//x/../y"] {
        assert_eq!(sender.send(get(path)).await.unwrap_err().kind, FaultKind::UnknownTarget, "{path}");
    }
    let (cut, _seen) = peer(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()]).await;
    let cut = crate::testing::sender(&target("t", &cut), None);
    assert_eq!(cut.send(get("/")).await.unwrap_err().kind, FaultKind::Reset);
    let (tls, _seen) = peer(vec![b"this is no TLS".to_vec()]).await;
    let tls = crate::testing::sender(&target("t", &tls.replace("http", "https")), None);
    let f = tls.send(get("/").timeout(2000)).await.unwrap_err();
    assert_eq!(f.kind, FaultKind::Tls, "{f:?}");
}

#[tokio::test]
async fn a_silent_peer_is_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let fault = sender(&target("t", &url), None).send(get("/").timeout(50)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
}

#[tokio::test]
async fn a_refused_credential_is_read_again_once() {
    let (url, mut seen) = peer(vec![answer(401, "", ""), answer(200, "", "in")]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old").unwrap();
    let mut target = target("t", &url);
    let secret = format!("file:{}", file.path().display());
    target.credential =
        Some(CredentialRef { header: Some("x-key".into()), secret: Some(secret), ..CredentialRef::default() });
    let sender = sender(&target, None);
    let mut request = get("/");
    request.credential = Some(beam_mcp_core::effect::CredentialId("t".into()));
    let sending = tokio::spawn(async move { sender.send(request).await });
    assert!(seen.recv().await.unwrap().contains("x-key: old"));
    std::fs::write(file.path(), "new").unwrap();
    assert!(seen.recv().await.unwrap().contains("x-key: new"));
    assert_eq!(sending.await.unwrap().unwrap().body.text(), "in");
}

#[tokio::test]
async fn outcomes_keep_the_order_of_their_requests() {
    let requests = ["/1", "bad", "/2"].map(get).to_vec();
    let (url, _seen) = peer(vec![answer(200, "", "x"), answer(200, "", "x")]).await;
    let outcomes = sender(&target("t", &url), None).send_all(requests).await;
    let status = |outcome: &Outcome| match outcome {
        Outcome::Response(response) => response.status,
        Outcome::Fault(_) => 0,
    };
    assert_eq!(outcomes.iter().map(status).collect::<Vec<_>>(), [200, 0, 200]);
}

/// One staged file that says it has `size` bytes.
struct OneFile {
    path: std::path::PathBuf,
    size: u64,
}

impl Staging for OneFile {
    fn stage(&self, _: Recipe) -> Work<'_, Reply> {
        Box::pin(async { Reply::Unsupported { reason: String::new() } })
    }
    fn open<'a>(&'a self, _: &'a SourceId) -> Work<'a, io::Result<Opened>> {
        Box::pin(async { Ok(Opened { file: tokio::fs::File::open(&self.path).await?, size: self.size }) })
    }
    fn receive(&self, _: u64) -> Work<'_, io::Result<Box<dyn Receipt>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

fn upload() -> Request {
    let mut request = Request::new("t", Method::Post, "/jars/upload");
    let source = SourceId("sha256:x".into());
    let (name, file_name) = ("jarfile".into(), "a\"b.jar".into());
    let content_type = "application/x-java-archive".into();
    request.body = Body::Multipart(vec![Part { name, file_name, content_type, source }]);
    request
}

#[tokio::test]
async fn a_staged_file_is_streamed_with_its_length() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "JAR").unwrap();
    let staging = |size| Some(Arc::new(OneFile { path: file.path().into(), size }) as Arc<dyn Staging>);
    let (url, mut seen) = peer(vec![answer(200, "", "{}"), answer(200, "", "{}")]).await;
    sender(&target("t", &url), staging(3)).send(upload()).await.unwrap();
    let raw = seen.recv().await.unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(body.contains(
        "name=\"jarfile\"; filename=\"a%22b.jar\"\r\nContent-Type: application/x-java-archive\r\n\r\nJAR\r\n--beam-mcp-"
    ));
    let short = sender(&target("t", &url), staging(4)).send(upload()).await.unwrap_err();
    assert_eq!(short.kind, FaultKind::Source);
    let none = sender(&target("t", &url), None).send(upload()).await.unwrap_err();
    assert_eq!(none.kind, FaultKind::Source);
}
