//! Verbs: what a caller can ask for, one file each, the same behind every door.
//!
//! A read has `run`. A write has `plan` (reads only: the exact calls, where each option comes from, what cannot be
//! known) and `apply`; `dry_run` answers with the plan, and `plan_digest` binds a confirmation to it.

pub mod abandon_job;
pub mod adopt_job;
pub mod cancel_job;
pub mod catalogue;
mod context;
pub mod create_context;
pub mod create_job;
pub mod create_savepoint;
pub mod delete_context;
mod ends;
pub mod get_checkpoints;
pub mod get_context;
pub mod get_graph;
pub mod get_job;
pub mod get_logs;
pub mod get_metrics;
pub mod get_operation;
mod idempotency;
pub mod list_contexts;
pub mod list_jobs;
pub mod list_runners;
pub(crate) mod operate;
mod outlook;
mod plan;
mod registry;
mod resolve;
pub mod restore_job;
pub mod resubmit_job;
pub mod scale_job;
mod shown;
mod telling;
pub mod update_context;
pub mod update_job;
mod view;
pub mod wait_for_change;
mod written;

pub use context::Context;
pub(crate) use create_job::refusal;
pub(crate) use ends::ends;
pub use plan::Plan;
pub use registry::{Hints, VERBS, Verb, VerbFuture, find, unknown};
pub use telling::Telling;
pub use view::{JobView, OperationView};
pub use written::{Changed, Submitted};
