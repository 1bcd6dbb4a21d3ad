use std::collections::BTreeMap;

/// Entries below which nothing is given up.
const LEAST: usize = 1_024;

/// What a process remembers by name: bounded, and rid of what is stale each time it has doubled, so that jobs that ended
/// leave nothing behind.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    entries: BTreeMap<String, V>,
    most: usize,
    sweep_at: usize,
}

impl<V> Recent<V> {
    /// A memory of at most `most` names; of more the first by name goes.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), most, sweep_at: LEAST }
    }

    /// What is remembered of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(name)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.entries.get_mut(name)
    }

    /// Remembers, after giving up what is stale where it is time.
    pub(crate) fn insert(&mut self, name: String, value: V, is_stale: impl Fn(&V) -> bool) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, value| !is_stale(value));
            self.sweep_at = self.entries.len().saturating_mul(2).max(LEAST);
        }
        if self.entries.len() >= self.most && !self.entries.contains_key(&name) {
            self.entries.pop_first();
        }
        self.entries.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stale_goes_when_the_memory_has_doubled() {
        let mut recent = Recent::new(100_000);
        for now in 0..50_000_u64 {
            recent.insert(format!("{now:06}"), now, |at| at + 100 < now);
            assert!(recent.entries.len() <= LEAST);
        }
        assert!(recent.get("049999").is_some() && recent.get("000001").is_none());
        for now in 0..5_000_u64 {
            recent.insert(format!("kept {now:06}"), now, |_| false);
        }
        assert!(recent.entries.len() >= 5_000, "what is not stale stays");
    }

    #[test]
    fn there_is_a_most() {
        let mut recent = Recent::new(3);
        for name in ["a", "b", "c", "d", "d"] {
            recent.insert(name.into(), (), |()| false);
        }
        assert_eq!(recent.entries.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
    }
}
