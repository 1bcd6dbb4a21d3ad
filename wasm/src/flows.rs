//! Flows by number, and what a step tells, without any type of JavaScript.

use std::cell::RefCell;

#[cfg(any(feature = "engine", feature = "fixture"))]
use beam_mcp_core::effect::{Blob, Response};
use beam_mcp_core::{
    Error, Flow, Now, Step,
    effect::{Reply, decode_reply, encode_effect},
};

use serde_json::Value;

use crate::numbered::Numbered;

/// What a step, or a call that makes no flow, tells: its kind, its JSON and the byte parts beside it.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) kind: Kind,
    pub(crate) json: String,
    pub(crate) parts: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Perform it and step again with its reply.
    Effect,
    /// The end.
    Done,
    /// The end, gone wrong.
    Error,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

impl Told {
    pub(crate) fn value(value: &Value) -> Self {
        Self { kind: Kind::Done, json: text(value), parts: Vec::new() }
    }

    /// An HTTP answer: `{status, headers, body: {part: 0}}` and the bytes of its body.
    #[cfg(any(feature = "engine", feature = "fixture"))]
    pub(crate) fn response(mut response: Response) -> Self {
        let body = std::mem::replace(&mut response.body, Blob::Part(0)).into_bytes();
        Self { parts: vec![body], ..Self::value(&serde_json::json!(response)) }
    }

    /// The error object, with its row of the table: `name` of the JavaScript error, `http`, and `operation`.
    pub(crate) fn error(error: &Error) -> Self {
        let mut object = error.to_json();
        let door = error.kind().door();
        if let Some(members) = object.as_object_mut() {
            members.insert("name".into(), door.js.into());
            members.insert("http".into(), door.http.into());
            members.insert("operation".into(), error.operation().into());
        }
        Self { kind: Kind::Error, json: text(&object), parts: Vec::new() }
    }
}

/// Its JSON; not by `Display`, which would bring a second and a third writer into the module.
fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A flow whose end has a JSON form.
trait Running {
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Told;
    fn must_finish(&self) -> bool;
}

struct Shown<T> {
    flow: Flow<T>,
    show: fn(T) -> Told,
}

impl<T> Running for Shown<T> {
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Told {
        match self.flow.step(now, reply) {
            Step::Effect(effect) => match encode_effect(effect) {
                Ok((json, parts)) => Told { kind: Kind::Effect, json, parts },
                Err(error) => Told::error(&error),
            },
            Step::Done(Ok(end)) => (self.show)(end),
            Step::Done(Err(error)) => Told::error(&error),
        }
    }

    fn must_finish(&self) -> bool {
        self.flow.must_finish()
    }
}

thread_local! {
    static FLOWS: RefCell<Numbered<Box<dyn Running>>> = const { RefCell::new(Numbered::new()) };
}

/// Keeps a flow; one that could not be made fails at its first step.
pub(crate) fn keep<T: 'static + Send>(flow: Result<Flow<T>, Error>, show: fn(T) -> Told) -> u32 {
    let flow = flow.unwrap_or_else(|error| Flow::new(|_| std::future::ready(Err(error))));
    FLOWS.with_borrow_mut(|flows| flows.add(Box::new(Shown { flow, show })))
}

/// Advances a flow; one that has ended is gone.
///
/// It is out of the table while it runs: a trap leaves the table as it is and loses this flow alone.
pub(crate) fn advance(handle: u32, now: Now, reply: Option<(String, Vec<Vec<u8>>)>) -> Told {
    let Some(mut flow) = FLOWS.with_borrow_mut(|flows| flows.take(handle)) else {
        return Told::error(&Error::misuse("no flow has this number: it ended, was freed, or is being stepped"));
    };
    let told = match reply.map(|(json, parts)| decode_reply(&json, parts)).transpose() {
        Ok(reply) => flow.step(now, reply),
        Err(error) => Told::error(&error),
    };
    if told.kind == Kind::Effect {
        FLOWS.with_borrow_mut(|flows| flows.put_back(handle, flow));
    }
    told
}

/// Drops a flow; one that is gone is no error.
pub(crate) fn drop_flow(handle: u32) {
    drop(FLOWS.with_borrow_mut(|flows| flows.take(handle)));
}

/// See [`Flow::must_finish`]; false for a flow that is gone.
pub(crate) fn must_finish(handle: u32) -> bool {
    FLOWS.with_borrow(|flows| flows.get(handle).is_some_and(|flow| flow.must_finish()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sleeper() -> u32 {
        let flow = Flow::new(|io| async move {
            io.sleep(Duration::from_millis(5)).await?;
            Ok(7)
        });
        keep(Ok(flow), |seven: u8| Told::value(&seven.into()))
    }

    fn step(handle: u32, reply: Option<&str>) -> (Kind, String) {
        let told = advance(handle, Now::default(), reply.map(|json| (json.to_owned(), Vec::new())));
        (told.kind, told.json)
    }

    fn is_misuse((kind, json): &(Kind, String)) -> bool {
        *kind == Kind::Error && json.contains(r#""code":"misuse""#) && json.contains(r#""name":"Misuse""#)
    }

    #[test]
    fn a_flow_is_stepped_to_its_end_and_is_gone() {
        let handle = sleeper();
        assert_eq!(step(handle, None), (Kind::Effect, r#"{"effect":"sleep","ms":5}"#.to_owned()));
        assert_eq!(step(handle, Some(r#"{"reply":"elapsed"}"#)), (Kind::Done, "7".to_owned()));
        assert!(is_misuse(&step(handle, None)));
    }

    #[test]
    fn what_breaks_the_contract_is_misuse_and_ends_the_flow() {
        for reply in ["{", r#"{"reply":"nonsense"}"#, r#"{"reply":"response","status":200,"body":{"part":0}}"#] {
            let handle = sleeper();
            let _ = step(handle, None);
            assert!(is_misuse(&step(handle, Some(reply))), "{reply}");
            assert!(is_misuse(&step(handle, Some(r#"{"reply":"elapsed"}"#))));
        }
        assert!(is_misuse(&step(sleeper(), Some(r#"{"reply":"elapsed"}"#))));
        assert!(is_misuse(&step(0, None)));
    }

    #[test]
    fn a_freed_flow_is_gone_and_others_are_not() {
        let (freed, other) = (sleeper(), sleeper());
        drop_flow(freed);
        drop_flow(freed);
        assert!(is_misuse(&step(freed, None)));
        assert_eq!(step(other, None).0, Kind::Effect);
        assert!(!must_finish(other) && !must_finish(freed));
    }

    #[test]
    fn a_flow_that_could_not_be_made_says_so_at_its_first_step() {
        let failed = keep(Err(Error::invalid("why", "no")), |(): ()| Told::value(&Value::Null));
        let (kind, json) = step(failed, None);
        assert!(kind == Kind::Error && json.contains(r#""reason":"why""#), "{json}");
    }
}
