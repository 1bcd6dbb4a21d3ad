//! Merging logs by time, and where a page ended in each of them.

use std::collections::{BTreeMap, VecDeque};

use super::{
    request::{Log, Writer},
    response::Master,
    state::driver_state,
    stderr::{Chunk, shown},
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, JobState, LogEntry, LogPage, LogQuery, Severity},
    runner::log_line,
    text::clean,
};

/// Longest message.
const MESSAGE_BYTES: usize = 8 << 10;
const START: &str = LogQuery::START;

/// Where a page begins in each log: bytes from its beginning, by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cursor {
    /// Near the end of each.
    Tail,
    /// At these offsets; 0 in logs that are not named.
    At(BTreeMap<String, u64>),
}

impl Cursor {
    pub(super) fn of(token: Option<&str>) -> Result<Self, Error> {
        let Some(token) = token else { return Ok(Self::Tail) };
        if token == START {
            return Ok(Self::At(BTreeMap::new()));
        }
        let pair = |part: &str| {
            let (name, offset) = part.split_once('.')?;
            let plain =
                !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            plain.then_some((name.to_owned(), offset.parse().ok()?))
        };
        let parts: Option<BTreeMap<_, _>> = token.split('_').map(pair).collect();
        parts.filter(|_| token.len() <= 2048).map(Self::At).ok_or_else(|| {
            Error::invalid("bad_page_token", "the page token is not one this job's log gave out").suggest(
                "leave page_token out to read the end of the log, or send `start` to read it from its beginning",
            )
        })
    }

    fn offset(&self, name: &str) -> Option<u64> {
        match self {
            Self::Tail => None,
            Self::At(offsets) => Some(offsets.get(name).copied().unwrap_or(0)),
        }
    }
}

/// One log on its way into a page.
pub(super) struct Source {
    pub(super) worker: String,
    pub(super) log: Log,
    /// Where it is read on; `None`: its end.
    pub(super) next: Option<u64>,
    name: String,
    /// Offset after the last entry that was used.
    used: u64,
    /// Nothing more can be read of it now.
    is_done: bool,
    entries: VecDeque<Entry>,
}

/// A line with a time and those without one that follow it, from one offset to another.
struct Entry {
    at_ms: Option<u64>,
    severity: Severity,
    text: String,
    begin: u64,
    end: u64,
}

impl Source {
    fn wants(&self) -> bool {
        self.entries.is_empty() && !self.is_done
    }

    /// Takes in what was read; true when a tail leaves out what came before.
    fn add(&mut self, chunk: &Chunk, offset_ms: i64, ended: bool) -> bool {
        let cut = self.next.is_none() && chunk.from > 0;
        let more = chunk.to < chunk.size;
        let (mut entries, mut end) = entries(chunk, cut, ended && !more, offset_ms);
        if more && entries.len() > 1 {
            // It may go on in the next part.
            end = entries.pop_back().map_or(end, |entry| entry.begin);
        }
        if more && end == chunk.from {
            // One line fills the part: it is left out.
            end = chunk.to;
        }
        self.used = entries.front().map_or(end, |entry| entry.begin);
        (self.next, self.is_done, self.entries) = (Some(end), !more, entries);
        cut
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.used = self.entries.front().map_or(self.next.unwrap_or(entry.end), |next| next.begin);
        Some(entry)
    }
}

/// Logs being merged into one page.
pub(super) struct Merge {
    pub(super) sources: Vec<Source>,
    pub(super) notes: Vec<String>,
    job_id: String,
    offset_ms: i64,
    terminal: bool,
    cut: bool,
    logs: Vec<LogEntry>,
}

impl Merge {
    pub(super) fn new(job: &Job, master: &Master, driver: &str, logs: Vec<(String, Log)>, cursor: &Cursor) -> Self {
        let shown = master.driver(driver);
        let source = |(worker, log): (String, Log)| {
            let name = name(&log);
            let next = cursor.offset(&name);
            let used = next.unwrap_or(0);
            Source { worker, log, next, name, used, is_done: false, entries: VecDeque::new() }
        };
        Self {
            sources: logs.into_iter().map(source).collect(),
            notes: Vec::new(),
            job_id: job.id.to_string(),
            offset_ms: shown.map_or(0, |driver| offset_ms(&driver.submitdate, driver.starttime)),
            terminal: shown.and_then(|driver| driver_state(&driver.state)).is_some_and(JobState::is_terminal),
            cut: false,
            logs: Vec::new(),
        }
    }

    /// Logs whose lines at hand are used up.
    pub(super) fn wanting(&self) -> Vec<usize> {
        self.sources.iter().enumerate().filter(|(_, source)| source.wants()).map(|(at, _)| at).collect()
    }

    pub(super) fn add(&mut self, at: usize, chunk: Result<Option<Chunk>, Error>) {
        let Some(source) = self.sources.get_mut(at) else { return };
        match chunk {
            Ok(Some(chunk)) => self.cut |= source.add(&chunk, self.offset_ms, self.terminal),
            Ok(None) => source.is_done = true,
            Err(error) => {
                source.is_done = true;
                self.notes.push(format!("{} could not be read: {}", source.name, error.message()));
            }
        }
    }

    /// Takes entries in order of time; true when the page is full, or there is nothing more.
    pub(super) fn take(&mut self, query: &LogQuery) -> bool {
        let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
        while self.logs.len() < most {
            if self.sources.iter().any(Source::wants) {
                return false;
            }
            let some = self.sources.iter_mut().filter(|source| !source.entries.is_empty());
            let first = some.min_by_key(|source| source.entries.front().and_then(|entry| entry.at_ms));
            let Some((source, entry)) = first.and_then(|source| source.pop().map(|entry| (source, entry))) else {
                return true;
            };
            let at_ms = entry.at_ms;
            let shown = log_entry(&self.job_id, source, &entry);
            if query.admits(&shown, at_ms) {
                self.logs.push(shown);
            }
        }
        true
    }

    pub(super) fn page(mut self) -> LogPage {
        let rest = self.sources.iter().any(|source| !source.entries.is_empty() || !source.is_done);
        if self.cut {
            self.notes.push(format!("this is the end of the log: page_token `{START}` reads it from its beginning"));
        }
        let places = self.sources.iter().map(|source| format!("{}.{}", source.name, source.used));
        let token = places.collect::<Vec<_>>().join("_");
        let token = if token.is_empty() { START.to_owned() } else { token };
        LogPage { logs: self.logs, next_page_token: (rest || !self.terminal).then_some(token), notes: self.notes }
    }
}

/// A log's name in tokens and notes: `driver-stderr`, `0-stdout`.
fn name(log: &Log) -> String {
    let writer = match &log.writer {
        Writer::Driver(_) => "driver",
        Writer::Executor { id, .. } => id,
    };
    format!("{writer}-{}", log.stream)
}

fn log_entry(job_id: &str, source: &Source, entry: &Entry) -> LogEntry {
    let worker = match &source.log.writer {
        Writer::Driver(id) => id.clone(),
        Writer::Executor { app, id } => format!("{app}/{id}"),
    };
    LogEntry {
        timestamp: entry.at_ms.map(rfc3339),
        severity: entry.severity,
        message: clean(&shown(&entry.text), MESSAGE_BYTES),
        job_id: job_id.to_owned(),
        worker_id: Some(worker),
        step_name: None,
        source: source.name.clone(),
        shared: false,
    }
}

/// The entries of a part of a log, and the offset after them. The first line is broken where a tail begins; a last line
/// without an end waits for it, unless the log has `ended` there.
fn entries(chunk: &Chunk, broken: bool, ended: bool, offset_ms: i64) -> (VecDeque<Entry>, u64) {
    let mut entries: VecDeque<Entry> = VecDeque::new();
    let mut end = chunk.from;
    for (number, line) in chunk.text.split_inclusive('\n').enumerate() {
        if !ended && !line.ends_with('\n') {
            break;
        }
        let begin = end;
        // A worker replaces bytes that are no text, which makes its answer longer than the range.
        end = chunk.to.min(end + u64::try_from(line.len()).unwrap_or(0));
        if broken && number == 0 {
            continue;
        }
        add_line(&mut entries, line.trim_end_matches(['\n', '\r']), (begin, end), offset_ms);
    }
    (entries, end)
}

fn add_line(entries: &mut VecDeque<Entry>, line: &str, (begin, end): (u64, u64), offset_ms: i64) {
    let head = log_line::head(line, offset_ms);
    match (head, entries.back_mut().filter(|last| last.at_ms.is_some())) {
        (None, Some(last)) => {
            last.text.push('\n');
            last.text.push_str(line);
            last.end = end;
        }
        (None, None) if line.trim().is_empty() || line.starts_with("====") => {}
        (head, _) => {
            let (at_ms, severity) = head.map_or((None, Severity::Default), |(at, severity)| (Some(at), severity));
            entries.push_back(Entry { at_ms, severity, text: line.to_owned(), begin, end });
        }
    }
}

/// How far the clock on the master's wall is from UTC: it writes one moment in both ways. Workers are taken to have the
/// same one.
fn offset_ms(submitdate: &str, epoch_ms: u64) -> i64 {
    const QUARTER: i64 = 15 * 60 * 1000;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = submitdate.split_whitespace().skip(1);
    let local = (|| {
        let (month, day, clock, year) = (words.next()?, words.next()?, words.next()?, words.nth(1)?);
        let month = months.iter().position(|name| *name == month)? + 1;
        log_line::unix_ms(&format!("{year}-{month:02}-{day:0>2} {clock},000"))
    })();
    let epoch = i64::try_from(epoch_ms).unwrap_or(0);
    // Both name one moment, to the second and to the millisecond: zones are whole quarters of an hour.
    local.map_or(0, |local| (local - epoch + QUARTER / 2).div_euclid(QUARTER) * QUARTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_master_tells_its_zone() {
        let epoch = 1_795_636_587_680; // 2026-11-25T19:56:27.680Z
        for (submitdate, hours) in [
            ("Wed Nov 25 19:56:27 UTC 2026", 0.0),
            ("Wed Nov 25 20:56:27 CET 2026", 1.0),
            ("Thu Nov 26 01:26:27 IST 2026", 5.5),
            ("Wed Nov 25 11:56:27 PST 2026", -8.0),
            ("nonsense", 0.0),
            ("", 0.0),
        ] {
            #[expect(clippy::cast_possible_truncation, reason = "whole quarters of an hour")]
            let expected = (hours * 3_600_000.0) as i64;
            assert_eq!(offset_ms(submitdate, epoch), expected, "{submitdate}");
        }
    }

    #[test]
    fn tokens_are_read_back_and_others_refused() {
        assert_eq!(Cursor::of(None).unwrap(), Cursor::Tail);
        let cursor = Cursor::of(Some("driver-stderr.4096_0-stdout.7")).unwrap();
        assert_eq!(
            (cursor.offset("driver-stderr"), cursor.offset("0-stdout"), cursor.offset("1-stdout")),
            (Some(4096), Some(7), Some(0))
        );
        for bad in ["", "x", "a.b", "a.1_", "../x.1", "a.-1", &"a.1_".repeat(999)] {
            assert_eq!(Cursor::of(Some(bad)).unwrap_err().reason(), "bad_page_token", "{bad}");
        }
    }
}
