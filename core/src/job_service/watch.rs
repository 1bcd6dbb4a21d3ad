//! Reading a job through the Job API: its state, its messages, its metrics.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, call, unreadable};
use crate::{
    error::{Error, ErrorKind},
    job::LogQuery,
    job_api::{
        message::State,
        metric::MonitoringInfo,
        protobuf::{Encoder, Message},
    },
    verb::Context,
};

/// Longest one round of a stream waits for news, and between looks.
const ROUND: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(500);
/// How much later than the state the messages of a job end. Python's SDK reads its states to the last and leaves when the
/// messages have ended: where the end of the states was still on its way then, gRPC stood in its own destructor for ever.
const AFTER_STATE: Duration = Duration::from_millis(700);
/// Messages of one round.
const PAGE: u32 = 200;

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The job or preparation a request is about.
pub(super) fn job_id(message: &[u8]) -> Result<String, Error> {
    Ok(Message::read(message).map_err(unreadable)?.text(1))
}

/// Beam's word for the state of a job of ours. What nobody knows yet is about to start; a lost job has no state there.
pub(super) fn state_of(job: &Value) -> State {
    match text(job, "state") {
        "SUBMITTING" | "SUBMIT_UNKNOWN" | "PARKED" | "PENDING" => State::STARTING,
        "RUNNING" | "RECOVERING" | "PAUSED" => State::RUNNING,
        "UPDATING" => State::UPDATING,
        "DRAINING" => State::DRAINING,
        "CANCELLING" => State::CANCELLING,
        "FINISHED" => State::DONE,
        "FAILED" => State::FAILED,
        "CANCELED" => State::CANCELLED,
        "DRAINED" => State::DRAINED,
        "UPDATED" => State::UPDATED,
        _ => State::default(),
    }
}

async fn job(context: &Context, id: &str) -> Result<Value, Error> {
    call(context, "get_job", json!({"job_id": id})).await
}

fn is_terminal(job: &Value) -> bool {
    job.get("terminal").and_then(Value::as_bool).unwrap_or_default()
}

fn event(context: &Context, state: State) -> Encoder {
    let now = context.now_ms();
    let time = Encoder::new().varint(1, now / 1_000).varint(2, now % 1_000 * 1_000_000);
    Encoder::new().varint(1, state.0).bytes(2, &time.finish())
}

pub(super) async fn state(context: &Context, message: &[u8]) -> Result<Answer, Error> {
    let job = job(context, &job_id(message)?).await?;
    Ok(Answer::one(event(context, state_of(&job))))
}

/// One round of states: waits for another one than the last.
pub(super) async fn states(context: &Context, message: &[u8], cursor: Option<String>) -> Result<Answer, Error> {
    let (id, until) = (job_id(message)?, context.until(ROUND));
    loop {
        let job = job(context, &id).await?;
        let state = state_of(&job);
        if cursor.as_deref() != Some(state.word()) {
            let next = (!is_terminal(&job)).then(|| state.word().to_owned());
            return Ok(Answer { messages: vec![event(context, state).finish()], next });
        }
        if context.io.now().mono + LOOK >= until {
            return Ok(Answer { messages: Vec::new(), next: cursor });
        }
        context.io.sleep(LOOK).await?;
    }
}

/// One round of messages: the log's, and the state where it has changed. The cursor is `<state>|<page token>`.
pub(super) async fn messages(context: &Context, message: &[u8], cursor: Option<String>) -> Result<Answer, Error> {
    let (id, until) = (job_id(message)?, context.until(ROUND));
    let cursor = cursor.unwrap_or_default();
    let (last, mut token) =
        cursor.split_once('|').map_or(("", LogQuery::START.to_owned()), |(last, at)| (last, at.to_owned()));
    loop {
        let job = job(context, &id).await?;
        let state = state_of(&job);
        let before = token.clone();
        let mut items = log(context, &id, &job, &mut token).await?;
        // Behind a full page there may be another: it is read in a round of its own.
        let goes_on = items.len() >= PAGE as usize && token != before;
        if state.word() != last {
            items.push(Encoder::new().bytes(2, &event(context, state).finish()).finish());
        }
        if is_terminal(&job) && !goes_on {
            items.extend(reason(&job));
            context.io.sleep(AFTER_STATE).await?;
            return Ok(Answer { messages: items, next: None });
        }
        if !items.is_empty() || context.io.now().mono + LOOK >= until {
            return Ok(Answer { messages: items, next: Some(format!("{}|{token}", state.word())) });
        }
        context.io.sleep(LOOK).await?;
    }
}

/// What the log has since the last page; the token is empty once it has ended. A runner that does not answer is asked in
/// the next round.
async fn log(context: &Context, id: &str, job: &Value, token: &mut String) -> Result<Vec<Vec<u8>>, Error> {
    if token.is_empty() || text(job, "native_id").is_empty() {
        return Ok(Vec::new());
    }
    let asked = json!({"job_id": id, "max_results": PAGE, "page_token": token});
    let page = match call(context, "get_logs", asked).await {
        Ok(page) => page,
        Err(error) if error.gave_up() || error.kind() == ErrorKind::InvalidArgument => return Err(error),
        Err(_) => return Ok(Vec::new()),
    };
    text(&page, "next_page_token").clone_into(token);
    Ok(page.get("logs").and_then(Value::as_array).into_iter().flatten().map(line).collect())
}

fn line(entry: &Value) -> Vec<u8> {
    let importance = match text(entry, "severity") {
        "DEBUG" => 1,
        "WARN" => 4,
        "ERROR" | "FATAL" => 5,
        _ => 3,
    };
    said(importance, text(entry, "timestamp"), text(entry, "message"))
}

/// `time` is free text in the protocol: RFC 3339 here, and nothing where the line has none.
fn said(importance: u64, time: &str, words: &str) -> Vec<u8> {
    let message = Encoder::new().text(2, time).varint(3, importance).text(4, words).finish();
    Encoder::new().bytes(1, &message).finish()
}

/// SDKs show the last error of a job that failed.
fn reason(job: &Value) -> Option<Vec<u8>> {
    let why = text(job, "diagnostics");
    (text(job, "state") == "FAILED" && !why.is_empty()).then(|| said(5, text(job, "end_time"), why))
}

/// The pipeline's own metrics, as SDKs read them. Where there are none yet the answer is empty.
pub(super) async fn metrics(context: &Context, message: &[u8]) -> Result<Answer, Error> {
    let read = match call(context, "get_metrics", json!({"job_id": job_id(message)?})).await {
        Err(error) if error.kind() == ErrorKind::FailedPrecondition => Value::Null,
        other => other?,
    };
    let user = read.get("user").and_then(Value::as_array).cloned().unwrap_or_default();
    let sides = [(1, "attempted"), (2, "committed")];
    let results = sides.into_iter().fold(Encoder::new(), |out, (number, side)| {
        user.iter().filter_map(|metric| info(metric, side)).fold(out, |out, info| out.bytes(number, &info.write()))
    });
    Ok(Answer::one(Encoder::new().bytes(1, &results.finish())))
}

fn info(metric: &Value, side: &str) -> Option<MonitoringInfo> {
    let value = metric.get(side)?;
    let (kind, payload) = match text(metric, "kind") {
        "counter" => ("sum_int64", number(value)?),
        "distribution" => {
            let parts = ["count", "sum", "min", "max"].map(|part| value.get(part).and_then(number));
            ("distribution_int64", parts.into_iter().collect::<Option<Vec<_>>>()?.concat())
        }
        _ => return None,
    };
    let labels = [("NAMESPACE", "namespace"), ("NAME", "name"), ("PTRANSFORM", "step")];
    Some(MonitoringInfo {
        urn: format!("beam:metric:user:{kind}:v1"),
        kind: format!("beam:metrics:{kind}:v1"),
        payload,
        labels: labels.map(|(label, name)| (label.to_owned(), text(metric, name).to_owned())).into(),
    })
}

/// A number of Beam's `VarInt` coder.
fn number(value: &Value) -> Option<Vec<u8>> {
    // The field's tag in front is one byte.
    let field = Encoder::new().varint(1, value.as_i64()?.cast_unsigned()).finish();
    field.get(1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_api::metric::{Decoded, Results};

    #[test]
    fn metrics_read_back_as_an_sdk_reads_them() {
        let metric = |kind: &str, value: Value| json!({"name": "n", "namespace": "s", "step": "Extract", "kind": kind, "committed": value});
        let words = info(&metric("counter", json!(-23087)), "committed").unwrap();
        let lengths = json!({"count": 3, "sum": 300, "min": 1, "max": 200});
        let lengths = info(&metric("distribution", lengths), "committed").unwrap();
        let body = Encoder::new().bytes(2, &words.write()).bytes(2, &lengths.write()).finish();
        let read = Results::read(&Encoder::new().bytes(1, &body).finish()).unwrap();
        let values: Vec<_> = read.committed.iter().map(|info| info.decoded().unwrap()).collect();
        assert_eq!(values, [Decoded::Sum(-23087), Decoded::Distribution([3, 300, 1, 200])]);
        assert_eq!((read.committed[0].label("PTRANSFORM"), read.committed[0].is_user()), ("Extract", true));
        assert!(info(&metric("counter", json!(1)), "attempted").is_none());
    }

    #[test]
    fn a_line_carries_its_time_and_one_without_carries_none() {
        let fields = |entry: Value| {
            let line = line(&entry);
            let message = Message::read(Message::read(&line).unwrap().bytes(1).unwrap()).unwrap();
            (message.text(2), message.varint(3), message.text(4))
        };
        let at = "2026-11-20T09:45:23.000Z";
        let timed = fields(json!({"timestamp": at, "severity": "WARN", "message": "m"}));
        assert_eq!(timed, (at.to_owned(), Some(4), "m".to_owned()));
        assert_eq!(fields(json!({"severity": "INFO", "message": "m"})).0, "");
    }

    #[test]
    fn states_are_beams() {
        for (ours, theirs) in [("SUBMIT_UNKNOWN", "STARTING"), ("FINISHED", "DONE"), ("LOST", "UNSPECIFIED")] {
            assert_eq!(state_of(&json!({"state": ours})).word(), theirs);
        }
    }
}
