//! What the workers of a job write. It is in Cloud Logging, another service: what keeps us from reading it there keeps
//! nobody from reading what Dataflow itself says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Dataflow,
    flow::native_id,
    logs::{Place, Placed, placed},
    request, response,
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Job, LogEntry, LogQuery, Severity},
    text::clean_line,
    url::decode,
};

/// Most entries Cloud Logging gives at once.
const MOST_OF_A_PAGE: u32 = 1_000;
/// Pages that are asked for while they hold nothing that is to be shown.
const MOST_PAGES: usize = 10;
const NAME_BYTES: usize = 256;
/// Where the logs of a Dataflow job lie; job messages are among them, and are read from Dataflow itself.
const LOGS: &str = "dataflow.googleapis.com/";

/// What was read of the workers' log.
#[derive(Debug, Default)]
pub(super) struct WorkerLog {
    pub(super) placed: Vec<Placed>,
    /// After this, entries were left unread: nothing later may be shown before they are.
    pub(super) read_until_ms: Option<u64>,
    pub(super) note: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entries {
    entries: Vec<Entry>,
    next_page_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    log_name: String,
    timestamp: String,
    severity: String,
    text_payload: String,
    json_payload: Map<String, Value>,
    labels: BTreeMap<String, String>,
    resource: Resource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource {
    labels: BTreeMap<String, String>,
}

impl Dataflow {
    /// The newest entries, or, from a place on, the first.
    pub(super) async fn worker_log(
        &self,
        job: &Job,
        query: &LogQuery,
        start_ms: Option<u64>,
        from: Option<Place>,
    ) -> Result<WorkerLog, Error> {
        let filter = filter(native_id(job)?, query, start_ms);
        match self.entries(&filter, query, from).await {
            Ok(Some((entries, more))) => Ok(read(&job.id.to_string(), &entries, more, start_ms, from)),
            Ok(None) => Ok(untold("what workers write is in Cloud Logging, and the target has no `logging_url`")),
            Err(error) if error.gave_up() => Err(error),
            Err(error) => {
                Ok(untold(&format!("what workers write could not be read from Cloud Logging: {}", error.message())))
            }
        }
    }

    /// Entries up to the first page with news, and whether there are more. An empty page may have others after it.
    async fn entries(
        &self,
        filter: &str,
        query: &LogQuery,
        from: Option<Place>,
    ) -> Result<Option<(Vec<Entry>, bool)>, Error> {
        let (mut entries, mut page) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let body = self.page_of_entries(filter, query, from, &page);
            let Some(request) = request::entries_request(&self.context.target, body) else { return Ok(None) };
            let answer = response::read::<Entries>(&self.context.send_aside(request).await?)?;
            entries.extend(answer.entries);
            page = answer.next_page_token;
            if page.is_empty() || has_news(&entries, query, from) {
                break;
            }
        }
        Ok(Some((entries, !page.is_empty())))
    }

    fn page_of_entries(&self, filter: &str, query: &LogQuery, from: Option<Place>, page: &str) -> Value {
        // What was shown of the moment a page begins at comes once more.
        let shown = from.and_then(|from| u32::try_from(from.shown).ok()).unwrap_or_default();
        let mut body = Map::new();
        let project = self.context.target.project.as_deref().unwrap_or_default();
        body.insert("resourceNames".into(), json!([format!("projects/{project}")]));
        body.insert("filter".into(), filter.into());
        body.insert("orderBy".into(), if from.is_none() { "timestamp desc" } else { "timestamp asc" }.into());
        body.insert("pageSize".into(), query.max_results.saturating_add(shown).clamp(1, MOST_OF_A_PAGE).into());
        if !page.is_empty() {
            body.insert("pageToken".into(), page.into());
        }
        body.into()
    }
}

/// True where an entry is to be shown that was not.
fn has_news(entries: &[Entry], query: &LogQuery, from: Option<Place>) -> bool {
    let from = from.unwrap_or_default();
    let placed = entries.iter().map(|entry| written("", entry));
    let fitting: Vec<u64> =
        placed.filter(|placed| query.admits(&placed.entry, Some(placed.at_ms))).map(|placed| placed.at_ms).collect();
    fitting.len() > from.shown || fitting.iter().any(|at_ms| *at_ms > from.at_ms)
}

fn untold(note: &str) -> WorkerLog {
    WorkerLog { note: note.to_owned(), ..WorkerLog::default() }
}

fn read(job_id: &str, entries: &[Entry], more: bool, start_ms: Option<u64>, from: Option<Place>) -> WorkerLog {
    let mut placed: Vec<Placed> = entries.iter().map(|entry| written(job_id, entry)).collect();
    if from.is_none() {
        placed.reverse();
    }
    let last = placed.last().map_or(start_ms.unwrap_or_default(), |last| last.at_ms);
    let read_until_ms = (more && from.is_some()).then_some(last);
    WorkerLog { placed, read_until_ms, note: "what workers write is read from Cloud Logging".to_owned() }
}

/// In the query language of Cloud Logging, whose texts are quoted as in JSON.
fn filter(id: &str, query: &LogQuery, start_ms: Option<u64>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut parts = vec![
        format!("resource.type={}", quoted("dataflow_step")),
        format!("resource.labels.job_id={}", quoted(id)),
        format!("NOT log_id({})", quoted(&format!("{LOGS}job-message"))),
    ];
    parts.extend(query.min_severity.and_then(least).map(|word| format!("severity>={word}")));
    parts.extend(start_ms.map(|ms| format!("timestamp>={}", quoted(&rfc3339(ms)))));
    parts.extend(query.end_ms().map(|ms| format!("timestamp<{}", quoted(&rfc3339(ms)))));
    parts.extend(
        query.worker.as_deref().map(quoted).map(|name| {
            format!("(jsonPayload.worker={name} OR labels.\"compute.googleapis.com/resource_name\"={name})")
        }),
    );
    parts.extend(
        query
            .step
            .as_deref()
            .map(quoted)
            .map(|name| format!("(jsonPayload.step={name} OR resource.labels.step_id={name})")),
    );
    parts.extend(query.contains.as_deref().map(quoted).map(|text| {
        // A text by itself is looked for in every field, of which we show these.
        format!("(textPayload:{text} OR jsonPayload.message:{text} OR jsonPayload.exception:{text})")
    }));
    parts.join(" AND ")
}

fn least(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Default => None,
        Severity::Debug => Some("DEBUG"),
        Severity::Info => Some("INFO"),
        Severity::Warn => Some("WARNING"),
        Severity::Error => Some("ERROR"),
        Severity::Fatal => Some("CRITICAL"),
    }
}

fn severity(word: &str) -> Severity {
    match word {
        "DEBUG" => Severity::Debug,
        "INFO" | "NOTICE" => Severity::Info,
        "WARNING" => Severity::Warn,
        "ERROR" => Severity::Error,
        "CRITICAL" | "ALERT" | "EMERGENCY" => Severity::Fatal,
        _ => Severity::Default,
    }
}

fn written(job_id: &str, entry: &Entry) -> Placed {
    let own = |name: &str| entry.json_payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let label = |name: &str| entry.labels.get(name).map(String::as_str).unwrap_or_default();
    let step = entry.resource.labels.get("step_id").map(String::as_str).unwrap_or_default();
    let texts = [entry.text_payload.as_str(), own("message"), own("exception")];
    let text = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let name = decode(entry.log_name.rsplit('/').next().unwrap_or_default(), false).unwrap_or_default();
    let source = name.strip_prefix(LOGS).unwrap_or(&name);
    let mut placed = placed(job_id, &entry.timestamp, severity(&entry.severity), &text, source);
    placed.entry = LogEntry {
        worker_id: first([own("worker"), label("compute.googleapis.com/resource_name")]),
        step_name: first([own("step"), step]),
        ..placed.entry
    };
    placed
}

fn first(names: [&str; 2]) -> Option<String> {
    names.into_iter().find(|name| !name.is_empty()).map(|name| clean_line(name, NAME_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Target,
        effect::Reply,
        job::LogPage,
        runner::{
            Backend,
            dataflow::testing::{NATIVE, Played, answer, job, play, refusal, target},
        },
    };

    const MESSAGES: &str = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED&pageSize=200";
    const ENTRIES: &str = "POST https://logging.example/v2/entries:list";

    fn entry(second: u32, text: &str) -> Value {
        json!({"logName": "projects/acme-prod/logs/dataflow.googleapis.com%2Fworker", "severity": "WARNING",
            "timestamp": format!("2026-11-25T20:00:{second:02}Z"), "resource": {"labels": {"step_id": "F1"}},
            "jsonPayload": {"message": text, "worker": "w-0", "exception": "Traceback"}})
    }

    fn message(second: u32, text: &str) -> Value {
        json!({"time": format!("2026-11-25T20:00:{second:02}.000Z"), "messageText": text,
            "messageImportance": "JOB_MESSAGE_BASIC"})
    }

    fn logs(query: LogQuery, script: Vec<(&str, Reply)>) -> Played<LogPage> {
        let target = Target { logging_url: Some("https://logging.example".into()), ..target() };
        play(target, script, |it| async move { it.logs(&job(), &query).await })
    }

    fn asked(max_results: u32, page_token: Option<&str>) -> LogQuery {
        LogQuery { max_results, page_token: page_token.map(str::to_owned), ..LogQuery::default() }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.logs.iter().map(|entry| entry.message.lines().next().unwrap()).collect()
    }

    #[test]
    fn what_workers_write_stands_among_what_dataflow_says() {
        let said = answer(200, json!({"jobMessages": [message(1, "a"), message(2, "b")]}));
        let wrote =
            answer(200, json!({"entries": [entry(4, "d"), entry(3, "c2"), entry(3, "c1")], "nextPageToken": "old"}));
        let played = logs(asked(3, None), vec![(MESSAGES, said), (ENTRIES, wrote)]);
        let filter = format!(
            "resource.type=\"dataflow_step\" AND resource.labels.job_id=\"{NATIVE}\" AND \
             NOT log_id(\"dataflow.googleapis.com/job-message\")"
        );
        let body = json!({"resourceNames": ["projects/acme-prod"], "filter": filter, "orderBy": "timestamp desc",
            "pageSize": 3});
        assert_eq!(played.body(), &body);
        let page = played.end.unwrap();
        assert_eq!(texts(&page), ["c1", "c2", "d"], "in the order they were written");
        let last = &page.logs[2];
        assert_eq!(
            (last.source.as_str(), last.severity, last.message.as_str()),
            ("worker", Severity::Warn, "d\nTraceback")
        );
        assert_eq!((last.worker_id.as_deref(), last.step_name.as_deref()), (Some("w-0"), Some("F1")));
    }

    #[test]
    fn nothing_is_passed_over_when_a_page_of_the_workers_ends_first() {
        let from = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED\
                    &startTime=2026-11-25T20%3A00%3A01.000Z&pageSize=200";
        let said = answer(200, json!({"jobMessages": [message(1, "a"), message(9, "z")]}));
        let wrote = answer(200, json!({"entries": [entry(2, "b"), entry(3, "c")], "nextPageToken": "more"}));
        let played = logs(asked(5, Some("1795636801000.1")), vec![(from, said), (ENTRIES, wrote)]);
        let filter = played.body()["filter"].as_str().unwrap().to_owned();
        assert!(filter.ends_with("timestamp>=\"2026-11-25T20:00:01.000Z\""), "{filter}");
        let page = played.end.unwrap();
        assert_eq!(texts(&page), ["b", "c"], "z comes after what was not read yet");
        assert_eq!(page.next_page_token.as_deref(), Some("1795636803000.1"));
    }

    #[test]
    fn filters_are_the_services_and_texts_cannot_leave_their_quotes() {
        let query = LogQuery {
            min_severity: Some(Severity::Error),
            contains: Some("a\" OR severity>=DEFAULT OR \"".into()),
            ..asked(5, None)
        };
        let filter = filter("id", &query, None);
        let quoted = r#""a\" OR severity>=DEFAULT OR \"""#;
        let end = format!(
            "severity>=ERROR AND (textPayload:{quoted} OR jsonPayload.message:{quoted} OR \
             jsonPayload.exception:{quoted})"
        );
        assert!(filter.ends_with(&end), "{filter}");
    }

    #[test]
    fn one_worker_and_step_up_to_a_time_are_asked_of_the_service() {
        let query = LogQuery {
            until_ms: Some(1_795_636_802_000),
            worker: Some("w-0".into()),
            step: Some("F1".into()),
            ..asked(5, None)
        };
        let other = json!({"timestamp": "2026-11-25T20:00:02Z", "jsonPayload": {"message": "b", "worker": "w-1"}});
        let wrote = answer(200, json!({"entries": [other, entry(2, "a")]}));
        let played = logs(query, vec![(ENTRIES, wrote)]);
        let end = "timestamp<\"2026-11-25T20:00:02.001Z\" AND \
            (jsonPayload.worker=\"w-0\" OR labels.\"compute.googleapis.com/resource_name\"=\"w-0\") AND \
            (jsonPayload.step=\"F1\" OR resource.labels.step_id=\"F1\")";
        let filter = played.body()["filter"].as_str().unwrap().to_owned();
        assert!(filter.ends_with(end), "{filter}");
        assert_eq!(texts(&played.end.unwrap()), ["a"], "and Dataflow itself is not asked: its words name no writer");
    }

    #[test]
    fn what_dataflow_says_ends_where_the_caller_says() {
        let query = LogQuery { until_ms: Some(1_795_636_802_000), ..asked(5, None) };
        let until = "GET jobs/{id}/messages?minimumImportance=JOB_MESSAGE_DETAILED\
                     &endTime=2026-11-25T20%3A00%3A02.001Z&pageSize=200";
        let said = answer(200, json!({"jobMessages": [message(1, "a"), message(9, "z")]}));
        let page = logs(query, vec![(until, said), (ENTRIES, answer(200, json!({})))]).end.unwrap();
        assert_eq!(texts(&page), ["a"], "also where the service leaves nothing out");
    }

    /// Messages of Dataflow's from a second on.
    fn messages_from(second: u32) -> String {
        format!(
            "GET jobs/{{id}}/messages?minimumImportance=JOB_MESSAGE_DETAILED\
             &startTime=2026-11-25T20%3A00%3A{second:02}.000Z&pageSize=200"
        )
    }

    #[test]
    fn what_was_shown_of_a_moment_leaves_room_for_the_rest_of_it() {
        let from = messages_from(3);
        let wrote =
            answer(200, json!({"entries": [entry(3, "a"), entry(3, "b"), entry(3, "c")], "nextPageToken": "p"}));
        let script = vec![(from.as_str(), answer(200, json!({}))), (ENTRIES, wrote)];
        let played = logs(asked(1, Some("1795636803000.2")), script);
        assert_eq!(played.body()["pageSize"], 3);
        let page = played.end.unwrap();
        assert_eq!((texts(&page), page.next_page_token.as_deref()), (vec!["c"], Some("1795636803000.3")));
    }

    #[test]
    fn pages_without_news_are_followed_and_never_the_end() {
        let from = messages_from(3);
        let query = || LogQuery { contains: Some("Quota".into()), ..asked(1, Some("1795636803000.1")) };
        let none = |entries: Value| (ENTRIES, answer(200, json!({"entries": entries, "nextPageToken": "p"})));
        let begin = || (from.as_str(), answer(200, json!({"jobMessages": [message(9, "Quota, later")]})));
        let found = (ENTRIES, answer(200, json!({"entries": [entry(5, "Quota")]})));
        let script = vec![begin(), none(json!([])), none(json!([entry(4, "quota")])), found];
        let played = logs(query(), script);
        assert_eq!(played.body()["pageToken"], "p");
        assert_eq!(texts(&played.end.unwrap()), ["Quota"], "and no more than one");
        let endless = |page: Value| (0..MOST_PAGES).map(move |_| none(page.clone()));
        let script = [begin()].into_iter().chain(endless(json!([entry(4, "quota")]))).collect();
        let page = logs(query(), script).end.unwrap();
        assert_eq!(
            (page.logs.len(), page.next_page_token.as_deref()),
            (0, Some("1795636804000.0")),
            "it goes on there"
        );
        let script = [begin()].into_iter().chain(endless(json!([]))).collect();
        let page = logs(query(), script).end.unwrap();
        assert_eq!((page.logs.len(), page.next_page_token.as_deref()), (0, Some("1795636803000.1")));
    }

    #[test]
    fn trouble_of_cloud_logging_is_told_and_takes_nothing_away() {
        for trouble in
            [refusal(403, "PERMISSION_DENIED", "no"), refusal(429, "RESOURCE_EXHAUSTED", "no"), answer(200, 7)]
        {
            let said = answer(200, json!({"jobMessages": [message(1, "a")]}));
            let page = logs(asked(5, None), vec![(MESSAGES, said), (ENTRIES, trouble)]).end.unwrap();
            assert_eq!(texts(&page), ["a"]);
            assert!(
                page.notes.iter().any(|note| note.contains("could not be read from Cloud Logging")),
                "{:?}",
                page.notes
            );
        }
    }
}
