use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use tokio::net::{TcpListener, TcpStream};

use super::{
    Edge,
    connection::{Registry, Seat},
    handover::{Handover, Rest, stream_on},
    serve_request::{Wire, serve_request},
    socket::Watched,
};
use crate::{
    logging::{Level, Line},
    tasks::Phase,
};

/// Largest head of a request, in bytes.
const HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 100;
const SWEEP: Duration = Duration::from_secs(1);
/// How long connections stay open after a stop began, so that a request on its way still reads 503.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves the listeners until the process stops and every connection has ended.
pub async fn listen(edge: Arc<Edge>, listeners: Vec<TcpListener>) {
    let registry = Arc::new(Registry::new(edge.driver.clock, edge.max_connections));
    let sweeper = tokio::spawn(sweep(edge.clone(), registry.clone()));
    let mut loops = tokio::task::JoinSet::new();
    for listener in listeners {
        loops.spawn(accept(edge.clone(), registry.clone(), listener));
    }
    loops.join_all().await;
    sweeper.abort();
}

async fn sweep(edge: Arc<Edge>, registry: Arc<Registry>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        edge.driver.metrics.connections_cut.fetch_add(registry.sweep(), Ordering::Relaxed);
    }
}

async fn accept(edge: Arc<Edge>, registry: Arc<Registry>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = edge.driver.stop.reached(Phase::Draining) => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(&edge, &registry, stream, peer.ip().to_string()),
            Err(error) => {
                Line::new(Level::Error, "accept_failed").text("error", Some(&error.kind().to_string())).send();
                // Out of file descriptors: the connection stays in the queue until one is free.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(edge: &Arc<Edge>, registry: &Arc<Registry>, stream: TcpStream, peer: String) {
    let Some(seat) = registry.admit() else {
        edge.driver.metrics.connections_cut.fetch_add(1, Ordering::Relaxed);
        // The connection ends whether or not the peer reads why.
        let _ = stream.try_write(full(registry.wait_s()).as_bytes());
        return;
    };
    let place = edge.driver.tasks.enter();
    let edge = edge.clone();
    tokio::spawn(async move {
        edge.driver.metrics.connections.fetch_add(1, Ordering::Relaxed);
        serve(edge.clone(), seat, stream, peer).await;
        edge.driver.metrics.connections.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    });
}

fn full(wait_s: u64) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {wait_s}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
}

async fn serve(edge: Arc<Edge>, seat: Seat, stream: TcpStream, peer: String) {
    // Without it small answers wait for the peer's acknowledgement; failing is no reason not to serve.
    let _ = stream.set_nodelay(true);
    let peer: Arc<str> = peer.into();
    let mut next = Some(stream);
    while let Some(stream) = next {
        next = match serve_until_quiet(&edge, &seat, stream, &peer).await {
            Some(rest) => tokio::select! {
                next = stream_on(rest) => next,
                () = seat.connection.cut.notified() => None,
            },
            None => None,
        };
    }
}

/// Serves a connection until it ends, or leaves hyper with a stream that has fallen silent.
async fn serve_until_quiet(edge: &Arc<Edge>, seat: &Seat, stream: TcpStream, peer: &Arc<str>) -> Option<Rest> {
    let handover = Arc::new(Handover::default());
    let connection = seat.connection.clone();
    let wire = Arc::new(Wire { connection: connection.clone(), peer: peer.clone(), handover: handover.clone() });
    let io = Watched::new(stream, connection, handover.clone(), edge.driver.stop.clone());
    let service = service_fn(|request| serve_request(edge.clone(), wire.clone(), request));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD).max_headers(MOST_HEADERS);
    let mut served = Box::new(builder.serve_connection(io, service));
    let mut stopping = false;
    let rest = loop {
        // How the connection ends is the peer's affair: hyper has answered a bad head, a closed socket needs no answer.
        tokio::select! {
            _ = &mut *served => return None,
            () = seat.connection.cut.notified() => return None,
            rest = handover.done() => break rest,
            () = farewell(edge), if !stopping => {}
        }
        stopping = true;
        Pin::new(&mut *served).graceful_shutdown();
    };
    // What hyper has read of a next request goes with it.
    let whole = served.into_parts().read_buf.is_empty();
    Some(if whole { rest } else { rest.the_last() })
}

async fn farewell(edge: &Edge) {
    edge.driver.stop.reached(Phase::Draining).await;
    tokio::time::sleep(FAREWELL).await;
}
