//! JSON lines on standard error, one per event, written by a thread of their own.
//!
//! A log that nobody reads must not stop the server: when the writer is behind, lines are dropped and counted.

use std::{
    io::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use beam_mcp_core::{clock::rfc3339, text::clean_line};
use serde::Serialize;

use crate::clock::unix_ms;

const QUEUE: usize = 8192;
const CHUNK: usize = 64 << 10;
/// Lines gather this long behind the first of them: to wake the writer for each costs more than to write it.
const GATHER: Duration = Duration::from_millis(5);
/// Most lines are shorter, in bytes.
const USUAL: usize = 512;
/// Longest text of one field, in bytes.
const LONGEST: usize = 1024;

/// How much is logged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Something is broken and a person must act.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happens in the course of things.
    Info,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }

    /// Reads `off` (`None`), `error`, `warn`, `info`.
    ///
    /// # Errors
    /// The words expected.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        match text {
            "off" => Ok(None),
            "error" => Ok(Some(Self::Error)),
            "warn" => Ok(Some(Self::Warn)),
            "info" => Ok(Some(Self::Info)),
            _ => Err("expected one of off, error, warn, info".into()),
        }
    }
}

enum Job {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

struct Logger {
    level: Level,
    jobs: SyncSender<Job>,
    dropped: AtomicU64,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts the writer; before this, and with `None`, nothing is logged.
pub fn start(level: Option<Level>) {
    let Some(level) = level else { return };
    let (jobs, queue) = sync_channel(QUEUE);
    if LOGGER.set(Logger { level, jobs, dropped: AtomicU64::new(0) }).is_ok() {
        std::thread::spawn(move || write(&queue));
        std::panic::set_hook(Box::new(|info| {
            let at = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            Line::new(Level::Error, "panic").text("at", at.as_deref()).send();
        }));
    }
}

/// Waits up to a second until what was logged is written.
pub fn flush() {
    let Some(logger) = LOGGER.get() else { return };
    let (done, wait) = sync_channel(1);
    if logger.jobs.send(Job::Flush(done)).is_ok() {
        // A reader that blocks the log must not keep the process.
        let _ = wait.recv_timeout(Duration::from_secs(1));
    }
}

fn write(queue: &Receiver<Job>) {
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Ok(first) = queue.recv() {
        if matches!(first, Job::Line(_)) {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(first);
        let mut waiting = Vec::new();
        while let Some(job) = next.take() {
            match job {
                Job::Line(line) => chunk.extend_from_slice(&line),
                Job::Flush(done) => waiting.push(done),
            }
            next = if chunk.len() < CHUNK { queue.try_recv().ok() } else { None };
        }
        // Standard error is the last resort: there is nowhere left to tell that it failed.
        let _ = std::io::stderr().write_all(&chunk);
        chunk.clear();
        for done in waiting {
            let _ = done.try_send(());
        }
    }
}

/// One line on its way.
#[must_use = "a line is logged by `send`"]
pub struct Line(Option<Vec<u8>>);

impl Line {
    /// A line of this level; nothing is put together when the level is not logged.
    pub fn new(level: Level, event: &str) -> Self {
        if LOGGER.get().is_none_or(|logger| level > logger.level) {
            return Self(None);
        }
        Self::with(level, event)
    }

    fn with(level: Level, event: &str) -> Self {
        let mut line = Vec::with_capacity(USUAL);
        for part in
            ["{\"time\":\"", &rfc3339(unix_ms()), "\",\"level\":\"", level.as_str(), "\",\"event\":\"", event, "\""]
        {
            line.extend_from_slice(part.as_bytes());
        }
        Self(Some(line))
    }

    /// With a text, cleaned and bounded; nothing for `None`.
    pub fn text(self, name: &str, text: Option<&str>) -> Self {
        match (&self.0, text) {
            (Some(_), Some(text)) => self.value(name, clean_line(text, LONGEST)),
            _ => self,
        }
    }

    /// With a number or other plain value.
    pub fn value(mut self, name: &str, value: impl Serialize) -> Self {
        if let Some(line) = &mut self.0 {
            for part in [",\"", name, "\":"] {
                line.extend_from_slice(part.as_bytes());
            }
            // Writing numbers and text to memory cannot fail.
            let _ = serde_json::to_writer(line, &value);
        }
        self
    }

    /// Hands the line to the writer.
    pub fn send(self) {
        let Some(logger) = LOGGER.get() else { return };
        let dropped = logger.dropped.swap(0, Ordering::Relaxed);
        let told = if dropped > 0 { self.value("lines_dropped_before", dropped) } else { self };
        let Some(line) = told.finish() else { return };
        if logger.jobs.try_send(Job::Line(line)).is_err() {
            logger.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        let mut line = self.0?;
        line.extend_from_slice(b"}\n");
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        let line = Line::with(Level::Warn, "request").text("path", Some("/a\r\nb\u{1b}[31m\"c")).value("status", 200);
        let text = String::from_utf8(line.finish().unwrap()).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((read["path"].as_str(), read["status"].as_u64()), (Some("/a b\"c"), Some(200)));
        assert_eq!(read["level"], "warn");
    }

    #[test]
    fn levels_are_words() {
        assert_eq!(Level::parse("off"), Ok(None));
        assert_eq!(Level::parse("warn"), Ok(Some(Level::Warn)));
        assert!(Level::parse("loud").is_err());
        assert!(Level::Error < Level::Info);
    }
}
