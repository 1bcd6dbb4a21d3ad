use std::{borrow::Borrow, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Commit, Committed, Expect, Key, Kind, Page, ReadJobs, Record, Scan, Write,
    job_rows::{summary, writes_with},
    schema,
};
use crate::{
    error::{Error, ErrorKind},
    flow::Io,
    job::{Job, JobId, Operation},
    pace::Backoff,
    random::Branch,
    retry::retry,
};

/// A stored value with its version.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T> {
    /// The value.
    pub value: T,
    /// Version of its record.
    pub version: u64,
}

impl Stored<Arc<Job>> {
    /// The same, to be changed.
    pub fn owned(self) -> Stored<Job> {
        Stored { value: Arc::unwrap_or_clone(self.value), version: self.version }
    }
}

/// Typed rows of one tenant.
#[derive(Clone)]
pub struct Rows {
    io: Io,
    tenant: String,
    branch: Branch,
    jobs: Arc<ReadJobs>,
    /// Rows are marked as the version before: an upgrade is under way.
    previous: bool,
}

const TRIES: u32 = 8;

impl Rows {
    /// Rows of a tenant; commits take their ids from the seed, jobs that were read before from `jobs`.
    pub fn new(io: Io, tenant: &str, branch: Branch, jobs: Arc<ReadJobs>) -> Self {
        Self { io, tenant: tenant.to_owned(), branch, jobs, previous: false }
    }

    /// The same, written so that the build before this one can read it (see [`schema`]).
    #[must_use]
    pub fn as_previous_schema(mut self, previous: bool) -> Self {
        self.previous = previous;
        self
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A job.
    ///
    /// # Errors
    /// `not_found`, the same for an unknown job and for one of another tenant.
    pub async fn job(&self, id: &JobId) -> Result<Stored<Job>, Error> {
        self.seen_job(id).await.map(Stored::owned)
    }

    /// The same, only to be looked at.
    ///
    /// # Errors
    /// As [`Rows::job`].
    pub async fn seen_job(&self, id: &JobId) -> Result<Stored<Arc<Job>>, Error> {
        self.look_for_job(id).await?.ok_or_else(|| unknown_job(id))
    }

    /// A job, if it is there.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn find_job(&self, id: &JobId) -> Result<Option<Stored<Job>>, Error> {
        Ok(self.look_for_job(id).await?.map(Stored::owned))
    }

    async fn look_for_job(&self, id: &JobId) -> Result<Option<Stored<Arc<Job>>>, Error> {
        let record = self.live(Kind::Job.key(&self.tenant, id.as_str())).await?;
        record.map(|record| self.jobs.read(&record)).transpose()
    }

    /// Version of a job's row.
    ///
    /// # Errors
    /// As [`Rows::job`].
    pub async fn job_version(&self, id: &JobId) -> Result<u64, Error> {
        let record = self.live(Kind::Job.key(&self.tenant, id.as_str())).await?;
        record.map(|record| record.version).ok_or_else(|| unknown_job(id))
    }

    /// An operation.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn operation(&self, id: &str) -> Result<Stored<Operation>, Error> {
        self.read(super::operation_key(&self.tenant, id)).await?.ok_or_else(|| {
            Error::not_found("unknown_operation", "there is no such operation")
                .with("operation_id", id)
                .suggest("take the id from the answer of the write, or list the job's operations")
        })
    }

    /// A record as it is stored, also an expired one.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn record(&self, key: Key) -> Result<Option<Record>, Error> {
        self.patiently(|| self.io.get(key.clone())).await
    }

    /// Asks the store again when it cannot answer at once: at most four times (security-reliability.md 4.4).
    async fn patiently<T, F>(&self, call: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        retry(&self.io, Backoff::STORE, Duration::MAX, &self.branch, call).await
    }

    /// A record read as a type; expired ones count as absent.
    ///
    /// # Errors
    /// `unavailable`, `internal` for a row that cannot be read.
    pub async fn read<T: DeserializeOwned>(&self, key: Key) -> Result<Option<Stored<T>>, Error> {
        self.live(key).await?.map(|record| parse(&record)).transpose()
    }

    async fn live(&self, key: Key) -> Result<Option<Record>, Error> {
        let record = self.record(key).await?;
        let now = self.io.now().wall_ms;
        Ok(record.filter(|record| record.expires_at.is_none_or(|at| at > now)))
    }

    /// One page of a kind.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn scan(&self, kind: Kind, scan: Scan) -> Result<Page, Error> {
        let scan = Scan { tenant: self.tenant.clone(), kind: kind.as_str().into(), ..scan };
        self.patiently(|| self.io.scan(scan.clone())).await
    }

    /// Commits writes under an id made of the label. An answer that did not come is asked for again: the same commit
    /// twice is one.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn commit(&self, label: &str, mut writes: Vec<Write>) -> Result<Committed, Error> {
        if self.previous {
            schema::as_previous(&mut writes);
        }
        let commit = Commit { op_id: self.branch.seed().hex128(&format!("commit {label}")), writes };
        self.patiently(|| self.io.commit(commit.clone())).await
    }

    /// The writes that store what was made of a stored job ([`super::job_writes`]), which is then not read anew.
    ///
    /// # Errors
    /// `internal` when the row cannot be JSON.
    pub(crate) fn job_writes<T: Borrow<Job>>(&self, old: Option<&Stored<T>>, new: &Job) -> Result<Vec<Write>, Error> {
        let listed = summary(new);
        let writes = writes_with(&self.tenant, old, new, &listed)?;
        self.jobs.wrote(&writes, new, listed);
        Ok(writes)
    }

    /// Reads a job, edits it and writes it with its index rows; again from the start when another write was first.
    /// Nothing is written when the edit changes nothing. `extra` makes further writes of the same commit.
    ///
    /// # Errors
    /// `not_found`, `conflict` after 8 tries, `unavailable`, or what `edit` answers.
    pub async fn change_job(
        &self,
        id: &JobId,
        label: &str,
        mut edit: impl FnMut(&mut Job) -> Result<Vec<Write>, Error>,
    ) -> Result<Stored<Job>, Error> {
        for _ in 0..TRIES {
            let old = self.seen_job(id).await?;
            let mut new = Job::clone(&old.value);
            let extra = edit(&mut new)?;
            if new == *old.value && extra.is_empty() {
                return Ok(Stored { value: new, version: old.version });
            }
            new.version = old.version + 1;
            let mut writes = self.job_writes(Some(&old), &new)?;
            writes.extend(extra);
            if let Committed::Written(_) = self.commit(&format!("{label} {id} {}", old.version), writes).await? {
                return Ok(Stored { value: new, version: old.version + 1 });
            }
        }
        Err(Error::new(ErrorKind::Conflict, "busy_job", "the job is being changed by others").with("job_id", id))
    }
}

fn unknown_job(id: &JobId) -> Error {
    Error::not_found("unknown_job", format!("there is no job `{id}`"))
        .with("job_id", id)
        .suggest("list_jobs shows the jobs you may see")
}

/// A row's value as a type.
pub(crate) fn parse<T: DeserializeOwned>(record: &Record) -> Result<Stored<T>, Error> {
    schema::check(record)?;
    let value = serde_json::from_str(&record.value).map_err(|error| {
        Error::new(ErrorKind::Internal, "unreadable_row", "a stored row cannot be read")
            .with("kind", &record.key.kind)
            .with("detail", error)
            .suggest("report this: `beam-mcp-server store check` finds every such row")
    })?;
    Ok(Stored { value, version: record.version })
}

/// Most rows are shorter, in bytes.
const USUAL: usize = 2_048;

/// JSON text of a row.
pub(crate) fn text(value: &impl Serialize) -> Result<Arc<str>, Error> {
    let unwritable = |detail: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Internal, "unwritable_row", "a row cannot be written").with("detail", detail)
    };
    let mut text = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut text, value).map_err(|error| unwritable(&error))?;
    String::from_utf8(text).map(Arc::from).map_err(|error| unwritable(&error))
}

/// What must be there for a stored value to be replaced.
pub(crate) fn expect<T>(old: Option<&Stored<T>>) -> Expect {
    old.map_or(Expect::Absent, |old| Expect::Version(old.version))
}

/// The value of a record read as a type.
///
/// # Errors
/// `internal` for a row that cannot be read.
pub fn parse_record<T: DeserializeOwned>(record: &Record) -> Result<T, Error> {
    parse(record).map(|stored| stored.value)
}
