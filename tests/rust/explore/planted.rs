//! Flows with a planted bug each: the exploration must see it.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use beam_mcp_core::{
    Error, ErrorKind, Flow, Io, Now,
    effect::{Method, Reply, Request},
};
use beam_mcp_tests::explore::{Ending, Rule, Stepped, Subject, Turn, explore, explore_within, of};

use super::retry::{once, subject};

fn seen(start: fn() -> Flow<u16>) -> Option<Rule> {
    explore(&subject("planted", start)).err().map(|violation| violation.rule)
}

/// A repetition as somebody might write it, with a bug of choice.
async fn tries(io: Io, most: u32, pause: Duration) -> Result<u16, Error> {
    for _ in 1..most {
        match once(&io).await {
            Err(error) if error.gave_up() => return Err(error),
            Err(_) => io.sleep(pause).await?,
            Ok(status) => return Ok(status),
        }
    }
    once(&io).await
}

const SHORT: Duration = Duration::from_secs(1);

#[test]
fn a_sound_flow_breaks_no_rule() {
    assert_eq!(seen(|| Flow::new(|io| tries(io, 4, SHORT))), None);
}

#[test]
fn a_step_that_the_graph_does_not_have() {
    let subject = subject("planted", || Flow::new(|io| tries(io, 4, SHORT)));
    let mut lines = explore(&subject).unwrap().lines().clone();
    assert!(explore_within(&subject, Some(&lines)).is_ok());
    lines.pop_last();
    let seen = explore_within(&subject, Some(&lines)).unwrap_err();
    assert_eq!(seen.rule, Rule::OutsideItsGraph);
}

#[test]
fn an_attempt_too_many() {
    assert_eq!(seen(|| Flow::new(|io| tries(io, 5, SHORT))), Some(Rule::TooManyAttempts));
}

#[test]
fn a_sleep_past_its_limit() {
    assert_eq!(seen(|| Flow::new(|io| tries(io, 2, Duration::from_secs(121)))), Some(Rule::SleepsTooLong));
}

#[test]
fn a_deadline_nobody_looks_at() {
    assert_eq!(seen(|| Flow::new(|io| tries(io, 4, Duration::from_secs(110)))), Some(Rule::TakesTooLong));
}

#[test]
fn a_flow_that_never_ends() {
    let start = || {
        Flow::new(|io| async move {
            loop {
                io.sleep(Duration::ZERO).await?;
            }
        })
    };
    assert_eq!(seen(start), Some(Rule::NeverEnds));
}

#[test]
fn a_clean_up_too_many() {
    let start = || {
        Flow::new(|io| async move {
            let outcome = once(&io).await;
            if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Cancelled) {
                for _ in 0..2 {
                    let _ = io.send(Request::new("t", Method::Delete, "/jars/a")).await;
                }
            }
            outcome
        })
    };
    assert_eq!(seen(start), Some(Rule::SecondCleanUp));
}

#[test]
fn two_effects_at_once() {
    let start = || {
        Flow::new(|io: Io| async move {
            let (mut one, mut two) = (Box::pin(io.sleep(SHORT)), Box::pin(io.sleep(SHORT)));
            std::future::poll_fn(|task| {
                let _ = one.as_mut().poll(task);
                two.as_mut().poll(task)
            })
            .await?;
            Ok(0)
        })
    };
    assert_eq!(seen(start), Some(Rule::MisuseWithoutCause));
}

#[test]
fn a_foreign_await() {
    assert_eq!(seen(never), Some(Rule::MisuseWithoutCause));
}

/// A host's own flow, not made of [`Io`], which alone makes sure that misuse is told.
struct Swallows(Box<dyn Stepped>, bool);

impl Stepped for Swallows {
    fn step(&mut self, now: Now, reply: Option<Reply>) -> Turn {
        match self.0.step(now, reply) {
            Turn::Done(end) if end.kind == Some(ErrorKind::Misuse) && !self.1 => {
                self.1 = true;
                Turn::Done(Ending { word: "ok".into(), kind: None, ..end })
            }
            turn => {
                self.1 |= matches!(turn, Turn::Done(_));
                turn
            }
        }
    }
}

#[test]
fn a_swallowed_misuse() {
    let flow = || of(Flow::new(|io| async move { once(&io).await }), u16::to_string);
    let subject = Subject { start: Box::new(move || Box::new(Swallows(flow(), false))), ..subject("planted", never) };
    assert_eq!(explore(&subject).err().map(|violation| violation.rule), Some(Rule::MisuseSwallowed));
}

fn never() -> Flow<u16> {
    Flow::new(|_| std::future::pending())
}

#[test]
fn a_panic() {
    let start = || Flow::new(|io| async move { Ok(once(&io).await.expect("a server that always answers")) });
    assert_eq!(seen(start), Some(Rule::Panics));
}

#[test]
fn a_flow_that_counts_on_something_outside() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let start = || {
        Flow::new(|io: Io| async move {
            let count = CALLS.fetch_add(1, Ordering::Relaxed) as u64;
            io.sleep(Duration::from_millis(count)).await?;
            Ok(0)
        })
    };
    assert_eq!(seen(start), Some(Rule::NotDeterministic));
}
