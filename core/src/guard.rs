//! What stands between the flows of one process and one target: a breaker, a bulkhead and a budget of retries, so
//! that a target in trouble costs the others nothing and is not trampled when it comes back
//! (security-reliability.md 4.4).
//!
//! All of it is bounded memory of this process and may be lost at any time. No lock is held over an await.

mod breaker;
mod budget;
mod bulkhead;
#[cfg(test)]
mod draws;
mod permit;
mod window;

pub use breaker::{Breaker, Outcome, Pass};
pub use permit::Permit;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use budget::Budget;
use bulkhead::{Bulkhead, Entry};

use crate::{
    error::{Error, ErrorKind, Landed, Retry},
    flow::Io,
    random::Branch,
};

/// Longest wait for a place in the bulkhead.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A place given up by a flow that was dropped is announced by nobody: waiting flows look by themselves this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const BREAKER_OPEN: &str = "target_breaker_open";
const BULKHEAD_FULL: &str = "target_busy";

/// The guard of one target.
#[derive(Debug)]
pub struct Guard {
    target: String,
    inner: Mutex<Inner>,
    opened: AtomicU64,
    refused_open: AtomicU64,
    refused_full: AtomicU64,
    retries_denied: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    breaker: Breaker,
    bulkhead: Bulkhead,
    budget: Budget,
}

/// A guard at one moment, with what it has counted since the process began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// `closed`, `open` or `probing`.
    pub breaker: &'static str,
    /// Until the next call is let through, where the breaker is open.
    pub next_probe: Duration,
    /// Calls under way.
    pub in_flight: u32,
    /// Flows that wait for a place.
    pub waiting: u32,
    /// Times the breaker opened, also after a failed probe.
    pub opened: u64,
    /// Calls refused by the open breaker.
    pub refused_open: u64,
    /// Calls refused because no place came free.
    pub refused_full: u64,
    /// Retries that were not made because the budget was spent or the breaker open.
    pub retries_denied: u64,
}

impl Guard {
    /// The guard of a target that has not been called yet.
    pub fn new(target: &str) -> Self {
        let zero = AtomicU64::default;
        Self {
            target: target.to_owned(),
            inner: Mutex::default(),
            opened: zero(),
            refused_open: zero(),
            refused_full: zero(),
            retries_denied: zero(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for `weight` calls to the target, side by side.
    ///
    /// # Errors
    /// One of which [`is_refusal`] is true, when the breaker is open or no place came free; `cancelled`.
    pub async fn enter(self: &Arc<Self>, io: &Io, weight: u32, branch: &Branch) -> Result<Permit, Error> {
        self.check(io.now().mono, branch)?;
        let place = permit::place(self, io, weight, branch).await?;
        let pass = self.inner().breaker.admit(io.now().mono);
        match pass {
            Ok(pass) => Ok(place.permit(pass)),
            Err(left) => Err(self.broken(left, branch)),
        }
    }

    /// Refuses while the breaker is open; changes nothing.
    ///
    /// # Errors
    /// One of which [`is_refusal`] is true.
    pub fn check(&self, now: Duration, branch: &Branch) -> Result<(), Error> {
        let left = self.inner().breaker.wait(now);
        if left.is_zero() { Ok(()) } else { Err(self.broken(left, branch)) }
    }

    /// Whether a failed call may be made again now; counts it against the budget.
    pub fn may_retry(&self, now: Duration) -> bool {
        let mut inner = self.inner();
        let may = inner.breaker.wait(now).is_zero() && inner.budget.spend(now);
        drop(inner);
        if !may {
            self.retries_denied.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    fn record(&self, now: Duration, pass: Pass, outcome: Outcome) {
        let mut inner = self.inner();
        inner.budget.call(now);
        let opened = inner.breaker.record(now, pass, outcome);
        drop(inner);
        if opened {
            self.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn topic(&self) -> String {
        format!("target/{}", self.target)
    }

    fn broken(&self, left: Duration, branch: &Branch) -> Error {
        self.refused_open.fetch_add(1, Ordering::Relaxed);
        // Not all at once, and never before the probe that decides.
        let wait = left + jitter(branch);
        let text = format!("the target `{}` does not answer; it is asked again in {} s", self.target, ceil(left));
        self.refusal(BREAKER_OPEN, text, wait)
    }

    fn full(&self, branch: &Branch) -> Error {
        self.refused_full.fetch_add(1, Ordering::Relaxed);
        let text = format!("too many calls to the target `{}` are under way", self.target);
        self.refusal(BULKHEAD_FULL, text, Duration::from_secs(1) + jitter(branch))
    }

    fn refusal(&self, reason: &'static str, text: String, wait: Duration) -> Error {
        Error::new(ErrorKind::Unavailable, reason, text)
            .with("target", &self.target)
            .retry_as(Retry::After(wait))
            .landed_as(Landed::No)
            .suggest("nothing was sent: call again after Retry-After; list_runners shows how the target is")
    }

    /// How it is now.
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        let inner = self.inner();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            breaker: inner.breaker.name(),
            next_probe: inner.breaker.wait(now),
            in_flight: inner.bulkhead.in_flight(),
            waiting: inner.bulkhead.waiting(),
            opened: count(&self.opened),
            refused_open: count(&self.refused_open),
            refused_full: count(&self.refused_full),
            retries_denied: count(&self.retries_denied),
        }
    }
}

/// True for an error of the guard itself: nothing was sent, and repeating it at once cannot help.
pub fn is_refusal(error: &Error) -> bool {
    matches!(error.reason(), BREAKER_OPEN | BULKHEAD_FULL) && error.landed() == Landed::No
}

/// 0 to 4 s.
fn jitter(branch: &Branch) -> Duration {
    Duration::from_millis(branch.seed().below("guard", 4_001))
}

fn ceil(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
