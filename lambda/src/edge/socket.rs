use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    connection::{Connection, Phase},
    handover::Handover,
};
use crate::tasks::{self, Stop};

/// How long and how much is read of a peer that was told the last answer and goes on sending.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 << 20;

/// A socket that tells its connection when something was read, that leaves when its stream has, and that closes so that
/// the last answer arrives.
///
/// A socket closed with unread bytes in it makes the system send a reset, and the peer may drop an answer it has not
/// read yet (RFC 9112 section 9.6): one that sends a body too large would never see the 413.
pub(super) struct Watched {
    /// Until it was handed over.
    io: Option<TokioIo<TcpStream>>,
    connection: Arc<Connection>,
    handover: Arc<Handover>,
    stop: Stop,
    farewell: Option<Farewell>,
}

struct Farewell {
    end: Pin<Box<Sleep>>,
    left: usize,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>, handover: Arc<Handover>, stop: Stop) -> Self {
        Self { io: Some(TokioIo::new(stream)), connection, handover, stop, farewell: None }
    }

    /// The socket; pending for good once it was handed over, as hyper is dropped then.
    fn io(&mut self) -> Poll<Pin<&mut TokioIo<TcpStream>>> {
        self.io.as_mut().map_or(Poll::Pending, |io| Poll::Ready(Pin::new(io)))
    }

    /// Reads and forgets until the peer closes or has had its time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (Some(farewell), Some(io)) = (&mut self.farewell, &mut self.io) else { return Poll::Ready(Ok(())) };
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        while farewell.end.as_mut().poll(context).is_pending() {
            let mut read = ReadBuf::uninit(&mut buffer);
            // Whatever ends it now, the answer is out.
            let polled = ready!(Pin::new(&mut *io).poll_read(context, read.unfilled()));
            let count = read.filled().len();
            farewell.left = farewell.left.saturating_sub(count);
            if polled.is_err() || count == 0 || farewell.left == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = ready!(self.io()).poll_read(context, buffer);
        if polled.is_ready() {
            self.connection.read_something();
        }
        polled
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.io()).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(ready!(self.io()).poll_flush(context))?;
        if self.handover.is_offered()
            && let Some(io) = self.io.take()
        {
            self.handover.complete(io.into_inner());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(ready!(self.io()).poll_shutdown(context))?;
            self.connection.enter(Phase::Idle);
            self.farewell = Some(Farewell { end: Box::pin(sleep(LINGER)), left: LINGER_BYTES });
        }
        // A stop waits for no peer.
        if self.stop.phase() > tasks::Phase::Running { Poll::Ready(Ok(())) } else { self.poll_linger(context) }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(Write::is_write_vectored)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.io()).poll_write_vectored(context, slices)
    }
}
