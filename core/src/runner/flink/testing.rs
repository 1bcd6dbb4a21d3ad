//! A scripted Flink for tests: each expected call with its answer, in order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::Value;

use super::Flink;
use crate::{
    config::{RunnerKind, Target},
    effect::{Body, Effect, Fault, FaultKind, Method, Outcome, Recipe, Reply, Request, Response},
    error::Error,
    flow::{Flow, Now, Step},
    job::{Job, Operation, OperationKind},
    runner::Context,
};

pub(in crate::runner) const TOKEN: &str = "0bea0000000000000000000000000001";
pub(super) const TRIGGER: &str = "05afe000000000000000000000000001";

/// Wall clock at the start of every script.
pub(super) const NOW_MS: u64 = 1_795_173_900_000;

/// An answer as a real Flink gave it.
macro_rules! recorded {
    ($name:literal) => {
        $crate::runner::flink::testing::recording(include_str!(concat!(
            "../../../../tests/vectors/flink/recorded/",
            $name,
            ".json"
        )))
    };
}
pub(super) use recorded;

pub(super) fn recording(text: &str) -> Reply {
    let record: Value = serde_json::from_str(text).unwrap();
    let status = record["status"].as_u64().unwrap().try_into().unwrap();
    match &record["body"] {
        Value::String(text) => Reply::Response(Response { status, headers: vec![], body: text.as_str().into() }),
        body => Reply::Response(Response::json(status, body)),
    }
}

pub(super) fn json(status: u16, body: impl serde::Serialize) -> Reply {
    Reply::Response(Response::json(status, &body))
}

pub(super) fn fault(kind: FaultKind) -> Reply {
    Reply::Fault(Fault { kind, detail: String::new() })
}

/// What a script saw.
#[derive(Debug)]
pub(in crate::runner) struct Played<T> {
    pub(in crate::runner) end: Result<T, Error>,
    pub(in crate::runner) requests: Vec<Request>,
    pub(in crate::runner) recipes: Vec<Recipe>,
    pub(in crate::runner) slept: usize,
}

impl<T: std::fmt::Debug> Played<T> {
    pub(in crate::runner) fn reason(&self) -> &str {
        self.end.as_ref().unwrap_err().reason()
    }

    /// JSON body of the last request.
    pub(super) fn body(&self) -> &Value {
        match &self.requests.last().unwrap().body {
            Body::Json(body) => body,
            other => panic!("no JSON body: {other:?}"),
        }
    }
}

pub(in crate::runner) fn target() -> Target {
    let mut target = Target::new("flink", RunnerKind::Flink);
    target.url = Some("http://127.0.0.1:18081".into());
    target
}

/// Runs a flow of a Flink against `(call, answer)` rows; a call is `GET /config`, or `STAGE`,
/// `LAUNCH`, `SIGNAL`, `OBSERVE`.
pub(in crate::runner) fn play<T, F>(
    target: Target,
    script: Vec<(&str, Reply)>,
    flow: impl FnOnce(Flink) -> F + Send + 'static,
) -> Played<T>
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
    T: 'static,
{
    let target = Arc::new(target);
    let mut flow = Flow::new(move |io| flow(Flink::new(Context::for_test(io, target))));
    let mut script: VecDeque<_> = script.into();
    let (mut requests, mut recipes, mut slept) = (vec![], vec![], 0);
    let mut now = Now { mono: Duration::from_secs(1), wall_ms: NOW_MS };
    let mut reply = None;
    loop {
        let effect = match flow.step(now, reply.take()) {
            Step::Done(end) => {
                assert!(script.is_empty(), "not asked for: {script:?} at {end:?}", end = end.as_ref().err());
                return Played { end, requests, recipes, slept };
            }
            Step::Effect(effect) => effect,
        };
        let mut next = |call: &str| {
            let (expected, answer) = script.pop_front().unwrap_or_else(|| panic!("unexpected {call}"));
            assert_eq!(call, expected);
            answer
        };
        reply = Some(match effect {
            Effect::Send(request) => {
                let answer = next(&call(&request));
                if matches!(answer, Reply::Fault(Fault { kind: FaultKind::Timeout, .. })) {
                    now.mono += Duration::from_millis(request.timeout_ms);
                }
                requests.push(request);
                answer
            }
            Effect::SendAll { requests: all } => {
                let outcomes = all.iter().map(|request| outcome(next(&call(request)))).collect();
                requests.extend(all);
                Reply::Responses { outcomes }
            }
            Effect::Stage(recipe) => {
                recipes.push(recipe);
                next("STAGE")
            }
            Effect::Launch(_) => next("LAUNCH"),
            Effect::Signal { .. } => next("SIGNAL"),
            Effect::Observe { .. } => next("OBSERVE"),
            Effect::Sleep { ms } => {
                slept += 1;
                now.mono += Duration::from_millis(ms);
                now.wall_ms += ms;
                Reply::Elapsed
            }
            other => panic!("{other:?}"),
        });
    }
}

fn call(request: &Request) -> String {
    let method = match request.method {
        Method::Delete => "DELETE",
        Method::Get => "GET",
        Method::Patch => "PATCH",
        Method::Post => "POST",
        Method::Put => "PUT",
    };
    format!("{method} {}", request.path.replace(TOKEN, "{id}").replace(TRIGGER, "{op}"))
}

fn outcome(reply: Reply) -> Outcome {
    match reply {
        Reply::Response(response) => Outcome::Response(response),
        Reply::Fault(fault) => Outcome::Fault(fault),
        other => panic!("{other:?}"),
    }
}

/// A job of ours that Flink has.
pub(super) fn job() -> Job {
    serde_json::from_value(serde_json::json!({
        "id": format!("flink:{TOKEN}"), "name": "rate-a", "runner": "flink", "principal": "local",
        "origin": "submitted", "phase": "submitted", "state": "RUNNING", "native_id": TOKEN,
        "diagnostics": "", "attempts": 1, "generation": 1, "ambiguous": false, "open_operations": [],
        "created_ms": NOW_MS, "absences": 0, "retry_at_ms": 0, "version": 1,
    }))
    .unwrap()
}

pub(super) fn operation(kind: OperationKind) -> Operation {
    serde_json::from_value(serde_json::json!({
        "id": format!("flink:{TOKEN}/{}-{TRIGGER}", kind.as_str()), "job_id": format!("flink:{TOKEN}"),
        "kind": kind, "state": "REQUESTED", "trigger_id": TRIGGER, "requested_ms": NOW_MS,
        "sent_ms": NOW_MS, "attempts": 1,
    }))
    .unwrap()
}
