use std::{borrow::Cow, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};

/// Name of a record. Order within a kind is the byte order of `id`. Shared: it is copied with each write, each
/// repetition of it and each record.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<Name>);

/// The parts of a [`Key`].
#[derive(Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Name {
    /// Whose it is; `default` until sign-in exists.
    pub tenant: String,
    /// Kind of record, for instance `job` or `job.by_time`.
    pub kind: Cow<'static, str>,
    /// Name within tenant and kind; at most 512 bytes.
    pub id: String,
}

impl Key {
    /// A key.
    pub fn new(tenant: &str, kind: impl Into<Cow<'static, str>>, id: impl Into<String>) -> Self {
        Self(Arc::new(Name { tenant: tenant.to_owned(), kind: kind.into(), id: id.into() }))
    }
}

impl Deref for Key {
    type Target = Name;

    fn deref(&self) -> &Name {
        &self.0
    }
}

/// One stored record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// Starts at 1, grows by 1 with each write; a deleted and rewritten record starts again.
    pub version: u64,
    /// Id of the commit that wrote it.
    pub op: String,
    /// Version of the shape of `value`.
    pub schema: u32,
    /// Unix time in milliseconds after which the record counts as absent; the reader compares, stores may delete late.
    pub expires_at: Option<u64>,
    /// JSON text of at most 256 KiB.
    pub value: Arc<str>,
}

/// A store operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Reads one record: [`StoreReply::Record`].
    Get {
        /// Its name.
        key: Key,
    },
    /// Reads records in order: [`StoreReply::Page`].
    Scan(Scan),
    /// Writes all or nothing: [`StoreReply::Committed`] or [`StoreReply::Conflict`].
    Commit(Commit),
}

/// A scan of one kind of one tenant.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// Whose; `*` scans all tenants and is only asked by `tick`, for the kinds of [`super::Kind::is_swept`].
    pub tenant: String,
    /// Kind of record.
    pub kind: String,
    /// Only ids that start with this.
    #[serde(default)]
    pub prefix: String,
    /// Only ids after this one in scan order, exclusive.
    #[serde(default)]
    pub after: Option<String>,
    /// Most records to return, 1 to 200.
    pub limit: u32,
    /// Last id first.
    #[serde(default)]
    pub descending: bool,
}

/// Records in scan order.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// At most `limit`; fewer means the end.
    pub records: Vec<Record>,
}

/// A set of writes, made together or not at all.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Id of this commit: making the same commit again is success.
    pub op_id: String,
    /// At most 20, no two of one key.
    pub writes: Vec<Write>,
}

/// One write of a commit.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// What is written.
    pub key: Key,
    /// What must be there before.
    pub expect: Expect,
    /// The new content; `None` deletes.
    pub put: Option<Put>,
}

/// New content of a record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// Version of the shape of `value`.
    pub schema: u32,
    /// Unix time in milliseconds after which the record counts as absent.
    #[serde(default)]
    pub expires_at: Option<u64>,
    /// JSON text of at most 256 KiB.
    pub value: Arc<str>,
}

/// What must be there before a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Anything or nothing.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

/// Answer to an [`Op`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "store", rename_all = "snake_case")]
pub enum StoreReply {
    /// To a get.
    Record {
        /// `None`: absent.
        record: Option<Record>,
    },
    /// To a scan.
    Page(Page),
    /// A commit was made, now or before under the same op id.
    Committed {
        /// New version of each written record, in order; 0 for a deleted one.
        versions: Vec<u64>,
    },
    /// A commit was not made: a record was not as expected.
    Conflict {
        /// Index of the first write that did not fit.
        index: usize,
        /// What is there.
        current: Option<Record>,
    },
    /// The store cannot answer; a commit may or may not have been made.
    Failed {
        /// Short text: `disk_full`, `io`, `throttled`, `timeout`, `read_only`, …
        reason: String,
    },
}

impl StoreReply {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Record { .. } => "a record",
            Self::Page(_) => "a page",
            Self::Committed { .. } => "a commit",
            Self::Conflict { .. } => "a conflict",
            Self::Failed { .. } => "a failure",
        }
    }
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// Made; new versions in order.
    Written(Vec<u64>),
    /// Not made.
    Conflict {
        /// Index of the first write that did not fit.
        index: usize,
        /// What is there.
        current: Option<Record>,
    },
}
