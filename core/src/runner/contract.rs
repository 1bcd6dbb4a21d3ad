use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Capability;
use crate::{
    effect::{Handle, SourceId},
    job::{JobState, JobType, OperationState},
};

/// How a target is, as of now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The runner's version, where it says.
    pub version: Option<String>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Facts about it: slots, task managers, workers, … plain names and values.
    pub facts: Map<String, Value>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// What a runner says about one job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The runner's own id.
    pub native_id: String,
    /// Our token it carries, on runners that choose the id themselves (a label, a marker).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Name on the runner.
    pub name: Option<String>,
    /// Mapped state; `None` for a raw state nobody knows: no change.
    pub state: Option<JobState>,
    /// The runner's word.
    pub runner_state: String,
    /// Kind of pipeline, where the runner says.
    pub job_type: Option<JobType>,
    /// Unix milliseconds of the start.
    pub started_ms: Option<u64>,
    /// Unix milliseconds of the end.
    pub ended_ms: Option<u64>,
    /// Largest parallelism of its steps.
    pub parallelism: Option<u32>,
    /// Latest retained checkpoint or savepoint.
    pub savepoint_path: Option<String>,
    /// For a job that ended: whether a stop or drain with savepoint ended it; `None` where the runner does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_with_savepoint: Option<bool>,
    /// Why it is as it is; empty when there is nothing to say.
    pub diagnostics: String,
}

/// Answer to a look at one job.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// The runner knows it.
    Seen(Sighting),
    /// A healthy runner answered that it does not.
    Absent,
}

/// Whose a job is that a runner lists under an id of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bearer {
    /// It bears this token.
    Token(String),
    /// It bears none of ours.
    Nothing,
    /// It cannot be read now.
    Unreadable,
}

/// How long a runner recognises a second submission under our id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// For good.
    Lasting,
    /// While it is this process, and for a time after a job has ended.
    Process {
        /// Another one after each start of the runner.
        incarnation: String,
        /// Milliseconds an ended job is remembered.
        keeps_ms: u64,
    },
    /// It does not say.
    Unknown,
}

impl Memory {
    /// True when a submission first sent `age_ms` ago, when the memory was this, is still recognised by a runner whose
    /// memory is `now` (security-reliability.md 4.3, R1).
    pub fn still_holds(&self, now: &Self, age_ms: u64) -> bool {
        match self {
            Self::Lasting => *now == Self::Lasting,
            Self::Process { keeps_ms, .. } => self == now && age_ms < *keeps_ms,
            Self::Unknown => false,
        }
    }
}

/// One call that a write will make, for people to read before it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct PlannedCall {
    /// For instance `POST /jars/{jar}/run`, or `exec python`.
    pub call: String,
    /// What it does.
    pub purpose: String,
    /// Body or arguments, without secrets.
    #[serde(default)]
    pub body: Value,
}

/// Where an option's value comes from; the later in this order, the more particular.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// beam-mcp needs it.
    Product,
    /// The operator's configuration of the target.
    Target,
    /// The context of the catalogue that the caller named.
    Context,
    /// The operator's preset that the caller named.
    Preset,
    /// The caller said so.
    Caller,
}

/// One option with its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct ResolvedOption {
    /// Name as sent.
    pub name: String,
    /// Value as sent.
    pub value: Value,
    /// Who chose it.
    pub from: Provenance,
    /// For instance that an alias was translated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// All that is needed to send a submission, also by another process later; stored with the job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Staged code, where there is any.
    pub source: Option<SourceId>,
    /// SHA-256 of the code in lower-case hex.
    pub sha256: Option<String>,
    /// File name of the code.
    pub file_name: Option<String>,
    /// Files beside it in its folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, SourceId)>,
    /// Arguments of the program, each one item.
    pub argv: Vec<String>,
    /// What else the runner's request needs (Flink: entry class, parallelism, savepoint path, configuration).
    pub settings: Map<String, Value>,
    /// The calls that will be made.
    pub calls: Vec<PlannedCall>,
    /// The resolved options.
    pub options: Vec<ResolvedOption>,
    /// What cannot be known beforehand or should be known.
    pub notes: Vec<String>,
}

impl Submission {
    /// Setting of a submission whose code was put together here.
    pub(in crate::runner) const BUILT: &str = "built";
    /// Setting that names the hash of the code such a jar was put together of.
    pub(in crate::runner) const CODE: &str = "code_sha256";

    /// True when what is sent was put together here, and is needed by nobody once the job has ended.
    pub fn is_built(&self) -> bool {
        self.settings.contains_key(Self::BUILT)
    }

    /// Hash of the caller's code, also where what is sent was put together of it.
    pub fn code_sha256(&self) -> Option<&str> {
        let built_of = self.settings.get(Self::CODE).and_then(Value::as_str);
        built_of.or(self.sha256.as_deref())
    }
}

/// A submission the runner took.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It has the job.
    Accepted {
        /// The runner's own id.
        native_id: String,
    },
    /// A child waits: commit its identity, then release it.
    Held {
        /// The child.
        handle: Handle,
    },
}

/// How far what is submitted is built.
#[derive(Clone, Debug, PartialEq)]
pub enum Build {
    /// It can be sent.
    Ready,
    /// It can be sent once this is stored in the place of what was prepared.
    Built(Box<Submission>),
    /// The caller's code is at it: come again.
    Underway,
}

/// How a runner took an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It works on it: poll.
    Accepted,
    /// It is done already.
    Done(Progress),
}

/// How far a runner is with an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// State; never `REQUESTED`.
    pub state: OperationState,
    /// Path of a finished savepoint.
    pub savepoint_path: Option<String>,
    /// Parallelism per vertex name (scale).
    pub actual: BTreeMap<String, u32>,
    /// Text for people.
    pub diagnostics: String,
}

impl Progress {
    /// Progress without details.
    pub fn new(state: OperationState) -> Self {
        Self { state, savepoint_path: None, actual: BTreeMap::new(), diagnostics: String::new() }
    }

    /// The same with text for people.
    #[must_use]
    pub fn because(mut self, diagnostics: impl Into<String>) -> Self {
        self.diagnostics = diagnostics.into();
        self
    }
}
