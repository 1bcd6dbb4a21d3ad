//! A stream that falls silent leaves hyper.
//!
//! hyper holds two buffers of 8 KiB and its own state for as long as a connection is open; a subscription that says
//! nothing for hours has no use for them. Once all that was written is out, hyper is dropped, and what is still to be
//! told is written by [`stream_on`]. After the stream another hyper serves the connection.

use std::{
    future::poll_fn,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::Version;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Notify};

use super::sse::{Events, Next};

/// The way of one connection's stream out of hyper: its body offers the events, its socket follows when it is flushed.
#[derive(Default)]
pub(super) struct Handover {
    offered: AtomicBool,
    halves: Mutex<Halves>,
    done: Notify,
}

#[derive(Default)]
struct Halves {
    body: Option<(Box<Events>, Ending)>,
    socket: Option<TcpStream>,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) framing: Framing,
    /// Its connection can take another request.
    pub(super) serves_on: bool,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    Chunked,
    /// By closing: HTTP/1.0 knows no other way.
    Closing,
}

impl Framing {
    pub(super) fn of(version: Version) -> Self {
        if version == Version::HTTP_11 { Self::Chunked } else { Self::Closing }
    }
}

/// The rest of a stream.
pub(super) struct Rest {
    events: Box<Events>,
    ending: Ending,
    stream: TcpStream,
}

impl Handover {
    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body's half.
    pub(super) fn offer(&self, events: Box<Events>, ending: Ending) {
        self.halves().body = Some((events, ending));
        self.offered.store(true, Ordering::Release);
    }

    /// True once the body has offered its half.
    pub(super) fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Acquire)
    }

    /// The socket's half, with nothing left to write.
    pub(super) fn complete(&self, stream: TcpStream) {
        self.halves().socket = Some(stream);
        self.done.notify_one();
    }

    /// Both halves, once they are there.
    pub(super) async fn done(&self) -> Rest {
        loop {
            self.done.notified().await;
            let mut halves = self.halves();
            if let (Some((events, ending)), Some(stream)) = (halves.body.take(), halves.socket.take()) {
                return Rest { events, ending, stream };
            }
        }
    }
}

/// Tells the rest of a stream until it ends or its peer leaves; gives the socket back where it can serve on.
///
/// It waits for its reader without a limit of its own: a connection that is not read is cut by who feeds it, or some time
/// after all was said.
pub(super) async fn stream_on(mut rest: Rest) -> Option<TcpStream> {
    loop {
        let next = tokio::select! {
            next = poll_fn(|context| rest.events.poll_next(context)) => next,
            () = left(&rest.stream) => return None,
        };
        match next {
            Next::Bytes(bytes) => rest.write(&bytes).await.ok()?,
            Next::Quiet => {}
            Next::End => return rest.end().await,
        }
    }
}

impl Rest {
    /// The same, with the end of its connection after it.
    pub(super) fn the_last(self) -> Self {
        Self { ending: Ending { serves_on: false, ..self.ending }, ..self }
    }

    async fn write(&mut self, bytes: &Bytes) -> io::Result<()> {
        match self.ending.framing {
            Framing::Chunked => self.stream.write_all(&chunk(bytes)).await,
            Framing::Closing => self.stream.write_all(bytes).await,
        }
    }

    async fn end(mut self) -> Option<TcpStream> {
        if self.ending.framing == Framing::Closing {
            return None;
        }
        self.stream.write_all(b"0\r\n\r\n").await.ok()?;
        Some(self.stream).filter(|_| self.ending.serves_on)
    }
}

/// One chunk (RFC 9112 section 7.1).
fn chunk(bytes: &Bytes) -> BytesMut {
    let size = format!("{:x}\r\n", bytes.len());
    let mut chunk = BytesMut::with_capacity(size.len() + bytes.len() + 2);
    chunk.put_slice(size.as_bytes());
    chunk.put_slice(bytes);
    chunk.put_slice(b"\r\n");
    chunk
}

/// Waits until the peer closes. One that sends its next request already is only noticed to leave when it is written to.
async fn left(stream: &TcpStream) {
    if matches!(stream.peek(&mut [0]).await, Ok(1..)) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_its_size_before_it() {
        assert_eq!(chunk(&Bytes::from_static(b": \n\n")), "4\r\n: \n\n\r\n");
        assert_eq!(chunk(&Bytes::from(vec![b'x'; 26]))[..4], *b"1a\r\n");
    }
}
