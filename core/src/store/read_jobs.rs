use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Key, Kind, Record, Stored, Write, rows::parse, schema};
use crate::{error::Error, job::Job};

/// Most rows kept.
const KEPT: usize = 512;
/// Longest text of a kept row, in bytes: with [`KEPT`] it bounds the memory.
const LONGEST: usize = 8 * 1024;

/// Rows of jobs that were read or written lately, beside their texts: a row whose text is the same is not read anew.
/// It answers nothing without the text that the store holds now, so it cannot be out of date.
#[derive(Debug, Default)]
pub struct ReadJobs(Mutex<Rows>);

type Rows = BTreeMap<Key, (Arc<str>, Arc<Job>)>;

impl ReadJobs {
    /// The job of a row or of an index row.
    ///
    /// # Errors
    /// `internal` for a row that cannot be read.
    pub(crate) fn read(&self, record: &Record) -> Result<Stored<Arc<Job>>, Error> {
        schema::check(record)?;
        let job = match self.known(record) {
            Some(job) => job,
            None => self.keep(&record.key, &record.value, Arc::new(parse::<Job>(record)?.value)),
        };
        Ok(Stored { value: job, version: record.version })
    }

    /// Keeps what these writes store of a job: the next one who reads it is mostly who wrote it.
    pub(crate) fn wrote(&self, writes: &[Write], job: &Job, listed: Job) {
        let text_of = |kind: Kind| {
            let write = writes.iter().find(|write| write.key.kind == kind.as_str() && write.put.is_some())?;
            Some((&write.key, &write.put.as_ref()?.value))
        };
        if let Some((key, text)) = text_of(Kind::Job) {
            self.keep(key, text, Arc::new(job.clone()));
        }
        if let Some((key, text)) = text_of(Kind::JobDue) {
            self.keep(key, text, Arc::new(listed));
        }
    }

    fn known(&self, record: &Record) -> Option<Arc<Job>> {
        let rows = self.lock();
        rows.get(&record.key).filter(|(text, _)| *text == record.value).map(|(_, job)| Arc::clone(job))
    }

    fn keep(&self, key: &Key, text: &Arc<str>, job: Arc<Job>) -> Arc<Job> {
        if text.len() > LONGEST {
            return job;
        }
        let row = (Arc::clone(text), Arc::clone(&job));
        let mut rows = self.lock();
        if let Some(old) = rows.get_mut(key) {
            *old = row;
            return job;
        }
        if rows.len() >= KEPT {
            rows.clear();
        }
        rows.insert(key.clone(), row);
        job
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::RunnerKind,
        job::{JobId, JobSpec},
        store::{Put, job_rows::summary, job_writes, listed_job},
    };

    fn written(name: &str) -> (Job, Vec<Write>) {
        let id = JobId::own("t", "0123456789abcdef0123456789abcdef");
        let spec = JobSpec { job_name: name.into(), ..JobSpec::default() };
        let job = Job::intended(id, RunnerKind::Flink, "p", spec, 1);
        let writes = job_writes("default", None, &job).unwrap();
        (job, writes)
    }

    fn record(write: &Write) -> Record {
        let Put { schema, expires_at, value } = write.put.clone().unwrap();
        Record { key: write.key.clone(), version: 1, op: String::new(), schema, expires_at, value }
    }

    #[test]
    fn what_was_written_is_what_would_be_read() {
        let (job, writes) = written("words");
        let rows = ReadJobs::default();
        rows.wrote(&writes, &job, summary(&job));
        let of = |kind: Kind| record(writes.iter().find(|write| write.key.kind == kind.as_str()).unwrap());
        let (row, due) = (of(Kind::Job), of(Kind::JobDue));
        assert!(rows.known(&row).is_some() && rows.known(&due).is_some());
        assert_eq!(*rows.read(&row).unwrap().value, parse(&row).unwrap().value);
        assert_eq!(*rows.read(&due).unwrap().value, listed_job(&due).unwrap());
    }

    #[test]
    fn another_text_under_the_same_key_is_read_anew_and_a_newer_schema_is_refused() {
        let (job, writes) = written("words");
        let rows = ReadJobs::default();
        rows.wrote(&writes, &job, summary(&job));
        let other = record(&written("other words").1[0]);
        assert_eq!(rows.read(&other).unwrap().value.name, "other words");
        let newer = Record { schema: schema::JOB + 1, ..other };
        assert_eq!(rows.read(&newer).unwrap_err().reason(), "newer_row");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (job, writes) = written("words");
        let rows = ReadJobs::default();
        for number in 0..=KEPT {
            let mut row = record(&writes[0]);
            row.key = Key::new("default", "job", number.to_string());
            rows.read(&row).unwrap();
        }
        assert!(rows.lock().len() <= KEPT);
        let mut long = record(&writes[0]);
        long.value = serde_json::to_string(&Job { diagnostics: "x".repeat(LONGEST), ..job }).unwrap().into();
        long.key = Key::new("default", "job", "long");
        rows.read(&long).unwrap();
        assert!(rows.known(&long).is_none());
    }
}
