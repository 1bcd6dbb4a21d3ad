//! Who calls, and what they may do.

mod caller;
mod token;

pub use caller::{Caller, Role, Scope};
pub use token::{TokenEntry, find_token};
