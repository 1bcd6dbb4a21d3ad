//! What every runner behind a network has in common.

use beam_mcp_core::{
    effect::{Fault, FaultKind, Outcome, Request, Response},
    job::OperationKind,
};

/// Ending of a word: it was done, and nobody was told.
pub(super) const NO_ANSWER: &str = "no answer";

/// What a call changes on a runner.
pub(super) enum Change {
    /// It starts the job with this token.
    Submission(String),
    /// It carries out an operation of one of these kinds.
    Operation(&'static [OperationKind]),
}

/// A runner that is driven over HTTP, with at most one job on it: what it may answer depends on what happened to it so
/// far. Its answers are those a real one was seen to give.
pub(super) trait Remote {
    /// Words for what it may answer, the ordinary one first; of requests side by side the first decides.
    fn offers(&self, requests: &[Request]) -> Vec<&'static str>;

    /// Answers, with all that the word changes.
    fn answer(&mut self, requests: &[Request], word: &str) -> Vec<Outcome>;

    /// What a request changes, as far as it needs a permit.
    fn changes(&self, request: &Request) -> Option<Change>;

    /// Token of the job it works on.
    fn live(&self) -> Option<&str>;

    /// What it was asked for and must not be.
    fn objections(&self) -> &[String] {
        &[]
    }
}

/// The answers that do not depend on the request.
pub(super) fn trouble(word: &str) -> Option<Outcome> {
    match word {
        "refused" => Some(fault(FaultKind::Refused)),
        "time-out" => Some(fault(FaultKind::Timeout)),
        _ => None,
    }
}

pub(super) fn fault(kind: FaultKind) -> Outcome {
    Outcome::Fault(Fault { kind, detail: String::new() })
}

/// A good answer that broke off.
pub(super) fn half() -> Outcome {
    Outcome::Response(Response { status: 200, headers: Vec::new(), body: r#"{"ji"#.into() })
}

/// A word for requests side by side, for each of them: the others follow the first where nothing answers.
pub(super) fn word_of<'a>(word: &'a str, index: usize, ordinary: &'a str) -> &'a str {
    match (word, index) {
        ("only the first", 0) => ordinary,
        ("only the first", _) => "refused",
        ("refused" | "time-out" | "busy", _) | (_, 0) => word,
        _ => "",
    }
}
