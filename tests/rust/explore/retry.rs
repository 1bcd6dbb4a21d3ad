use std::time::Duration;

use beam_mcp_core::{
    Error, Flow, Io,
    effect::{Effect, Fault, FaultKind, Method, Reply, Request, Response},
    error::{ErrorKind, Retry},
    pace::Backoff,
    random::{Branch, Seed},
    retry::{LONGEST_RETRY_AFTER, retry},
};
use beam_mcp_tests::explore::{Bounds, Subject, World, nothing_more, of};

/// A peer that answers as its word says.
pub(super) struct Peer;

impl World for Peer {
    fn offers(&self, effect: &Effect) -> Vec<String> {
        let words: &[&str] = match effect {
            Effect::Send(_) => &["200", "404", "429", "refused", "reset", "time-out"],
            _ => &["elapsed"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn answer(&mut self, _: &Effect, word: &str) -> Reply {
        match word {
            "elapsed" => Reply::Elapsed,
            "refused" => fault(FaultKind::Refused),
            "reset" => fault(FaultKind::Reset),
            "time-out" => fault(FaultKind::Timeout),
            status => Reply::Response(Response::json(status.parse().unwrap(), &())),
        }
    }
}

pub(super) fn fault(kind: FaultKind) -> Reply {
    Reply::Fault(Fault { kind, detail: String::new() })
}

/// One exchange: 429 asks for an hour.
pub(super) async fn once(io: &Io) -> Result<u16, Error> {
    let response = io.send(Request::new("t", Method::Get, "/jobs/overview")).await?;
    match response.status {
        429 => Err(Error::new(ErrorKind::RateLimited, "slow", "").retry_as(Retry::After(Duration::from_secs(3600)))),
        404 => Err(Error::not_found("gone", "")),
        status => Ok(status),
    }
}

pub(super) const TRIES: u32 = 4;
pub(super) const DEADLINE: Duration = Duration::from_secs(300);

pub(super) fn subject(name: &'static str, start: fn() -> Flow<u16>) -> Subject {
    Subject {
        name,
        start: Box::new(move || of(start(), u16::to_string)),
        world: Box::new(|| Box::new(Peer)),
        bounds: Bounds {
            sleep: LONGEST_RETRY_AFTER,
            total: DEADLINE + Duration::from_secs(5),
            troubles: 8,
            most: vec![("send", TRIES as usize), ("sleep", TRIES as usize - 1)],
        },
        also: nothing_more,
    }
}

#[test]
fn a_repeated_request() {
    let start = || {
        Flow::new(|io| async move {
            let branch = Branch::new(Seed::new([1; 32]), "retry");
            retry(&io, Backoff { tries: TRIES, ..Backoff::READ }, DEADLINE, &branch, || once(&io)).await
        })
    };
    super::hold(&subject("retry", start), "a request that may be repeated: 4 tries, deadline 300 s, 429 asks for 1 h");
}
