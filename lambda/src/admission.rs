//! How many requests are worked on at once: more are refused early instead of making all of them slow.
//!
//! A request counts while it works, not while it waits for a runner, for a topic, for time or for the disk. The limit
//! follows what requests take: it shrinks while working takes longer than `GOOD`, and grows while it is reached and
//! all is well.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
};

/// Working time of a request that is well: half of what a p99 may be at most.
const GOOD: Duration = Duration::from_millis(10);
/// So many are worked on also where each takes long: what is let in waits for its turn on the cores behind all others.
const LEAST: f64 = 8.0;
const MOST: f64 = 512.0;
/// Of those that are let in, so many for each core take part at once; the others wait in a queue of their own, so that
/// who is to be refused waits behind these alone.
const TURNS: usize = 2;
/// What health and cancellations may take beyond the limit.
const RESERVE: usize = 64;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Urgency {
    /// Refused when there is no room.
    Normal,
    /// Health, metrics and cancellations: they find room still.
    High,
}

/// The requests that are worked on.
#[derive(Debug)]
pub struct Admission {
    state: Mutex<State>,
    refused: AtomicU64,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    working: usize,
    limit: f64,
}

impl Default for Admission {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            state: Mutex::new(State { working: 0, limit: 64.0 }),
            refused: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(TURNS * cores)),
        }
    }
}

impl Admission {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// Seconds after which it may come again: 1 to 5 in turn, so that those turned away do not come back together.
    pub fn enter(self: &Arc<Self>, urgency: Urgency) -> Result<Arc<Working>, u64> {
        let mut state = self.state();
        let reserve = if urgency == Urgency::High { RESERVE } else { 0 };
        if state.working >= state.most() + reserve {
            return Err(1 + self.refused.fetch_add(1, Ordering::Relaxed) % 5);
        }
        state.working += 1;
        drop(state);
        let clock = Mutex::new(Stopwatch { worked: Duration::ZERO, since: Some(Instant::now()) });
        Ok(Arc::new(Working { admission: Arc::clone(self), urgency, clock }))
    }

    /// Requests worked on now, and how many may be.
    pub fn now(&self) -> (usize, usize) {
        let state = self.state();
        (state.working, state.most())
    }

    /// Requests refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl State {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between LEAST and MOST")]
    fn most(&self) -> usize {
        self.limit as usize
    }

    fn learn(&mut self, worked: Duration) {
        if worked > GOOD {
            self.limit *= 0.98;
        } else if self.working >= self.most() / 2 {
            self.limit += 1.0 / self.limit;
        }
        self.limit = self.limit.clamp(LEAST, MOST);
    }
}

/// A request that was let in.
#[derive(Debug)]
pub struct Working {
    admission: Arc<Admission>,
    urgency: Urgency,
    clock: Mutex<Stopwatch>,
}

#[derive(Debug)]
struct Stopwatch {
    worked: Duration,
    since: Option<Instant>,
}

impl Working {
    fn clock(&self) -> MutexGuard<'_, Stopwatch> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this request's turn on the cores, which lasts until it is dropped: before the request waits for anybody
    /// else. What is urgent needs none.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if self.urgency == Urgency::High {
            return None;
        }
        if let Ok(turn) = Arc::clone(&self.admission.turns).try_acquire_owned() {
            return Some(turn);
        }
        let turn = Arc::clone(&self.admission.turns).acquire_owned().await.ok();
        // Tokio runs what was just woken before all that is ready: connections come first.
        yield_now().await;
        turn
    }

    /// The request waits from here until the rest is dropped.
    pub fn rest(self: &Arc<Self>) -> Rest {
        if self.clock().stop() {
            self.admission.state().working -= 1;
        }
        Rest(Arc::clone(self))
    }
}

impl Stopwatch {
    fn stop(&mut self) -> bool {
        let since = self.since.take();
        self.worked += since.map_or(Duration::ZERO, |since| since.elapsed());
        since.is_some()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let (worked, was_working) = {
            let mut clock = self.clock();
            let was_working = clock.stop();
            (clock.worked, was_working)
        };
        let mut state = self.admission.state();
        state.working -= usize::from(was_working);
        state.learn(worked);
    }
}

/// See [`Working::rest`].
#[derive(Debug)]
pub struct Rest(Arc<Working>);

impl Drop for Rest {
    fn drop(&mut self) {
        // It was let in before: it goes on also where there is no room for a new one.
        self.0.admission.state().working += 1;
        self.0.clock().since = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_told_when_to_come_again() {
        let admission = Arc::new(Admission::default());
        let inside: Vec<_> = (0..64).map(|_| admission.enter(Urgency::Normal).unwrap()).collect();
        let told: Vec<u64> = (0..6).map(|_| admission.enter(Urgency::Normal).unwrap_err()).collect();
        assert_eq!(told, [1, 2, 3, 4, 5, 1]);
        let urgent: Vec<_> = (0..64).map(|_| admission.enter(Urgency::High).unwrap()).collect();
        assert!(admission.enter(Urgency::High).is_err(), "a bound for these too");
        drop((inside, urgent));
        assert_eq!((admission.now().0, admission.refused()), (0, 7));
    }

    #[test]
    fn who_waits_takes_no_room() {
        let admission = Arc::new(Admission::default());
        let waiting: Vec<_> = (0..64).map(|_| admission.enter(Urgency::Normal).unwrap()).collect();
        let rests: Vec<_> = waiting.iter().map(Working::rest).collect();
        assert_eq!(admission.now().0, 0);
        let more: Vec<_> = (0..64).map(|_| admission.enter(Urgency::Normal).unwrap()).collect();
        drop(rests);
        assert_eq!(admission.now().0, 128);
        assert!(admission.enter(Urgency::Normal).is_err());
        drop((waiting, more));
        assert_eq!(admission.now().0, 0);
    }

    #[tokio::test]
    async fn a_few_take_part_at_once_and_what_is_urgent_always() {
        let admission = Arc::new(Admission { turns: Arc::new(Semaphore::new(TURNS)), ..Admission::default() });
        let inside: Vec<_> = (0..64).map(|_| admission.enter(Urgency::Normal).unwrap()).collect();
        let mut turns = Vec::new();
        for working in inside.iter().take(TURNS) {
            turns.push(working.turn().await);
        }
        let mut next = std::pin::pin!(inside[63].turn());
        assert!(timeout(Duration::from_millis(1), next.as_mut()).await.is_err(), "no place is left");
        assert!(admission.enter(Urgency::High).unwrap().turn().await.is_none());
        turns.pop();
        assert!(next.await.is_some());
    }

    #[test]
    fn the_limit_follows_what_working_takes() {
        let mut state = State { working: 64, limit: 64.0 };
        (0..1_000).for_each(|_| state.learn(Duration::from_millis(11)));
        assert_eq!(state.most(), 8);
        (0..100_000_000)
            .take_while(|_| {
                state.working = state.most();
                state.learn(GOOD);
                state.limit < MOST
            })
            .count();
        assert_eq!(state.most(), 512);
        state.working = 0;
        let limit = state.limit;
        state.learn(GOOD);
        assert!((state.limit - limit).abs() < f64::EPSILON, "few requests say nothing about many");
    }
}
