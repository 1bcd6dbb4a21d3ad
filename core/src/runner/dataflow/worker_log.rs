//! What the workers of a job write. It is in Cloud Logging, another service: what keeps us from reading it there keeps
//! nobody from reading what Dataflow itself says.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Dataflow,
    flow::native_id,
    logs::{Placed, placed},
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
    /// The newest entries, or, from a time on, the first.
    pub(super) async fn worker_log(
        &self,
        job: &Job,
        query: &LogQuery,
        start_ms: Option<u64>,
        newest: bool,
    ) -> Result<WorkerLog, Error> {
        let body = json!({
            "resourceNames": [format!("projects/{}", self.context.target.project.as_deref().unwrap_or_default())],
            "filter": filter(native_id(job)?, query, start_ms),
            "orderBy": if newest { "timestamp desc" } else { "timestamp asc" },
            "pageSize": query.max_results.clamp(1, MOST_OF_A_PAGE),
        });
        let Some(request) = request::entries_request(&self.context.target, body) else {
            return Ok(untold("what workers write is in Cloud Logging, and the target has no `logging_url`"));
        };
        match self.context.send_aside(request).await.and_then(|answer| response::read::<Entries>(&answer)) {
            Ok(answer) => Ok(read(&job.id.to_string(), &answer, newest)),
            Err(error) if error.gave_up() => Err(error),
            Err(error) => {
                Ok(untold(&format!("what workers write could not be read from Cloud Logging: {}", error.message())))
            }
        }
    }
}

fn untold(note: &str) -> WorkerLog {
    WorkerLog { note: note.to_owned(), ..WorkerLog::default() }
}

fn read(job_id: &str, answer: &Entries, newest: bool) -> WorkerLog {
    let mut placed: Vec<Placed> = answer.entries.iter().map(|entry| written(job_id, entry)).collect();
    if newest {
        placed.reverse();
    }
    let more = !newest && !answer.next_page_token.is_empty();
    let read_until_ms = placed.last().filter(|_| more).map(|last| last.at_ms);
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
    parts.extend(query.contains.as_deref().map(quoted));
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
        assert!(filter.ends_with(r#"severity>=ERROR AND "a\" OR severity>=DEFAULT OR \"""#), "{filter}");
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
