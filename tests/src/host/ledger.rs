//! What holds of every commit: pure functions over what was stored before and after.

use std::collections::BTreeSet;

use beam_mcp_core::{
    job::{Job, Operation, OperationState},
    store::{Commit, Key, Write, job_writes, operation_key},
};
use serde::de::DeserializeOwned;

use crate::store::ModelStore;

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a stored row reads back")
}

fn put(write: &Write) -> Option<&str> {
    write.put.as_ref().map(|put| &*put.value)
}

/// Jobs and operations in short: times and texts left out, a second permit the same as all that follow.
pub(super) fn state(records: &ModelStore) -> String {
    let jobs = records.of_kind("job").map(|record| job_word(&read(&record.value)));
    let operations = records.of_kind("operation").map(|record| operation_word(&read(&record.value)));
    jobs.chain(operations).collect::<Vec<_>>().join("; ")
}

fn job_word(job: &Job) -> String {
    let kinds: Vec<&str> =
        job.open_operations.iter().filter_map(|id| id.rsplit('/').next()?.split('-').next()).collect();
    format!(
        "{:?} {} {}{}{}{} {kinds:?}",
        job.phase,
        job.state.as_str(),
        job.attempts.min(2),
        if job.ambiguous { " ambiguous" } else { "" },
        if job.handle.is_some() { " handle" } else { "" },
        if job.absences > 0 { " absent" } else { "" },
    )
}

fn operation_word(operation: &Operation) -> String {
    format!("{} {:?} {}", operation.kind.as_str(), operation.state, operation.attempts.min(2))
}

/// What holds of a write among those of its commit; the permits to send that it takes.
pub(super) fn judge(commit: &Commit, write: &Write, was: Option<&str>, version: u64, keyed: bool) -> Judged {
    match &*write.key.kind {
        "job" => judge_job(commit, write, was, version, keyed),
        "operation" => judge_operation(commit, write, was, keyed),
        _ => Ok(0),
    }
}

type Judged = Result<u32, String>;

/// Who asked, and under which key, is stored with what was asked for.
fn remembered(commit: &Commit, kind: &str, keyed: bool) -> Result<(), String> {
    let has = |kind: &str| commit.writes.iter().any(|write| write.key.kind == kind);
    match () {
        () if !has("audit.new") => Err(format!("{kind} was made without an audit row")),
        () if keyed && !has("idempotency") => Err(format!("{kind} was made without the row of its key")),
        () => Ok(()),
    }
}

fn judge_job(commit: &Commit, write: &Write, was: Option<&str>, version: u64, keyed: bool) -> Judged {
    let is: Job = read(put(write).ok_or("a job was deleted")?);
    if is.version != version {
        return Err(format!("the job says version {}, its record {version}", is.version));
    }
    let Some(was) = was.map(read::<Job>) else {
        return is.spec.map_or(Ok(()), |_| remembered(commit, "job", keyed)).map(|()| 0);
    };
    if is.state != was.state && !was.state.may_become(is.state) {
        return Err(format!("{} became {}", was.state.as_str(), is.state.as_str()));
    }
    is.attempts.checked_sub(was.attempts).ok_or_else(|| "a permit was given back".into())
}

fn judge_operation(commit: &Commit, write: &Write, was: Option<&str>, keyed: bool) -> Judged {
    let is: Operation = read(put(write).ok_or("an operation was deleted")?);
    if is.state == OperationState::Succeeded && is.kind.ends_job() {
        ends_its_job(commit, &is)?;
    }
    let Some(was) = was.map(read::<Operation>) else {
        return remembered(commit, "operation", keyed).map(|()| 0);
    };
    if was.state.is_terminal() && was.state != is.state {
        return Err(format!("a {} that had ended became {:?}", is.kind.as_str(), is.state));
    }
    is.attempts.checked_sub(was.attempts).ok_or_else(|| "a permit was given back".into())
}

fn ends_its_job(commit: &Commit, operation: &Operation) -> Result<(), String> {
    let job = commit.writes.iter().find(|write| write.key.kind == "job");
    let job = job.and_then(put).map(read::<Job>).ok_or("an operation ended apart from its job")?;
    if job.state.is_terminal() {
        return Ok(());
    }
    Err(format!("a {} succeeded and its job is {}", operation.kind.as_str(), job.state.as_str()))
}

/// The index rows of a job are those it has now, and its open operations are open.
pub(super) fn indexed(records: &ModelStore, job: &Job) -> Result<(), String> {
    let id = job.id.to_string();
    let writes = job_writes("default", None, job).map_err(|error| error.to_string())?;
    let wanted: BTreeSet<&Key> = writes.iter().map(|write| &write.key).filter(|key| is_index(key)).collect();
    let there = records.all().map(|record| &record.key);
    let there: BTreeSet<&Key> = there.filter(|key| is_index(key) && key.id.ends_with(&id)).collect();
    if there != wanted {
        return Err(format!("index rows {there:?}, wanted {wanted:?}"));
    }
    let open = |id: &&String| {
        let row = records.get(&operation_key("default", id));
        row.is_none_or(|row| read::<Operation>(&row.value).state.is_terminal())
    };
    job.open_operations.iter().find(open).map_or(Ok(()), |id| Err(format!("{id} is listed as open")))
}

fn is_index(key: &Key) -> bool {
    key.kind.starts_with("job.")
}
