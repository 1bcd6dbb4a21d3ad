use std::{sync::Arc, time::Duration};

use super::{Entry, Guard, LONGEST_WAIT, LOOK_EVERY, Outcome, Pass};
use crate::{
    error::Error,
    flow::{Io, Wake},
    random::Branch,
};

/// A place in a guard's bulkhead, and leave of its breaker; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    place: Place,
    pass: Pass,
}

impl Permit {
    /// Counts what became of one call of the permit.
    pub fn record(&self, now: Duration, outcome: Outcome) {
        self.place.guard.record(now, self.pass, outcome);
    }

    /// Gives the place back and tells the flows that wait for one.
    pub async fn leave(self, io: &Io) {
        let guard = Arc::clone(&self.place.guard);
        drop(self);
        if guard.inner().bulkhead.waiting() > 0 {
            // A hint: who waits looks by itself soon.
            let _ = io.publish(guard.topic(), String::new()).await;
        }
    }
}

#[derive(Debug)]
pub(super) struct Place {
    guard: Arc<Guard>,
    weight: u32,
}

impl Place {
    pub(super) fn permit(self, pass: Pass) -> Permit {
        Permit { place: self, pass }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guard.inner().bulkhead.leave(self.weight);
    }
}

/// A number in the queue; dropping it gives it up.
struct Number<'a> {
    guard: &'a Arc<Guard>,
    number: u64,
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        self.guard.inner().bulkhead.give_up(self.number);
    }
}

/// Waits for a place, in turn and not for long.
pub(super) async fn place(guard: &Arc<Guard>, io: &Io, weight: u32, branch: &Branch) -> Result<Place, Error> {
    let entry = guard.inner().bulkhead.enter(weight);
    let number = match entry {
        Entry::In => return Ok(Place { guard: Arc::clone(guard), weight }),
        Entry::Full => return Err(guard.full(branch)),
        Entry::Wait(number) => Number { guard, number },
    };
    let (until, mut moved_to) = (io.now().mono + LONGEST_WAIT, 0);
    loop {
        let left = until.saturating_sub(io.now().mono);
        if left.is_zero() {
            return Err(guard.full(branch));
        }
        // Rounded up: a wait of less than a millisecond would be none.
        let limit = left.min(LOOK_EVERY).max(Duration::from_millis(1));
        if let Wake::Topics(moved) = io.wait(vec![(guard.topic(), moved_to)], limit).await? {
            moved_to = moved.iter().map(|(_, seq, _)| *seq).max().unwrap_or(moved_to);
        }
        let entered = guard.inner().bulkhead.enter_in_turn(number.number, weight);
        if entered {
            return Ok(Place { guard: Arc::clone(guard), weight });
        }
    }
}
