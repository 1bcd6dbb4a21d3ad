use std::time::Duration;

use beam_mcp_core::{
    Error, ErrorKind, Flow, Now, Step,
    effect::{Effect, Reply},
};

/// A flow whose result is told in words.
pub trait Stepped {
    /// As [`Flow::step`].
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Turn;
}

/// What a step asks for, or how the flow ended.
#[derive(Debug, PartialEq)]
pub enum Turn {
    /// Perform this.
    Effect(Box<Effect>),
    /// The flow is over.
    Done(Ending),
}

/// How a flow ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// `ok …`, or the error's kind and reason.
    pub word: String,
    /// The error's kind; `None`: a success.
    pub kind: Option<ErrorKind>,
    /// All of it, to compare two runs.
    pub whole: String,
}

struct Told<T> {
    flow: Flow<T>,
    word: fn(&T) -> String,
}

/// A flow with words for its successes (empty where there is nothing to say).
pub fn of<T: std::fmt::Debug + 'static>(flow: Flow<T>, word: fn(&T) -> String) -> Box<dyn Stepped> {
    Box::new(Told { flow, word })
}

struct Later {
    by: Duration,
    flow: Box<dyn Stepped>,
}

/// A flow of a process that began so long before the exploration.
pub fn later(by: Duration, flow: Box<dyn Stepped>) -> Box<dyn Stepped> {
    Box::new(Later { by, flow })
}

impl Stepped for Later {
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Turn {
        self.flow.step(Now { mono: now.mono + self.by, ..now }, reply)
    }
}

impl<T: std::fmt::Debug> Stepped for Told<T> {
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Turn {
        match self.flow.step(now, reply) {
            Step::Effect(effect) => Turn::Effect(Box::new(effect)),
            Step::Done(Ok(value)) => {
                let word = format!("ok {}", (self.word)(&value)).trim_end().to_owned();
                Turn::Done(Ending { word, kind: None, whole: format!("{value:?}") })
            }
            Step::Done(Err(error)) => Turn::Done(failed(&error)),
        }
    }
}

fn failed(error: &Error) -> Ending {
    let (code, reason) = (error.kind().code(), error.reason());
    let word = if code == reason { code.to_owned() } else { format!("{code} {reason}") };
    Ending { word, kind: Some(error.kind()), whole: format!("{error:?}") }
}
