//! How often one caller may call: the generic cell rate algorithm, in a memory of fixed size
//! (security-reliability.md T47).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::Caller;

/// Most callers that are remembered: those who called least lately are forgotten first, to their advantage.
const MOST: usize = 10_000;
/// Calls of so long a time may come at once.
const BURST: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// When each caller's calls so far would have come one by one at the rate: by tenant and name, on the mono clock.
#[derive(Debug, Default)]
pub struct Rates(Mutex<BTreeMap<(String, String), Duration>>);

impl Rates {
    /// Counts a call.
    ///
    /// # Errors
    /// How long the caller must wait, for a call that is one too many; it counts for nothing.
    pub fn admit(&self, caller: &Caller, per_minute: u32, now: Duration) -> Result<(), Duration> {
        let between = MINUTE / per_minute.max(1);
        let mut all = self.lock();
        let key = (caller.tenant.clone(), caller.principal.clone());
        let due = all.get(&key).copied().unwrap_or_default().max(now);
        let ahead = due.saturating_sub(now);
        if ahead > BURST.saturating_sub(between) && ahead > Duration::ZERO {
            return Err(ahead.saturating_sub(BURST.saturating_sub(between)));
        }
        if !all.contains_key(&key) {
            make_room(&mut all);
        }
        all.insert(key, due + between);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut BTreeMap<(String, String), Duration>) {
    if all.len() < MOST {
        return;
    }
    if let Some(first) = all.iter().min_by_key(|(_, due)| **due).map(|(key, _)| key.clone()) {
        all.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn caller(name: &str) -> Caller {
        Caller::with_role(name, Role::Viewer)
    }

    #[test]
    fn ten_seconds_of_calls_come_at_once_and_the_rest_at_the_rate() {
        let (rates, me) = (Rates::default(), caller("me"));
        for number in 0..10 {
            assert_eq!(rates.admit(&me, 60, at(5.0)), Ok(()), "{number}");
        }
        assert_eq!(rates.admit(&me, 60, at(5.0)), Err(at(1.0)));
        assert_eq!(rates.admit(&me, 60, at(5.5)), Err(at(0.5)));
        assert_eq!(rates.admit(&me, 60, at(6.0)), Ok(()));
        assert!(rates.admit(&me, 60, at(6.0)).is_err());
        assert_eq!(rates.admit(&caller("other"), 60, at(6.0)), Ok(()), "of nobody else's calls");
    }

    #[test]
    fn in_the_long_run_the_rate_is_kept() {
        let (rates, me) = (Rates::default(), caller("me"));
        let tries = (0..6_000_u32).map(|number| Duration::from_millis(100) * number);
        let admitted = tries.filter(|now| rates.admit(&me, 120, *now).is_ok()).count();
        assert!((1_200..=1_220).contains(&admitted), "{admitted} in ten minutes at 120 a minute");
    }

    #[test]
    fn a_rate_of_less_than_one_in_ten_seconds_lets_one_through() {
        let (rates, me) = (Rates::default(), caller("me"));
        assert_eq!(rates.admit(&me, 1, at(0.0)), Ok(()));
        assert_eq!(rates.admit(&me, 1, at(1.0)), Err(at(59.0)));
        assert_eq!(rates.admit(&me, 1, at(60.0)), Ok(()));
    }

    #[test]
    fn memory_has_its_bound_and_who_is_known_costs_nobody_a_place() {
        let rates = Rates::default();
        let ask = |number: usize| rates.admit(&caller(&number.to_string()), 60, at(1.0));
        assert!((0..MOST + 9).all(|number| ask(number).is_ok()));
        assert_eq!(rates.lock().len(), MOST);
        assert!(ask(MOST).is_ok());
        assert_eq!(rates.lock().len(), MOST);
    }
}
