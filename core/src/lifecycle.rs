//! What happens to a job after a caller asked for it: submitting, observing, operating.
//!
//! All of it is level-triggered: it starts from the stored row, so a request, another process or the reconciler can
//! take it up at any step.

mod discover;
mod due;
mod look;
mod observe;
mod operate;
mod permit;
mod poll;
mod recent;
mod reconcile;
mod retain;
mod seal;
mod settle;
mod share;
mod submit;
mod sweep;
mod watch;

pub use look::{awaited, fresh, look_now, note_outage};
pub use observe::{Seen, observe};
pub use operate::{drive_operation, request_operation};
pub(crate) use recent::Recent;
pub use reconcile::reconcile;
pub(crate) use settle::outlives;
pub use share::Share;
pub use submit::drive_submission;
pub(crate) use submit::pause;
pub use watch::Watch;
