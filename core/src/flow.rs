//! Flows: sequences of effects written as `async fn` that await only [`Io`].
//!
//! # Contract
//! 1. [`Flow::step`] is first called without a reply, then with the reply to the effect it returned last.
//! 2. One effect is outstanding at a time. A second one, a foreign await, a reply out of turn or of the wrong kind ends
//!    the flow at once with [`Error::misuse`]; nothing panics.
//! 3. `now.mono` never goes backwards inside a flow (an earlier value is taken as the latest one seen); deadlines and
//!    back-off use it. `now.wall_ms` may jump; timestamps and expiry use it.
//! 4. [`Reply::Cancelled`] may answer any effect. Afterwards the flow sends at most one clean-up request, sleeps and
//!    retries no more.
//! 5. When [`Flow::must_finish`] is true the flow has committed an intent: a host that can, goes on stepping it with
//!    real replies although its caller is gone. A host that cannot may drop it: the store names what is left to do.
//!    A flow that carries out several requests owes an end only to the one that is at work.
//! 6. Dropping a flow is a hard stop without clean-up.
//! 7. Each effect has its replies, named on [`crate::effect::Effect`]; a host that cannot do one answers
//!    [`Reply::Unsupported`] with a reason a person can act on. Nothing else is answered instead of doing it.
//! 8. `Send`: any HTTP answer is a response, whatever its status; no redirect is followed, nothing is repeated, no
//!    header is added but the host's own framing and the named credential. A fault says whether the request can have
//!    arrived ([`crate::effect::FaultKind::never_arrived`]). A body over `max_bytes` is a fault, or its end with `tail`.
//! 9. `SendAll`: one outcome per request, in their order, whatever order they ended in.
//! 10. `Store`: a commit is all or nothing; versions start at 1 and grow by 1; the same `op_id` again is success; a
//!     conflict names the first write that did not fit and what is there. A failure leaves open whether it was made.
//! 11. A commit announces each written key as the topic `<kind>/<id>`. `Wait` with sequence number 0 is woken by the
//!     next announcement, or at once by an earlier one that the host remembers; topics are hints, and a host may wake
//!     a flow for nothing. A flow that waits again passes the number it was woken with.
//! 12. `Emit`: the first frame commits status 200 and `text/event-stream`; the flow's own answer is then the last frame.
//! 13. Effects and replies have one JSON form with bytes beside it ([`crate::effect::encode_effect`],
//!     [`crate::effect::decode_reply`]); a reply that cannot be read is misuse, never a crash.
//! 14. `Open` is `Send` up to the head of the answer, `Read` gives the rest as it arrives: no piece is empty, none is
//!     held back for more, the end of a framed body is an end and a connection that breaks before it is a fault. A
//!     `Read` that ran its time may be repeated. `Shut` ends the connection of an answer that is not at its end, and a
//!     host does the same with what a flow left open when it ended or was dropped. A host that cannot read in pieces
//!     may give the whole answer as one.
//! 15. `Ask` is answered by the application, as long as it takes; an application that has no way to answer is
//!     `Unsupported`, and one that failed cancels the flow. `Tell` is never answered with anything but `Ok`, `Cancelled`
//!     and `Unsupported`; what is told arrives in order, before the effect after it is performed.

mod io;

pub use io::Io;
#[cfg(feature = "mcp-client")]
pub use io::{Opened, Piece};
#[cfg(feature = "server")]
pub use io::{Rpc, Wake};

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    effect::{Effect, Reply},
    error::Error,
};

/// Time as the host sees it at a step.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// Since an origin the host picks; never goes backwards.
    pub mono: Duration,
    /// Unix time in milliseconds; may jump.
    pub wall_ms: u64,
}

/// What a step asks for, or how the flow ended.
#[derive(Debug)]
pub enum Step<T> {
    /// Perform this and step again with its reply.
    Effect(Effect),
    /// The flow is over.
    Done(Result<T, Error>),
}

struct Port {
    now: Now,
    effect: Option<Effect>,
    reply: Option<Reply>,
    misuse: Option<Error>,
    cancelled: bool,
    must_finish: bool,
    #[cfg(feature = "server")]
    turn: Option<io::Turn>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Port>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Port> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Run<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A multi-step operation; hosts see only [`Flow::step`].
#[must_use = "a flow does nothing until it is stepped"]
pub struct Flow<T> {
    port: Shared,
    run: Option<Run<T>>,
    fresh: bool,
}

impl<T> Flow<T> {
    /// A flow that runs what `start` makes of its [`Io`].
    pub fn new<F>(start: impl FnOnce(Io) -> F) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let port = Shared(Arc::new(Mutex::new(Port {
            now: Now::default(),
            effect: None,
            reply: None,
            misuse: None,
            cancelled: false,
            must_finish: false,
            #[cfg(feature = "server")]
            turn: None,
        })));
        let run: Run<T> = Box::pin(start(Io::new(port.clone())));
        Self { port, run: Some(run), fresh: true }
    }

    /// Advances with the reply to the last effect (`None` the first time). Never panics, never blocks.
    pub fn step(&mut self, now: Now, reply: Option<Reply>) -> Step<T> {
        let Some(run) = &mut self.run else {
            return Step::Done(Err(Error::misuse("stepped after the end")));
        };
        if std::mem::take(&mut self.fresh) == reply.is_some() {
            return self.end(Err(Error::misuse("reply out of turn")));
        }
        Self::arrive(&self.port, now, reply);
        let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (effect, misuse) = {
            let mut port = self.port.lock();
            (port.effect.take(), port.misuse.take())
        };
        if let Some(misuse) = misuse {
            return self.end(Err(misuse));
        }
        match (polled, effect) {
            (Poll::Ready(result), None) => self.end(result),
            (Poll::Ready(_), Some(_)) => self.end(Err(Error::misuse("ended with an effect outstanding"))),
            (Poll::Pending, Some(effect)) => Step::Effect(effect),
            (Poll::Pending, None) => self.end(Err(Error::misuse("awaited something other than Io"))),
        }
    }

    fn arrive(port: &Shared, now: Now, reply: Option<Reply>) {
        let mut port = port.lock();
        port.now = Now { mono: now.mono.max(port.now.mono), wall_ms: now.wall_ms };
        port.cancelled |= matches!(reply, Some(Reply::Cancelled));
        port.reply = reply;
    }

    fn end(&mut self, result: Result<T, Error>) -> Step<T> {
        self.run = None;
        Step::Done(result)
    }

    /// True once an intent is durable: see rule 5 of the contract.
    pub fn must_finish(&self) -> bool {
        self.port.lock().must_finish
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn now(ms: u64) -> Now {
        Now { mono: Duration::from_millis(ms), wall_ms: ms }
    }

    fn misuse<T: std::fmt::Debug>(step: Step<T>) -> bool {
        matches!(step, Step::Done(Err(error)) if error.kind() == ErrorKind::Misuse)
    }

    #[test]
    fn a_sleep_is_asked_for_and_answered() {
        let mut flow = Flow::new(|io| async move {
            io.sleep(Duration::from_millis(5)).await?;
            Ok(io.now().mono)
        });
        assert!(matches!(flow.step(now(1), None), Step::Effect(Effect::Sleep { ms: 5 })));
        assert!(
            matches!(flow.step(now(7), Some(Reply::Elapsed)), Step::Done(Ok(at)) if at == Duration::from_millis(7))
        );
        assert!(misuse(flow.step(now(8), None)));
    }

    #[test]
    fn replies_out_of_turn_and_of_the_wrong_kind_are_misuse() {
        let flow = || Flow::new(|io| async move { io.sleep(Duration::from_secs(1)).await });
        assert!(misuse(flow().step(now(0), Some(Reply::Elapsed))));
        let mut wrong = flow();
        let _ = wrong.step(now(0), None);
        assert!(misuse(wrong.step(now(0), Some(Reply::Ok))));
        let mut swallowed = Flow::new(|io| async move {
            let _ = io.sleep(Duration::ZERO).await;
            io.sleep(Duration::ZERO).await
        });
        let _ = swallowed.step(now(0), None);
        assert!(misuse(swallowed.step(now(0), Some(Reply::Ok))));
        let mut silent = flow();
        let _ = silent.step(now(0), None);
        assert!(misuse(silent.step(now(0), None)));
    }

    #[test]
    fn a_foreign_await_and_two_effects_at_once_are_misuse() {
        let mut foreign: Flow<()> = Flow::new(|_| std::future::pending());
        assert!(misuse(foreign.step(now(0), None)));
        let mut twice: Flow<()> = Flow::new(|io| async move {
            let (mut a, mut b) = (Box::pin(io.sleep(Duration::ZERO)), Box::pin(io.sleep(Duration::ZERO)));
            std::future::poll_fn(|cx| {
                let _ = a.as_mut().poll(cx);
                b.as_mut().poll(cx)
            })
            .await
        });
        assert!(misuse(twice.step(now(0), None)));
    }

    #[test]
    fn time_never_goes_backwards() {
        let mut flow = Flow::new(|io| async move {
            io.sleep(Duration::ZERO).await?;
            Ok(io.now().mono)
        });
        let _ = flow.step(now(9), None);
        assert!(
            matches!(flow.step(now(3), Some(Reply::Elapsed)), Step::Done(Ok(at)) if at == Duration::from_millis(9))
        );
    }

    #[test]
    fn after_a_cancel_nothing_sleeps() {
        let mut flow = Flow::new(|io| async move {
            let _ = io.sleep(Duration::from_secs(1)).await;
            io.sleep(Duration::from_secs(1)).await
        });
        let _ = flow.step(now(0), None);
        let end = flow.step(now(0), Some(Reply::Cancelled));
        assert!(matches!(end, Step::Done(Err(error)) if error.kind() == ErrorKind::Cancelled));
    }
}
