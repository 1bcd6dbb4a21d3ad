use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::RunnerKind;

/// A run profile of the catalogue as it is stored: options that jobs name by its id instead of writing them out.
///
/// # Source
/// S2, "Contexts API".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionContext {
    /// Its id within the tenant.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Text for people.
    #[serde(default)]
    pub description: String,
    /// What it is for.
    pub context_type: ContextType,
    /// Whether jobs may name it.
    #[serde(default)]
    pub status: ContextStatus,
    /// Pipeline options, over the target's and under a preset's.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Said for people: no runner reads it.
    #[serde(default)]
    pub resources: Map<String, Value>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Said for people and programs: no runner reads it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// An admin wrote it: it may hold what only an operator may set.
    #[serde(default)]
    pub by_operator: bool,
    /// 1 at first, one more with each change.
    pub generation: u64,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// Unix milliseconds of the last change.
    pub updated_ms: u64,
}

/// What a context is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContextType {
    /// Targets of Dataflow.
    Dataflow,
    /// Targets of the runner Direct.
    Direct,
    /// Targets of Flink.
    Flink,
    /// Targets that are job services of Beam's.
    Portable,
    /// Scripted targets.
    Simulator,
    /// Targets of Spark.
    Spark,
    /// Targets of any runner.
    #[default]
    Custom,
}

/// Whether jobs may name a context.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContextStatus {
    /// They may.
    #[default]
    Active,
    /// They may not.
    Inactive,
}

impl ContextType {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        self.runner().map_or("custom", RunnerKind::as_str)
    }

    /// The runner it is for; `None`: any.
    pub fn runner(self) -> Option<RunnerKind> {
        match self {
            Self::Dataflow => Some(RunnerKind::Dataflow),
            Self::Direct => Some(RunnerKind::Direct),
            Self::Flink => Some(RunnerKind::Flink),
            Self::Portable => Some(RunnerKind::Portable),
            Self::Simulator => Some(RunnerKind::Simulator),
            Self::Spark => Some(RunnerKind::Spark),
            Self::Custom => None,
        }
    }
}
