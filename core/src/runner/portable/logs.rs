//! A job's messages as log entries.
//!
//! # Shape
//! Services send what they kept from the oldest on, each time. A page token names the last message that was read: it is
//! looked for, and the page begins behind it; where it is no longer kept, with the oldest.

use super::flow;
use crate::{
    clock::{moment_ms, rfc3339},
    error::Error,
    job::{Job, LogEntry, LogPage, LogQuery, Severity},
    job_api::message::Event,
    runner::Context,
    text,
};

/// Most bytes of one entry.
const ENTRY: usize = 8 << 10;

pub(super) async fn logs(context: &Context, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
    let entry = flow::entry(context, job).await?;
    let events = flow::events(context, &entry.id).await?;
    let ended = super::response::state(entry.state).is_some_and(crate::job::JobState::is_terminal);
    let over = ended || query.is_over(context.io.now().wall_ms);
    page(&job.id.to_string(), query, &events, over)
}

fn page(job_id: &str, query: &LogQuery, events: &[Event], over: bool) -> Result<LogPage, Error> {
    let messages: Vec<_> = events.iter().filter_map(message).collect();
    let (from, is_gap) = start(query.page_token.as_deref(), &messages)?;
    let most = usize::try_from(query.max_results.clamp(1, 1000)).unwrap_or(1000);
    let read = messages.iter().enumerate().skip(from).map(|(index, message)| (index, message.entry(job_id)));
    let fitting: Vec<_> =
        read.filter(|(_, entry)| query.admits(entry, entry.timestamp.as_deref().and_then(moment_ms))).collect();
    let skip = if query.page_token.is_none() { fitting.len().saturating_sub(most) } else { 0 };
    let shown: Vec<_> = fitting.into_iter().skip(skip).collect();
    let cut = shown.get(most).map(|(index, _)| *index);
    let last = cut.unwrap_or(messages.len()).checked_sub(1).and_then(|index| messages.get(index));
    let token = last.map_or_else(|| Some(LogQuery::START.to_owned()), |message| Some(message.print()));
    let complete = over && cut.is_none();
    Ok(LogPage {
        logs: shown.into_iter().take(most).map(|(_, entry)| entry).collect(),
        next_page_token: token.filter(|_| !complete),
        notes: notes(query, &messages, is_gap),
    })
}

fn notes(query: &LogQuery, messages: &[Message<'_>], is_gap: bool) -> Vec<String> {
    let is_timeless = messages.iter().any(|message| message.at_ms().is_none());
    let rows = [
        (is_gap, "the service no longer keeps the message the last page ended with: some may be missing"),
        (
            query.is_timed() && is_timeless,
            "messages carry no time with a zone, so a limit in time leaves none of them out",
        ),
        (messages.is_empty(), "the service keeps no messages of this job; its workers log where they run"),
    ];
    rows.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned()).collect()
}

struct Message<'a> {
    id: &'a str,
    time: &'a str,
    importance: u64,
    text: &'a str,
}

fn message(event: &Event) -> Option<Message<'_>> {
    match event {
        Event::Message { id, time, importance, text } => Some(Message { id, time, importance: *importance, text }),
        Event::State(_) => None,
    }
}

impl Message<'_> {
    fn entry(&self, job_id: &str) -> LogEntry {
        LogEntry {
            timestamp: self.at_ms().map(rfc3339),
            severity: severity(self.importance),
            message: text::clean(self.text.trim_end(), ENTRY),
            job_id: job_id.to_owned(),
            source: "messages".into(),
            ..LogEntry::default()
        }
    }

    /// Its time, where it names one moment: Beam's Python service writes the time of its own zone, and not which.
    fn at_ms(&self) -> Option<u64> {
        moment_ms(self.time)
    }

    /// A number that differs where the message does.
    fn print(&self) -> String {
        let all = [self.id, self.time, self.text].into_iter().flat_map(|part| part.bytes().chain([0]));
        // FNV-1a: short, and nobody gains from a collision.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("{:016x}", all.fold(0xcbf2_9ce4_8422_2325, hash))
    }
}

fn severity(importance: u64) -> Severity {
    match importance {
        1 | 2 => Severity::Debug,
        3 => Severity::Info,
        4 => Severity::Warn,
        5 => Severity::Error,
        _ => Severity::Default,
    }
}

/// Where a page begins, and whether what came before it may be missing.
fn start(token: Option<&str>, messages: &[Message<'_>]) -> Result<(usize, bool), Error> {
    let Some(token) = token.filter(|token| *token != LogQuery::START) else { return Ok((0, false)) };
    if token.len() != 16 || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::invalid("bad_page_token", "the page token is not one of this job's log")
            .suggest("send next_page_token of the last answer unchanged, `start`, or none"));
    }
    Ok(messages.iter().rposition(|message| message.print() == token).map_or((0, true), |index| (index + 1, false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(texts: &[&str]) -> Vec<Event> {
        let message = |text: &&str| Event::Message {
            id: String::new(),
            time: String::new(),
            importance: if text.starts_with("bad") { 5 } else { 3 },
            text: (*text).into(),
        };
        texts.iter().map(message).collect()
    }

    fn asked(max_results: u32, token: Option<String>) -> LogQuery {
        LogQuery { max_results, page_token: token, ..LogQuery::default() }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.logs.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn pages_go_on_behind_the_last_message() {
        let all = events(&["a", "b", "c", "bad d"]);
        let first = page("j", &asked(2, Some(LogQuery::START.into())), &all, false).unwrap();
        assert_eq!(texts(&first), ["a", "b"]);
        let second = page("j", &asked(9, first.next_page_token), &all, false).unwrap();
        assert_eq!((texts(&second), second.logs[1].severity), (vec!["c", "bad d"], Severity::Error));
        let third = page("j", &asked(9, second.next_page_token.clone()), &all, false).unwrap();
        assert_eq!((texts(&third), &third.next_page_token), (vec![], &second.next_page_token));
        let last = page("j", &asked(9, third.next_page_token), &events(&["bad d", "e"]), true).unwrap();
        assert_eq!((texts(&last), last.next_page_token.as_deref()), (vec!["e"], None));
    }

    #[test]
    fn what_is_no_longer_kept_is_said_to_be_missing() {
        let old = page("j", &asked(9, None), &events(&["a"]), false).unwrap();
        let new = page("j", &asked(9, old.next_page_token), &events(&["x", "y"]), false).unwrap();
        assert_eq!((texts(&new), new.notes.len()), (vec!["x", "y"], 1));
        assert_eq!(page("j", &asked(9, Some("x".into())), &[], false).unwrap_err().reason(), "bad_page_token");
    }

    #[test]
    fn a_time_is_kept_where_it_names_a_moment() {
        let at = |time: &str| Event::Message { id: String::new(), time: time.into(), importance: 3, text: time.into() };
        let all = [at("2026-11-20T10:00:00+01:00"), at("2026-11-20T09:30:00Z"), at("2026-11-20 09:00:00.")];
        let until = LogQuery { until_ms: moment_ms("2026-11-20T09:10:00Z"), ..asked(9, None) };
        let shown = page("j", &until, &all, true).unwrap();
        let times: Vec<_> = shown.logs.iter().map(|entry| entry.timestamp.as_deref()).collect();
        assert_eq!((times, shown.notes.len()), (vec![Some("2026-11-20T09:00:00.000Z"), None], 1));
        assert!(page("j", &until, &all[..2], true).unwrap().notes.is_empty());
    }

    #[test]
    fn without_a_token_the_end_is_shown() {
        let shown = page("j", &asked(2, None), &events(&["a", "b", "c"]), true).unwrap();
        assert_eq!((texts(&shown), shown.next_page_token.as_deref()), (vec!["b", "c"], None));
    }
}
