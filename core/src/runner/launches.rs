use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Launches remembered.
const MOST: usize = 10_000;
/// Longer than any lag and any difference of clocks: after it every wall says that a launch is old.
const KEPT: Duration = Duration::from_secs(30 * 60);

/// When this process sent what a runner may show late, by its own clock: a wall that was set meanwhile tells no age.
#[derive(Debug, Default)]
pub struct Launches(Mutex<BTreeMap<String, Duration>>);

impl Launches {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the job of a token is sent now.
    pub(super) fn note(&self, token: &str, now: Duration) {
        let mut sent = self.lock();
        if sent.len() >= MOST {
            sent.retain(|_, at| now.saturating_sub(*at) < KEPT);
        }
        if sent.len() >= MOST {
            sent.pop_first();
        }
        sent.insert(token.to_owned(), now);
    }

    /// How long ago the job of a token was last sent; `None`: not by this process, or long ago.
    pub(super) fn age(&self, token: &str, now: Duration) -> Option<Duration> {
        self.lock().get(token).map(|at| now.saturating_sub(*at)).filter(|age| *age < KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_last_launch_counts_and_old_ones_go() {
        let launches = Launches::default();
        launches.note("a", S);
        launches.note("a", 60 * S);
        assert_eq!((launches.age("a", 90 * S), launches.age("b", 90 * S)), (Some(30 * S), None));
        assert_eq!(launches.age("a", 60 * S + KEPT), None);
    }

    #[test]
    fn there_is_a_most() {
        let launches = Launches::default();
        (0..=MOST).for_each(|number| launches.note(&format!("{number:05}"), S));
        assert_eq!(launches.lock().len(), MOST);
        assert_eq!(launches.age("10000", S), Some(Duration::ZERO));
        launches.note("later", S + KEPT);
        assert_eq!(launches.lock().len(), 1, "what is old makes room first");
    }
}
