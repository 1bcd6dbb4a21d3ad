//! What the tests of several modules share.

use std::sync::Arc;

use beam_mcp_core::config::{RunnerKind, Target};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use crate::{
    clock::Clock,
    driver::Driver,
    effects::Staging,
    http_send::Sender,
    metrics::Metrics,
    store::{MemoryStore, Store},
};

/// A driver over a memory store, with one target `hole` where nobody listens.
pub(crate) fn driver() -> Driver {
    let metrics = Arc::new(Metrics::new([]));
    Driver {
        clock: Clock::start(),
        store: Store::Memory(MemoryStore::new(1 << 20)),
        sender: Sender::new([&target("hole", "http://127.0.0.1:1")], None, metrics.clone()),
        topics: crate::topics::Topics::default(),
        staging: None,
        processes: None,
        metrics,
        tasks: crate::tasks::Tasks::default(),
        admission: Arc::default(),
        stop: crate::tasks::Stop::default(),
        committed: crate::committed::Committed::default(),
        folder: None,
    }
}

pub(crate) fn target(name: &str, url: &str) -> Target {
    let mut target = Target::new(name, RunnerKind::Flink);
    target.url = Some(url.to_owned());
    target
}

pub(crate) fn sender(target: &Target, staging: Option<Arc<dyn Staging>>) -> Sender {
    Sender::new([target], staging, Arc::new(Metrics::new([&target.name])))
}

/// A peer that answers each connection with the next of these raw answers and tells the raw requests it read.
///
/// A request ends where nothing more comes for 100 ms.
pub(crate) async fn peer(answers: Vec<Vec<u8>>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (requests, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            let pause = std::time::Duration::from_millis(100);
            while let Ok(Ok(count @ 1..)) = tokio::time::timeout(pause, stream.read(&mut chunk)).await {
                request.extend_from_slice(&chunk[..count]);
            }
            let _ = requests.send(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(&answer).await;
        }
    });
    (url, seen)
}

/// An HTTP/1.1 answer that ends with the connection.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}
