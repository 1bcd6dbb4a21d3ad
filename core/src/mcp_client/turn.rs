//! What calls of one connection need alike is done once: the first call does it, the others wait for what comes of it.
//!
//! Flows cannot wake each other: who waits looks again after a pause.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    link::{Link, Shared},
    state::State,
};
use crate::error::{Error, ErrorKind, Retry};

/// Time between two looks at another call's work, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(160);
/// The longest it is waited for: a person may be at work.
const LONGEST: Duration = Duration::from_secs(600);

/// Work of one kind: whether a call is at it, and what came of the last time.
#[derive(Default)]
pub(super) struct Turns {
    busy: bool,
    ended: u64,
    failed: Option<Error>,
}

/// Where a connection keeps the turns of a kind of work.
type Kind = fn(&mut State) -> &mut Turns;

/// What a call does that needs the work.
enum Turn<T> {
    /// It does it.
    Mine(Holder),
    /// It waits; so many turns had ended.
    Others(u64),
    /// It goes on: the work was done.
    Done(T),
}

/// The turn, given up when dropped.
struct Holder(Arc<Shared>, Kind);

impl Drop for Holder {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let turns = self.1(&mut state);
        turns.busy = false;
        turns.ended += 1;
    }
}

impl Link {
    /// What the work makes, whichever call does it; `done` is what is there of it already.
    ///
    /// The one who does it must not wait for the application in the middle of it: that may wait for another call.
    ///
    /// # Errors
    /// What the work ended with. One that ended for its own call alone is done by the next one.
    pub(super) async fn in_turn<T>(
        &self,
        kind: Kind,
        done: impl Fn(&State) -> Option<T>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (mut seen, mut pause) = (None, FIRST_PAUSE);
        let until = self.io.now().mono.saturating_add(LONGEST).min(self.call.deadline);
        loop {
            match self.turn(kind, &done, seen)? {
                Turn::Done(made) => return Ok(made),
                Turn::Mine(holder) => {
                    let ended = work.await;
                    let failed = ended.as_ref().err().filter(|error| self.is_of_all(error)).cloned();
                    kind(&mut self.shared.state()).failed = failed;
                    drop(holder);
                    return ended;
                }
                Turn::Others(_) if self.io.now().mono.saturating_add(pause) >= until => {
                    return Err(Error::deadline("another call of the connection still connects or signs in")
                        .retry_as(Retry::Never));
                }
                Turn::Others(ended) => {
                    seen.get_or_insert(ended);
                    self.io.sleep(pause).await?;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    fn turn<T>(&self, kind: Kind, done: impl Fn(&State) -> Option<T>, seen: Option<u64>) -> Result<Turn<T>, Error> {
        let mut state = self.shared.state();
        let turns = kind(&mut state);
        if turns.busy {
            return Ok(Turn::Others(turns.ended));
        }
        let failed = turns.failed.clone().filter(|_| seen.is_some_and(|seen| seen != turns.ended));
        if let Some(made) = done(&state) {
            return Ok(Turn::Done(made));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // A turn that is dropped fails nobody.
        let turns = kind(&mut state);
        (turns.busy, turns.failed) = (true, None);
        Ok(Turn::Mine(Holder(Arc::clone(&self.shared), kind)))
    }

    /// False for what is over for one call alone: it was cancelled, or time of its own ran out.
    fn is_of_all(&self, error: &Error) -> bool {
        let late = self.io.now().mono.saturating_add(LAST_PAUSE) >= self.call.deadline;
        let own_time = late || self.limits.timeout_ms < self.options().timeout_ms;
        !(error.gave_up() || (own_time && error.kind() == ErrorKind::DeadlineExceeded))
    }
}
