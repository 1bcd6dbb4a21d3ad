use crate::{effect::Method, error::Error};

/// What kind of call a route is: it decides the time limit and whether a call may be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Changes nothing: repeated freely.
    Read,
    /// Holds the connection until something changes; the input's `timeout_seconds` (or `timeout_s`) is the server's limit.
    Watch,
    /// Changes something; repeated under one `Idempotency-Key`.
    Write,
    /// The same, and the answer may take until the runner confirms (600 s on a native server).
    Waits,
    /// Sends bytes the host holds; named by their hash on the server, so it may be repeated.
    Upload,
}

/// One row: a verb and how it looks over REST.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
    /// The verb.
    pub verb: &'static str,
    /// The method.
    pub method: Method,
    /// Path; `{name}` is replaced by the input's member of that name.
    pub path: &'static str,
    /// Members that go into the query. The rest is the body, or is refused where there is none.
    pub query: &'static [&'static str],
    /// Kind of call.
    pub class: Class,
    /// Member of `data` that holds the items of a list that comes in pages.
    pub items: Option<&'static str>,
    /// False where the answer is a document without envelope.
    pub envelope: bool,
}

const fn row(verb: &'static str, method: Method, path: &'static str, class: Class) -> Route {
    Route { verb, method, path, query: &[], class, items: None, envelope: true }
}

const fn read(verb: &'static str, path: &'static str, query: &'static [&'static str]) -> Route {
    Route { query, ..row(verb, Method::Get, path, Class::Read) }
}

const fn list(verb: &'static str, path: &'static str, query: &'static [&'static str], items: &'static str) -> Route {
    Route { items: Some(items), ..read(verb, path, query) }
}

const fn post(verb: &'static str, path: &'static str, class: Class) -> Route {
    row(verb, Method::Post, path, class)
}

const JOB: &str = "/api/v1/jobs/{job_id}";
const CONTEXT: &str = "/api/v1/contexts/{context_id}";
const LOG_QUERY: &[&str] =
    &["max_results", "page_token", "duration_seconds", "until", "min_severity", "contains", "worker", "step"];
const JOB_FILTER: &[&str] = &["target", "state", "job_type", "name_contains", "limit", "page_token"];

/// Every verb a client can call.
pub const ROUTES: &[Route] = &[
    read("get_manifest", "/api/v1/manifest", &[]),
    read("get_health", "/api/v1/health/llm", &[]),
    Route { envelope: false, ..read("get_openapi", "/openapi.json", &[]) },
    list("list_runners", "/api/v1/runners", &["runner_type"], "runners"),
    read("get_runner", "/api/v1/runners/{runner_type}", &[]),
    list("list_targets", "/api/v1/targets", &[], "targets"),
    post("create_job", "/api/v1/jobs", Class::Write),
    list("list_jobs", "/api/v1/jobs", JOB_FILTER, "jobs"),
    read("get_job", JOB, &["max_age_ms"]),
    read("get_job_status", "/api/v1/jobs/{job_id}/status", &["max_age_ms"]),
    read("get_job_configuration", "/api/v1/jobs/{job_id}/configuration", &[]),
    row("update_job", Method::Patch, JOB, Class::Waits),
    post("scale_job", "/api/v1/jobs/{job_id}/scale", Class::Waits),
    post("cancel_job", "/api/v1/jobs/{job_id}/cancel", Class::Waits),
    post("create_savepoint", "/api/v1/jobs/{job_id}/savepoint", Class::Waits),
    post("start_savepoint", "/api/v1/jobs/{job_id}/savepoints", Class::Write),
    list("list_savepoints", "/api/v1/jobs/{job_id}/savepoints", &[], "savepoints"),
    list("list_operations", "/api/v1/jobs/{job_id}/operations", &[], "operations"),
    read("get_operation", "/api/v1/jobs/{job_id}/operations/{operation_id}", &[]),
    post("restore_job", "/api/v1/jobs/{job_id}/restore", Class::Write),
    post("adopt_job", "/api/v1/jobs/{job_id}/adopt", Class::Write),
    post("abandon_job", "/api/v1/jobs/{job_id}/abandon", Class::Write),
    post("resubmit_job", "/api/v1/jobs/{job_id}/resubmit", Class::Write),
    read("get_metrics", "/api/v1/jobs/{job_id}/metrics", &[]),
    read("get_graph", "/api/v1/jobs/{job_id}/graph", &["svg"]),
    read("get_checkpoints", "/api/v1/jobs/{job_id}/checkpoints", &[]),
    read("get_logs", "/api/v1/jobs/{job_id}/logs", LOG_QUERY),
    Route {
        query: &["cursor", "timeout_seconds", "timeout_s", "until_terminal"],
        ..row("wait_for_change", Method::Get, "/api/v1/jobs/{job_id}/wait", Class::Watch)
    },
    list("list_contexts", "/api/v1/contexts", &["context_type", "limit", "page_token"], "contexts"),
    post("create_context", "/api/v1/contexts", Class::Write),
    read("get_context", CONTEXT, &[]),
    row("update_context", Method::Put, CONTEXT, Class::Write),
    Route {
        query: &["mcp_generation", "dry_run", "plan_digest"],
        ..row("delete_context", Method::Delete, CONTEXT, Class::Write)
    },
    Route { query: &["file_name"], ..post("upload_artifact", "/api/v1/artifacts", Class::Upload) },
];

/// The row of a verb.
///
/// # Errors
/// `invalid_argument` with reason `unknown_verb`.
pub fn route(verb: &str) -> Result<&'static Route, Error> {
    ROUTES.iter().find(|route| route.verb == verb).ok_or_else(|| {
        Error::invalid("unknown_verb", "a client has no call of this name")
            .with("verb", crate::text::clean_line(verb, 64))
            .suggest("see beam_mcp_core::client::ROUTES for the names")
    })
}
