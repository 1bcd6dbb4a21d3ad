#[cfg(feature = "server")]
mod engine;
#[cfg(feature = "mcp-client")]
mod pieces;
#[cfg(feature = "server")]
mod turn;

#[cfg(feature = "server")]
pub use engine::{Rpc, Wake};
#[cfg(feature = "mcp-client")]
pub use pieces::{Opened, Piece};
#[cfg(feature = "server")]
pub(super) use turn::Turn;

use std::{future::poll_fn, task::Poll, time::Duration};

use super::{Now, Shared};
use crate::{
    effect::{Effect, Reply, Request, Response},
    error::Error,
};

/// The only way out of a flow: one effect out, one reply back.
#[derive(Clone)]
pub struct Io(Shared);

impl Io {
    pub(super) fn new(shared: Shared) -> Self {
        Self(shared)
    }

    /// Time as of the last step.
    pub fn now(&self) -> Now {
        self.0.lock().now
    }

    /// True once any reply was [`Reply::Cancelled`], or when another flow cancelled the request at work.
    pub fn is_cancelled(&self) -> bool {
        let port = self.0.lock();
        #[cfg(feature = "server")]
        if port.turn.as_ref().is_some_and(|turn| turn.ends(port.must_finish)) {
            return true;
        }
        port.cancelled
    }

    /// Marks the flow as one that must be driven to its end: its intent is durable.
    pub fn intent_is_durable(&self) {
        self.0.lock().must_finish = true;
    }

    /// Sends once. Any HTTP answer is an answer, whatever its status.
    ///
    /// # Errors
    /// A fault becomes `unavailable`, `deadline_exceeded` or `malformed_response`; see [`Error::landed`].
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        match self.perform(Effect::Send(request)).await {
            Reply::Response(response) => Ok(response),
            Reply::Fault(fault) => Err(Error::transport(&fault)),
            other => Err(self.refused(other, "a request")),
        }
    }

    /// Waits.
    ///
    /// # Errors
    /// `cancelled`, at once when the flow was cancelled before.
    pub async fn sleep(&self, delay: Duration) -> Result<(), Error> {
        if self.is_cancelled() {
            return Err(Error::cancelled());
        }
        #[cfg(feature = "server")]
        if self.turn_topic().is_some() {
            return self.wait(Vec::new(), delay).await.map(drop);
        }
        self.rest(delay).await
    }

    async fn rest(&self, delay: Duration) -> Result<(), Error> {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        match self.perform(Effect::Sleep { ms }).await {
            Reply::Elapsed => Ok(()),
            other => Err(self.refused(other, "a sleep")),
        }
    }

    async fn perform(&self, effect: Effect) -> Reply {
        {
            let mut port = self.0.lock();
            if port.effect.replace(effect).is_some() {
                port.misuse = Some(Error::misuse("two effects at once"));
            }
        }
        poll_fn(|_| self.0.lock().reply.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// The error of a reply that is no answer to the effect.
    fn refused(&self, reply: Reply, to: &str) -> Error {
        match reply {
            Reply::Cancelled => Error::cancelled().landed_as(crate::error::Landed::Perhaps),
            Reply::Unsupported { reason } => Error::unsupported("unsupported_by_host", reason)
                .suggest("use a beam-mcp-server for this; this host cannot do it"),
            _ => self.misuse(format!("a reply of the wrong kind to {to}")),
        }
    }

    /// Ends the flow with this step, whatever is made of the error.
    fn misuse(&self, message: impl Into<String>) -> Error {
        let error = Error::misuse(message);
        self.0.lock().misuse = Some(error.clone());
        error
    }
}
