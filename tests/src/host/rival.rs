//! What another process writes first, so that a commit of the explored flow does not fit.

use beam_mcp_core::{
    job::Job,
    store::{Commit, Expect, Key, Put, Record, Write},
};

use crate::store::ModelStore;

/// The record the commit replaces is written anew; nothing of it changes but its version.
pub(super) fn touch(records: &ModelStore, commit: &Commit) -> Commit {
    let replaces = |write: &&Write| matches!(write.expect, Expect::Version(_));
    let write = commit.writes.iter().find(replaces).expect("offered only for a commit that replaces something");
    let record = records.get(&write.key).expect("what is replaced is there");
    let put = Put { schema: record.schema, expires_at: record.expires_at, value: touched(record).into() };
    Commit { op_id: "rival touch".into(), writes: vec![Write { put: Some(put), ..write.clone() }] }
}

fn touched(record: &Record) -> String {
    if record.key.kind != "job" {
        return record.value.to_string();
    }
    let mut job: Job = serde_json::from_str(&record.value).expect("a job");
    job.version += 1;
    serde_json::to_string(&job).expect("a job is JSON")
}

/// Another process made the very same step, and died or went on with something else.
pub(super) fn same(commit: &Commit) -> Commit {
    Commit { op_id: "rival step".into(), writes: commit.writes.clone() }
}

/// The same call with the same key, made elsewhere: it has ids of its own.
pub(super) fn twin(commit: &Commit) -> Commit {
    let made = |write: &&Write| write.expect == Expect::Absent && matches!(&*write.key.kind, "job" | "operation");
    let Some(ours) = commit.writes.iter().find(made).map(|write| write.key.id.clone()) else {
        // It is about a job that is there: both write the same.
        return Commit { op_id: "rival twin".into(), ..same(commit) };
    };
    let token = ours.rsplit([':', '-']).next().expect("an id ends in its token").to_owned();
    let theirs = "7".repeat(32);
    let renamed = |write: &Write| {
        let mut write = write.clone();
        write.key = Key::new(&write.key.tenant, write.key.kind.clone(), write.key.id.replace(&token, &theirs));
        if let Some(put) = &mut write.put {
            put.value = put.value.replace(&token, &theirs).into();
        }
        write
    };
    Commit { op_id: "rival twin".into(), writes: commit.writes.iter().map(renamed).collect() }
}
