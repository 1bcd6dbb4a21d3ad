use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Kind of pipeline.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum JobType {
    /// Ends by itself.
    Batch,
    /// Runs until it is stopped.
    Streaming,
}

impl JobType {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "BATCH",
            Self::Streaming => "STREAMING",
        }
    }
}

/// A job as the caller asked for it, after aliases were folded (see `verb::create_job::Input`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Name for people.
    pub job_name: String,
    /// Name of the target.
    pub target: String,
    /// Kind of pipeline, where the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_type: Option<JobType>,
    /// Path beneath the server's roots, or `artifact:sha256:<hex>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_path: Option<String>,
    /// Dotted name of an installed Python module, instead of `code_path` (Direct).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Text of a Beam YAML pipeline, instead of `code_path` (Direct, portable).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
    /// Staged request of the Job API's `Prepare`, `sha256:<hex>`: what an SDK sent to our own Job API (portable).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Main class, where the jar's manifest names none or another is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_class: Option<String>,
    /// Plain arguments of the program, before the options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Template to launch (Dataflow).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_path: Option<String>,
    /// Parameters of the template.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub template_parameters: Map<String, Value>,
    /// Pipeline options by Beam's names, and the runner's own settings (`parallelism`, …).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub pipeline_options: Map<String, Value>,
    /// Context of the catalogue the caller named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// Pipeline options of the context, as they were then.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context_options: Map<String, Value>,
    /// The context was an operator's: it may hold what only an operator may set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_by_operator: bool,
    /// Preset of the target the caller named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Pipeline options of the preset, as they were then.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub preset_options: Map<String, Value>,
    /// Savepoint to start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint_path: Option<String>,
    /// The savepoint is one the runner confirmed to us for the job that is restored: it may lie anywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_savepoint: bool,
    /// Start although the savepoint holds state the pipeline no longer has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_non_restored_state: bool,
}
