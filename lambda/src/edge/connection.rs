use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Notify};

use crate::clock::Clock;

/// What a connection is doing; all but `Busy` have a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Accepted, not a byte read.
    New,
    /// In the head of a request.
    Head,
    /// Between requests, or writing out the last answer.
    Idle,
    /// A request is being read or answered.
    Busy,
}

impl Phase {
    fn limit(self) -> Option<Duration> {
        match self {
            Self::New => Some(Duration::from_secs(5)),
            Self::Head => Some(Duration::from_secs(10)),
            Self::Idle => Some(Duration::from_secs(75)),
            Self::Busy => None,
        }
    }

    fn of(number: u8) -> Self {
        [Self::New, Self::Head, Self::Idle].into_iter().find(|phase| *phase as u8 == number).unwrap_or(Self::Busy)
    }
}

/// One connection as the edge watches it.
#[derive(Debug)]
pub(super) struct Connection {
    phase: AtomicU8,
    since_ms: AtomicU64,
    clock: Clock,
    /// Rings when the connection must end now.
    pub(super) cut: Notify,
}

impl Connection {
    fn new(clock: Clock) -> Self {
        let since_ms = AtomicU64::new(millis(clock.mono()));
        Self { phase: AtomicU8::new(Phase::New as u8), since_ms, clock, cut: Notify::new() }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.since_ms.store(millis(self.clock.mono()), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Relaxed))
    }

    fn read_something(&self) {
        if matches!(self.phase(), Phase::New | Phase::Idle) {
            self.enter(Phase::Head);
        }
    }

    fn is_overdue(&self, now_ms: u64) -> bool {
        let age = now_ms.saturating_sub(self.since_ms.load(Ordering::Relaxed));
        self.phase().limit().is_some_and(|limit| age > millis(limit))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All open connections, oldest first.
#[derive(Debug)]
pub(super) struct Registry {
    clock: Clock,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    open: BTreeMap<u64, Arc<Connection>>,
}

impl Registry {
    pub(super) fn new(clock: Clock, most: usize) -> Self {
        Self { clock, most, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for a new connection, at the cost of the oldest that serves no request; `None` when all do.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.lock();
        if state.open.len() >= self.most {
            let idle =
                state.open.iter().find(|(_, connection)| connection.phase() != Phase::Busy).map(|(id, _)| *id)?;
            state.open.remove(&idle)?.cut.notify_one();
        }
        state.last += 1;
        let (id, connection) = (state.last, Arc::new(Connection::new(self.clock)));
        state.open.insert(id, connection.clone());
        Some(Seat { registry: self.clone(), id, connection })
    }

    /// Cuts what is overdue; how many.
    pub(super) fn sweep(&self) -> u64 {
        let now_ms = millis(self.clock.mono());
        let state = self.lock();
        let overdue = state.open.values().filter(|connection| connection.is_overdue(now_ms));
        overdue.map(|connection| connection.cut.notify_one()).count() as u64
    }
}

/// A connection's place among the open ones, given up when dropped.
pub(super) struct Seat {
    registry: Arc<Registry>,
    id: u64,
    pub(super) connection: Arc<Connection>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.lock().open.remove(&self.id);
    }
}

/// A socket that tells its connection when something was read.
pub(super) struct Watched {
    pub(super) io: TokioIo<TcpStream>,
    pub(super) connection: Arc<Connection>,
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if polled.is_ready() {
            self.connection.read_something();
        }
        polled
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_idle_connection_makes_room() {
        let registry = Arc::new(Registry::new(Clock::start(), 2));
        let (busy, idle) = (registry.admit().unwrap(), registry.admit().unwrap());
        busy.connection.enter(Phase::Busy);
        let third = registry.admit().unwrap();
        assert_eq!(registry.lock().open.keys().copied().collect::<Vec<_>>(), [1, 3]);
        third.connection.enter(Phase::Busy);
        assert!(registry.admit().is_none());
        drop((busy, idle));
        assert!(registry.admit().is_some());
    }

    #[test]
    fn reading_moves_only_waiting_connections() {
        let connection = Connection::new(Clock::start());
        connection.read_something();
        assert_eq!(connection.phase(), Phase::Head);
        connection.enter(Phase::Busy);
        connection.read_something();
        assert_eq!(connection.phase(), Phase::Busy);
        assert!(!connection.is_overdue(u64::MAX));
        connection.enter(Phase::Idle);
        assert!(connection.is_overdue(76_000) && !connection.is_overdue(74_000));
    }
}
