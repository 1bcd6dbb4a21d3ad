use std::time::Duration;

use serde_json::{Map, Value};

use super::{Class, ClientOptions, Route, SERVER};
use crate::{
    call::{Call, Labels},
    effect::{Body, CredentialId, Method, Request, SourceId},
    error::Error,
    url,
};

/// Time a native server may take to confirm an operation, and a margin for the way back.
const LONGEST_WAIT_MS: u64 = 610_000;
/// Longest a server watches a job in one call.
const LONGEST_WATCH: Duration = Duration::from_secs(25);

/// The request of a call.
///
/// # Errors
/// `invalid_argument`: a member is missing, of the wrong type, or unknown where there is no body.
pub(super) fn build(
    route: &Route,
    mut input: Map<String, Value>,
    options: &ClientOptions,
    call: &Call,
) -> Result<Request, Error> {
    input.retain(|_, value| !value.is_null());
    let key = text(&mut input, "idempotency_key")?;
    let timeout_ms = timeout(route, &input, options);
    let path = path(route, &mut input)? + &query(route, &mut input)?;
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    headers.extend(labels(&call.labels));
    if matches!(route.class, Class::Write | Class::Waits) {
        let key = key.unwrap_or_else(|| call.seed.hex128("idempotency key"));
        headers.push(("idempotency-key".to_owned(), key));
    }
    if route.class == Class::Upload {
        headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
    }
    if let Some((name, _)) = headers.iter().find(|(_, value)| !is_field_value(value)) {
        return Err(Error::invalid("bad_header", format!("`{name}` must be visible ASCII, at most 256 characters")));
    }
    Ok(Request {
        headers,
        body: body(route, input)?,
        credential: Some(CredentialId(SERVER.to_owned())),
        timeout_ms,
        max_bytes: options.max_bytes,
        ..Request::new(SERVER, route.method, path)
    })
}

pub(super) fn timeout(route: &Route, input: &Map<String, Value>, options: &ClientOptions) -> u64 {
    match route.class {
        Class::Read | Class::Write => options.timeout_ms,
        Class::Waits | Class::Upload => options.timeout_ms.max(LONGEST_WAIT_MS),
        Class::Watch => {
            let asked = input.get("timeout_seconds").or_else(|| input.get("timeout_s")).and_then(Value::as_f64);
            let wait = asked.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(LONGEST_WATCH);
            options.timeout_ms.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        }
    }
}

fn path(route: &Route, input: &mut Map<String, Value>) -> Result<String, Error> {
    split_operation(input);
    let mut out = String::new();
    for segment in route.path.split('/').skip(1) {
        out.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => out.push_str(segment),
            Some(name) => out.push_str(&url::encode(&segment_value(input, name)?)),
        }
    }
    Ok(out)
}

/// An operation id is `<job id>/<last segment>`: the job may be left out, and the route wants the segment.
fn split_operation(input: &mut Map<String, Value>) {
    let Some(Value::String(id)) = input.get("operation_id") else { return };
    if let Some((job, segment)) = id.clone().rsplit_once('/') {
        input.insert("operation_id".to_owned(), segment.into());
        input.entry("job_id").or_insert_with(|| job.into());
    }
}

fn segment_value(input: &mut Map<String, Value>, name: &str) -> Result<String, Error> {
    match text(input, name)? {
        Some(value) if !matches!(value.as_str(), "" | "." | "..") => Ok(value),
        _ => Err(Error::invalid("missing_field", format!("`{name}` is needed")).with("field", name.to_owned())),
    }
}

fn query(route: &Route, input: &mut Map<String, Value>) -> Result<String, Error> {
    let mut pairs = Vec::new();
    for name in route.query {
        if let Some(value) = input.remove(*name) {
            pairs.push((*name, Some(plain(name, value)?)));
        }
    }
    Ok(url::query(pairs))
}

fn plain(name: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(wrong_type(name, "a text, number or flag")),
    }
}

fn text(input: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match input.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(name, "a text")),
    }
}

fn body(route: &Route, mut input: Map<String, Value>) -> Result<Body, Error> {
    if route.class == Class::Upload {
        let source = segment_value(&mut input, "source")?;
        nothing_left(route, &input)?;
        return Ok(Body::Source(SourceId(source)));
    }
    if matches!(route.class, Class::Read | Class::Watch) || route.method == Method::Delete {
        nothing_left(route, &input)?;
        return Ok(Body::Empty);
    }
    Ok(Body::Json(Value::Object(input)))
}

fn nothing_left(route: &Route, input: &Map<String, Value>) -> Result<(), Error> {
    let Some(name) = input.keys().next() else { return Ok(()) };
    let name = crate::text::clean_line(name, 64);
    Err(Error::invalid("unknown_field", format!("{} takes no `{name}`", route.verb))
        .with("field", name)
        .with("query", route.query.join(", ")))
}

fn wrong_type(name: &str, wanted: &str) -> Error {
    Error::invalid("wrong_type", format!("`{name}` must be {wanted}")).with("field", name.to_owned())
}

pub(super) fn labels(labels: &Labels) -> impl Iterator<Item = (String, String)> {
    [
        ("mcp-session-id", &labels.session_id),
        ("mcp-trace-id", &labels.trace_id),
        ("mcp-transaction-id", &labels.transaction_id),
        ("mcp-user-id", &labels.user_id),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
}

fn is_field_value(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}
