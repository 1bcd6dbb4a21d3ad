//! The local loop around the engine's `tick`.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error, ErrorKind,
    auth::{Caller, Role},
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    attendance::{Attendance, Purpose},
    clock::unix_ms,
    driver::Driver,
    entry::Entry,
    logging::{Level, Line},
    random::random,
    tasks::Phase,
};

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(60);
/// Wait after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// Age past its expiry at which a record is deleted; readers count it as absent long before.
const PURGE_AGE_MS: u64 = 3_600_000;

/// Runs rounds until the process stops: when the engine asked for one, and soon after somebody else has committed.
pub async fn reconcile(driver: Arc<Driver>, entry: Arc<dyn Entry>) {
    let mut purge_at = Instant::now();
    while driver.stop.phase() == Phase::Running {
        // A task of its own, so that a defect in one round does not end all rounds.
        let round = tokio::spawn(round(driver.clone(), entry.clone())).await;
        let wait = round.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "panic", "a defect")));
        driver.metrics.ticks.fetch_add(1, Ordering::Relaxed);
        let wait = wait.unwrap_or_else(|error| failed(&driver, &error)).clamp(SHORTEST, LONGEST);
        if Instant::now() >= purge_at {
            driver.store.purge(unix_ms().saturating_sub(PURGE_AGE_MS)).await;
            purge_at = Instant::now() + PURGE_EVERY;
        }
        rest(&driver, Instant::now() + wait).await;
    }
}

async fn rest(driver: &Driver, until: Instant) {
    sleep(SHORTEST).await;
    tokio::select! {
        () = sleep_until(until) => {}
        () = driver.committed.notified() => {}
        () = driver.stop.reached(Phase::Draining) => {}
    }
}

/// One round.
///
/// # Errors
/// What the engine's flow ends with.
pub async fn round(driver: Arc<Driver>, entry: Arc<dyn Entry>) -> Result<Duration, Error> {
    let caller = Caller::with_role("reconciler", Role::Admin);
    let call = Call::local(caller, driver.clock.mono() + LONGEST, random()?);
    driver.drive(entry.tick(call), &Attendance::new(Purpose::Tick)).await
}

fn failed(driver: &Driver, error: &Error) -> Duration {
    if driver.stop.phase() == Phase::Running {
        driver.metrics.ticks_failed.fetch_add(1, Ordering::Relaxed);
        let line = Line::new(Level::Warn, "tick_failed").text("reason", Some(error.reason()));
        line.text("error", Some(error.message())).send();
    }
    AFTER_FAILURE
}
