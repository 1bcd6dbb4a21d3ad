use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::call::Fault;
use crate::random::random;

/// Rests between tries of one operation: full jitter under a growing cap, until its time is over.
pub(super) struct Patience {
    until: Instant,
    call_limit: Duration,
    cap: Duration,
}

const FIRST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(1);

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, call_limit: limit / 2, cap: FIRST }
    }

    /// Time the next call has: half of all at most, so that one that hangs leaves room for another.
    pub(super) fn call_limit(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).min(self.call_limit)
    }

    /// Rests before the next try; the fault, when it says that no try helps or too little time is left for one: a call
    /// cut short would end in doubt, where the last one told what is wrong.
    pub(super) async fn rest(&mut self, fault: Fault) -> Result<(), Fault> {
        let rest = part_of(self.cap);
        if fault.is_final() || Instant::now() + rest + self.call_limit / 4 >= self.until {
            return Err(fault);
        }
        self.cap = (self.cap * 2).min(LONGEST);
        sleep(rest).await;
        Ok(())
    }
}

/// Evenly drawn from nothing to all of it; all of it where the system gives no random bytes.
fn part_of(cap: Duration) -> Duration {
    let Ok([first, second, ..]) = random() else { return cap };
    cap * u32::from(u16::from_le_bytes([first, second])) / u32::from(u16::MAX)
}
