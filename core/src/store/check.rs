use super::{
    AuditHead, AuditRow, Key, Kind, Owner, Record, audit_head_key,
    job_rows::{index_keys, summary},
    rows::parse_record,
    schema,
};
use crate::{
    error::Error,
    job::{ExecutionContext, Job, Operation},
};

/// What is wrong with a stored row, in words; nothing for a sound one. `get` reads other rows of the same moment.
///
/// A job must have its index rows, and an index row the job it shows. Rows of the schema before may lack index rows
/// that came later.
pub fn faults(record: &Record, get: &mut dyn FnMut(&Key) -> Option<Record>) -> Vec<String> {
    let Some(kind) = Kind::parse(&record.key.kind) else { return vec!["of an unknown kind".into()] };
    if let Err(error) = schema::check(record) {
        return vec![format!("of schema {}: {}", record.schema, error.message())];
    }
    let is_current = record.schema == schema::current(&record.key.kind);
    match kind {
        Kind::Job if is_current => job_faults(record, get),
        Kind::Job => unreadable(parse_record::<Job>(record)),
        Kind::JobByState
        | Kind::JobByTarget
        | Kind::JobByTargetState
        | Kind::JobByTime
        | Kind::JobDue
        | Kind::JobEnded => index_faults(record, get),
        Kind::Context => unreadable(parse_record::<ExecutionContext>(record)),
        Kind::Operation => unreadable(parse_record::<Operation>(record)),
        Kind::Idempotency | Kind::Secret => unreadable(parse_record::<serde_json::Value>(record)),
        Kind::Owner => unreadable(parse_record::<Owner>(record)),
        Kind::AuditHead => unreadable(parse_record::<AuditHead>(record)),
        Kind::AuditNew => unreadable(parse_record::<AuditRow>(record)),
        Kind::Audit => audit_faults(record, get),
    }
}

fn audit_faults(record: &Record, get: &mut dyn FnMut(&Key) -> Option<Record>) -> Vec<String> {
    match get(&audit_head_key(&record.key.tenant)) {
        Some(_) => unreadable(parse_record::<AuditRow>(record)),
        None => vec!["stands in a chain without an end".into()],
    }
}

fn unreadable<T>(parsed: Result<T, Error>) -> Vec<String> {
    parsed.err().map(|error| format!("cannot be read: {}", error.message())).into_iter().collect()
}

fn job_faults(record: &Record, get: &mut dyn FnMut(&Key) -> Option<Record>) -> Vec<String> {
    let job = match parse_record::<Job>(record) {
        Ok(job) => job,
        failed @ Err(_) => return unreadable(failed),
    };
    let mut faults = Vec::new();
    if job.id.to_string() != record.key.id {
        faults.push(format!("holds the job {}", job.id));
    }
    if job.version != record.version {
        faults.push(format!("says version {} and is version {}", job.version, record.version));
    }
    let shown = summary(&job);
    for key in index_keys(&record.key.tenant, &job) {
        match get(&key).map(|row| parse_record::<Job>(&row)) {
            None => faults.push(format!("has no row {}", name(&key))),
            Some(Ok(row)) if row == shown => {}
            Some(_) => faults.push(format!("is not as its row {} shows it", name(&key))),
        }
    }
    faults
}

fn index_faults(record: &Record, get: &mut dyn FnMut(&Key) -> Option<Record>) -> Vec<String> {
    let owner = job_of_index(&record.key).and_then(|key| get(&key));
    let Some(owner) = owner else { return vec!["shows a job that is not there".into()] };
    match parse_record::<Job>(&owner) {
        Ok(job) if index_keys(&record.key.tenant, &job).contains(&record.key) => Vec::new(),
        Ok(_) => vec!["is left over: its job has moved on".into()],
        // The job's own fault tells.
        Err(_) => Vec::new(),
    }
}

/// Index ids end with the job id, which holds no slash.
fn job_of_index(key: &Key) -> Option<Key> {
    key.id.rsplit('/').next().map(|id| Kind::Job.key(&key.tenant, id))
}

fn name(key: &Key) -> String {
    format!("{} {}", key.kind, key.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        config::RunnerKind,
        job::{JobId, JobState},
        store::{Put, Stored, Write, job_writes},
    };

    type Rows = BTreeMap<Key, Record>;

    fn apply(rows: &mut Rows, writes: Vec<Write>) {
        for Write { key, put, .. } in writes {
            let version = rows.remove(&key).map_or(1, |old| old.version + 1);
            let Some(Put { schema, expires_at, value }) = put else { continue };
            rows.insert(key.clone(), Record { key, version, op: "o".into(), schema, expires_at, value });
        }
    }

    /// A job that moved from one state to another.
    fn stored() -> Rows {
        let mut rows = Rows::new();
        let job = Job::discovered(JobId::foreign("flink", "a.b"), RunnerKind::Flink, 7);
        apply(&mut rows, job_writes("t", None, &job).unwrap());
        let running = Job { state: JobState::Running, version: 2, ..job.clone() };
        let old = Stored { value: job, version: 1 };
        apply(&mut rows, job_writes("t", Some(&old), &running).unwrap());
        rows
    }

    fn all_faults(rows: &Rows) -> Vec<String> {
        let found = rows.values().flat_map(|record| {
            let faults = faults(record, &mut |key| rows.get(key).cloned());
            faults.into_iter().map(|fault| format!("{} {fault}", record.key.kind))
        });
        found.collect()
    }

    #[test]
    fn sound_rows_have_no_faults() {
        let rows = stored();
        assert_eq!((rows.len(), all_faults(&rows)), (6, Vec::new()));
    }

    #[test]
    fn a_missing_index_row_and_a_left_over_one_are_found() {
        let mut rows = stored();
        let key = rows.keys().find(|key| key.kind == "job.by_state").cloned().unwrap();
        let mut row = rows.remove(&key).unwrap();
        assert_eq!(all_faults(&rows), ["job has no row job.by_state RUNNING/0000000000007/flink:@a.b"]);
        row.key = Key::new("t", "job.by_state", key.id.replace("RUNNING", "PENDING"));
        rows.insert(row.key.clone(), row);
        assert!(all_faults(&rows).contains(&"job.by_state is left over: its job has moved on".to_owned()));
    }

    #[test]
    fn an_index_row_without_its_job_and_one_that_shows_another_state_are_found() {
        let mut rows = stored();
        let job = rows.remove(&Key::new("t", "job", "flink:@a.b")).unwrap();
        assert_eq!(all_faults(&rows).len(), 5);
        rows.insert(job.key.clone(), job);
        let row = rows.values_mut().find(|record| record.key.kind == "job.due").unwrap();
        row.value = row.value.replace("RUNNING", "PENDING").into();
        assert_eq!(all_faults(&rows), ["job is not as its row job.due flink/flink:@a.b shows it"]);
    }

    #[test]
    fn what_this_version_cannot_read_is_a_fault() {
        let mut rows = stored();
        for (at, row) in rows.values_mut().enumerate() {
            match at {
                0 => row.schema = 99,
                1 => row.key = Key::new("t", "new.kind", "x"),
                _ => {}
            }
        }
        let found: Vec<String> = rows.values().flat_map(|row| faults(row, &mut |_| None)).collect();
        assert!(found[0].contains("schema 99") && found[1].contains("unknown kind"), "{found:?}");
    }
}
