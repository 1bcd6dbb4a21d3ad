//! The store as flows see it: keyed records, ordered scans, all-or-nothing commits.
//!
//! Other orders (jobs by time, by state, by target, by due time) are index rows written in the same commit as the
//! record they point at. Correctness rests on versions alone.

mod op;

pub use op::{Commit, Committed, Expect, Key, Op, Page, Put, Record, Scan, StoreReply, Write};
