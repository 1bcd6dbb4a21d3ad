use std::time::Duration;

use super::window::{Counts, Window};
use crate::retry::LONGEST_RETRY_AFTER;

/// Calls of the last 30 s below which their failures say nothing.
const LEAST_CALLS: u32 = 20;
/// Connections refused one after the other that say enough.
const REFUSALS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether calls go through.
#[derive(Clone, Debug)]
pub enum Breaker {
    /// They do; failures are counted.
    Closed(Recent),
    /// They do not, until a time on the mono clock.
    Open {
        /// When one call is let through.
        until: Duration,
        /// How long it was opened for.
        pause: Duration,
    },
    /// One call is under way that decides.
    Probing {
        /// When another one is let through, should it stay without an answer.
        until: Duration,
        /// How long it was opened for.
        pause: Duration,
    },
}

/// What a closed breaker remembers.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    calls: Window<30>,
    refusals: u32,
}

/// What a call was let through as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pass {
    /// One of many.
    Call,
    /// The one that decides whether the breaker closes.
    Probe,
}

/// What a call says about its target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It answers, whatever the answer is about.
    Answered,
    /// It cannot be connected to.
    Unconnected,
    /// It did not answer, or answered that it cannot serve now; with the wait it asked for.
    Failed(Duration),
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed(Recent::default())
    }
}

impl Breaker {
    /// Its state as a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Closed(_) => "closed",
            Self::Open { .. } => "open",
            Self::Probing { .. } => "probing",
        }
    }

    /// How long no call is let through; zero when one is.
    pub fn wait(&self, now: Duration) -> Duration {
        match self {
            Self::Closed(_) => Duration::ZERO,
            Self::Open { until, .. } | Self::Probing { until, .. } => until.saturating_sub(now),
        }
    }

    /// Lets a call through, or tells how long none is.
    ///
    /// # Errors
    /// The time left.
    pub fn admit(&mut self, now: Duration) -> Result<Pass, Duration> {
        let left = self.wait(now);
        match *self {
            _ if !left.is_zero() => Err(left),
            Self::Closed(_) => Ok(Pass::Call),
            Self::Open { pause, .. } | Self::Probing { pause, .. } => {
                *self = Self::Probing { until: now + pause, pause };
                Ok(Pass::Probe)
            }
        }
    }

    /// Counts what became of a call; true when that opened it.
    pub fn record(&mut self, now: Duration, pass: Pass, outcome: Outcome) -> bool {
        let next = match (&mut *self, pass, outcome) {
            (Self::Closed(recent), _, outcome) => recent.count(now, outcome).then(|| open(now, FIRST_PAUSE, outcome)),
            (Self::Open { .. } | Self::Probing { .. }, Pass::Probe, Outcome::Answered) => Some(Self::default()),
            // Calls begun before it opened say nothing new, nor does the late failure of a probe.
            (Self::Open { .. } | Self::Probing { .. }, Pass::Call, _)
            | (Self::Open { .. }, Pass::Probe, Outcome::Unconnected | Outcome::Failed(_)) => None,
            (Self::Probing { pause, .. }, Pass::Probe, Outcome::Unconnected | Outcome::Failed(_)) => {
                Some(open(now, (*pause * 2).min(LONGEST_PAUSE), outcome))
            }
        };
        let opened = matches!(next, Some(Self::Open { .. }));
        if let Some(next) = next {
            *self = next;
        }
        opened
    }
}

fn open(now: Duration, pause: Duration, outcome: Outcome) -> Breaker {
    let asked_for = match outcome {
        Outcome::Failed(wait) => wait.min(LONGEST_RETRY_AFTER),
        Outcome::Answered | Outcome::Unconnected => Duration::ZERO,
    };
    Breaker::Open { until: now + pause.max(asked_for), pause }
}

impl Recent {
    /// True when it is enough.
    fn count(&mut self, now: Duration, outcome: Outcome) -> bool {
        let failed = outcome != Outcome::Answered;
        self.refusals = if outcome == Outcome::Unconnected { self.refusals.saturating_add(1) } else { 0 };
        self.calls.add(now, Counts { all: 1, marked: failed.into() });
        let recent = self.calls.sum(now);
        failed
            && (self.refusals >= REFUSALS
                || (recent.all >= LEAST_CALLS && recent.marked.saturating_mul(2) >= recent.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::draws::draws;

    const FAILED: Outcome = Outcome::Failed(Duration::ZERO);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn call(breaker: &mut Breaker, now: Duration, outcome: Outcome) -> bool {
        breaker.admit(now).is_ok_and(|pass| breaker.record(now, pass, outcome))
    }

    fn opened_by(outcomes: &[Outcome]) -> Option<usize> {
        let mut breaker = Breaker::default();
        outcomes.iter().position(|outcome| call(&mut breaker, at(1), *outcome)).map(|index| index + 1)
    }

    #[test]
    fn five_refused_connections_in_a_row_open_it() {
        use Outcome::{Answered, Unconnected};
        assert_eq!(opened_by(&[Unconnected; 9]), Some(5));
        assert_eq!(opened_by(&[[Unconnected; 4].as_slice(), &[Answered], &[Unconnected; 4]].concat()), None);
    }

    #[test]
    fn half_of_twenty_calls_open_it_and_not_fewer() {
        use Outcome::Answered;
        assert_eq!(opened_by(&[FAILED; 30]), Some(20));
        assert_eq!(opened_by(&[FAILED; 19]), None);
        let alternating = [Answered, FAILED].repeat(10);
        assert_eq!(opened_by(&alternating), Some(20));
        let fewer = [[Answered; 11].as_slice(), &[FAILED; 9]].concat();
        assert_eq!(opened_by(&fewer), None, "an answer does not open it");
        assert_eq!(opened_by(&[fewer.as_slice(), &[FAILED; 2]].concat()), Some(22));
    }

    #[test]
    fn failures_of_the_last_half_minute_count_and_no_older_ones() {
        let mut breaker = Breaker::default();
        let opened = (0..100).any(|second| call(&mut breaker, at(second * 2), FAILED));
        assert!(!opened, "15 calls in 30 s are too few: {breaker:?}");
    }

    #[test]
    fn one_probe_every_five_to_sixty_seconds() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| assert!(breaker.admit(at(0)).is_ok() && !call(&mut breaker, at(0), Outcome::Answered)));
        while !call(&mut breaker, at(0), Outcome::Unconnected) {}
        let mut probes = Vec::new();
        for second in 1..400 {
            if breaker.admit(at(second)) == Ok(Pass::Probe) {
                assert!(breaker.admit(at(second)).is_err(), "one, not two");
                breaker.record(at(second), Pass::Probe, FAILED);
                probes.push(second);
            }
        }
        assert_eq!(probes, [5, 15, 35, 75, 135, 195, 255, 315, 375]);
        assert_eq!(breaker.admit(at(435)), Ok(Pass::Probe));
        assert!(!breaker.record(at(436), Pass::Probe, Outcome::Answered));
        assert_eq!(breaker.name(), "closed");
        assert!(!call(&mut breaker, at(436), Outcome::Unconnected), "and begins to count anew");
    }

    #[test]
    fn a_probe_without_an_end_is_followed_by_another() {
        let mut breaker = Breaker::Open { until: at(5), pause: at(5) };
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        assert_eq!(breaker.admit(at(9)), Err(at(1)));
        assert_eq!(breaker.admit(at(10)), Ok(Pass::Probe));
        breaker.record(at(11), Pass::Probe, FAILED);
        assert!(!breaker.record(at(12), Pass::Probe, FAILED), "the late end of the first");
        assert_eq!(breaker.wait(at(12)), at(9));
    }

    #[test]
    fn the_wait_a_target_asks_for_is_kept_at_most_two_minutes() {
        for (asked_for, kept) in [(1, 5), (30, 30), (4_000, 120)] {
            let mut breaker = Breaker::default();
            while !call(&mut breaker, at(0), Outcome::Failed(at(asked_for))) {}
            assert_eq!(breaker.wait(at(0)), at(kept));
        }
    }

    /// Whatever happens in whatever order: a pause is 5 to 120 s, an open breaker lets nothing through before its time
    /// and something at it, and only a probe's answer closes it.
    #[test]
    fn it_holds_in_any_order_of_events() {
        for number in 0..2_000_u64 {
            let mut draw = draws(number);
            let (mut breaker, mut now, mut passes) = (Breaker::default(), Duration::ZERO, Vec::new());
            for _ in 0..200 {
                now += Duration::from_millis(draw(3_000));
                if draw(2) == 0 {
                    let wait = breaker.wait(now);
                    let admitted = breaker.admit(now);
                    assert_eq!(admitted.is_ok(), wait.is_zero());
                    passes.extend(admitted.ok());
                } else if let Some(pass) = passes.pop() {
                    let was = breaker.name();
                    let asked_for = Duration::from_secs(draw(300));
                    let outcomes = [Outcome::Answered, Outcome::Unconnected, FAILED, Outcome::Failed(asked_for)];
                    let outcome = outcomes[usize::try_from(draw(4)).unwrap()];
                    let opened = breaker.record(now, pass, outcome);
                    let is = breaker.name();
                    assert!(was == "closed" || is != "closed" || (pass, outcome) == (Pass::Probe, Outcome::Answered));
                    assert_eq!(opened, is == "open" && was != "open");
                    assert!(!opened || (at(5)..=at(120)).contains(&breaker.wait(now)));
                }
            }
        }
    }
}
