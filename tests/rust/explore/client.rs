use std::time::Duration;

use beam_mcp_core::{
    Call,
    auth::Caller,
    client::{ClientOptions, call},
    effect::{Effect, FaultKind, Reply, Request, Response},
    retry::LONGEST_RETRY_AFTER,
};
use beam_mcp_tests::explore::{Bounds, Run, Subject, World, of};
use serde_json::{Value, json};

use super::retry::fault;

/// A server as a client sees it.
struct Server;

const JOB: &str = "sim:0123456789abcdef0123456789abcdef";

impl World for Server {
    fn offers(&self, effect: &Effect) -> Vec<String> {
        let words: &[&str] = match effect {
            Effect::Send(_) => &["200", "half a document", "404 with its reason", "429", "refused", "time-out"],
            _ => &["elapsed"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn answer(&mut self, _: &Effect, word: &str) -> Reply {
        let error = |code: &str, retryable| {
            json!({"success": false, "error": {"code": code, "message": "m",
            "details": {"reason": "r"}, "retryable": retryable}})
        };
        match word {
            "elapsed" => Reply::Elapsed,
            "refused" => fault(FaultKind::Refused),
            "time-out" => fault(FaultKind::Timeout),
            "half a document" => {
                Reply::Response(Response { body: r#"{"success": true, "da"#.into(), ..Response::json(200, &()) })
            }
            "404 with its reason" => Reply::Response(Response::json(404, &error("not_found", false))),
            "429" => {
                let mut slow = Response::json(429, &error("rate_limited", true));
                slow.headers.push(("retry-after".into(), "2".into()));
                Reply::Response(slow)
            }
            _ => Reply::Response(Response::json(200, &json!({"success": true, "data": {"job_id": JOB}}))),
        }
    }
}

const DEADLINE: Duration = Duration::from_secs(100);

fn subject(name: &'static str, verb: &'static str, input: &Value) -> Subject {
    let input = input.clone();
    let start = move || {
        let call_of_ours = Call::local(Caller::nobody(), DEADLINE, [2; 32]);
        of(call(verb, input.clone(), ClientOptions::default(), call_of_ours), |_: &Value| String::new())
    };
    Subject {
        name,
        start: Box::new(start),
        world: Box::new(|| Box::new(Server)),
        bounds: Bounds {
            sleep: LONGEST_RETRY_AFTER,
            total: DEADLINE + Duration::from_millis(10),
            troubles: 8,
            most: vec![("send", 4), ("sleep", 3)],
        },
        also: repeats_itself,
    }
}

/// A repetition is the same request, key included; only its time limit shrinks with the deadline.
fn repeats_itself(run: &Run) -> Result<(), String> {
    let requests = run.taken.iter().filter_map(|taken| match &taken.effect {
        Effect::Send(request) => Some(Request { timeout_ms: 0, ..request.clone() }),
        _ => None,
    });
    let mut requests: Vec<Request> = requests.collect();
    requests.dedup();
    if requests.len() > 1 { Err(format!("{requests:?}")) } else { Ok(()) }
}

#[test]
fn a_read_of_a_client() {
    super::hold(&subject("client_get_job", "get_job", &json!({"job_id": JOB})), "client: get_job, deadline 100 s");
}

#[test]
fn a_keyed_write_of_a_client() {
    let input = json!({"job_id": JOB, "mode": "cancel", "idempotency_key": "k"});
    super::hold(&subject("client_cancel_job", "cancel_job", &input), "client: cancel_job, deadline 100 s");
}
