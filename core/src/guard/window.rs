use std::{collections::BTreeMap, ops::Add, time::Duration};

/// Events of one span of time, and those among them that are marked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) all: u32,
    pub(super) marked: u32,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { all: self.all.saturating_add(more.all), marked: self.marked.saturating_add(more.marked) }
    }
}

/// Counts of the last seconds, second by second.
#[derive(Clone, Debug, Default)]
pub(super) struct Window<const SECONDS: u64>(BTreeMap<u64, Counts>);

impl<const SECONDS: u64> Window<SECONDS> {
    pub(super) fn add(&mut self, now: Duration, more: Counts) {
        let second = now.as_secs();
        let oldest = second.saturating_sub(SECONDS - 1);
        while self.0.first_key_value().is_some_and(|(at, _)| *at < oldest) {
            self.0.pop_first();
        }
        let counts = self.0.entry(second).or_default();
        *counts = *counts + more;
    }

    /// All of the window, as of now.
    pub(super) fn sum(&self, now: Duration) -> Counts {
        let oldest = now.as_secs().saturating_sub(SECONDS - 1);
        self.0.range(oldest..).fold(Counts::default(), |sum, (_, counts)| sum + *counts)
    }

    /// The second that runs.
    pub(super) fn this_second(&self, now: Duration) -> Counts {
        self.0.get(&now.as_secs()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten_and_takes_no_memory() {
        let mut window = Window::<30>::default();
        for second in 0..1_000 {
            window.add(Duration::from_secs(second), Counts { all: 2, marked: 1 });
        }
        let now = Duration::from_secs(999);
        assert_eq!((window.sum(now), window.0.len()), (Counts { all: 60, marked: 30 }, 30));
        assert_eq!(window.this_second(now), Counts { all: 2, marked: 1 });
        assert_eq!(window.sum(now + Duration::from_secs(29)).all, 2);
        assert_eq!(window.sum(now + Duration::from_secs(30)), Counts::default());
    }
}
