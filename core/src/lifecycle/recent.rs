use std::collections::BTreeMap;

/// Entries below which nothing is given up.
const LEAST: usize = 1_024;

/// What a process remembers by name: bounded, and rid of what is stale each time as much has come as was left, so that
/// jobs that ended leave nothing behind.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    entries: BTreeMap<String, V>,
    most: usize,
    /// Insertions until what is stale is looked for again.
    until_sweep: usize,
}

impl<V> Recent<V> {
    /// A memory of at most `most` names; of more the first by name goes.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), most, until_sweep: LEAST }
    }

    /// What is remembered of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(name)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.entries.get_mut(name)
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Names remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Remembers, after giving up what is stale where it is time.
    pub(crate) fn insert(&mut self, name: String, value: V, is_stale: impl Fn(&V) -> bool) {
        self.until_sweep = self.until_sweep.saturating_sub(1);
        if self.until_sweep == 0 {
            self.entries.retain(|_, value| !is_stale(value));
            self.until_sweep = self.entries.len().max(LEAST);
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
    fn what_is_stale_goes_as_more_comes() {
        let mut recent = Recent::new(100_000);
        for now in 0..50_000_u64 {
            recent.insert(format!("{now:06}"), now, |at| at + 100 < now);
            assert!(recent.entries.len() <= LEAST + 101);
        }
        assert!(recent.get("049999").is_some() && recent.get("000001").is_none());
        for now in 0..5_000_u64 {
            recent.insert(format!("kept {now:06}"), now, |_| false);
        }
        assert!(recent.entries.len() >= 5_000, "what is not stale stays");
    }

    #[test]
    fn a_memory_that_was_full_of_what_is_fresh_lives_on() {
        let mut recent = Recent::new(3_000);
        for now in 0..9_000_u64 {
            recent.insert(format!("z{now:06}"), now, |at| at + 4_000 < now);
        }
        for now in 20_000..30_000_u64 {
            recent.insert(format!("a{now:06}"), now, |at| at + 1_000 < now);
        }
        assert!(recent.get("a029500").is_some() && recent.get("z008999").is_none(), "the stale goes, the new stays");
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
