//! A scripted Dataflow for tests: each expected call with its answer, in order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::Dataflow;
use crate::{
    config::{RunnerKind, Target},
    effect::{Body, Effect, Fault, FaultKind, Method, Outcome, Reply, Request, Response},
    error::Error,
    flow::{Flow, Now, Step},
    job::{Job, Operation, OperationKind},
    runner::Context,
};

pub(super) const TOKEN: &str = "0bea0000000000000000000000000001";
pub(super) const NAME: &str = "words-0bea0000000000000000000000000001";
pub(super) const NATIVE: &str = "2026-11-25_12_00_00-1234567890";
/// Wall clock at the start of every script.
pub(super) const NOW_MS: u64 = 1_795_636_810_000;

pub(super) const JOB: &str = "GET jobs/{id}?view=JOB_VIEW_SUMMARY";
pub(super) const JOB_ALL: &str = "GET jobs/{id}?view=JOB_VIEW_ALL";
pub(super) const PUT: &str = "PUT jobs/{id}";
pub(super) const SNAPSHOT: &str = "POST jobs/{id}:snapshot";
pub(super) const SNAPSHOTS: &str = "GET jobs/{id}/snapshots";

pub(super) fn answer(status: u16, body: impl serde::Serialize) -> Reply {
    Reply::Response(Response::json(status, &body))
}

pub(super) fn refusal(status: u16, word: &str, message: &str) -> Reply {
    answer(status, json!({"error": {"code": status, "message": message, "status": word}}))
}

pub(super) fn fault(kind: FaultKind) -> Reply {
    Reply::Fault(Fault { kind, detail: String::new() })
}

/// What a script saw.
#[derive(Debug)]
pub(super) struct Played<T> {
    pub(super) end: Result<T, Error>,
    pub(super) requests: Vec<Request>,
}

impl<T: std::fmt::Debug> Played<T> {
    pub(super) fn reason(&self) -> &str {
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

pub(super) fn target() -> Target {
    let mut target = Target::new("df", RunnerKind::Dataflow);
    target.url = Some("http://127.0.0.1:18099".into());
    (target.project, target.region) = (Some("acme-prod".into()), Some("us-central1".into()));
    target
}

/// Runs a flow of a Dataflow against `(call, answer)` rows; a call is `GET jobs/{id}`, relative to project and region.
pub(super) fn play<T, F>(
    target: Target,
    script: Vec<(&str, Reply)>,
    flow: impl FnOnce(Dataflow) -> F + Send + 'static,
) -> Played<T>
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
    T: 'static,
{
    let target = Arc::new(target);
    let mut flow = Flow::new(move |io| flow(Dataflow::new(Context::for_test(io, target))));
    let mut script: VecDeque<_> = script.into();
    let mut requests = vec![];
    let mut now = Now { mono: Duration::from_secs(1), wall_ms: NOW_MS };
    let mut reply = None;
    loop {
        reply = Some(match flow.step(now, reply.take()) {
            Step::Done(end) => {
                assert!(script.is_empty(), "not asked for: {script:?} at {end:?}", end = end.as_ref().err());
                return Played { end, requests };
            }
            Step::Effect(Effect::Send(request)) => {
                let (expected, answer) = script.pop_front().unwrap_or_else(|| panic!("unexpected {}", call(&request)));
                assert_eq!(call(&request), expected);
                requests.push(request);
                answer
            }
            // What is asked side by side stands in the script one after the other.
            Step::Effect(Effect::SendAll { requests: all }) => {
                let outcomes = all.into_iter().map(|request| {
                    let (expected, answer) =
                        script.pop_front().unwrap_or_else(|| panic!("unexpected {}", call(&request)));
                    assert_eq!(call(&request), expected);
                    requests.push(request);
                    match answer {
                        Reply::Response(response) => Outcome::Response(response),
                        Reply::Fault(fault) => Outcome::Fault(fault),
                        other => panic!("{other:?}"),
                    }
                });
                Reply::Responses { outcomes: outcomes.collect() }
            }
            Step::Effect(Effect::Sleep { ms }) => {
                now.mono += Duration::from_millis(ms);
                now.wall_ms += ms;
                Reply::Elapsed
            }
            Step::Effect(other) => panic!("{other:?}"),
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
    let Some(path) = request.path.strip_prefix("/v1b3/projects/acme-prod/locations/us-central1/") else {
        return format!("{method} {}{}", request.server.as_deref().unwrap_or_default(), request.path);
    };
    format!("{method} {}", path.replace(NATIVE, "{id}").replace(NAME, "{name}"))
}

/// A job of ours that Dataflow has.
pub(super) fn job() -> Job {
    serde_json::from_value(json!({
        "id": format!("df:{TOKEN}"), "name": "words", "runner": "dataflow", "principal": "local",
        "origin": "submitted", "phase": "submitted", "state": "RUNNING", "native_id": NATIVE,
        "diagnostics": "", "attempts": 1, "generation": 1, "ambiguous": false, "open_operations": [],
        "created_ms": NOW_MS, "sent_ms": NOW_MS, "absences": 0, "retry_at_ms": 0, "version": 1,
    }))
    .unwrap()
}

pub(super) fn operation(kind: OperationKind) -> Operation {
    let trigger = "05afe000000000000000000000000001";
    serde_json::from_value(json!({
        "id": format!("df:{TOKEN}/{}-{trigger}", kind.as_str()), "job_id": format!("df:{TOKEN}"),
        "kind": kind, "state": "REQUESTED", "trigger_id": trigger, "requested_ms": NOW_MS,
        "sent_ms": NOW_MS, "attempts": 1,
    }))
    .unwrap()
}
