use serde::{Deserialize, Serialize};

/// Severity of a log line.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// The line says none.
    #[default]
    Default,
    /// For developers.
    Debug,
    /// Ordinary.
    Info,
    /// Unusual.
    Warn,
    /// Broken.
    Error,
    /// The process ends.
    Fatal,
}

/// One line (or one exception) of a job's log. Its text is untrusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct LogEntry {
    /// RFC 3339, where the line has a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Severity.
    #[serde(default)]
    pub severity: Severity,
    /// Cleaned text; written by the pipeline or runner, not by beam-mcp.
    pub message: String,
    /// The job.
    pub job_id: String,
    /// Process that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// Step that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_name: Option<String>,
    /// Which stream or file: `stderr`, `stdout`, `exceptions`, `taskmanager.log`, …
    #[serde(default)]
    pub source: String,
    /// True when other jobs write to the same log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// What log lines are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogQuery {
    /// Most entries, 1 to 1000.
    pub max_results: u32,
    /// Where the last page ended.
    pub page_token: Option<String>,
    /// Not before this Unix time in milliseconds (lines without a time pass).
    pub since_ms: Option<u64>,
    /// Not after this one.
    pub until_ms: Option<u64>,
    /// At least this severe.
    pub min_severity: Option<Severity>,
    /// Holds this text.
    pub contains: Option<String>,
    /// Written by this process, as [`LogEntry::worker_id`] names it.
    pub worker: Option<String>,
    /// Written by this step, as [`LogEntry::step_name`] names it.
    pub step: Option<String>,
}

impl LogQuery {
    /// Token of the page that begins where the log does, on every runner.
    pub const START: &'static str = "start";

    /// True when an entry with this time in Unix milliseconds fits.
    pub fn admits(&self, entry: &LogEntry, at_ms: Option<u64>) -> bool {
        self.min_severity.is_none_or(|least| entry.severity >= least)
            && self.contains.as_deref().is_none_or(|text| entry.message.contains(text))
            && self.since_ms.zip(at_ms).is_none_or(|(since, at)| at >= since)
            && self.until_ms.zip(at_ms).is_none_or(|(until, at)| at <= until)
            && self.worker.as_ref().is_none_or(|worker| entry.worker_id.as_ref() == Some(worker))
            && self.step.as_ref().is_none_or(|step| entry.step_name.as_ref() == Some(step))
    }

    /// True where its end lies behind: nothing new can come.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until| until < now_ms)
    }

    /// True when lines are left out by their time.
    pub fn is_timed(&self) -> bool {
        self.since_ms.or(self.until_ms).is_some()
    }

    /// The first millisecond that is too late, for services that take an end which is left out itself.
    pub fn end_ms(&self) -> Option<u64> {
        self.until_ms.map(|until| until.saturating_add(1))
    }

    /// True when only lines that name their writer fit.
    pub fn names_writer(&self) -> bool {
        self.worker.is_some() || self.step.is_some()
    }
}

/// One page of a job's log, oldest line first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
pub struct LogPage {
    /// The lines.
    pub logs: Vec<LogEntry>,
    /// Send it to go on from here; also when there is nothing new yet. `None`: the log is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
    /// What a reader should know, for instance that the log is shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_fits_by_time_and_by_who_wrote_it() {
        let entry = LogEntry { worker_id: Some("w-1".into()), step_name: Some("s1".into()), ..LogEntry::default() };
        let all = LogQuery::default;
        let some = |text: &str| Some(text.to_owned());
        for (query, at_ms, fits) in [
            (LogQuery { until_ms: Some(5), ..all() }, Some(5), true),
            (LogQuery { until_ms: Some(5), ..all() }, Some(6), false),
            (LogQuery { until_ms: Some(5), ..all() }, None, true),
            (LogQuery { since_ms: Some(5), ..all() }, Some(4), false),
            (LogQuery { worker: some("w-1"), step: some("s1"), ..all() }, None, true),
            (LogQuery { worker: some("w-"), ..all() }, None, false),
            (LogQuery { step: some("s10"), ..all() }, None, false),
        ] {
            assert_eq!(query.admits(&entry, at_ms), fits, "{query:?} {at_ms:?}");
        }
        let anonymous = LogEntry::default();
        assert!(!LogQuery { worker: some(""), ..all() }.admits(&anonymous, None));
        assert!(!LogQuery { step: some("s1"), ..all() }.admits(&anonymous, None));
    }

    #[test]
    fn a_query_is_over_once_its_end_lies_behind() {
        let until = LogQuery { until_ms: Some(5), ..LogQuery::default() };
        assert_eq!((until.is_over(5), until.is_over(6)), (false, true));
        assert!(!LogQuery::default().is_over(u64::MAX));
    }
}
