//! The store as flows see it: keyed records, ordered scans, all-or-nothing commits.
//!
//! Other orders (jobs by time, by state, by target, by due time) are index rows written in the same commit as the
//! record they point at. Correctness rests on versions alone.

mod audit;
mod job_rows;
mod keys;
mod op;
mod operation_rows;
mod rows;

pub use audit::Audit;
pub use job_rows::{JobFilter, job_writes, list_key, listed_job};
pub use keys::{Kind, idempotency_key};
pub use op::{Commit, Committed, Expect, Key, Op, Page, Put, Record, Scan, StoreReply, Write};
pub use operation_rows::{operation_key, operation_write};
pub use rows::{Rows, Stored, parse_record};
