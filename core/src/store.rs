//! The store as flows see it: keyed records, ordered scans, all-or-nothing commits.
//!
//! Other orders (jobs by time, by state, by target, by due time) are index rows written in the same commit as the
//! record they point at. Correctness rests on versions alone.

#[cfg(feature = "server")]
mod audit;
#[cfg(feature = "server")]
mod job_rows;
#[cfg(feature = "server")]
mod keys;
mod op;
#[cfg(feature = "server")]
mod operation_rows;
#[cfg(feature = "server")]
mod rows;

#[cfg(feature = "server")]
pub use audit::Audit;
#[cfg(feature = "server")]
pub use job_rows::{JobFilter, job_writes, list_key, listed_job};
#[cfg(feature = "server")]
pub use keys::{Kind, idempotency_key};
pub use op::{Commit, Committed, Expect, Key, Op, Page, Put, Record, Scan, StoreReply, Write};
#[cfg(feature = "server")]
pub use operation_rows::{operation_key, operation_write};
#[cfg(feature = "server")]
pub use rows::{Rows, Stored, parse_record};
