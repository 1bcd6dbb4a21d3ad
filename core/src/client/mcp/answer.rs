use serde_json::{Map, Value};

use super::Tool;
use crate::{
    client::response,
    effect::Response,
    error::{Error, ErrorKind, Retry},
    text,
};

/// Errors that only 2026-07-28 knows: headers, capabilities, version.
const MODERN_ERRORS: [i64; 2] = [-32020, -32021];
const UNSUPPORTED_VERSION: i64 = -32022;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// What a modern call was answered with.
pub(in crate::client) enum Heard {
    /// What the tool said.
    Answer(Value),
    /// The server is of the other era.
    Older,
}

/// An older server, as its greeting said.
pub(in crate::client) struct Peer {
    version: String,
    pub(super) session: Option<String>,
}

impl Peer {
    /// Reads the answer to a greeting.
    ///
    /// # Errors
    /// `malformed_response` when it is none.
    pub(in crate::client) fn read(response: &Response) -> Result<Self, Error> {
        let message = message(response)?;
        let greeting = result(response, &message)?;
        let version = greeting.get("protocolVersion").and_then(Value::as_str).ok_or_else(no_answer)?;
        let session = response.header("mcp-session-id").filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
        Ok(Self { version: text::clean_line(version, 32), session: session.map(str::to_owned) })
    }

    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        let session = self.session.as_deref().map(|id| ("mcp-session-id", id));
        std::iter::once(("mcp-protocol-version", self.version.as_str())).chain(session).collect()
    }
}

impl Tool {
    /// What a modern call was answered with.
    ///
    /// # Errors
    /// What the tool or the server says.
    pub(in crate::client) fn hear(&self, response: &Response) -> Result<Heard, Error> {
        if matches!(response.status, 401 | 403 | 413 | 429 | 500..) {
            return Err(response::refusal(response));
        }
        let message = message(response).ok();
        let code = message.as_ref().and_then(code);
        let is_modern = response.status == 200
            || code.is_some_and(|code| MODERN_ERRORS.contains(&code))
            || (response.status == 404 && code == Some(METHOD_NOT_FOUND));
        match message {
            Some(message) if is_modern => self.told(response, &message).map(Heard::Answer),
            // Also a version it has not: what it has is older.
            _ => Ok(Heard::Older),
        }
    }

    /// What a call in a session was answered with.
    ///
    /// # Errors
    /// What the tool or the server says.
    pub(in crate::client) fn hear_older(&self, response: &Response) -> Result<Value, Error> {
        self.told(response, &message(response)?)
    }

    fn told(&self, response: &Response, message: &Value) -> Result<Value, Error> {
        let result = result(response, message)?;
        match result.get("resultType").and_then(Value::as_str) {
            None | Some("complete") => {}
            Some(other) => {
                let other = text::clean_line(other, 64);
                return Err(Error::unsupported("needs_answers", format!("{} wants `{other}` first", self.name))
                    .suggest("call it from an MCP host that can answer, or over REST"));
            }
        }
        if result.get("isError").is_some_and(|is| *is == true) {
            return Err(failure(&said(result)));
        }
        let data = result.get("structuredContent").filter(|data| data.is_object()).cloned();
        let mut data = data.or_else(|| serde_json::from_str(&said(result)).ok()).ok_or_else(no_answer)?;
        if let Some(members) = data.as_object_mut() {
            members.remove("next");
        }
        Ok(data)
    }
}

fn code(message: &Value) -> Option<i64> {
    message.get("error")?.get("code")?.as_i64()
}

/// The response in an answer: the body, or the last message of a stream that has an id.
fn message(response: &Response) -> Result<Value, Error> {
    let body = response.body.text();
    let is_stream = response.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    let found = if is_stream { events(&body).rfind(is_response) } else { serde_json::from_str(&body).ok() };
    match found {
        Some(message) if is_response(&message) => Ok(message),
        _ if (200..300).contains(&response.status) => Err(no_answer().with("status", response.status)),
        _ => Err(response::refusal(response)),
    }
}

fn is_response(message: &Value) -> bool {
    message.get("result").is_some() || message.get("error").is_some()
}

/// The data of each event of a stream; its lines joined as the stream's format says.
fn events(body: &str) -> impl DoubleEndedIterator<Item = Value> {
    let blocks: Vec<String> = body
        .replace("\r\n", "\n")
        .split("\n\n")
        .map(|block| {
            let data = block.lines().filter_map(|line| line.strip_prefix("data:"));
            data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
        })
        .collect();
    blocks.into_iter().filter_map(|data| serde_json::from_str(&data).ok())
}

fn result<'a>(response: &Response, message: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    if let Some(result) = message.get("result") {
        return result.as_object().ok_or_else(no_answer);
    }
    let told = message.get("error").and_then(|error| error.get("message")).and_then(Value::as_str);
    let told = text::clean_line(told.unwrap_or("no reason given"), 512);
    let code = code(message).unwrap_or_default();
    let error = match code {
        INVALID_PARAMS => {
            Error::invalid("refused", told).suggest("check the names of the call; this server's tools may differ")
        }
        METHOD_NOT_FOUND | UNSUPPORTED_VERSION => Error::unsupported("no_such_call", told),
        _ => Error::new(ErrorKind::MalformedResponse, "protocol_error", told)
            .suggest("the server refused the form of the call: see whether one of the two is out of date"),
    };
    Err(error.with("code", code).with("status", response.status).retry_as(Retry::Never))
}

/// The text of a result.
fn said(result: &Map<String, Value>) -> String {
    let blocks = result.get("content").and_then(Value::as_array).into_iter().flatten();
    let texts: Vec<&str> = blocks.filter_map(|block| block.get("text")?.as_str()).collect();
    texts.join("\n")
}

/// The error a tool told of: in the form this product's tools have, or in any other.
fn failure(said: &str) -> Error {
    let mut lines = said.lines();
    let first = lines.next().unwrap_or_default();
    let known = first.split_once(": ").and_then(|(code, told)| Some((ErrorKind::from_code(code)?, told)));
    let Some((kind, told)) = known else {
        return Error::new(ErrorKind::FailedPrecondition, "tool_failed", text::clean(said, 4096));
    };
    let facts: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let find = |name: &str| facts.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value).to_owned();
    let error = Error::new(kind, find("reason"), text::clean(told, 4096)).suggest(find("next"));
    let others = facts.into_iter().filter(|(key, _)| !matches!(*key, "reason" | "next"));
    others.fold(error, |error, (key, value)| error.with(text::clean_line(key, 64), text::clean_line(value, 512)))
}

fn no_answer() -> Error {
    Error::malformed("the answer is not what an MCP server sends")
        .suggest("check that the URL is the one of an MCP endpoint with Beam's tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_back() {
        let error = failure("not_found: there is no such job\nreason: no_job\njob_id: a:1\nnext: list the jobs");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, "no_job"));
        assert_eq!(error.suggestion(), "list the jobs");
        assert_eq!(error.context().get("job_id").map(String::as_str), Some("a:1"));
        let other = failure("Traceback: it broke");
        assert_eq!((other.kind(), other.reason()), (ErrorKind::FailedPrecondition, "tool_failed"));
    }

    #[test]
    fn the_last_response_of_a_stream_is_the_answer() {
        let body = ": hi\r\n\r\ndata: {\"method\":\"x\"}\n\nevent: message\ndata: {\"id\":1,\ndata:\"result\":{}}\n\n";
        let headers = vec![("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())];
        let response = Response { status: 200, headers, body: body.to_owned().into() };
        assert!(is_response(&message(&response).unwrap()));
        let cut = Response { body: "data: {\"id\":1,\"res".to_owned().into(), ..response };
        assert_eq!(message(&cut).unwrap_err().kind(), ErrorKind::MalformedResponse);
    }
}
