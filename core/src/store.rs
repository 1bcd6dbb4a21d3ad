//! The store as flows see it: keyed records, ordered scans, all-or-nothing commits.
//!
//! Other orders (jobs by time, by state, by target, by due time) are index rows written in the same commit as the
//! record they point at. Correctness rests on versions alone.

mod audit;
mod check;
mod context_rows;
mod job_rows;
mod keys;
mod op;
mod operation_rows;
mod read_jobs;
mod rows;
pub mod schema;

pub use audit::{Audit, AuditChain, AuditHead, AuditRow, Seal, audit_head_key, audit_head_write, audit_key, seal};
pub use check::faults;
pub use context_rows::{context_key, context_write};
pub use job_rows::{JobFilter, Owner, job_removal, job_writes, list_key, listed_job, owner_key};
pub use keys::{Kind, SHARED, idempotency_key};
pub use op::{Commit, Committed, Expect, Key, Name, Op, Page, Put, Record, Scan, StoreReply, Write};
pub use operation_rows::{operation_key, operation_write};
pub use read_jobs::ReadJobs;
pub use rows::{Rows, Stored, parse_record};
