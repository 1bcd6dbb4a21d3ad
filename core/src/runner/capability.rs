//! What a target can do, and what one is answered who asks it for the rest.

use serde::{Deserialize, Serialize};

use super::{backend, dataflow, direct, flink, portable, simulator, spark};
use crate::{
    config::{RunnerKind, Target},
    error::Error,
    job::{JobSpec, OperationKind},
};

/// What a target can do; probed, not assumed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Bounded pipelines.
    Batch,
    /// Unbounded pipelines.
    Streaming,
    /// Submission of a jar.
    JarSubmit,
    /// Submission of a Python file or module.
    PythonSubmit,
    /// Launch of a Dataflow template.
    TemplateSubmit,
    /// Submission of a Beam YAML pipeline.
    YamlSubmit,
    /// Plain cancel.
    Cancel,
    /// Flush and end.
    Drain,
    /// End with a savepoint to resume from.
    Stop,
    /// Savepoints.
    Savepoints,
    /// Start from a savepoint.
    Restore,
    /// Automatic checkpoints.
    Checkpointing,
    /// Change of parallelism in place.
    Rescale,
    /// Metrics while the job runs.
    Metrics,
    /// Logs.
    Logging,
    /// The stages of a job and what feeds each.
    Graph,
    /// Checkpoints and savepoints as the runner lists them.
    CheckpointList,
    /// Replacement of a running job by one with other options and the same state.
    Update,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 18] = [
        Self::Batch,
        Self::Streaming,
        Self::JarSubmit,
        Self::PythonSubmit,
        Self::TemplateSubmit,
        Self::YamlSubmit,
        Self::Cancel,
        Self::Drain,
        Self::Stop,
        Self::Savepoints,
        Self::Restore,
        Self::Checkpointing,
        Self::Rescale,
        Self::Metrics,
        Self::Logging,
        Self::Graph,
        Self::CheckpointList,
        Self::Update,
    ];

    /// The most this product does with a runner: a target has what its cluster and its configuration leave of it.
    pub fn most_of(runner: RunnerKind) -> &'static [Self] {
        match runner {
            RunnerKind::Dataflow => dataflow::CAPABILITIES,
            RunnerKind::Direct => direct::CAPABILITIES,
            RunnerKind::Flink => flink::CAPABILITIES,
            RunnerKind::Portable => portable::CAPABILITIES,
            RunnerKind::Simulator => simulator::CAPABILITIES,
            RunnerKind::Spark => spark::CAPABILITIES,
        }
    }

    /// The refusal of the operation it is, where it is one that is refused.
    pub(in crate::runner) fn refused_by(self, supports: fn(OperationKind) -> Result<(), Error>) -> Option<Error> {
        let kind = match self {
            Self::Cancel => OperationKind::Cancel,
            Self::Drain => OperationKind::Drain,
            Self::Stop => OperationKind::Stop,
            Self::Savepoints => OperationKind::Savepoint,
            Self::Rescale => OperationKind::Scale,
            _ => return None,
        };
        supports(kind).err()
    }

    /// A submission that needs it, where submissions do.
    pub(in crate::runner) fn sample(self) -> Option<JobSpec> {
        let (code_path, rest) = (|name: &str| Some(name.to_owned()), JobSpec::default());
        Some(match self {
            Self::JarSubmit => JobSpec { code_path: code_path("pipeline.jar"), ..rest },
            Self::PythonSubmit => JobSpec { code_path: code_path("pipeline.py"), ..rest },
            Self::YamlSubmit => JobSpec { code_path: code_path("pipeline.yaml"), ..rest },
            Self::TemplateSubmit => JobSpec { template_path: Some("gs://bucket/template".into()), ..rest },
            Self::Restore => {
                JobSpec { code_path: code_path("pipeline.jar"), savepoint_path: Some("savepoint".into()), ..rest }
            }
            _ => return None,
        })
    }
}

/// What one is answered who asks a target for what it lacks: a reason and the nearest alternative, from the very checks
/// that refuse it.
pub fn refusal(target: &Target, lacks: Capability) -> Error {
    let runners = match target.runner {
        RunnerKind::Dataflow => dataflow::refusal(target, lacks),
        RunnerKind::Direct => direct::refusal(lacks),
        RunnerKind::Flink => flink::refusal(target, lacks),
        RunnerKind::Portable => portable::refusal(lacks),
        RunnerKind::Simulator => simulator::refusal(lacks),
        RunnerKind::Spark => spark::refusal(target, lacks),
    };
    runners.unwrap_or_else(|| common(lacks))
}

/// The answer to a change of options where no runner makes one.
pub fn options_are_fixed() -> Error {
    Error::unsupported("options_are_fixed", "the options of a running job cannot be changed")
        .suggest("stop the job with a savepoint, then restore_job with the new options")
}

fn common(lacks: Capability) -> Error {
    match lacks {
        Capability::Graph => backend::no_graph(),
        Capability::CheckpointList => backend::no_checkpoints(),
        Capability::Update => options_are_fixed(),
        Capability::Checkpointing => Error::unsupported("no_checkpointing", "beam-mcp sets up no checkpoints there")
            .suggest("a Flink target takes them; elsewhere a pipeline's state is the matter of its runner"),
        Capability::Metrics => Error::unsupported("metrics_at_the_end", "metrics are told once the job has ended")
            .suggest("read get_metrics after the end"),
        Capability::Streaming => {
            Error::unsupported("bounded_only", "a pipeline is run to its end before it reads more")
                .suggest("use another job service, such as Prism, or a target of another runner")
        }
        _ => Error::unsupported("not_set_up", "the target cannot do this as it is set up")
            .suggest("its `warnings` say what is missing; Beam YAML needs apache-beam[yaml] in the target's `python`"),
    }
}
