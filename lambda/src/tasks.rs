//! Work that goes on although nobody waits for it, and the stop that waits for it.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;

/// Flows driven to their end without their caller.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<watch::Sender<usize>>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Tasks {
    /// Runs work in the background.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let place = self.enter();
        tokio::spawn(async move {
            work.await;
            drop(place);
        });
    }

    /// A place among the running; given up when dropped, also by a panic.
    pub fn enter(&self) -> Place {
        self.0.send_modify(|count| *count += 1);
        Place(self.0.clone())
    }

    /// Waits until nothing runs; false when that took longer than the limit.
    pub async fn idle(&self, limit: Duration) -> bool {
        let mut counts = self.0.subscribe();
        tokio::time::timeout(limit, counts.wait_for(|count| *count == 0)).await.is_ok()
    }
}

/// See [`Tasks::enter`].
#[derive(Debug)]
pub struct Place(Arc<watch::Sender<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// How far the process is with stopping.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Phase>>);

/// Phases of a stop, in order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Phase {
    /// Not stopping.
    Running,
    /// New work is refused; waits and streams end; other work goes on.
    Draining,
    /// All that need not be driven to its end is cancelled.
    Cancelling,
}

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Running)))
    }
}

impl Stop {
    /// Goes on to a phase; never back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until the phase is reached.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}
