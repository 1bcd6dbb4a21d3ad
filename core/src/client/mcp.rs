//! The same calls as MCP tools: for any server that has them, of either era.
//!
//! Nothing is declared that a server could ask for, so it must answer; one that plans first is sent the digest of its
//! plan, since whoever calls a write of this client wants it done.

use serde_json::{Map, Value};

use super::{Class, ClientOptions, Route, request};
use crate::{
    call::Call,
    error::{Error, ErrorKind},
    flow::Io,
    mcp_client::{Connection, ToolCall},
    text,
};

/// Calls the tool of a route's verb. One that plans what cannot be undone is told to do exactly that.
///
/// # Errors
/// What the tool or the server says; `unsupported` for bytes to upload, which no tool takes.
pub(super) async fn call(
    connection: &Connection,
    io: &Io,
    call: &Call,
    route: &Route,
    options: &ClientOptions,
    given: Map<String, Value>,
) -> Result<Value, Error> {
    let mut tool = tool(route, given, options, call)?;
    let answer = told(&connection.call_tool(io.clone(), call.clone(), tool.clone()).await?)?;
    let digest = answer.get("plan").and_then(|plan| plan.get("digest")).and_then(Value::as_str);
    let dry_run = tool.arguments.get("dry_run").is_some_and(|dry| *dry == true);
    let confirmed = tool.arguments.contains_key("plan_digest");
    match digest.filter(|_| answer.get("operation").is_none() && !dry_run && !confirmed) {
        None => Ok(answer),
        Some(digest) => {
            tool.arguments.insert("plan_digest".to_owned(), digest.into());
            told(&connection.call_tool(io.clone(), call.clone(), tool).await?)
        }
    }
}

fn tool(
    route: &Route,
    mut arguments: Map<String, Value>,
    options: &ClientOptions,
    call: &Call,
) -> Result<ToolCall, Error> {
    if route.class == Class::Upload {
        return Err(Error::unsupported("rest_only", "MCP takes no uploads").suggest("upload over REST"));
    }
    arguments.retain(|_, value| !value.is_null());
    if matches!(route.class, Class::Write | Class::Waits) {
        let key = || call.seed.hex128("idempotency key").into();
        arguments.entry("idempotency_key").or_insert_with(key);
    }
    join_operation(route, &mut arguments);
    if route.verb == "wait_for_change" {
        // As over REST: who watches a job with this client is given all of it.
        arguments.insert("whole".to_owned(), true.into());
    }
    Ok(ToolCall {
        name: name_of(route, &mut arguments).to_owned(),
        timeout_ms: request::timeout(route, &arguments, options),
        arguments,
        max_retries: options.max_retries,
        // Labels go along, but for the session: over MCP that header is the protocol's own.
        headers: request::labels(&call.labels).filter(|(name, _)| name != "mcp-session-id").collect(),
    })
}

/// REST has a route that does not wait for a savepoint, a tool an argument that says so.
fn name_of(route: &Route, arguments: &mut Map<String, Value>) -> &'static str {
    if route.verb != "start_savepoint" {
        return route.verb;
    }
    arguments.insert("wait_seconds".to_owned(), 0.into());
    "create_savepoint"
}

/// REST names an operation beneath its job, a tool by its whole id.
fn join_operation(route: &Route, arguments: &mut Map<String, Value>) {
    if route.verb != "get_operation" {
        return;
    }
    let (job, id) = (arguments.remove("job_id"), arguments.get("operation_id").and_then(Value::as_str));
    if let (Some(Value::String(job)), Some(id)) = (job, id)
        && !id.contains('/')
    {
        let whole = format!("{job}/{id}");
        arguments.insert("operation_id".to_owned(), whole.into());
    }
}

/// What a tool's result says.
fn told(result: &Map<String, Value>) -> Result<Value, Error> {
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
    let others = facts.into_iter().filter(|(key, _)| !matches!(*key, "reason" | "next" | "untrusted"));
    others.fold(error, |error, (key, value)| error.with(text::clean_line(key, 64), text::clean_line(value, 512)))
}

fn no_answer() -> Error {
    Error::malformed("the answer is not what one of Beam's tools gives")
        .suggest("check that the URL is the one of an MCP endpoint with Beam's tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_back() {
        let error = failure(
            "not_found: there is no such job\nreason: no_job\njob_id: a:1\nnext: list the jobs\nuntrusted: words",
        );
        assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, "no_job"));
        assert_eq!(error.context().len(), 1, "the mark is for models");
        assert_eq!(error.suggestion(), "list the jobs");
        assert_eq!(error.context().get("job_id").map(String::as_str), Some("a:1"));
        let other = failure("Traceback: it broke");
        assert_eq!((other.kind(), other.reason()), (ErrorKind::FailedPrecondition, "tool_failed"));
    }
}
