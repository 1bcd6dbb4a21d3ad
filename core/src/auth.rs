//! Who calls, and what they may do.

mod caller;
#[cfg(feature = "server")]
mod rate;
#[cfg(feature = "server")]
mod token;

pub use caller::{Caller, Role, Scope};
#[cfg(feature = "server")]
pub use rate::Rates;
#[cfg(feature = "server")]
pub use token::{TokenEntry, bearer, find_token};
