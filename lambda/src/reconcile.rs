//! The local loops around the engine's `tick`: one for each share, so that a silent target holds up nobody else.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error, ErrorKind,
    auth::{Caller, Role},
    engine::Share,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

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

/// Runs rounds of every share until the process stops.
pub async fn reconcile(driver: Arc<Driver>, entry: Arc<dyn Entry>) {
    let mut loops = JoinSet::new();
    loops.spawn(purge(driver.clone()));
    for share in entry.shares() {
        loops.spawn(rounds(driver.clone(), entry.clone(), share));
    }
    loops.join_all().await;
}

async fn purge(driver: Arc<Driver>) {
    while driver.stop.phase() == Phase::Running {
        driver.store.purge(unix_ms().saturating_sub(PURGE_AGE_MS)).await;
        tokio::select! {
            () = sleep(PURGE_EVERY) => {}
            () = driver.stop.reached(Phase::Draining) => {}
        }
    }
}

/// A round when the engine asked for one, and soon after somebody else has committed.
async fn rounds(driver: Arc<Driver>, entry: Arc<dyn Entry>, share: Share) {
    while driver.stop.phase() == Phase::Running {
        let seen = driver.committed.count(&share);
        // A task of its own, so that a defect in one round does not end all rounds.
        let round = tokio::spawn(round(driver.clone(), entry.clone(), share.clone())).await;
        let wait = round.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "panic", "a defect")));
        driver.metrics.ticks.fetch_add(1, Ordering::Relaxed);
        let wait = wait.unwrap_or_else(|error| failed(&driver, &error)).clamp(SHORTEST, LONGEST);
        let until = Instant::now() + wait;
        sleep(SHORTEST).await;
        tokio::select! {
            () = sleep_until(until) => {}
            () = driver.committed.beyond(seen, &share) => {}
            () = driver.stop.reached(Phase::Draining) => {}
        }
    }
}

/// One round of every share, side by side; how long to wait before the next.
///
/// # Errors
/// The first that a share's flow ends with.
pub async fn round_of_all(driver: &Arc<Driver>, entry: &Arc<dyn Entry>) -> Result<Duration, Error> {
    let mut running = JoinSet::new();
    for share in entry.shares() {
        running.spawn(round(driver.clone(), entry.clone(), share));
    }
    let mut next = LONGEST;
    while let Some(ended) = running.join_next().await {
        next = next.min(ended.map_err(|_| Error::new(ErrorKind::Internal, "panic", "a defect"))??);
    }
    Ok(next)
}

/// One round of a share; a stop waits for it.
async fn round(driver: Arc<Driver>, entry: Arc<dyn Entry>, share: Share) -> Result<Duration, Error> {
    let _place = driver.tasks.enter();
    let caller = Caller::with_role("reconciler", Role::Admin);
    let call = Call::local(caller, driver.clock.mono() + LONGEST, random()?);
    driver.drive(entry.tick(share, call), &Attendance::new(Purpose::Tick)).await
}

fn failed(driver: &Driver, error: &Error) -> Duration {
    if driver.stop.phase() == Phase::Running {
        driver.metrics.ticks_failed.fetch_add(1, Ordering::Relaxed);
        let line = Line::new(Level::Warn, "tick_failed").text("reason", Some(error.reason()));
        line.text("error", Some(error.message())).send();
    }
    AFTER_FAILURE
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use beam_mcp_core::{
        Flow,
        effect::Response,
        engine::{BodyRule, Inbound, Snapshot},
        store::{Commit, Expect, Key, Write},
    };

    use super::*;
    use crate::testing::driver;

    /// One target that never answers and one that always does.
    #[derive(Default)]
    struct Two {
        well: AtomicU64,
    }

    impl Entry for Two {
        fn body_rule(&self, _: &str, _: &str) -> BodyRule {
            BodyRule::Buffer(0)
        }
        fn handle(&self, _: Inbound, _: Call) -> Flow<Response> {
            Flow::new(|_| async { Ok(Response::json(200, &())) })
        }
        fn shares(&self) -> Vec<Share> {
            ["silent", "well"].map(|name| Share::Target(name.into())).to_vec()
        }
        fn tick(&self, share: Share, _: Call) -> Flow<Duration> {
            let silent = share == Share::Target("silent".into());
            self.well.fetch_add(u64::from(!silent), Ordering::Relaxed);
            Flow::new(move |io| async move {
                if silent {
                    io.sleep(Duration::from_secs(3_600)).await?;
                }
                Ok(Duration::from_secs(2))
            })
        }
        fn guards(&self, _: Duration) -> Vec<(String, Snapshot)> {
            Vec::new()
        }
    }

    fn commit(id: &str) -> Commit {
        let write = Write { key: Key::new("default", "job", id), expect: Expect::Any, put: None };
        Commit { op_id: "op".into(), writes: vec![write] }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_target_holds_up_no_other() {
        let (driver, two) = (Arc::new(driver()), Arc::new(Two::default()));
        let all = tokio::spawn(reconcile(driver.clone(), two.clone()));
        sleep(Duration::from_secs(61)).await;
        assert_eq!(two.well.load(Ordering::Relaxed), 31, "one each two seconds");
        driver.stop.advance(Phase::Draining);
        assert!(driver.tasks.idle(Duration::from_secs(1)).await, "a stop ends the silent round too");
        all.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_wakes_the_loop_of_its_target() {
        let (driver, two) = (Arc::new(driver()), Arc::new(Two::default()));
        tokio::spawn(reconcile(driver.clone(), two.clone()));
        sleep(Duration::from_millis(500)).await;
        driver.committed.tell(crate::committed::Committed::targets(&commit("silent:0")));
        sleep(Duration::from_millis(50)).await;
        assert_eq!(two.well.load(Ordering::Relaxed), 1);
        driver.committed.tell(crate::committed::Committed::targets(&commit("well:0")));
        sleep(Duration::from_millis(50)).await;
        assert_eq!(two.well.load(Ordering::Relaxed), 2);
    }
}
