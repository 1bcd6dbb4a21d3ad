use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{attendance::Line, clock::Clock};

/// What a connection is doing.
///
/// A peer that is slow from its first byte to the end of a head is cut within 15 s, as sweeps are 1 s apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Accepted, not a byte read.
    New,
    /// In the head of a request.
    Head,
    /// In the body of a request, which has limits of its own.
    Body,
    /// Between requests, or writing out the last answer.
    Idle,
    /// What is left of a stream is being read, or not.
    Ending,
    /// A request is being answered.
    Busy,
}

impl Phase {
    fn limit(self) -> Option<Duration> {
        match self {
            Self::New => Some(Duration::from_secs(5)),
            Self::Head => Some(Duration::from_secs(8)),
            Self::Idle | Self::Ending => Some(Duration::from_secs(75)),
            Self::Body | Self::Busy => None,
        }
    }

    fn of(number: u8) -> Self {
        [Self::New, Self::Head, Self::Body, Self::Idle, Self::Ending]
            .into_iter()
            .find(|phase| *phase as u8 == number)
            .unwrap_or(Self::Busy)
    }
}

/// Time in which a peer at work brings its whole request, or takes the end of a stream.
const BRISK: Duration = Duration::from_secs(1);

/// Longest wait that whoever is turned away is told (security-reliability.md 4.4).
const LONGEST_WAIT_S: u64 = 120;

/// How readily a connection is given up when there are too many; those that are answered never are.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Worth {
    /// Long in the middle of a request, or of reading the end of a stream.
    Sluggish,
    /// Between requests: its peer may open another one.
    Waiting,
    /// About to ask.
    Fresh,
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

    pub(super) fn read_something(&self) {
        if matches!(self.phase(), Phase::New | Phase::Idle) {
            self.enter(Phase::Head);
        }
    }

    fn age(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms.load(Ordering::Relaxed))
    }

    fn is_overdue(&self, now_ms: u64) -> bool {
        self.phase().limit().is_some_and(|limit| self.age(now_ms) > millis(limit))
    }

    fn worth(&self, now_ms: u64) -> Option<Worth> {
        let is_late = self.age(now_ms) > millis(BRISK);
        match self.phase() {
            Phase::Busy => None,
            Phase::Idle => Some(Worth::Waiting),
            Phase::Ending => is_late.then_some(Worth::Sluggish),
            Phase::New | Phase::Head | Phase::Body => Some(if is_late { Worth::Sluggish } else { Worth::Fresh }),
        }
    }
}

impl Line for Connection {
    fn cut(&self) {
        self.cut.notify_one();
    }

    fn all_said(&self) {
        self.enter(Phase::Ending);
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
    turned_away: u64,
    open: BTreeMap<u64, Arc<Connection>>,
}

impl Registry {
    pub(super) fn new(clock: Clock, most: usize) -> Self {
        Self { clock, most, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for a new connection, at the cost of the one that is worth least; `None` when all are answered.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.lock();
        if state.open.len() >= self.most {
            let now_ms = millis(self.clock.mono());
            let worth = |(id, connection): (&u64, &Arc<Connection>)| Some((connection.worth(now_ms)?, *id));
            let (_, given_up) = state.open.iter().filter_map(worth).min()?;
            state.open.remove(&given_up)?.cut.notify_one();
        }
        state.last += 1;
        let (id, connection) = (state.last, Arc::new(Connection::new(self.clock)));
        state.open.insert(id, connection.clone());
        Some(Seat { registry: self.clone(), id, connection })
    }

    /// Seconds after which one that was turned away may come again: until one of the others is likely to have ended, and
    /// up to 4 more in turn, so that they do not come back together.
    pub(super) fn wait_s(&self) -> u64 {
        let now_ms = millis(self.clock.mono());
        let mut state = self.lock();
        let turn = state.turned_away % 5;
        state.turned_away += 1;
        (until_one_ends_s(state.open.values().map(|connection| connection.age(now_ms))) + turn).min(LONGEST_WAIT_S)
    }

    /// Cuts what is overdue; how many.
    pub(super) fn sweep(&self) -> u64 {
        let now_ms = millis(self.clock.mono());
        let state = self.lock();
        let overdue = state.open.values().filter(|connection| connection.is_overdue(now_ms));
        overdue.map(|connection| connection.cut.notify_one()).count() as u64
    }
}

/// How long what has lasted so long goes on is best told by how long it has: of so many, the first ends as much sooner.
fn until_one_ends_s(ages_ms: impl Iterator<Item = u64>) -> u64 {
    let (count, sum_ms) = ages_ms.fold((0_u64, 0_u64), |(count, sum), age| (count + 1, sum.saturating_add(age)));
    let mean_ms = sum_ms / count.max(1);
    (mean_ms / count.max(1)).div_ceil(1_000).clamp(1, LONGEST_WAIT_S)
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
    fn a_peer_that_dawdles_goes_before_one_that_waits_and_that_before_one_that_just_came() {
        let connection = Connection::new(Clock::start());
        for (phase, at_once, later) in [
            (Phase::New, Some(Worth::Fresh), Some(Worth::Sluggish)),
            (Phase::Head, Some(Worth::Fresh), Some(Worth::Sluggish)),
            (Phase::Body, Some(Worth::Fresh), Some(Worth::Sluggish)),
            (Phase::Idle, Some(Worth::Waiting), Some(Worth::Waiting)),
            (Phase::Ending, None, Some(Worth::Sluggish)),
            (Phase::Busy, None, None),
        ] {
            connection.enter(phase);
            assert_eq!((connection.worth(0), connection.worth(10_000)), (at_once, later), "{phase:?}");
        }
        assert!(Worth::Sluggish < Worth::Waiting && Worth::Waiting < Worth::Fresh);
    }

    #[test]
    fn who_is_turned_away_is_told_when_one_of_the_others_is_likely_to_have_ended() {
        let told = |count: usize, age_ms: u64| until_one_ends_s(std::iter::repeat_n(age_ms, count));
        assert_eq!((told(1_000, 800), told(8, 0), told(0, 0)), (1, 1, 1), "quick answers make room at once");
        assert_eq!((told(2, 60_000), told(8, 60_000), told(1_000, 3_600_000)), (30, 8, 4), "streams do not");
        assert_eq!(told(2, u64::MAX / 2), LONGEST_WAIT_S);
        assert_eq!(until_one_ends_s([0, 40_000].into_iter()), 10, "20 s each, and two of them");
    }

    #[test]
    fn those_turned_away_do_not_come_back_together() {
        let registry = Arc::new(Registry::new(Clock::start(), 1));
        let seat = registry.admit().unwrap();
        seat.connection.enter(Phase::Busy);
        assert!(registry.admit().is_none());
        let told: Vec<u64> = (0..6).map(|_| registry.wait_s()).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 1]);
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
        connection.all_said();
        connection.read_something();
        assert!(connection.is_overdue(76_000) && !connection.is_overdue(74_000));
    }
}
