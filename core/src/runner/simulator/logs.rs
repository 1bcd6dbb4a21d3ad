//! The log of a scripted job: line number `i` is a formula, so any page can be had at any time.
//!
//! ```text
//! 0        job accepted            at 0
//! 1        job started             at 1 s
//! 2 …      one line of work        every 5 s from second 6 on
//! last     how it ended            at its end, once it has ended
//! ```

use super::{
    course::{Course, PENDING_MS},
    response,
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, JobState, LogEntry, LogPage, LogQuery, Severity},
};

/// Distance of the lines of work.
const EVERY_MS: u64 = 5_000;
/// Most lines one call goes through for those that fit its filters.
const MOST_READ: u64 = 5_000;

/// One page.
pub(super) fn page(course: &Course, job: &Job, query: &LogQuery, wall_ms: u64) -> Result<LogPage, Error> {
    let log = Log::new(course, job, wall_ms);
    let (logs, next) = match query.page_token.as_deref() {
        Some(token) => log.forward(query, start(token)?),
        None => log.newest(query),
    };
    let complete = log.end.is_some() && next >= log.count();
    let next_page_token = (!complete).then(|| next.to_string());
    Ok(LogPage { logs, next_page_token, notes: vec!["simulated: written by the script".into()] })
}

fn start(token: &str) -> Result<u64, Error> {
    if token == LogQuery::START {
        return Ok(0);
    }
    token.parse().map_err(|_| {
        Error::invalid("bad_page_token", "`page_token` is not one this server gave")
            .suggest("leave it out to start anew")
    })
}

struct Log<'a> {
    course: &'a Course,
    job: &'a Job,
    lived: u64,
    end: Option<JobState>,
}

impl<'a> Log<'a> {
    fn new(course: &'a Course, job: &'a Job, wall_ms: u64) -> Self {
        let lived = course.lived(wall_ms);
        let scripted = course.state(lived);
        let end = [job.state, scripted].into_iter().find(|state| state.is_terminal());
        Self { course, job, lived, end }
    }

    /// Lines of work so far.
    fn work(&self) -> u64 {
        self.lived.saturating_sub(PENDING_MS) / EVERY_MS
    }

    fn starts(&self) -> u64 {
        1 + u64::from(self.lived >= PENDING_MS)
    }

    fn count(&self) -> u64 {
        self.starts() + self.work() + u64::from(self.end.is_some())
    }

    fn forward(&self, query: &LogQuery, from: u64) -> (Vec<LogEntry>, u64) {
        let count = self.count();
        let (mut logs, mut next) = (Vec::new(), from.min(count));
        let until = count.min(next.saturating_add(MOST_READ));
        while next < until && logs.len() < most(query) {
            logs.extend(self.line(next, query));
            next += 1;
        }
        (logs, next)
    }

    fn newest(&self, query: &LogQuery) -> (Vec<LogEntry>, u64) {
        let count = self.count();
        let lines = (count.saturating_sub(MOST_READ)..count).rev();
        let mut logs: Vec<LogEntry> = lines.filter_map(|line| self.line(line, query)).take(most(query)).collect();
        logs.reverse();
        (logs, count)
    }

    /// Line number `number`, if it fits.
    fn line(&self, number: u64, query: &LogQuery) -> Option<LogEntry> {
        let (at_ms, severity, message) = self.content(number);
        let wall_ms = self.course.wall(at_ms);
        let entry = LogEntry {
            timestamp: Some(rfc3339(wall_ms)),
            severity,
            message,
            job_id: self.job.id.to_string(),
            worker_id: Some(format!("worker-{}", number % 3)),
            step_name: None,
            source: "simulator".into(),
            shared: false,
        };
        query.admits(&entry, Some(wall_ms)).then_some(entry)
    }

    fn content(&self, number: u64) -> (u64, Severity, String) {
        let script = self.course.script.name;
        match (number, self.end) {
            (0, _) => (0, Severity::Info, format!("job accepted; script {script}")),
            (last, Some(end)) if last + 1 == self.count() => self.last_line(end),
            (1, _) => (PENDING_MS, Severity::Info, format!("job started with parallelism {}", self.parallelism())),
            (line, _) => self.work_line(PENDING_MS + (line - 1) * EVERY_MS),
        }
    }

    fn parallelism(&self) -> u32 {
        self.course.plot.parallelism
    }

    fn work_line(&self, at_ms: u64) -> (u64, Severity, String) {
        let (course, processed) = (self.course, self.course.processed(at_ms));
        match course.state(at_ms) {
            JobState::Recovering => (at_ms, Severity::Warn, "worker lost; restarting from the last checkpoint".into()),
            _ if course.script.held_back_percent > 0 => {
                let backlog = course.arrived(at_ms) - processed;
                let text = format!("back-pressure at ParseEvents: {processed} records processed, {backlog} wait");
                (at_ms, Severity::Warn, text)
            }
            _ => (at_ms, Severity::Info, format!("{processed} records processed")),
        }
    }

    fn last_line(&self, end: JobState) -> (u64, Severity, String) {
        match end {
            JobState::Failed => (self.lived, Severity::Error, response::failure(self.course)),
            other => (self.lived, Severity::Info, format!("job ended: {}", other.as_str())),
        }
    }
}

fn most(query: &LogQuery) -> usize {
    usize::try_from(query.max_results).unwrap_or(1000).clamp(1, 1000)
}
