//! Apache Beam's job vocabulary as plain types: no runner, no door.

mod checkpoints;
#[cfg(feature = "server")]
mod execution_context;
mod graph;
#[cfg(feature = "server")]
mod graph_svg;
/// Names of jobs and targets.
pub mod id;
mod logs;
mod metrics;
mod operation;
mod reading;
mod record;
mod spec;
mod state;
mod unified;

pub use checkpoints::{Checkpoint, CheckpointCounts, Checkpoints, RestoredFrom};
#[cfg(feature = "server")]
pub use execution_context::{ContextStatus, ContextType, ExecutionContext};
pub use graph::{Graph, Stage};
pub use id::JobId;
pub use logs::{LogEntry, LogPage, LogQuery, Severity};
#[cfg(feature = "server")]
pub(crate) use metrics::unit_of;
pub use metrics::{Metric, MetricKind, MetricValue, Metrics};
pub use operation::{Operation, OperationKind, OperationState};
pub use reading::{Raw, Reading};
pub use record::{EndedBy, Job, LastCheckpoint, Origin, Phase, token_of};
pub use spec::{JobSpec, JobType};
pub use state::JobState;
pub use unified::Unified;
