//! The guard between flows: who is let through, who waits, who is refused, and that nothing is left behind.

use super::*;
use crate::{
    effect::{Effect, Reply},
    flow::{Flow, Now, Step},
    random::Seed,
};

fn now(ms: u64) -> Now {
    Now { mono: Duration::from_millis(ms), wall_ms: ms }
}

/// A flow that enters, sleeps inside, records an answer and leaves.
fn visit(guard: &Arc<Guard>) -> Flow<()> {
    let guard = Arc::clone(guard);
    Flow::new(move |io| async move {
        let permit = guard.enter(&io, 1, &Branch::new(Seed::new([0; 32]), "test")).await?;
        io.sleep(Duration::from_millis(1)).await?;
        permit.record(io.now().mono, Outcome::Answered);
        permit.leave(&io).await;
        Ok(())
    })
}

fn is_inside(step: &Step<()>) -> bool {
    matches!(step, Step::Effect(Effect::Sleep { .. }))
}

fn is_waiting(step: &Step<()>) -> bool {
    matches!(step, Step::Effect(Effect::Wait { topics, timeout_ms: 100 }) if topics[0].0 == "target/t")
}

fn refusal(step: Step<()>) -> Error {
    match step {
        Step::Done(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A full guard: the flows inside.
fn full(guard: &Arc<Guard>) -> Vec<Flow<()>> {
    let mut inside: Vec<_> = (0..32).map(|_| visit(guard)).collect();
    for flow in &mut inside {
        assert!(is_inside(&flow.step(now(0), None)));
    }
    inside
}

#[test]
fn a_place_that_comes_free_is_announced_and_taken() {
    let guard = Arc::new(Guard::new("t"));
    let mut inside = full(&guard);
    let mut late = visit(&guard);
    assert!(is_waiting(&late.step(now(0), None)));
    assert_eq!((guard.snapshot(now(0).mono).in_flight, guard.snapshot(now(0).mono).waiting), (32, 1));
    let left = inside[0].step(now(5), Some(Reply::Elapsed));
    assert!(matches!(left, Step::Effect(Effect::Publish { topic, .. }) if topic == "target/t"));
    let woken = Reply::Woken { topics: vec![("target/t".into(), 1, String::new())] };
    assert!(is_inside(&late.step(now(5), Some(woken))));
    assert!(matches!(inside[0].step(now(5), Some(Reply::Ok)), Step::Done(Ok(()))));
    assert!(matches!(late.step(now(6), Some(Reply::Elapsed)), Step::Done(Ok(()))), "nobody waits, nobody is told");
}

#[test]
fn who_waits_a_second_or_finds_sixty_four_waiting_is_refused_and_nothing_was_sent() {
    let guard = Arc::new(Guard::new("t"));
    let inside = full(&guard);
    let mut waiting: Vec<_> = (0..64).map(|_| visit(&guard)).collect();
    for flow in &mut waiting {
        assert!(is_waiting(&flow.step(now(0), None)));
    }
    let refused = refusal(visit(&guard).step(now(0), None));
    assert_eq!((refused.kind(), refused.landed(), is_refusal(&refused)), (ErrorKind::Unavailable, Landed::No, true));
    assert!(matches!(refused.retry(), Retry::After(wait) if (1..=5).contains(&wait.as_secs())));
    assert!(is_waiting(&waiting[0].step(now(900), Some(Reply::Elapsed))));
    assert!(is_refusal(&refusal(waiting[0].step(now(1_000), Some(Reply::Elapsed)))));
    drop((inside, waiting));
    let end = guard.snapshot(Duration::ZERO);
    assert_eq!(
        (end.in_flight, end.waiting, end.refused_full),
        (0, 0, 2),
        "flows that are dropped leave nothing behind"
    );
}

#[test]
fn an_open_breaker_refuses_at_once_and_lets_one_probe_through() {
    let guard = Arc::new(Guard::new("t"));
    (0..5).for_each(|_| guard.record(Duration::ZERO, Pass::Call, Outcome::Unconnected));
    let refused = refusal(visit(&guard).step(now(1_000), None));
    assert_eq!((refused.reason(), refused.landed()), ("target_breaker_open", Landed::No));
    assert!(matches!(refused.retry(), Retry::After(wait) if (4..=8).contains(&wait.as_secs())), "{refused:?}");
    assert!(!guard.may_retry(Duration::from_secs(1)));
    let (mut probe, mut other) = (visit(&guard), visit(&guard));
    assert!(is_inside(&probe.step(now(5_000), None)));
    assert!(is_refusal(&refusal(other.step(now(5_000), None))));
    assert!(matches!(probe.step(now(5_001), Some(Reply::Elapsed)), Step::Done(Ok(()))));
    let closed = guard.snapshot(now(5_001).mono);
    assert_eq!((closed.breaker, closed.opened, closed.refused_open, closed.retries_denied), ("closed", 1, 2, 1));
    assert!(is_inside(&visit(&guard).step(now(5_001), None)));
}

#[test]
fn who_is_woken_for_nothing_waits_for_the_next_move() {
    let guard = Arc::new(Guard::new("t"));
    let _inside = full(&guard);
    let mut late = visit(&guard);
    let _ = late.step(now(0), None);
    let old = Reply::Woken { topics: vec![("target/t".into(), 7, String::new())] };
    let again = late.step(now(0), Some(old));
    assert!(matches!(again, Step::Effect(Effect::Wait { topics, .. }) if topics == [("target/t".to_owned(), 7)]));
}

#[test]
fn a_cancelled_wait_ends_and_gives_its_number_up() {
    let guard = Arc::new(Guard::new("t"));
    let _inside = full(&guard);
    let mut late = visit(&guard);
    let _ = late.step(now(0), None);
    assert_eq!(refusal(late.step(now(1), Some(Reply::Cancelled))).kind(), ErrorKind::Cancelled);
    assert_eq!(guard.snapshot(now(1).mono).waiting, 0);
}
