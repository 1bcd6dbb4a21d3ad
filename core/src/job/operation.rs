use serde::{Deserialize, Serialize};

/// What a durable operation does to a job.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Drops the job.
    Cancel,
    /// Flushes, then ends.
    Drain,
    /// Changes parallelism in place.
    Scale,
    /// Keeps a snapshot; the job goes on.
    Savepoint,
    /// Keeps a savepoint to resume from, then ends.
    Stop,
}

impl OperationKind {
    /// The word in an operation id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Drain => "drain",
            Self::Scale => "scale",
            Self::Savepoint => "savepoint",
            Self::Stop => "stop",
        }
    }

    /// The kind in an operation id.
    pub fn of_id(id: &str) -> Option<Self> {
        let word = id.rsplit('/').next()?.split('-').next()?;
        [Self::Cancel, Self::Drain, Self::Scale, Self::Savepoint, Self::Stop].into_iter().find(|k| k.as_str() == word)
    }

    /// True when it leaves a savepoint.
    pub fn makes_savepoint(self) -> bool {
        matches!(self, Self::Savepoint | Self::Drain | Self::Stop)
    }

    /// True when the job ends with it.
    pub fn ends_job(self) -> bool {
        matches!(self, Self::Cancel | Self::Drain | Self::Stop)
    }
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationState {
    /// Stored; not sent yet (it may queue behind another).
    Requested,
    /// The runner took it.
    Accepted,
    /// The runner works on it.
    InProgress,
    /// Confirmed by the runner.
    Succeeded,
    /// The runner said no, or its work failed.
    Failed,
    /// It was sent and nobody can say what became of it.
    Unknown,
}

impl OperationState {
    /// The word of the JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Accepted => "ACCEPTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// True for an end.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Unknown)
    }
}

/// The durable record of a savepoint, scale, drain, stop or cancel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Operation {
    /// `<job id>/<kind>-<32 hex>`.
    pub id: String,
    /// The job.
    pub job_id: String,
    /// What it does.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// The 32 hex digits; Flink's `triggerId`.
    pub trigger_id: String,
    /// Directory the caller asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint_dir: Option<String>,
    /// Path of the finished savepoint, as the runner reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savepoint_path: Option<String>,
    /// Parallelism asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// Smallest number of workers asked for, where the runner chooses between bounds (Dataflow); 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_workers: Option<u32>,
    /// Parallelism the runner shows, per vertex name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub actual: std::collections::BTreeMap<String, u32>,
    /// End at once instead of asking the job (Direct: SIGKILL).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Text for people.
    #[serde(default)]
    pub diagnostics: String,
    /// Unix milliseconds of the request.
    pub requested_ms: u64,
    /// Unix milliseconds of the first send; 0: not sent.
    #[serde(default)]
    pub sent_ms: u64,
    /// Unix milliseconds of the last permit to send; 0: none was taken, or by a build that did not write it.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "server", schemars(skip))]
    pub permit_ms: u64,
    /// Unix milliseconds of the end; 0: not ended.
    #[serde(default)]
    pub ended_ms: u64,
    /// Number of permits to send that were taken.
    #[serde(default)]
    pub attempts: u32,
    /// A permit was taken and what became of it is not stored: the process at it may have died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "server", schemars(skip))]
    pub sending: bool,
}

impl Operation {
    /// Milliseconds since it was last sent: how long a request that nobody saw arrive has been on its way.
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.sent_ms.max(self.permit_ms))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
