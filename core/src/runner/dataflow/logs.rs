//! Logs: what Dataflow says about a job, its job messages and what its autoscaler did, and what workers write.

use super::{
    Dataflow,
    flow::native_id,
    request,
    response::{self, AutoscalingEvent, Message, MessagePage},
};
use crate::{
    clock::{rfc3339, unix_ms},
    error::Error,
    job::{Job, LogEntry, LogPage, LogQuery, Severity},
    text::{clean, clean_line},
};

/// Longest message that is kept.
const MESSAGE_BYTES: usize = 8 << 10;
/// Pages of messages that are read for one answer: 4,000 messages.
const MOST_PAGES: usize = 20;
const MORE: &str = "there are more messages than are read at once: go on with next_page_token";
const OLDER: &str = "there are older messages than these: read them from `page_token` `start` on";
/// The time before the end whose messages are asked for first, where there are more.
const FIRST_SPAN_MS: u64 = 60_000;

/// Where a page ended: the time of its last entry, and how many entries of that time were shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) at_ms: u64,
    pub(super) shown: usize,
}

#[derive(Debug)]
pub(super) struct Placed {
    pub(super) at_ms: u64,
    pub(super) entry: LogEntry,
}

impl Dataflow {
    pub(super) async fn log_page(&self, job: &Job, query: &LogQuery) -> Result<LogPage, Error> {
        let from = query.page_token.as_deref().map(place).transpose()?;
        let start_ms = from.map(|place| place.at_ms).max(query.since_ms).filter(|ms| *ms > 0);
        let (mut placed, whole) = self.messages(job, query, start_ms).await?;
        let mut more = (!whole).then_some(MORE);
        if !whole && from.is_none() {
            (placed, more) = self.newest(job, query, placed).await?;
        }
        let workers = self.worker_log(job, query, start_ms, from).await?;
        placed.extend(workers.placed);
        placed.retain(|placed| workers.read_until_ms.is_none_or(|until_ms| placed.at_ms <= until_ms));
        placed.sort_by_key(|placed| placed.at_ms);
        let mut page = cut(placed, query, from);
        page.notes.push(workers.note);
        page.notes.extend(more.map(str::to_owned));
        if page.next_page_token.is_none() {
            page.next_page_token =
                workers.read_until_ms.map(|until_ms| token(from.unwrap_or_default().or_at(until_ms)));
        }
        let grows = !job.state.is_terminal() && !query.is_over(self.context.io.now().wall_ms);
        if page.next_page_token.is_none() && grows {
            page.next_page_token = Some(token(from.unwrap_or_default()));
        }
        Ok(page)
    }

    /// The newest messages of a job with more than are read from its first on (`read`): Dataflow lists the oldest first, so
    /// those of the last minute are asked for, then of eight times as long, until there are enough or they join what was
    /// read. With a note where neither is so.
    async fn newest(
        &self,
        job: &Job,
        query: &LogQuery,
        read: Vec<Placed>,
    ) -> Result<(Vec<Placed>, Option<&'static str>), Error> {
        let reached_ms = read.iter().map(|placed| placed.at_ms).max().unwrap_or_default();
        let latest_ms = job.ended_ms.unwrap_or(self.context.io.now().wall_ms);
        let end_ms = query.end_ms().map_or(latest_ms, |end_ms| end_ms.min(latest_ms));
        let (mut found, mut span_ms) = (Vec::new(), FIRST_SPAN_MS);
        loop {
            let start_ms = end_ms.saturating_sub(span_ms).max(reached_ms);
            let newer = match self.messages(job, query, Some(start_ms)).await {
                Ok((newer, true)) => newer,
                Err(error) if error.gave_up() => return Err(error),
                Ok((_, false)) | Err(_) if found.is_empty() => return Ok((read, Some(MORE))),
                Ok((_, false)) | Err(_) => return Ok((found, Some(OLDER))),
            };
            if start_ms == reached_ms {
                let older = read.into_iter().filter(|placed| placed.at_ms < reached_ms);
                return Ok((older.chain(newer).collect(), None));
            }
            let fitting = newer.iter().filter(|placed| query.admits(&placed.entry, Some(placed.at_ms))).count();
            if u32::try_from(fitting).unwrap_or(u32::MAX) >= query.max_results {
                return Ok((newer, None));
            }
            (found, span_ms) = (newer, span_ms.saturating_mul(8));
        }
    }

    /// Messages from a time on, and whether they are all.
    async fn messages(&self, job: &Job, query: &LogQuery, start_ms: Option<u64>) -> Result<(Vec<Placed>, bool), Error> {
        if query.names_writer() {
            // Dataflow's own words name neither worker nor step.
            return Ok((Vec::new(), true));
        }
        let (id, importance) = (native_id(job)?, importance(query.min_severity));
        let end = query.end_ms().map(rfc3339);
        let (mut placed, mut page) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let times = (start_ms.map(rfc3339), end.clone());
            let request = request::messages_request(&self.context.target, id, importance, times, page.as_deref());
            let answer = self.read(request, response::read::<MessagePage>).await?;
            let job_id = job.id.to_string();
            placed.extend(answer.job_messages.iter().map(|message| said(&job_id, message)));
            placed.extend(answer.autoscaling_events.iter().map(|event| scaled(&job_id, event)));
            if answer.next_page_token.is_empty() {
                return Ok((placed, true));
            }
            page = Some(answer.next_page_token);
        }
        Ok((placed, false))
    }
}

/// Without a severity, all but what is for developers of Dataflow.
fn importance(least: Option<Severity>) -> &'static str {
    match least {
        Some(Severity::Default | Severity::Debug) => "JOB_MESSAGE_DEBUG",
        None => "JOB_MESSAGE_DETAILED",
        Some(Severity::Info) => "JOB_MESSAGE_BASIC",
        Some(Severity::Warn) => "JOB_MESSAGE_WARNING",
        Some(Severity::Error | Severity::Fatal) => "JOB_MESSAGE_ERROR",
    }
}

fn severity(word: &str) -> Severity {
    match word {
        "JOB_MESSAGE_DEBUG" | "JOB_MESSAGE_DETAILED" => Severity::Debug,
        "JOB_MESSAGE_BASIC" => Severity::Info,
        "JOB_MESSAGE_WARNING" => Severity::Warn,
        "JOB_MESSAGE_ERROR" => Severity::Error,
        _ => Severity::Default,
    }
}

fn said(job_id: &str, message: &Message) -> Placed {
    placed(job_id, &message.time, severity(&message.importance), &message.text, "job messages")
}

fn scaled(job_id: &str, event: &AutoscalingEvent) -> Placed {
    let workers = |count: Option<i64>| count.map_or_else(|| "?".into(), |count| count.to_string());
    let pool = if event.worker_pool.is_empty() { String::new() } else { format!(" of {}", event.worker_pool) };
    let (current, target) = (workers(event.current_num_workers), workers(event.target_num_workers));
    let text = &event.description.text;
    let text = format!("{}{pool}: {current} workers, {target} wanted. {text}", event.event_type);
    let severity = if event.event_type == "ACTUATION_FAILURE" { Severity::Warn } else { Severity::Info };
    placed(job_id, &event.time, severity, &text, "autoscaling")
}

pub(super) fn placed(job_id: &str, time: &str, severity: Severity, text: &str, source: &str) -> Placed {
    let at_ms = unix_ms(time);
    let entry = LogEntry {
        timestamp: at_ms.map(|_| clean_line(time, 64)),
        severity,
        message: clean(text, MESSAGE_BYTES),
        job_id: job_id.to_owned(),
        source: source.to_owned(),
        ..LogEntry::default()
    };
    Placed { at_ms: at_ms.unwrap_or(0), entry }
}

/// The newest entries, or, after a place, the next ones.
fn cut(placed: Vec<Placed>, query: &LogQuery, from: Option<Place>) -> LogPage {
    let most = usize::try_from(query.max_results).unwrap_or(usize::MAX);
    let fitting = placed.into_iter().filter(|placed| query.admits(&placed.entry, Some(placed.at_ms)));
    let mut fitting: Vec<Placed> = match from {
        Some(from) => after(fitting, from),
        None => fitting.collect(),
    };
    let mut begin = from.unwrap_or_default();
    if from.is_some() {
        fitting.truncate(most);
    } else {
        let skipped: Vec<Placed> = fitting.drain(..fitting.len().saturating_sub(most)).collect();
        begin = skipped.iter().fold(begin, Place::after);
    }
    let end = fitting.iter().fold(begin, Place::after);
    let next_page_token = (!fitting.is_empty()).then(|| token(end));
    LogPage { logs: fitting.into_iter().map(|placed| placed.entry).collect(), next_page_token, notes: Vec::new() }
}

fn after(all: impl Iterator<Item = Placed>, from: Place) -> Vec<Placed> {
    let mut same = 0;
    all.filter(|placed| {
        same += usize::from(placed.at_ms == from.at_ms);
        placed.at_ms > from.at_ms || (placed.at_ms == from.at_ms && same > from.shown)
    })
    .collect()
}

impl Place {
    /// Where nothing more is to be shown before a time.
    fn or_at(self, until_ms: u64) -> Self {
        if until_ms > self.at_ms { Self { at_ms: until_ms, shown: 0 } } else { self }
    }

    fn after(self, placed: &Placed) -> Self {
        let shown = if placed.at_ms == self.at_ms { self.shown + 1 } else { 1 };
        Self { at_ms: placed.at_ms, shown }
    }
}

fn place(token: &str) -> Result<Place, Error> {
    if token == LogQuery::START {
        return Ok(Place::default());
    }
    let parts = token.split_once('.').and_then(|(at, shown)| Some((at.parse().ok()?, shown.parse().ok()?)));
    let (at_ms, shown) = parts.ok_or_else(|| {
        Error::invalid("bad_page_token", "the page token is not one this job's log gave out")
            .suggest("leave page_token out, or send `start`, to begin again")
    })?;
    Ok(Place { at_ms, shown })
}

fn token(place: Place) -> String {
    format!("{}.{}", place.at_ms, place.shown)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        effect::Reply,
        runner::{
            Backend,
            dataflow::testing::{Played, answer, job, play, target},
        },
    };

    const FIRST: &str = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED&pageSize=200";

    fn message(second: u32, text: &str) -> Value {
        json!({"id": "x", "time": format!("2026-11-25T20:00:{second:02}.000Z"), "messageText": text,
            "messageImportance": "JOB_MESSAGE_BASIC"})
    }

    fn logs(query: LogQuery, script: Vec<(&'static str, Reply)>) -> Played<LogPage> {
        play(target(), script, |it| async move { it.logs(&job(), &query).await })
    }

    fn asked(max_results: u32, page_token: Option<&str>) -> LogQuery {
        LogQuery { max_results, page_token: page_token.map(str::to_owned), ..LogQuery::default() }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.logs.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn the_newest_page_comes_first_and_the_next_goes_on_from_there() {
        let second = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED&pageSize=200&pageToken=p%2F2";
        let one = answer(200, json!({"jobMessages": [message(1, "a"), message(2, "b")], "nextPageToken": "p/2"}));
        let event = json!({"time": "2026-11-25T20:00:03.000Z", "eventType": "TARGET_NUM_WORKERS_CHANGED",
            "currentNumWorkers": "1", "targetNumWorkers": "4", "description": {"messageText": "Raised."}});
        let two = answer(200, json!({"jobMessages": [message(2, "c")], "autoscalingEvents": [event]}));
        let page = logs(asked(2, None), vec![(FIRST, one), (second, two)]).end.unwrap();
        assert_eq!(texts(&page), ["c", "TARGET_NUM_WORKERS_CHANGED: 1 workers, 4 wanted. Raised."]);
        assert_eq!((page.logs[1].source.as_str(), page.logs[1].severity), ("autoscaling", Severity::Info));
        let token = page.next_page_token.unwrap();
        assert_eq!(token, "1795636803000.1");
        let from = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED\
                    &startTime=2026-11-25T20%3A00%3A03.000Z&pageSize=200";
        let more = json!({"jobMessages": [message(3, "d"), message(4, "e")]});
        let next = logs(asked(5, Some("1795636803000.1")), vec![(from, answer(200, more.clone()))]).end.unwrap();
        assert_eq!(texts(&next), ["e"], "as many of the same moment as were shown are passed over");
        let none = logs(
            asked(5, Some("1795636804000.1")),
            vec![(&*from.replace("03.000", "04.000").leak(), answer(200, json!({})))],
        );
        let none = none.end.unwrap();
        assert_eq!((none.logs.len(), none.next_page_token.as_deref()), (0, Some("1795636804000.1")));
    }

    #[test]
    fn the_newest_of_more_messages_than_are_read_are_asked_for_by_their_time() {
        let page = |token: u32| match token {
            0 => FIRST.to_owned(),
            n => format!("{FIRST}&pageToken={n}"),
        };
        let old = |n: u32| json!({"jobMessages": [message(n, "old")], "nextPageToken": format!("{}", n + 1)});
        let mut script: Vec<(&'static str, Reply)> = (0..20).map(|n| (&*page(n).leak(), answer(200, old(n)))).collect();
        // The job ended at 20:30:00: the last minute has one message, the eight before it enough.
        let from = |time: &str| {
            let start = format!("&startTime=2026-11-25T20%3A{time}.000Z&pageSize");
            &*FIRST.replace("&pageSize", &start).leak()
        };
        let at = |time: &str, text: &str| json!({"time": format!("2026-11-25T20:{time}Z"), "messageText": text});
        script.push((from("29%3A00"), answer(200, json!({"jobMessages": [at("29:59", "d")]}))));
        let all = json!({"jobMessages": [at("23:00", "b"), at("24:00", "c"), at("29:59", "d")]});
        script.push((from("22%3A00"), answer(200, all)));
        let page = play(target(), script, |it| async move {
            let job = Job { ended_ms: Some(1_795_638_600_000), ..job() };
            it.logs(&job, &asked(2, None)).await
        });
        let page = page.end.unwrap();
        assert_eq!(texts(&page), ["c", "d"]);
        assert!(!page.notes.iter().any(|note| note.contains("more messages")), "{:?}", page.notes);
    }

    #[test]
    fn what_is_newer_than_what_was_read_joins_it_where_it_is_not_enough() {
        let page = |token: u32| match token {
            0 => FIRST.to_owned(),
            n => format!("{FIRST}&pageToken={n}"),
        };
        let old = |n: u32| json!({"jobMessages": [message(n, "old")], "nextPageToken": format!("{}", n + 1)});
        let script = |rest: Vec<(&'static str, Reply)>| {
            let first = (0..20).map(|n| (&*page(n).leak(), answer(200, old(n))));
            first.chain(rest).collect::<Vec<(&'static str, Reply)>>()
        };
        let from = |time: &str| {
            let start = format!("&startTime=2026-11-25T20%3A{time}.000Z&pageSize");
            &*FIRST.replace("&pageSize", &start).leak()
        };
        let logs = |script| {
            play(target(), script, |it| async move {
                let job = Job { ended_ms: Some(1_795_636_890_000), ..job() };
                it.logs(&job, &asked(4, None)).await
            })
        };
        // The job ended at 20:01:30, so eight minutes before are more than there is.
        let (none, joined) = (json!({}), json!({"jobMessages": [message(19, "old"), message(40, "new")]}));
        let rest = vec![(from("00%3A30"), answer(200, none.clone())), (from("00%3A19"), answer(200, joined))];
        let page = logs(script(rest)).end.unwrap();
        assert_eq!(texts(&page), ["old", "old", "old", "new"], "nothing between is left out");
        // Where the second look fails, what is there is told, and that there is more.
        let rest = vec![(from("00%3A30"), answer(200, none)), (from("00%3A19"), answer(400, json!({})))];
        let page = logs(script(rest)).end.unwrap();
        assert_eq!(texts(&page), ["old"; 4]);
        assert!(page.notes.iter().any(|note| note == MORE), "{:?}", page.notes);
    }

    #[test]
    fn filters_are_the_services_where_it_has_them_and_ours_elsewhere() {
        let query = LogQuery {
            max_results: 9,
            min_severity: Some(Severity::Warn),
            contains: Some("quota".into()),
            since_ms: Some(1_795_636_800_000),
            ..LogQuery::default()
        };
        let call = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_WARNING\
                    &startTime=2026-11-25T20%3A00%3A00.000Z&pageSize=200";
        let warn = |text: &str| json!({"time": "2026-11-25T20:00:09Z", "messageText": text, "messageImportance": "JOB_MESSAGE_WARNING"});
        let body = json!({"jobMessages": [warn("over quota"), warn("other")]});
        assert_eq!(texts(&logs(query, vec![(call, answer(200, body))]).end.unwrap()), ["over quota"]);
        assert_eq!(place(LogQuery::START).unwrap(), Place::default());
        assert_eq!(logs(asked(1, Some("x")), vec![]).reason(), "bad_page_token");
    }
}
