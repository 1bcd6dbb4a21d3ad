//! A job's log: its exceptions, and what the processes it runs in wrote while it ran.
//!
//! Flink's log files belong to processes, so in a session cluster they mix jobs; such lines are marked `shared`. There
//! are no ranges either: the host streams a file and keeps its last 256 KiB.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    Flink,
    exception::{Exceptions, JobException},
    flow::{NAME_BYTES, native_id, parsed},
    log_line::{self, Line},
    metrics::VertexTaskManagers,
    request::{self, LOG_TAIL_BYTES, Process},
    response::{Config, JobDetails, job_state, moment},
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, JobState, LogEntry, LogPage, LogQuery, Severity},
    text::{clean, clean_line},
};

/// Exceptions read of one job.
const MOST_EXCEPTIONS: u32 = 20;
/// Vertices asked for their task managers.
const MOST_VERTICES: usize = 60;
/// Task managers whose logs are read.
const MOST_PROCESSES: usize = 8;
/// Files read of one process.
const MOST_FILES: usize = 2;
/// Largest file that is streamed for its tail.
const FILE_BYTES: u64 = 64 << 20;
/// Longest message.
const MESSAGE_BYTES: usize = 8 << 10;
/// Lines this long before the job's start and after its end still belong to it.
const MARGIN_MS: u64 = 10_000;

/// Answer of `…/logs`.
#[derive(Deserialize)]
struct LogFiles {
    logs: Vec<LogFile>,
}

#[derive(Clone, Deserialize)]
struct LogFile {
    name: String,
    size: u64,
    #[serde(default)]
    mtime: u64,
}

/// An entry with its place in time; text without a time comes first.
struct Placed {
    at_ms: u64,
    entry: LogEntry,
}

impl Flink {
    pub(super) async fn log_page(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        let (target, id) = (&self.context.target, native_id(job)?);
        let after = Place::of(query.page_token.as_deref())?;
        let others = vec![request::exceptions_request(target, id, MOST_EXCEPTIONS), request::config_request(target)];
        let (details, beside) = self.details(job, others).await?;
        let mut outcomes = beside.into_iter();
        let exceptions = parsed::<Exceptions>(outcomes.next()).map(|exceptions| exceptions.list());
        let offset_ms = parsed::<Config>(outcomes.next()).map_or(0, |config| config.timezone_offset);
        let mut gathered = Gathered::new(job, &details, offset_ms);
        gathered.add_exceptions(exceptions);
        self.gather_files(&details, &mut gathered).await?;
        Ok(gathered.page(query, after))
    }

    async fn gather_files(&self, details: &JobDetails, gathered: &mut Gathered) -> Result<(), Error> {
        let processes = self.processes(details, gathered).await?;
        let files = self.files(&processes, gathered).await?;
        let target = &self.context.target;
        let request = |(process, file): &(Process, LogFile)| request::log_tail_request(target, process, &file.name);
        let tails = self.send_all(files.iter().map(request).collect()).await?;
        for ((process, file), tail) in files.iter().zip(tails) {
            match tail {
                Ok(tail) if tail.status == 200 => gathered.add_file(process, file, &tail.body.text()),
                _ => gathered.notes.push(format!("{} of {} could not be read", named(&file.name), writer(process))),
            }
        }
        Ok(())
    }

    /// The `JobManager` and the task managers the job's subtasks are on.
    async fn processes(&self, details: &JobDetails, gathered: &mut Gathered) -> Result<Vec<Process>, Error> {
        let target = &self.context.target;
        let vertices = details.vertices.iter().take(MOST_VERTICES);
        let requests = vertices.map(|vertex| request::vertex_taskmanagers_request(target, &details.jid, &vertex.id));
        let outcomes = self.send_all(requests.collect()).await?;
        let managers = outcomes.into_iter().filter_map(|outcome| parsed::<VertexTaskManagers>(Some(outcome)).ok());
        let ids: BTreeSet<String> = managers.flat_map(VertexTaskManagers::ids).collect();
        if ids.len() > MOST_PROCESSES {
            gathered.notes.push(format!("only {MOST_PROCESSES} of the job's {} task managers are read", ids.len()));
        }
        let managers = ids.into_iter().take(MOST_PROCESSES).map(Process::TaskManager);
        Ok(std::iter::once(Process::JobManager).chain(managers).collect())
    }

    async fn files(&self, processes: &[Process], gathered: &mut Gathered) -> Result<Vec<(Process, LogFile)>, Error> {
        let target = &self.context.target;
        let requests = processes.iter().map(|process| request::log_list_request(target, process)).collect();
        let mut files = Vec::new();
        for (process, outcome) in processes.iter().zip(self.send_all(requests).await?) {
            let Ok(listing) = parsed::<LogFiles>(Some(outcome)) else {
                gathered.notes.push(format!("{} is gone, and its log with it", writer(process)));
                continue;
            };
            let chosen = chosen(process, listing.logs);
            if chosen.is_empty() {
                gathered.notes.push(format!("{} keeps no log file that Flink can show", writer(process)));
            }
            let (small, large): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|file| file.size <= FILE_BYTES);
            gathered.notes.extend(large.iter().map(|file| too_large(process, file)));
            files.extend(small.into_iter().map(|file| (process.clone(), file)));
        }
        Ok(files)
    }
}

/// The newest current log files of a process; where both kinds of process share a folder, only its own.
fn chosen(process: &Process, files: Vec<LogFile>) -> Vec<LogFile> {
    let ends = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "log" | "out"));
    let mut files: Vec<_> = files.into_iter().filter(|file| file.size > 0 && ends(&file.name)).collect();
    let words: &[&str] = match process {
        Process::JobManager => &["jobmanager", "standalonesession", "jobmaster"],
        Process::TaskManager(_) => &["taskmanager", "taskexecutor"],
    };
    let own = |file: &LogFile| words.iter().any(|word| file.name.contains(word));
    if files.iter().any(own) {
        files.retain(own);
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.mtime));
    files.truncate(MOST_FILES);
    files
}

fn too_large(process: &Process, file: &LogFile) -> String {
    let megabytes = file.size >> 20;
    format!("{} of {} has {megabytes} MiB, too much to read through Flink", named(&file.name), writer(process))
}

fn named(name: &str) -> String {
    clean_line(name, NAME_BYTES)
}

fn writer(process: &Process) -> String {
    match process {
        Process::JobManager => "jobmanager".to_owned(),
        Process::TaskManager(id) => named(id),
    }
}

/// Where a page ended: the time of its last entry, and how many entries of that time were shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Place {
    at_ms: u64,
    shown: usize,
}

impl Place {
    fn of(token: Option<&str>) -> Result<Self, Error> {
        let Some(token) = token else { return Ok(Self::default()) };
        let parts = token.split_once('.').and_then(|(at, shown)| Some((at.parse().ok()?, shown.parse().ok()?)));
        let (at_ms, shown) = parts.ok_or_else(|| {
            Error::invalid("bad_page_token", "the page token is not one this job's log gave out")
                .suggest("leave page_token out to begin again")
        })?;
        Ok(Self { at_ms, shown })
    }

    /// The place after one more entry.
    fn after(self, at_ms: u64) -> Self {
        let shown = if at_ms == self.at_ms { self.shown + 1 } else { 1 };
        Self { at_ms, shown }
    }

    fn token(self) -> String {
        format!("{}.{}", self.at_ms, self.shown)
    }
}

/// All entries that were found.
struct Gathered {
    job_id: String,
    from_ms: u64,
    to_ms: u64,
    offset_ms: i64,
    terminal: bool,
    entries: Vec<Placed>,
    notes: Vec<String>,
}

impl Gathered {
    fn new(job: &Job, details: &JobDetails, offset_ms: i64) -> Self {
        let end = moment(details.end_time);
        Self {
            job_id: job.id.to_string(),
            from_ms: moment(details.start_time).unwrap_or(0).saturating_sub(MARGIN_MS),
            to_ms: end.map_or(u64::MAX, |end| end.saturating_add(MARGIN_MS)),
            offset_ms,
            terminal: job_state(&details.state).is_some_and(JobState::is_terminal),
            entries: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn add_exceptions(&mut self, exceptions: Result<Vec<JobException>, Error>) {
        let Ok(exceptions) = exceptions else {
            self.notes.push("the job's exceptions could not be read".into());
            return;
        };
        for exception in exceptions {
            let entry = LogEntry {
                timestamp: exception.at_ms.map(rfc3339),
                severity: Severity::Error,
                message: exception.trace,
                job_id: self.job_id.clone(),
                worker_id: exception.task_manager,
                step_name: exception.task,
                source: "exceptions".into(),
                shared: false,
            };
            self.entries.push(Placed { at_ms: exception.at_ms.unwrap_or(0), entry });
        }
    }

    fn add_file(&mut self, process: &Process, file: &LogFile, text: &str) {
        let cut = file.size > LOG_TAIL_BYTES;
        let shared = format!("lines of {} are shared: other jobs write there too", writer(process));
        if !self.notes.contains(&shared) {
            self.notes.push(shared);
        }
        for Line { at_ms, severity, text } in log_line::entries(text, cut, self.offset_ms) {
            if at_ms.is_some_and(|at| at < self.from_ms || at > self.to_ms) {
                continue;
            }
            let entry = LogEntry {
                timestamp: at_ms.map(rfc3339),
                severity,
                message: clean(&text, MESSAGE_BYTES),
                job_id: self.job_id.clone(),
                worker_id: Some(writer(process)),
                step_name: None,
                source: named(&file.name),
                shared: true,
            };
            self.entries.push(Placed { at_ms: at_ms.unwrap_or(0), entry });
        }
    }

    fn page(mut self, query: &LogQuery, after: Place) -> LogPage {
        self.entries.sort_by_key(|placed| placed.at_ms);
        let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
        let (mut logs, mut end, mut place, mut more) = (Vec::new(), after, Place::default(), false);
        for Placed { at_ms, entry } in self.entries {
            place = place.after(at_ms);
            let seen = (at_ms, place.shown) <= (after.at_ms, after.shown);
            if seen || !query.admits(&entry, entry.timestamp.as_ref().map(|_| at_ms)) {
                continue;
            }
            if logs.len() == most {
                more = true;
                break;
            }
            logs.push(entry);
            end = place;
        }
        LogPage { logs, next_page_token: (more || !self.terminal).then(|| end.token()), notes: self.notes }
    }
}
