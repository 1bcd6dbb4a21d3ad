use std::{
    collections::BTreeMap,
    fs,
    sync::{LazyLock, Mutex, PoisonError},
};

use beam_mcp_core::effect::{Reply, Response};
use serde_json::Value;

use crate::golden::vectors;

/// One answer as it was recorded, and the ids in it that belong to the recording.
#[derive(Debug)]
struct Recorded {
    status: u16,
    body: String,
    job: Option<String>,
    trigger: Option<String>,
}

static READ: LazyLock<Mutex<BTreeMap<String, &'static Recorded>>> = LazyLock::new(Mutex::default);

/// What Flink answered, given anew about another job and another trigger.
pub(super) fn recorded(name: &str, job: &str, trigger: &str) -> Response {
    let path = flink(name);
    let recorded = read(&path);
    let ids = [(&recorded.job, job), (&recorded.trigger, trigger)];
    let ids: Vec<_> = ids.into_iter().filter_map(|(theirs, ours)| Some((theirs.as_deref()?, ours))).collect();
    answer(&path, &ids)
}

fn flink(name: &str) -> String {
    format!("flink/recorded/2.2.1/{name}")
}

/// What is kept under a path of the vectors, with some texts in place of the recorded ones.
pub(super) fn answer(path: &str, texts: &[(&str, &str)]) -> Response {
    let recorded = read(path);
    let body = texts.iter().fold(recorded.body.clone(), |body, (theirs, ours)| body.replace(theirs, ours));
    let headers = vec![("content-type".into(), "application/json".into())];
    Response { status: recorded.status, headers, body: body.into() }
}

/// The body of a recording of Flink, to be given on in part.
pub(super) fn body(name: &str) -> Value {
    serde_json::from_str(&read(&flink(name)).body).expect("a recorded answer is JSON")
}

/// The body of an answer, to be given on in part.
pub(super) fn parsed(answer: &Response) -> Value {
    serde_json::from_slice(answer.body.as_slice()).expect("a recorded answer is JSON")
}

/// What a job service answered, as the reply it is kept as.
pub(super) fn reply(path: &str) -> Reply {
    static READ: LazyLock<Mutex<BTreeMap<String, Reply>>> = LazyLock::new(Mutex::default);
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(path.to_owned()).or_insert_with(|| serde_json::from_str(&text(path)).expect("a reply")).clone()
}

fn text(path: &str) -> String {
    let path = vectors().join(format!("{path}.json"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> &'static Recorded {
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::new(load(name))))
}

fn load(name: &str) -> Recorded {
    let file: Value = serde_json::from_str(&text(name)).expect("a recording is JSON");
    // What Google's document describes was never asked for, and has no request.
    let segments: Vec<&str> = file["request"]["path"].as_str().unwrap_or_default().split(['/', '?']).collect();
    let after = |word: &str| {
        let at = segments.iter().position(|segment| *segment == word)?;
        segments.get(at + 1).filter(|id| is_id(id)).map(|id| (*id).to_owned())
    };
    let in_body = |member: &str| file["request"]["body"][member].as_str().map(str::to_owned);
    Recorded {
        status: u16::try_from(file["status"].as_u64().expect("a status")).expect("a status"),
        body: match &file["body"] {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        },
        job: after("jobs").or_else(|| in_body("jobId")),
        trigger: after("savepoints").or_else(|| in_body("triggerId")),
    }
}

fn is_id(segment: &str) -> bool {
    segment.len() == 32 && segment.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::recorded;

    #[test]
    fn an_answer_is_about_the_job_and_trigger_that_are_asked_for() {
        let text = |name: &str| recorded(name, "our-job", "our-trigger").body.text().into_owned();
        assert!(text("job-running").contains(r#""jid":"our-job""#));
        assert_eq!(text("savepoint-trigger"), r#"{"request-id":"our-trigger"}"#);
        assert_eq!(text("run"), r#"{"jobid":"our-job"}"#);
    }
}
