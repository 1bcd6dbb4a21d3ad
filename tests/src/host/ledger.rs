//! What holds of every commit: pure functions over what was stored before and after.

use std::collections::BTreeSet;

use beam_mcp_core::{
    config::RunnerKind,
    job::{Job, Operation, OperationState, Phase},
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
        if job.phase == Phase::Submitted { 1 } else { job.attempts.min(2) },
        if job.ambiguous { " ambiguous" } else { "" },
        if job.handle.is_some() { " handle" } else { "" },
        if job.absences > 0 { " absent" } else { "" },
    )
}

fn operation_word(operation: &Operation) -> String {
    let attempts = if operation.state == OperationState::Requested { operation.attempts.min(2) } else { 1 };
    format!(
        "{} {:?} {attempts}{}",
        operation.kind.as_str(),
        operation.state,
        if operation.sending { " sending" } else { "" }
    )
}

/// What a row says about sends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sends {
    /// This write is the permit for one.
    pub permitted: bool,
    /// Those that may have reached somebody.
    pub counted: u32,
    /// Of the submission they belong to.
    pub generation: u32,
}

/// What holds of a write among those of its commit; what a job or an operation says about sends.
pub(super) fn judge(commit: &Commit, write: &Write, was: Option<&str>, version: u64, keyed: bool) -> Judged {
    match &*write.key.kind {
        "job" => judge_job(commit, write, was, version, keyed).map(Some),
        "operation" => judge_operation(commit, write, was, keyed).map(Some),
        _ => Ok(None),
    }
}

type Judged = Result<Option<Sends>, String>;

pub(super) fn sends_of_job(job: &Job) -> Sends {
    Sends { permitted: false, counted: job.sends(), generation: job.generation }
}

pub(super) fn sends_of_operation(operation: &Operation) -> Sends {
    Sends { permitted: false, counted: operation.attempts, generation: 1 }
}

/// Who asked, and under which key, is stored with what was asked for.
fn remembered(commit: &Commit, kind: &str, keyed: bool) -> Result<(), String> {
    match () {
        () if !has(commit, "audit.new") => Err(format!("{kind} was made without an audit row")),
        () if keyed && !has(commit, "idempotency") => Err(format!("{kind} was made without the row of its key")),
        () => Ok(()),
    }
}

fn has(commit: &Commit, kind: &str) -> bool {
    commit.writes.iter().any(|write| write.key.kind == kind)
}

fn judge_job(commit: &Commit, write: &Write, was: Option<&str>, version: u64, keyed: bool) -> Result<Sends, String> {
    let is: Job = read(put(write).ok_or("a job was deleted")?);
    if is.version != version {
        return Err(format!("the job says version {}, its record {version}", is.version));
    }
    let Some(was) = was.map(read::<Job>) else {
        let sends = sends_of_job(&is);
        return is.spec.map_or(Ok(()), |_| remembered(commit, "job", keyed)).map(|()| sends);
    };
    if is.state != was.state && !was.state.may_become(is.state) {
        return Err(format!("{} became {}", was.state.as_str(), is.state.as_str()));
    }
    if may_be_sent_again(&was, &is) && matches!(is.runner, RunnerKind::Portable | RunnerKind::Spark) {
        return Err(format!("{} may be sent again, and would be a second job", is.id));
    }
    let permitted = is.phase == Phase::Sending && is.attempts > was.attempts;
    Ok(Sends { permitted, ..sends_of_job(&is) })
}

/// An earlier send is unexplained, and the row is back where it is sent from.
fn may_be_sent_again(was: &Job, is: &Job) -> bool {
    let back = is.phase == Phase::Intent && was.phase != Phase::Intent;
    back && is.ambiguous && is.generation == was.generation
}

fn judge_operation(commit: &Commit, write: &Write, was: Option<&str>, keyed: bool) -> Result<Sends, String> {
    let is: Operation = read(put(write).ok_or("an operation was deleted")?);
    if is.state == OperationState::Succeeded && is.kind.ends_job() {
        ends_its_job(commit, &is)?;
    }
    let Some(was) = was.map(read::<Operation>) else {
        return remembered(commit, "operation", keyed).map(|()| sends_of_operation(&is));
    };
    if was.state.is_terminal() && was.state != is.state {
        return Err(format!("a {} that had ended became {:?}", is.kind.as_str(), is.state));
    }
    if is.state.is_terminal() && !was.state.is_terminal() && !has(commit, "audit.new") {
        return Err(format!("a {} ended without an audit row", is.kind.as_str()));
    }
    Ok(Sends { permitted: is.sending && is.attempts > was.attempts, ..sends_of_operation(&is) })
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
