//! An invariant that did not hold.

use std::fmt;

/// Which invariant of `security-reliability.md` section 5.1 was broken, when, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// `I1` … `I13`.
    pub invariant: &'static str,
    /// Milliseconds since the beginning.
    pub at: u64,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {} ms: {}", self.invariant, self.at, self.text)
    }
}
