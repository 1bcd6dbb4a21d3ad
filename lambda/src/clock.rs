//! Time as the core sees it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use beam_mcp_core::Now;
use tokio::time::Instant;

/// The process's clock: monotonic since its start, and Unix time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic part begins now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Both times.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall_ms: unix_ms() }
    }

    /// The monotonic part.
    pub fn mono(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Unix time in milliseconds; 0 before 1970.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
