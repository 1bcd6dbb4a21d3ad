//! Memory that all connections share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes that all connections together may hold of one kind.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// This many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// A share of nothing yet.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { left: self.0.clone(), held: 0 }
    }
}

/// What one holder has of a budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    left: Arc<AtomicU64>,
    held: u64,
}

impl Share {
    /// More of it; false when that much is not left.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        self.held += if taken.is_ok() { bytes } else { 0 };
        taken.is_ok()
    }

    /// Less of it.
    pub fn shrink(&mut self, bytes: u64) {
        let given = bytes.min(self.held);
        self.held -= given;
        self.left.fetch_add(given, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.left.fetch_add(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(4) && other.grow(4) && one.grow(2) && !other.grow(1));
        drop(one);
        assert!(other.grow(6) && !other.grow(1));
        other.shrink(3);
        assert!(other.grow(2) && !other.grow(2));
        drop(other);
        assert!(budget.share().grow(10));
    }
}
