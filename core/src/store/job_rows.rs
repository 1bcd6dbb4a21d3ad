//! A job's row and the index rows that go with it.

use super::{
    Expect, Key, Kind, Put, Record, Stored, Write,
    rows::{expect, parse_record, text},
};
use crate::{
    error::Error,
    job::{Job, JobState},
};

/// Which index a list reads: the most selective one the filters allow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobFilter {
    /// Only this state.
    pub state: Option<JobState>,
    /// Only this target.
    pub target: Option<String>,
}

/// Index kind and id prefix of a list.
pub fn list_key(filter: &JobFilter) -> (Kind, String) {
    match filter {
        JobFilter { state: Some(state), .. } => (Kind::JobByState, format!("{}/", state.as_str())),
        JobFilter { target: Some(target), .. } => (Kind::JobByTarget, format!("{target}/")),
        JobFilter { .. } => (Kind::JobByTime, String::new()),
    }
}

/// The job as an index row keeps it: all but what was asked for and what was sent.
///
/// # Errors
/// `internal` for a row that cannot be read.
pub fn listed_job(record: &Record) -> Result<Job, Error> {
    parse_record(record)
}

/// The writes that store a job in place of `old`, index rows included: at most 8.
///
/// # Errors
/// `internal` when the row cannot be JSON.
pub fn job_writes(tenant: &str, old: Option<&Stored<Job>>, new: &Job) -> Result<Vec<Write>, Error> {
    let mut writes = vec![Write {
        key: Kind::Job.key(tenant, new.id.to_string()),
        expect: expect(old),
        put: Some(Put { schema: 1, expires_at: None, value: text(new)? }),
    }];
    let before = old.map(|old| index_keys(tenant, &old.value)).unwrap_or_default();
    let after = index_keys(tenant, new);
    for key in before.iter().filter(|key| !after.contains(key)) {
        writes.push(Write { key: key.clone(), expect: Expect::Any, put: None });
    }
    let value = text(&summary(new))?;
    for key in after {
        writes.push(Write {
            key,
            expect: Expect::Any,
            put: Some(Put { schema: 1, expires_at: None, value: value.clone() }),
        });
    }
    Ok(writes)
}

fn summary(job: &Job) -> Job {
    Job { spec: None, submission: None, ..job.clone() }
}

fn index_keys(tenant: &str, job: &Job) -> Vec<Key> {
    let (id, at) = (&job.id, job.created_ms);
    let mut keys = vec![
        Kind::JobByTime.key(tenant, format!("{at:013}/{id}")),
        Kind::JobByState.key(tenant, format!("{}/{at:013}/{id}", job.state.as_str())),
        Kind::JobByTarget.key(tenant, format!("{}/{at:013}/{id}", id.target())),
    ];
    if is_due(job) {
        keys.push(Kind::JobDue.key(tenant, format!("{}/{id}", id.target())));
    }
    keys
}

/// True while the reconciler has work with it.
fn is_due(job: &Job) -> bool {
    !job.state.is_terminal() || !job.open_operations.is_empty()
}
