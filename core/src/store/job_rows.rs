//! A job's row and the index rows that go with it.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::{
    Expect, Key, Kind, Put, Record, SHARED, Stored, Write,
    rows::{expect, parse_record, text},
    schema,
};
use crate::{
    error::Error,
    job::{Job, JobId, JobState, token_of},
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
    match (&filter.target, filter.state) {
        (Some(target), Some(state)) => (Kind::JobByTargetState, format!("{target}/{}/", state.as_str())),
        (None, Some(state)) => (Kind::JobByState, format!("{}/", state.as_str())),
        (Some(target), None) => (Kind::JobByTarget, format!("{target}/")),
        (None, None) => (Kind::JobByTime, String::new()),
    }
}

/// The job as an index row keeps it: all but what was asked for and what was sent.
///
/// # Errors
/// `internal` for a row that cannot be read.
pub fn listed_job(record: &Record) -> Result<Job, Error> {
    parse_record(record)
}

/// Whose a job on a runner is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The tenant.
    pub tenant: String,
    /// The job.
    pub job_id: JobId,
}

/// Key of the row that says whose the job is that a runner knows by a token of ours or its own id.
pub fn owner_key(target: &str, token: &str) -> Key {
    Kind::Owner.key(SHARED, format!("{target}/{token}"))
}

/// The writes that store a job in place of `old`, index rows included: at most 12.
///
/// # Errors
/// `internal` when the row cannot be JSON.
pub fn job_writes(tenant: &str, old: Option<&Stored<Job>>, new: &Job) -> Result<Vec<Write>, Error> {
    writes_with(tenant, old, new, &summary(new))
}

/// The same for whoever has the job's [`summary`].
pub(super) fn writes_with<T: Borrow<Job>>(
    tenant: &str,
    old: Option<&Stored<T>>,
    new: &Job,
    listed: &Job,
) -> Result<Vec<Write>, Error> {
    let put = |value| Some(Put { schema: schema::JOB, expires_at: None, value });
    let key = Kind::Job.key(tenant, new.id.as_str());
    let mut writes = vec![Write { key, expect: expect(old), put: put(text(new)?) }];
    let old = old.map(|old| old.value.borrow());
    let after = index_keys(tenant, new);
    let before = old.filter(|old| order(old) != order(new)).map(|old| index_keys(tenant, old));
    writes.extend(before.into_iter().flatten().filter(|key| !after.contains(key)).map(gone));
    let value = text(listed)?;
    writes.extend(after.into_iter().map(|key| Write { key, expect: Expect::Any, put: put(value.clone()) }));
    writes.extend(owner_writes(tenant, old, new)?);
    Ok(writes)
}

/// The writes that take a job away with all its index rows, if it is still at this version.
pub fn job_removal(tenant: &str, old: &Stored<Job>) -> Vec<Write> {
    let job = &old.value;
    let mut writes = vec![Write { expect: expect(Some(old)), ..gone(Kind::Job.key(tenant, job.id.to_string())) }];
    writes.extend(index_keys(tenant, job).into_iter().map(gone));
    let mut owned = owned(job);
    // Earlier generations have rows of their own; the newest few are enough, a runner forgets older ones.
    owned.extend((2..job.generation).rev().take(4).map(|generation| token_of(tenant, &job.id, generation)));
    writes.extend(owned.iter().map(|token| gone(owner_key(job.id.target(), token))));
    writes
}

fn gone(key: Key) -> Write {
    Write { key, expect: Expect::Any, put: None }
}

pub(super) fn summary(job: &Job) -> Job {
    Job { spec: None, submission: None, refusal: None, ..job.clone() }
}

/// By what a runner may show a job of ours: the tokens of its first and its present generation, and the runner's id.
fn owned(job: &Job) -> Vec<String> {
    let Some(first) = job.id.token() else { return Vec::new() };
    let all = [Some(first), job.later_token.as_deref(), job.native_id.as_deref()];
    let mut all: Vec<String> = all.into_iter().flatten().map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all
}

/// What the index keys of a job are made of, besides its id.
fn order(job: &Job) -> (u64, JobState, bool, Option<u64>) {
    (job.created_ms, job.state, is_due(job), job.ended_ms)
}

fn owner_writes(tenant: &str, old: Option<&Job>, new: &Job) -> Result<Vec<Write>, Error> {
    let before = old.map(owned).unwrap_or_default();
    let fresh: Vec<String> = owned(new).into_iter().filter(|token| !before.contains(token)).collect();
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let value = text(&Owner { tenant: tenant.to_owned(), job_id: new.id.clone() })?;
    let put = || Some(Put { schema: schema::OTHER, expires_at: None, value: value.clone() });
    let write = |token: String| Write { key: owner_key(new.id.target(), &token), expect: Expect::Any, put: put() };
    Ok(fresh.into_iter().map(write).collect())
}

pub(super) fn index_keys(tenant: &str, job: &Job) -> Vec<Key> {
    let (id, target, state) = (job.id.as_str(), job.id.target(), job.state.as_str());
    let digits = |ms: u64| format!("{ms:013}");
    let at = digits(job.created_ms);
    let last = match job.ended_ms {
        _ if is_due(job) => Kind::JobDue.key(tenant, [target, id].join("/")),
        ended => Kind::JobEnded.key(tenant, [&*ended.map_or_else(|| at.clone(), digits), id].join("/")),
    };
    vec![
        Kind::JobByTime.key(tenant, [&at, id].join("/")),
        Kind::JobByState.key(tenant, [state, &at, id].join("/")),
        Kind::JobByTarget.key(tenant, [target, &at, id].join("/")),
        Kind::JobByTargetState.key(tenant, [target, state, &at, id].join("/")),
        last,
    ]
}

/// True while the reconciler has work with it.
fn is_due(job: &Job) -> bool {
    !job.state.is_terminal() || !job.open_operations.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::RunnerKind, job::JobSpec};

    fn job() -> Job {
        let id = JobId::own("t", "0123456789abcdef0123456789abcdef");
        Job::intended(id, RunnerKind::Flink, "p", JobSpec::default(), 1)
    }

    #[test]
    fn what_a_removal_takes_away_is_all_that_was_written() {
        let mut ended = job();
        ended.state = JobState::Finished;
        (ended.native_id, ended.ended_ms) = (Some("driver-1".into()), Some(9));
        let written = job_writes("default", None, &ended).unwrap();
        let removed = job_removal("default", &Stored { value: ended, version: 3 });
        let keys = |writes: &[Write]| writes.iter().map(|write| write.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&written), keys(&removed));
        assert_eq!((removed[0].expect, written.len()), (Expect::Version(3), 8));
        assert!(removed.iter().all(|write| write.put.is_none()));
    }

    #[test]
    fn a_job_of_any_tenant_is_found_by_what_the_runner_shows() {
        let old = Stored { value: job(), version: 1 };
        let mut new = job();
        new.native_id = Some("driver-1".into());
        let writes = job_writes("t2", Some(&old), &new).unwrap();
        let owners: Vec<&Write> = writes.iter().filter(|write| write.key.tenant == SHARED).collect();
        assert_eq!(owners.len(), 1, "the token's own row is there already");
        assert_eq!(owners[0].key.id, "t/driver-1");
        assert!(owners[0].put.as_ref().unwrap().value.contains(r#""tenant":"t2""#));
    }
}
