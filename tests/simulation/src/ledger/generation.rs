//! What was sent of one generation of a job: each has a token, permits and executions of its own, also when it arrives
//! beside the next one.

/// One generation.
#[derive(Debug)]
pub(super) struct Generation {
    /// What the runner knows it by.
    pub(super) token: String,
    /// Permits taken, as its last commit left them.
    pub(super) permits: u32,
    /// Runs sent to a runner.
    pub(super) sends: u32,
    /// Those of them that nobody refused: they did something, or may yet.
    pub(super) at_large: u32,
    /// Permits of the class C that nobody refused for certain.
    pub(super) unexplained: u32,
    /// It was cancelled before anything was sent.
    pub(super) cancelled_unsent: bool,
}

impl Generation {
    /// One of which nothing was sent.
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), permits: 0, sends: 0, at_large: 0, unexplained: 0, cancelled_unsent: false }
    }
}
