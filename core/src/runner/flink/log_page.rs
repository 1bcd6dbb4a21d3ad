//! Gathering a job's log entries, and cutting pages out of them.

use super::{
    exception::JobException,
    flow::NAME_BYTES,
    job_details::{JobDetails, job_state},
    log_cursor::{Cursor, Joint, Place, Tail, key},
    logs::LogFile,
    request::{LOG_TAIL_BYTES, Process},
    response::moment,
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, JobState, LogEntry, LogPage, LogQuery, Severity},
    runner::log_line::{self, Line, Part},
    text::{clean, clean_line},
};

/// Longest message.
const MESSAGE_BYTES: usize = 8 << 10;
/// Of the newest lines: standard output has no time, and what has none comes first.
const UNTIMED: &str = "lines without a time come first: page_token `start` reads them";
/// Lines this long before the job's start and after its end still belong to it.
const MARGIN_MS: u64 = 10_000;

/// An entry with its place in time. Text without a time comes first, or behind what stands before it in its file.
struct Placed {
    order_ms: u64,
    at_ms: Option<u64>,
    origin: Origin,
    entry: LogEntry,
}

/// Where an entry comes from.
#[derive(Clone, Copy)]
enum Origin {
    Exceptions,
    /// A file, by its number, up to this place in it.
    File(usize, u64),
}

/// A file that was read.
struct Source {
    key: String,
    tail: Tail,
    /// Behind its last entry.
    end: u64,
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

/// All entries that were found.
pub(super) struct Gathered {
    job_id: String,
    from_ms: u64,
    to_ms: u64,
    offset_ms: i64,
    terminal: bool,
    entries: Vec<Placed>,
    sources: Vec<Source>,
    /// `None`: the newest entries are asked for.
    after: Option<Cursor>,
    pub(super) notes: Vec<String>,
}

impl Gathered {
    pub(super) fn new(job: &Job, details: &JobDetails, offset_ms: i64, after: Option<Cursor>) -> Self {
        let end = moment(details.end_time);
        Self {
            job_id: job.id.to_string(),
            from_ms: moment(details.start_time).unwrap_or(0).saturating_sub(MARGIN_MS),
            to_ms: end.map_or(u64::MAX, |end| end.saturating_add(MARGIN_MS)),
            offset_ms,
            terminal: job_state(&details.state).is_some_and(JobState::is_terminal),
            entries: Vec::new(),
            sources: Vec::new(),
            after,
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
            let at_ms = exception.at_ms;
            self.entries.push(Placed { order_ms: at_ms.unwrap_or(0), at_ms, origin: Origin::Exceptions, entry });
        }
    }

    /// The end of a file that has `size` bytes.
    pub(super) fn add_file(&mut self, process: &Process, file: &LogFile, tail: Tail) {
        let key = key(process, file);
        let told = self.after.as_ref().and_then(|after| after.files.get(&key));
        let (joint, begin, bytes) = tail.behind(told);
        let broken = joint != Joint::On && tail.is_cut();
        let (lines, end) = log_line::entries(Part { bytes, begin, broken, ended: self.terminal }, self.offset_ms);
        self.tell(process, file, joint, broken);
        let source = self.sources.len();
        let mut latest = 0;
        for Line { at_ms, severity, text, end } in lines {
            latest = at_ms.unwrap_or(latest).max(latest);
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
            self.entries.push(Placed { order_ms: latest, at_ms, origin: Origin::File(source, end), entry });
        }
        self.sources.push(Source { key, tail, end });
    }

    /// What the lines of a file do not say themselves.
    fn tell(&mut self, process: &Process, file: &LogFile, joint: Joint, cut: bool) {
        let (name, whose) = (named(&file.name), writer(process));
        let kib = LOG_TAIL_BYTES >> 10;
        match joint {
            Joint::Gap(bytes) => self.notes.push(format!(
                "{name} of {whose} has grown by more than the {kib} KiB that are read: {bytes} bytes or a line more since the last page \
                 are not told"
            )),
            Joint::Other => self.notes.push(format!(
                "{name} of {whose} is another file than at the last page: it is told from its beginning, and what the \
                 one before it said last may be missing"
            )),
            Joint::New | Joint::On => {}
        }
        if cut && !matches!(joint, Joint::Gap(_)) {
            self.notes
                .push(format!("of {name} of {whose} the last {kib} KiB are read: what it says before is not here"));
        }
        let shared = format!("lines of {whose} are shared: other jobs write there too");
        if !self.notes.contains(&shared) {
            self.notes.push(shared);
        }
    }

    /// The newest entries, or, after a place, the next ones.
    pub(super) fn page(mut self, query: &LogQuery) -> LogPage {
        self.entries.sort_by_key(|placed| placed.order_ms);
        let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
        let follows = self.after.is_some();
        let mut cursor = self.after.take().unwrap_or_default();
        let (told, mut place) = (cursor.exceptions, Place::default());
        let (mut logs, mut more) = (Vec::new(), false);
        for Placed { order_ms, at_ms, origin, entry } in std::mem::take(&mut self.entries) {
            if matches!(origin, Origin::Exceptions) {
                place = place.after(order_ms);
                if place <= told {
                    continue;
                }
            }
            let fits = query.admits(&entry, at_ms);
            more = follows && fits && logs.len() == most;
            if more {
                break;
            }
            match origin {
                Origin::Exceptions => cursor.exceptions = place,
                Origin::File(source, end) => self.move_to(&mut cursor, source, end),
            }
            logs.extend(fits.then_some(entry));
        }
        if !more {
            self.move_to_ends(&mut cursor);
        }
        let older = logs.drain(..logs.len().saturating_sub(most));
        if older.filter(|entry| entry.timestamp.is_none()).count() > 0 {
            self.notes.push(UNTIMED.to_owned());
        }
        let read: Vec<_> = self.sources.into_iter().map(|source| source.key).collect();
        LogPage { logs, next_page_token: (more || !self.terminal).then(|| cursor.token(&read)), notes: self.notes }
    }

    fn move_to(&self, cursor: &mut Cursor, source: usize, end: u64) {
        if let Some(source) = self.sources.get(source) {
            cursor.files.insert(source.key.clone(), source.tail.mark(end));
        }
    }

    fn move_to_ends(&self, cursor: &mut Cursor) {
        for source in &self.sources {
            cursor.files.insert(source.key.clone(), source.tail.mark(source.end));
        }
    }
}
