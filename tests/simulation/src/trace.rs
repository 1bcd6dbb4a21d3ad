//! What happened, as a hash that two runs of one seed share, and as text when somebody reads along.

use std::fmt::Write as _;

/// The trace of a schedule.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    text: Option<String>,
}

impl Trace {
    /// A trace; with text when it is to be read.
    pub fn new(readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, text: readable.then(String::new) }
    }

    /// Adds something that happened: a number for its kind and what tells it from others.
    pub fn mark(&mut self, at: u64, kind: u64, detail: &str) {
        self.number(at);
        self.number(kind);
        for byte in detail.as_bytes() {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Adds a line, made only when somebody reads along.
    pub fn say(&mut self, at: u64, line: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            let _ = writeln!(text, "{:>8}.{:03}  {}", at / 1000, at % 1000, line());
        }
    }

    /// True when somebody reads along.
    pub fn is_read(&self) -> bool {
        self.text.is_some()
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The text so far.
    pub fn into_text(self) -> String {
        self.text.unwrap_or_default()
    }
}
