//! Gathering a job's log entries, and cutting pages out of them.

use super::{
    exception::JobException,
    flow::NAME_BYTES,
    job_details::{JobDetails, job_state},
    logs::LogFile,
    request::{LOG_TAIL_BYTES, Process},
    response::moment,
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, JobState, LogEntry, LogPage, LogQuery, Severity},
    runner::log_line::{self, Line},
    text::{clean, clean_line},
};

/// Longest message.
const MESSAGE_BYTES: usize = 8 << 10;
/// Of the newest lines: standard output has no time, and what has none comes first.
const UNTIMED: &str = "lines without a time come first: page_token `start` reads them";
/// Lines this long before the job's start and after its end still belong to it.
const MARGIN_MS: u64 = 10_000;

/// An entry with its place in time; text without a time comes first.
struct Placed {
    at_ms: u64,
    entry: LogEntry,
}

pub(super) fn named(name: &str) -> String {
    clean_line(name, NAME_BYTES)
}

pub(super) fn writer(process: &Process) -> String {
    match process {
        Process::JobManager => "jobmanager".to_owned(),
        Process::TaskManager(id) => named(id),
    }
}

/// Where a page ended: the time of its last entry, and how many entries of that time were shown.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    at_ms: u64,
    shown: usize,
}

impl Place {
    /// `None`: near the end.
    pub(super) fn of(token: Option<&str>) -> Result<Option<Self>, Error> {
        let Some(token) = token else { return Ok(None) };
        if token == LogQuery::START {
            return Ok(Some(Self::default()));
        }
        let parts = token.split_once('.').and_then(|(at, shown)| Some((at.parse().ok()?, shown.parse().ok()?)));
        let (at_ms, shown) = parts.ok_or_else(|| {
            Error::invalid("bad_page_token", "the page token is not one this job's log gave out")
                .suggest("leave page_token out, or send `start`, to begin again")
        })?;
        Ok(Some(Self { at_ms, shown }))
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
pub(super) struct Gathered {
    job_id: String,
    from_ms: u64,
    to_ms: u64,
    offset_ms: i64,
    terminal: bool,
    entries: Vec<Placed>,
    pub(super) notes: Vec<String>,
}

impl Gathered {
    pub(super) fn new(job: &Job, details: &JobDetails, offset_ms: i64) -> Self {
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

    pub(super) fn add_exceptions(&mut self, exceptions: Result<Vec<JobException>, Error>, are_more: bool) {
        let Ok(exceptions) = exceptions else {
            self.notes.push("the job's exceptions could not be read".into());
            return;
        };
        if are_more {
            self.notes.push(format!("Flink keeps older exceptions than the {} that are shown", exceptions.len()));
        }
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

    /// The end of a file, of which `bytes` came.
    pub(super) fn add_file(&mut self, process: &Process, file: &LogFile, text: &str, bytes: u64) {
        // The file may have grown since it was listed.
        let cut = bytes >= LOG_TAIL_BYTES;
        if cut {
            self.notes.push(format!(
                "of {} of {} the last {} KiB are read: what it says before is not here",
                named(&file.name),
                writer(process),
                LOG_TAIL_BYTES >> 10
            ));
        }
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

    /// The newest entries, or, after a place, the next ones.
    pub(super) fn page(mut self, query: &LogQuery, after: Option<Place>) -> LogPage {
        self.entries.sort_by_key(|placed| placed.at_ms);
        let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
        let begin = after.unwrap_or_default();
        let mut fitting = fitting(self.entries, query, begin);
        let more = after.is_some() && fitting.len() > most;
        if more {
            fitting.truncate(most);
        } else {
            let older = fitting.drain(..fitting.len().saturating_sub(most));
            if older.filter(|(_, entry)| entry.timestamp.is_none()).count() > 0 {
                self.notes.push(UNTIMED.to_owned());
            }
        }
        let end = fitting.last().map_or(begin, |(place, _)| *place);
        LogPage {
            logs: fitting.into_iter().map(|(_, entry)| entry).collect(),
            next_page_token: (more || !self.terminal).then(|| end.token()),
            notes: self.notes,
        }
    }
}

/// The entries after a place that a query asks for, each with its own.
fn fitting(entries: Vec<Placed>, query: &LogQuery, after: Place) -> Vec<(Place, LogEntry)> {
    let mut place = Place::default();
    let placed = entries.into_iter().map(|Placed { at_ms, entry }| {
        place = place.after(at_ms);
        (place, entry)
    });
    let fits = |(place, entry): &(Place, LogEntry)| {
        *place > after && query.admits(entry, entry.timestamp.as_ref().map(|_| place.at_ms))
    };
    placed.filter(fits).collect()
}
