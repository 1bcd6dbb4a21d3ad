//! A child's output files as log entries, in pages.
//!
//! # Shape
//! A page token is `<stderr offset>.<stdout offset>` in bytes; `0.0` reads from the start, no token the end.

use crate::{
    effect::{Fact, Handle, LogStream, Query},
    error::Error,
    job::{Job, LogEntry, LogPage, LogQuery, Severity},
    runner::Context,
    text,
};

/// Most bytes read of each file for one page.
const CHUNK: u64 = 256 << 10;
/// Most bytes of one entry.
const LINE: usize = 8 << 10;

/// One page of what a child of the job wrote; `lives` where the host cannot tell by the handle.
///
/// # Errors
/// `invalid_argument`, reason `bad_page_token`, and the host's.
pub(in crate::runner) async fn read(
    context: &Context,
    child: Handle,
    job: &Job,
    query: &LogQuery,
    lives: Option<bool>,
) -> Result<LogPage, Error> {
    let start = start(query.page_token.as_deref())?;
    let mut facts = context.io.observe(child, queries(start)).await?;
    if let (Some(Fact::Alive { alive, .. }), Some(lives)) = (facts.first_mut(), lives) {
        *alive = lives;
    }
    Ok(page(&job.id.to_string(), query, &facts))
}

/// Where a page begins; `None`: near the end.
fn start(token: Option<&str>) -> Result<Option<(u64, u64)>, Error> {
    let Some(token) = token else { return Ok(None) };
    if token == LogQuery::START {
        return Ok(Some((0, 0)));
    }
    let offsets = token.split_once('.').and_then(|(err, out)| Some((err.parse().ok()?, out.parse().ok()?)));
    offsets.map(Some).ok_or_else(|| {
        Error::invalid("bad_page_token", "the page token is not one of this job's log")
            .suggest("send next_page_token of the last answer unchanged, `start`, or none")
    })
}

fn queries(start: Option<(u64, u64)>) -> Vec<Query> {
    vec![
        Query::Alive,
        Query::Log { stream: LogStream::Stderr, from: start.map(|(err, _)| err), max: CHUNK },
        Query::Log { stream: LogStream::Stdout, from: start.map(|(_, out)| out), max: CHUNK },
    ]
}

/// A stream's part of a page.
struct Part {
    /// With the offset at which each line begins.
    entries: Vec<(LogEntry, u64)>,
    /// Offset after the last line that was read.
    read_to: u64,
    size: u64,
}

/// The page of an observation.
fn page(job_id: &str, query: &LogQuery, facts: &[Fact]) -> LogPage {
    let alive = facts.iter().any(|fact| matches!(fact, Fact::Alive { alive: true, .. }));
    let tail = query.page_token.is_none();
    let mut logs = facts.iter().filter(|fact| matches!(fact, Fact::Log { .. }));
    let mut read = |source| part(logs.next(), &Reading { job_id, query, source, alive, tail });
    let (mut err, mut out) = (read("stderr"), read("stdout"));
    let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
    if tail {
        keep_last(&mut err, &mut out, most);
    } else {
        keep_first(&mut err, &mut out, most);
    }
    let complete = !alive && err.read_to >= err.size && out.read_to >= out.size;
    LogPage {
        next_page_token: (!complete).then(|| format!("{}.{}", err.read_to, out.read_to)),
        logs: err.entries.into_iter().chain(out.entries).map(|(entry, _)| entry).collect(),
        notes: notes(query),
    }
}

fn notes(query: &LogQuery) -> Vec<String> {
    let untimed = "the lines carry no time of their own, so a limit in time does not leave any out";
    query.is_timed().then(|| untimed.to_owned()).into_iter().collect()
}

struct Reading<'a> {
    job_id: &'a str,
    query: &'a LogQuery,
    source: &'static str,
    alive: bool,
    tail: bool,
}

fn part(fact: Option<&Fact>, reading: &Reading<'_>) -> Part {
    let Some(Fact::Log { from, size, data }) = fact else {
        return Part { entries: Vec::new(), read_to: 0, size: 0 };
    };
    let mut part = Part { entries: Vec::new(), read_to: *from, size: *size };
    let mut in_traceback = false;
    for (index, (line, begin)) in lines(data.as_slice(), *from, *size, reading.alive).into_iter().enumerate() {
        part.read_to = begin + line.len() as u64;
        let cut_in_front = reading.tail && *from > 0 && index == 0;
        let message = text::clean(String::from_utf8_lossy(line).trim_end(), LINE);
        if cut_in_front || message.is_empty() {
            continue;
        }
        let severity = severity(&message, &mut in_traceback);
        let (job_id, source) = (reading.job_id.to_owned(), reading.source.to_owned());
        let entry = LogEntry { severity, message, job_id, source, ..LogEntry::default() };
        if reading.query.admits(&entry, None) {
            part.entries.push((entry, begin));
        }
    }
    part
}

/// Lines with the offset of each. The last one without a line break waits for its end, unless none can come or it
/// fills a whole read.
fn lines(data: &[u8], from: u64, size: u64, alive: bool) -> Vec<(&[u8], u64)> {
    let mut begin = from;
    let mut lines = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let length = line.len() as u64;
        let last_word = !alive && begin + length >= size;
        if line.ends_with(b"\n") || last_word || length >= CHUNK {
            lines.push((line, begin));
        }
        begin += length;
    }
    lines
}

/// Keeps entries from the front; the next page begins at the first one left out.
fn keep_first(err: &mut Part, out: &mut Part, most: usize) {
    cut_back(err, most);
    cut_back(out, most - err.entries.len());
}

fn cut_back(part: &mut Part, most: usize) {
    if let Some((_, begin)) = part.entries.get(most) {
        part.read_to = *begin;
        part.entries.truncate(most);
    }
}

/// Keeps entries from the end, at least half of the room for each stream that has so many.
fn keep_last(err: &mut Part, out: &mut Part, most: usize) {
    let (errs, outs) = (err.entries.len(), out.entries.len());
    let kept_outs = outs.min((most / 2).max(most.saturating_sub(errs)));
    let kept_errs = errs.min(most - kept_outs);
    err.entries.drain(..errs - kept_errs);
    out.entries.drain(..outs - kept_outs);
}

/// The severity a line names in its first words (`INFO:root:…`, `2026-11-20 … WARN …`), or that of the traceback it
/// belongs to.
fn severity(line: &str, in_traceback: &mut bool) -> Severity {
    if line.starts_with("Traceback (most recent call last)") {
        *in_traceback = true;
        return Severity::Error;
    }
    if *in_traceback {
        *in_traceback = line.starts_with([' ', '\t']);
        return Severity::Error;
    }
    let words = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.take(8).find_map(level).unwrap_or_default()
}

fn level(word: &str) -> Option<Severity> {
    Some(match word {
        "TRACE" | "DEBUG" => Severity::Debug,
        "INFO" => Severity::Info,
        "WARN" | "WARNING" => Severity::Warn,
        "ERROR" | "SEVERE" => Severity::Error,
        "FATAL" | "CRITICAL" => Severity::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use Severity as S;

    use super::*;

    fn facts(alive: bool, err: (u64, &str), out: (u64, &str)) -> Vec<Fact> {
        let log = |(from, text): (u64, &str)| Fact::Log { from, size: from + text.len() as u64, data: text.into() };
        vec![Fact::Alive { alive, exit_code: None, signal: None, limit: None, released: true }, log(err), log(out)]
    }

    fn asked(max_results: u32, page_token: Option<&str>) -> LogQuery {
        LogQuery { max_results, page_token: page_token.map(Into::into), ..LogQuery::default() }
    }

    fn messages(page: &LogPage) -> Vec<&str> {
        page.logs.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let (err, out) = ("INFO:a:1\nINFO:a:2\n", "x\nhalf");
        let first = page("j", &asked(1, Some("0.0")), &facts(true, (0, err), (0, out)));
        assert_eq!((messages(&first), first.next_page_token.as_deref()), (vec!["INFO:a:1"], Some("9.0")));
        let second = page("j", &asked(9, Some("9.0")), &facts(true, (9, &err[9..]), (0, out)));
        assert_eq!((messages(&second), second.next_page_token.as_deref()), (vec!["INFO:a:2", "x"], Some("18.2")));
        let last = page("j", &asked(9, Some("18.2")), &facts(false, (18, ""), (2, "half")));
        assert_eq!((messages(&last), last.next_page_token.as_deref()), (vec!["half"], None));
    }

    #[test]
    fn the_tail_shows_both_streams_and_no_cut_line() {
        let err = "cut off\ne1\ne2\ne3\ne4\n";
        let shown = page("j", &asked(4, None), &facts(true, (100, err), (0, "o1\no2\no3\n")));
        assert_eq!(messages(&shown), ["e3", "e4", "o2", "o3"]);
        let few = page("j", &asked(4, None), &facts(true, (100, err), (0, "o1\n")));
        assert_eq!(messages(&few), ["e2", "e3", "e4", "o1"]);
    }

    #[test]
    fn severities_are_read_and_a_traceback_is_an_error() {
        let text = "INFO:root:no ERROR here\n2026-11-20 10:00:00,123 WARN x\nTraceback (most recent call last):\n  File\n\
                    ValueError: bad\nplain\n";
        let all = page("j", &asked(99, None), &facts(true, (0, text), (0, "")));
        let found: Vec<_> = all.logs.iter().map(|entry| entry.severity).collect();
        assert_eq!(found, [S::Info, S::Warn, S::Error, S::Error, S::Error, S::Default]);
        let query = LogQuery { min_severity: Some(S::Error), contains: Some("bad".into()), ..asked(99, None) };
        assert_eq!(messages(&page("j", &query, &facts(true, (0, text), (0, "")))), ["ValueError: bad"]);
    }

    #[test]
    fn hostile_text_and_endless_lines_do_no_harm() {
        let long = "a".repeat(usize::try_from(CHUNK).unwrap());
        let shown = page("j", &asked(9, Some("0.0")), &facts(true, (0, &long), (0, "\u{1b}[2Jevil\n\0\0\n")));
        assert!(shown.logs[0].message.len() <= LINE + 4);
        assert_eq!(shown.next_page_token.unwrap(), format!("{CHUNK}.{}", 9 + 3));
        assert_eq!(shown.logs[1].message, "evil");
        assert_eq!(start(Some(LogQuery::START)).unwrap(), Some((0, 0)));
        for bad in ["", "1", "a.b", "1.2.3", "-1.0"] {
            assert_eq!(start(Some(bad)).unwrap_err().reason(), "bad_page_token", "{bad}");
        }
    }
}
