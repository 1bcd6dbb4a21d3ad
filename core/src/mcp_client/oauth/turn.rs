//! Calls that are refused side by side sign in once: the first one does, the others wait for what comes of it.

use std::{sync::Arc, time::Duration};

use super::{
    super::link::{Link, Shared},
    Challenge, bearer,
};
use crate::error::{Error, ErrorKind, Retry};

/// Time between two looks at another call's sign-in, and the longest it is waited for: a person may be at work.
const PACE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(600);

/// The sign-in under way, and what came of the last one.
#[derive(Default)]
pub(super) struct SignIn {
    busy: bool,
    ended: u64,
    failed: Option<Error>,
}

/// What a refused call does.
enum Turn {
    /// Signs in itself.
    Mine(Holder),
    /// Waits; so many sign-ins had ended.
    Others(u64),
    /// Tries again: there is another token than the one that was refused.
    Renewed,
}

/// The turn, given up when dropped.
struct Holder(Arc<Shared>);

impl Drop for Holder {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.tokens.sign_in.busy = false;
        state.tokens.sign_in.ended += 1;
    }
}

impl Link {
    /// Gets a token in the place of the one that was shown and refused.
    ///
    /// # Errors
    /// What the sign-in ended with, whichever call made it.
    pub(in super::super) async fn signed_in(&self, challenge: &Challenge, shown: Option<&str>) -> Result<(), Error> {
        let mut seen = None;
        let until = self.io.now().mono.saturating_add(LONGEST).min(self.call.deadline);
        loop {
            match self.turn(shown, seen)? {
                Turn::Renewed => return Ok(()),
                Turn::Mine(holder) => {
                    let ended = self.authorize(challenge).await;
                    self.shared.state().tokens.sign_in.failed =
                        ended.as_ref().err().filter(|error| is_of_all(error)).cloned();
                    drop(holder);
                    return ended;
                }
                Turn::Others(_) if self.io.now().mono.saturating_add(PACE) >= until => {
                    return Err(Error::deadline("another call of the connection still signs in").retry_as(Retry::Never));
                }
                Turn::Others(ended) => {
                    seen.get_or_insert(ended);
                    self.io.sleep(PACE).await?;
                }
            }
        }
    }

    fn turn(&self, shown: Option<&str>, seen: Option<u64>) -> Result<Turn, Error> {
        let mut state = self.shared.state();
        let current = bearer(&state.tokens);
        let sign_in = &mut state.tokens.sign_in;
        if sign_in.busy {
            return Ok(Turn::Others(sign_in.ended));
        }
        if current.is_some() && current.as_deref() != shown {
            return Ok(Turn::Renewed);
        }
        if let Some(error) = sign_in.failed.clone().filter(|_| seen.is_some_and(|seen| seen != sign_in.ended)) {
            return Err(error);
        }
        // A turn that is dropped fails nobody.
        (sign_in.busy, sign_in.failed) = (true, None);
        Ok(Turn::Mine(Holder(Arc::clone(&self.shared))))
    }
}

/// False for what is over for one call alone: it was cancelled, or its own time ran out.
fn is_of_all(error: &Error) -> bool {
    !error.gave_up() && error.kind() != ErrorKind::DeadlineExceeded
}
