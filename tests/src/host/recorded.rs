use std::{
    collections::BTreeMap,
    fs,
    sync::{LazyLock, Mutex, PoisonError},
};

use beam_mcp_core::effect::Response;
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
    let recorded = read(name);
    let mut body = recorded.body.clone();
    for (theirs, ours) in [(&recorded.job, job), (&recorded.trigger, trigger)] {
        if let Some(theirs) = theirs {
            body = body.replace(theirs.as_str(), ours);
        }
    }
    let headers = vec![("content-type".into(), "application/json".into())];
    Response { status: recorded.status, headers, body: body.into() }
}

/// The body of a recording, to be given on in part.
pub(super) fn body(name: &str) -> Value {
    serde_json::from_str(&read(name).body).expect("a recorded answer is JSON")
}

fn read(name: &str) -> &'static Recorded {
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::new(load(name))))
}

fn load(name: &str) -> Recorded {
    let path = vectors().join(format!("flink/recorded/2.2.1/{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_json::from_str(&text).expect("a recording is JSON");
    let segments: Vec<&str> = file["request"]["path"].as_str().expect("a path").split(['/', '?']).collect();
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
