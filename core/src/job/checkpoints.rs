use serde::{Deserialize, Serialize};

/// Most checkpoints that are shown of a job.
pub(crate) const MOST_CHECKPOINTS: usize = 50;

/// The checkpoints and savepoints of a job as its runner lists them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Checkpoints {
    /// How many there were, where the runner counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<CheckpointCounts>,
    /// What the job last went back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<RestoredFrom>,
    /// The newest first; at most 50, and no more than the runner remembers.
    pub checkpoints: Vec<Checkpoint>,
    /// What a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Numbers of checkpoints since the job began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct CheckpointCounts {
    /// Done.
    pub completed: u64,
    /// Failed.
    pub failed: u64,
    /// Under way.
    pub in_progress: u64,
    /// Times the job went back to one.
    pub restored: u64,
}

/// The checkpoint a job went back to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct RestoredFrom {
    /// The runner's number of it.
    pub id: u64,
    /// RFC 3339 of the restore.
    pub restored_at: String,
    /// True for a savepoint.
    pub is_savepoint: bool,
    /// Where it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One checkpoint or savepoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct Checkpoint {
    /// The runner's number of it within the job; where it has none, 1 is the oldest listed.
    pub id: u64,
    /// The runner's word, for instance `COMPLETED`, `FAILED` or `IN_PROGRESS`.
    pub status: String,
    /// `checkpoint` (automatic), `savepoint`, `final_savepoint` (of a stop or drain), `snapshot` (Dataflow's savepoint),
    /// or `other`: a word the runner has and this version does not know.
    pub kind: String,
    /// RFC 3339 of its start.
    pub started_at: String,
    /// Milliseconds from its start to its end, so far as it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Bytes of state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u64>,
    /// Where its files lie, while they are there (a snapshot's name): a job can be restored from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it failed: cleaned text of the runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Checkpoints {
    /// The newest first, within the bound.
    pub(crate) fn new(mut checkpoints: Vec<Checkpoint>) -> Self {
        checkpoints.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.id));
        checkpoints.dedup_by_key(|checkpoint| checkpoint.id);
        checkpoints.truncate(MOST_CHECKPOINTS);
        Self { checkpoints, ..Self::default() }
    }
}
