use std::{future::Future, pin::Pin};

use serde_json::{Map, Value};

use super::{documents, health, openapi, shim};
use crate::{
    effect::Response,
    engine::{BodyRule, HttpRequest},
    error::{Error, ErrorKind},
    url::decode,
    verb::Context,
};

/// Largest JSON body in bytes.
pub const BODY_LIMIT: u64 = 1 << 20;
/// Largest upload in bytes.
pub const UPLOAD_LIMIT: u64 = 512 << 20;

pub(super) type Input = Map<String, Value>;
pub(super) type PageFuture = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// What a route does.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Runs a verb on the input, adapted to what this path promises.
    Verb { name: &'static str, adapt: fn(&mut Input, &Context) },
    /// Answers by itself.
    Page(fn(Context, HttpRequest, Input) -> PageFuture),
}

/// One row of the table.
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path; `{name}` takes one segment.
    pub path: &'static str,
    /// One line for the `OpenAPI` document.
    pub summary: &'static str,
    pub(super) does: Does,
}

impl Route {
    /// The verb it runs, if it runs one.
    pub fn verb(&self) -> Option<&'static str> {
        match self.does {
            Does::Verb { name, .. } => Some(name),
            Does::Page(_) => None,
        }
    }
}

const fn verb(method: &'static str, path: &'static str, name: &'static str, summary: &'static str) -> Route {
    Route { method, path, summary, does: Does::Verb { name, adapt: as_it_is } }
}

const fn adapted(route: Route, adapt: fn(&mut Input, &Context)) -> Route {
    match route.does {
        Does::Verb { name, .. } => Route { does: Does::Verb { name, adapt }, ..route },
        Does::Page(_) => route,
    }
}

const fn page(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    page: fn(Context, HttpRequest, Input) -> PageFuture,
) -> Route {
    Route { method, path, summary, does: Does::Page(page) }
}

const CONTEXT: &str = "/api/v1/contexts/{context_id}";

/// Every route. A trailing slash is the same route.
pub static ROUTES: &[Route] = &[
    page("GET", "/health/live", "The process answers", health::live),
    page("GET", "/health/ready", "The store answers", health::ready),
    page("GET", "/openapi.json", "This document", openapi::document),
    page("GET", "/api/v1/manifest", "Name, version and tools", documents::manifest),
    page("GET", "/api/v1/targets", "Targets of the configuration, not probed", documents::targets),
    page("GET", "/api/v1/health/llm", "Health as text for a model", health::llm),
    adapted(verb("GET", "/api/v1/runners", "list_runners", "Every target, probed"), reasons),
    page("GET", "/api/v1/runners/{runner_type}", "One target, probed", documents::runner),
    verb("POST", "/api/v1/jobs", "create_job", "Submit a job: 201 once the runner acknowledged it, else 202"),
    verb("GET", "/api/v1/jobs", "list_jobs", "Jobs, newest first"),
    verb("GET", "/api/v1/jobs/{job_id}", "get_job", "One job"),
    verb("GET", "/api/v1/jobs/{job_id}/status", "get_job", "One job"),
    page("GET", "/api/v1/jobs/{job_id}/configuration", "What was asked for and sent", documents::configuration),
    verb("PATCH", "/api/v1/jobs/{job_id}", "update_job", "Change a running job"),
    verb("PUT", "/api/v1/jobs/{job_id}", "update_job", "Change a running job"),
    adapted(
        verb("POST", "/api/v1/jobs/{job_id}/scale", "scale_job", "Change parallelism; waits for the runner"),
        waits,
    ),
    adapted(
        verb("POST", "/api/v1/jobs/{job_id}/cancel", "cancel_job", "End a job; waits for the runner"),
        cancel_waits,
    ),
    adapted(
        verb("POST", "/api/v1/jobs/{job_id}/savepoint", "create_savepoint", "Take a savepoint; waits for it"),
        waits,
    ),
    adapted(
        verb(
            "POST",
            "/api/v1/jobs/{job_id}/savepoints",
            "create_savepoint",
            "Take a savepoint: 202 with the operation",
        ),
        at_once,
    ),
    page("GET", "/api/v1/jobs/{job_id}/savepoints", "Savepoints asked for", documents::savepoints),
    page("GET", "/api/v1/jobs/{job_id}/operations", "Operations of a job", documents::operations),
    adapted(
        verb("GET", "/api/v1/jobs/{job_id}/operations/{operation_id}", "get_operation", "One operation"),
        whole_operation_id,
    ),
    verb("POST", "/api/v1/jobs/{job_id}/restore", "restore_job", "Submit again from a savepoint"),
    verb("POST", "/api/v1/jobs/{job_id}/adopt", "adopt_job", "Bind a job nobody can explain to one the runner shows"),
    verb("POST", "/api/v1/jobs/{job_id}/abandon", "abandon_job", "Declare a job nobody can explain not running"),
    verb("POST", "/api/v1/jobs/{job_id}/resubmit", "resubmit_job", "Submit a parked job again, under a new token"),
    verb("GET", "/api/v1/jobs/{job_id}/metrics", "get_metrics", "Metrics as they are"),
    verb("GET", "/api/v1/jobs/{job_id}/graph", "get_graph", "Stages and what feeds each"),
    page("GET", "/api/v1/jobs/{job_id}/graph.svg", "The same as a picture", documents::graph_svg),
    verb("GET", "/api/v1/jobs/{job_id}/checkpoints", "get_checkpoints", "Checkpoints as the runner lists them"),
    verb("GET", "/api/v1/jobs/{job_id}/logs", "get_logs", "One page of the log"),
    verb("GET", "/api/v1/jobs/{job_id}/wait", "wait_for_change", "Wait up to 25 s for a change"),
    verb("GET", "/api/v1/contexts", "list_contexts", "Run profiles of the catalogue"),
    verb("POST", "/api/v1/contexts", "create_context", "Make a run profile"),
    verb("GET", CONTEXT, "get_context", "One run profile"),
    verb("PUT", CONTEXT, "update_context", "Change the members of a run profile that are sent"),
    verb("DELETE", CONTEXT, "delete_context", "Take a run profile out of the catalogue"),
    page("POST", "/api/v1/artifacts", "Upload a file: answers artifact:sha256:<hex>", documents::artifact),
    page("POST", "/api/v1/mcp/initialize", "S1's handshake; the protocol itself is at /mcp", shim::initialize),
    page("POST", "/api/v1/mcp/initialized", "S1's handshake", shim::accepted),
    page("POST", "/api/v1/mcp/shutdown", "S1's handshake", shim::accepted),
    page("POST", "/api/v1/mcp/exit", "S1's handshake", shim::accepted),
];

/// REST tells what a target cannot do; the list of MCP, which a model reads whole, does not.
fn reasons(input: &mut Input, _: &Context) {
    input.entry("reasons").or_insert_with(|| true.into());
}

fn as_it_is(_: &mut Input, _: &Context) {}

/// The path waits as long as the host may, where the caller says nothing.
fn waits(input: &mut Input, context: &Context) {
    #[expect(clippy::cast_precision_loss, reason = "a time limit")]
    let seconds = context.state.host.longest_wait_ms as f64 / 1000.0;
    input.entry("wait_seconds").or_insert_with(|| seconds.into());
}

/// S0 and REST users send no mode: that is a plain cancel (B29).
fn cancel_waits(input: &mut Input, context: &Context) {
    waits(input, context);
    if !input.contains_key("mode") && !input.contains_key("with_savepoint") {
        input.insert("mode".into(), "cancel".into());
    }
}

fn at_once(input: &mut Input, _: &Context) {
    input.entry("wait_seconds").or_insert_with(|| 0.into());
}

/// `/jobs/{id}/operations/{op}` names the last part of the id.
fn whole_operation_id(input: &mut Input, _: &Context) {
    if let (Some(Value::String(job)), Some(Value::String(operation))) =
        (input.remove("job_id"), input.get_mut("operation_id"))
    {
        *operation = format!("{job}/{operation}");
    }
}

/// True for routes that need no token: liveness and readiness, which tell nothing else.
pub fn is_public(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/health/live" | "/health/ready")
}

/// What a host does with the body.
pub fn body_rule(method: &str, path: &str) -> BodyRule {
    match (method, path.trim_end_matches('/')) {
        ("POST", "/api/v1/artifacts") => BodyRule::Stage(UPLOAD_LIMIT),
        _ => BodyRule::Buffer(BODY_LIMIT),
    }
}

/// A route and what its path holds.
pub(super) struct Found {
    pub(super) route: &'static Route,
    pub(super) arguments: Vec<(&'static str, String)>,
}

/// The route of a request. A query of arguments matches before a name does, so `/jobs/x/savepoints` is no job.
pub(super) fn find(method: &str, path: &str) -> Result<Found, Error> {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let fitting: Vec<(&Route, Vec<_>)> =
        ROUTES.iter().filter_map(|route| Some((route, matches(route.path, path)?))).collect();
    let wanted = if method == "HEAD" { "GET" } else { method };
    if let Some((route, arguments)) = fitting.iter().find(|(route, _)| route.method == wanted) {
        return Ok(Found { route, arguments: arguments.clone() });
    }
    Err(no_route(method, path, &fitting.iter().map(|(route, _)| route.method).collect::<Vec<_>>()))
}

fn no_route(method: &str, path: &str, allowed: &[&str]) -> Error {
    let (method, path) = (crate::text::clean_line(method, 16), crate::text::clean_line(path, 128));
    if allowed.is_empty() {
        return Error::not_found("unknown_route", format!("there is no route {path}"))
            .suggest("GET /openapi.json lists the routes; MCP is at /mcp");
    }
    Error::new(ErrorKind::MethodNotAllowed, "method_not_allowed", format!("{method} is not for {path}"))
        .with("allow", allowed.join(", "))
}

fn matches(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut arguments = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(arguments),
            (Some(want), Some(got)) => match want.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !got.is_empty() => arguments.push((name, decode(got, false)?)),
                None if want == got => {}
                Some(_) | None => return None,
            },
            _ => return None,
        }
    }
}

/// A query value as the verb's input wants it.
pub(super) fn typed(name: &str, value: String) -> Result<Value, Error> {
    let number = || value.parse::<f64>().ok().filter(|number| number.is_finite());
    match name {
        "limit" | "max_results" | "duration_seconds" | "max_age_ms" | "mcp_generation" => {
            value.parse::<u64>().map(Value::from).map_err(|_| bad_number(name))
        }
        // A number where a change is waited for, and another name of a page's token in lists.
        "cursor" => Ok(value.parse::<u64>().map_or(Value::String(value), Value::from)),
        "timeout_s" | "timeout_seconds" => number().map(Value::from).ok_or_else(|| bad_number(name)),
        "until_terminal" | "svg" | "reasons" | "dry_run" => {
            value.parse::<bool>().map(Value::from).map_err(|_| bad_number(name))
        }
        _ => Ok(Value::String(value)),
    }
}

fn bad_number(name: &str) -> Error {
    Error::invalid("bad_query", format!("the query parameter `{name}` has a value of the wrong type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Path = (&'static str, Vec<(&'static str, String)>);

    fn path_of(method: &str, path: &str) -> Result<Path, Error> {
        find(method, path).map(|found| (found.route.path, found.arguments))
    }

    #[test]
    fn routes_match_with_and_without_a_trailing_slash() {
        let job = path_of("GET", "/api/v1/jobs/flink%3Aabc/").unwrap();
        assert_eq!(job, ("/api/v1/jobs/{job_id}", vec![("job_id", "flink:abc".to_owned())]));
        assert_eq!(path_of("POST", "/api/v1/jobs/").unwrap().0, "/api/v1/jobs");
        assert_eq!(path_of("GET", "/api/v1/jobs/a/operations/b").unwrap().1.len(), 2);
    }

    #[test]
    fn unknown_routes_and_methods_are_told_apart() {
        assert_eq!(path_of("GET", "/nope").unwrap_err().kind(), ErrorKind::NotFound);
        let error = path_of("DELETE", "/api/v1/jobs").unwrap_err();
        assert_eq!((error.kind(), error.context()["allow"].as_str()), (ErrorKind::MethodNotAllowed, "POST, GET"));
        assert_eq!(path_of("GET", "/api/v1/jobs//").unwrap().0, "/api/v1/jobs");
    }

    #[test]
    fn every_verb_has_a_route() {
        for verb in &crate::verb::VERBS {
            assert!(ROUTES.iter().any(|route| route.verb() == Some(verb.name)), "{}", verb.name);
        }
    }
}
