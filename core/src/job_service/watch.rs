//! Reading a job through the Job API: its state, its messages, its metrics.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, call, unreadable};
use crate::{
    clock::unix_ms,
    error::{Error, ErrorKind, Retry},
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
/// Between reads of a log that had no more: a cluster's is gathered from the files of all its processes.
const LOGS_MS: u64 = 3_000;
/// How much later than the state the messages of a job end. Python's SDK reads its states to the last and leaves when the
/// messages have ended: where the end of the states was still on its way then, gRPC stood in its own destructor for ever.
const AFTER_STATE: Duration = Duration::from_secs(1);
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

/// One round of messages: the log's, and the state where it has changed.
pub(super) async fn messages(context: &Context, message: &[u8], cursor: Option<String>) -> Result<Answer, Error> {
    let (id, until) = (job_id(message)?, context.until(ROUND));
    let mut place = Place::of(&cursor.unwrap_or_default());
    loop {
        let job = job(context, &id).await?;
        let (state, time_is_up) = (state_of(&job), context.io.now().mono + LOOK >= until);
        let (mut items, rest) = log(context, &id, &job, &mut place).await?;
        if state.word() != place.state {
            items.push(Encoder::new().bytes(2, &event(context, state).finish()).finish());
            state.word().clone_into(&mut place.state);
        }
        if is_terminal(&job) && (rest == Rest::None || (rest == Rest::Unknown && time_is_up)) {
            items.extend(reason(&job));
            context.io.sleep(AFTER_STATE).await?;
            return Ok(Answer { messages: items, next: None });
        }
        if !items.is_empty() || time_is_up {
            return Ok(Answer { messages: items, next: Some(place.cursor()) });
        }
        context.io.sleep(LOOK).await?;
    }
}

/// Where a stream of messages goes on: `<state told last>|<when the log is read again>|<page token>`.
struct Place {
    state: String,
    /// Monotonic, in milliseconds: a stream stays in its process.
    due_ms: u64,
    /// Empty once the log has ended.
    token: String,
}

impl Place {
    fn of(cursor: &str) -> Self {
        let mut parts = cursor.splitn(3, '|').map(str::to_owned);
        let state = parts.next().unwrap_or_default();
        let due_ms = parts.next().and_then(|due| due.parse().ok()).unwrap_or_default();
        Self { state, due_ms, token: parts.next().unwrap_or_else(|| LogQuery::START.to_owned()) }
    }

    fn cursor(&self) -> String {
        format!("{}|{}|{}", self.state, self.due_ms, self.token)
    }
}

/// What the log may still hold behind what was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rest {
    None,
    Perhaps,
    /// The runner did not answer, and is asked again.
    Unknown,
}

/// What the log has since the last page: read every [`LOGS_MS`], at once behind a full page and when the job has ended.
async fn log(context: &Context, id: &str, job: &Value, place: &mut Place) -> Result<(Vec<Vec<u8>>, Rest), Error> {
    let now_ms = u64::try_from(context.io.now().mono.as_millis()).unwrap_or(u64::MAX);
    let has_log = !place.token.is_empty() && !text(job, "native_id").is_empty();
    if !has_log || (now_ms < place.due_ms && !is_terminal(job)) {
        return Ok((Vec::new(), Rest::None));
    }
    let asked = json!({"job_id": id, "max_results": PAGE, "page_token": place.token});
    let page = match call(context, "get_logs", asked).await {
        Ok(page) => page,
        Err(error) if error.gave_up() || error.reason() == "bad_page_token" => return Err(error),
        Err(error) => return Ok((Vec::new(), if error.retry() == Retry::Never { Rest::None } else { Rest::Unknown })),
    };
    let items: Vec<_> = page.get("logs").and_then(Value::as_array).into_iter().flatten().map(line).collect();
    let (is_full, next) = (items.len() >= PAGE as usize, text(&page, "next_page_token"));
    let rest = if next.is_empty() || next == place.token { Rest::None } else { Rest::Perhaps };
    place.due_ms = if is_full { 0 } else { now_ms.saturating_add(LOGS_MS) };
    next.clone_into(&mut place.token);
    Ok((items, rest))
}

fn line(entry: &Value) -> Vec<u8> {
    let importance = match text(entry, "severity") {
        "DEBUG" => 1,
        "WARN" => 4,
        "ERROR" | "FATAL" => 5,
        _ => 3,
    };
    let message = text(entry, "message");
    // Other programs' lines may be among these: their reader must know.
    let shared = entry.get("shared").and_then(Value::as_bool).unwrap_or_default();
    let named = shared.then(|| format!("[shared log of {}] {message}", text(entry, "worker_id")));
    said(importance, text(entry, "timestamp"), named.as_deref().unwrap_or(message))
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
    let read_ms = unix_ms(text(&read, "as_of")).unwrap_or_else(|| context.now_ms());
    let sides = [(1, "attempted"), (2, "committed")];
    let results = sides.into_iter().fold(Encoder::new(), |out, (number, side)| {
        let infos = user.iter().filter_map(|metric| info(metric, side, read_ms));
        infos.fold(out, |out, info| out.bytes(number, &info.write()))
    });
    Ok(Answer::one(Encoder::new().bytes(1, &results.finish())))
}

/// A metric as Beam encodes it; a gauge was set at the latest when it was read.
fn info(metric: &Value, side: &str, read_ms: u64) -> Option<MonitoringInfo> {
    let value = metric.get(side)?;
    let (kind, payload) = match text(metric, "kind") {
        "counter" => match value.as_i64() {
            Some(_) => ("sum_int64", number(value)?),
            None => ("sum_double", value.as_f64()?.to_be_bytes().to_vec()),
        },
        "gauge" => ("latest_int64", [number(&read_ms.into())?, number(value)?].concat()),
        "string_set" => ("set_string", strings(value.as_array()?)?),
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

/// Beam's iterable coder over texts: their count in four bytes, then each behind its length.
fn strings(all: &[Value]) -> Option<Vec<u8>> {
    let mut payload = u32::try_from(all.len()).ok()?.to_be_bytes().to_vec();
    for text in all.iter().filter_map(Value::as_str) {
        payload.extend(number(&text.len().into())?);
        payload.extend(text.as_bytes());
    }
    Some(payload)
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
        let info = |metric: &Value, side| info(metric, side, 1_795_636_810_000);
        let words = info(&metric("counter", json!(-23087)), "committed").unwrap();
        let lengths = json!({"count": 3, "sum": 300, "min": 1, "max": 200});
        let lengths = info(&metric("distribution", lengths), "committed").unwrap();
        let others = [("gauge", json!(-4)), ("string_set", json!(["a", "bc"])), ("counter", json!(0.5))]
            .map(|(kind, value)| info(&metric(kind, value), "committed").unwrap());
        let body = Encoder::new().bytes(2, &words.write()).bytes(2, &lengths.write());
        let body = others.iter().fold(body, |body, other| body.bytes(2, &other.write())).finish();
        let read = Results::read(&Encoder::new().bytes(1, &body).finish()).unwrap();
        let values: Vec<_> = read.committed.iter().map(|info| info.decoded().unwrap()).collect();
        let (set, half) = (Decoded::Strings(vec!["a".into(), "bc".into()]), Decoded::SumDouble(0.5));
        let all = [Decoded::Sum(-23087), Decoded::Distribution([3, 300, 1, 200]), Decoded::Latest(-4), set, half];
        assert_eq!(values, all);
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
        let shared = fields(json!({"severity": "INFO", "message": "m", "shared": true, "worker_id": "tm-1"}));
        assert_eq!(shared.2, "[shared log of tm-1] m");
    }

    #[test]
    fn states_are_beams() {
        for (ours, theirs) in [("SUBMIT_UNKNOWN", "STARTING"), ("FINISHED", "DONE"), ("LOST", "UNSPECIFIED")] {
            assert_eq!(state_of(&json!({"state": ours})).word(), theirs);
        }
    }
}
