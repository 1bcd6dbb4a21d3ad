//! The requests to Spark's servers, one pure function each (runners.md section 3).

use serde_json::Value;

use crate::{
    config::Target,
    effect::{CredentialId, Method, Request},
    url::encode,
};

/// Bytes of a log asked for at once.
pub(super) const LOG_BYTES: u64 = 64 << 10;
/// The header line of an answer names a path.
const HEADER_BYTES: u64 = 8 << 10;
/// A driver's page is slow when it is asked first.
const PAGE_MS: u64 = 15_000;
const LOG_MS: u64 = 10_000;

/// To the submission API.
fn rest(target: &Target, method: Method, path: impl Into<String>) -> Request {
    let mut request = Request::new(&target.name, method, path);
    request.credential = target.credential.as_ref().map(|_| CredentialId(target.name.clone()));
    request
}

/// To a server the operator named.
fn named(target: &Target, server: Option<&String>, path: impl Into<String>) -> Request {
    Request { server: server.map(|url| url.trim_end_matches('/').to_owned()), ..rest(target, Method::Get, path) }
}

/// To a server Spark named: without the target's credential.
fn told(target: &Target, server: &str, path: impl Into<String>) -> Request {
    Request { server: Some(server.to_owned()), ..Request::new(&target.name, Method::Get, path) }
}

/// The version: answered with 400, since it names no action.
pub fn version_request(target: &Target) -> Request {
    rest(target, Method::Get, "/")
}

/// Submits a driver.
pub fn create_request(target: &Target, body: Value) -> Request {
    rest(target, Method::Post, "/v1/submissions/create").json(body).timeout(15_000)
}

/// State of a driver.
pub fn status_request(target: &Target, driver: &str) -> Request {
    rest(target, Method::Get, format!("/v1/submissions/status/{}", encode(driver)))
}

/// Kills a driver.
pub fn kill_request(target: &Target, driver: &str) -> Request {
    rest(target, Method::Post, format!("/v1/submissions/kill/{}", encode(driver)))
}

/// Workers, drivers and applications. Without the last slash it is a redirect.
pub fn master_request(target: &Target) -> Request {
    named(target, target.master_url.as_ref(), "/json/")
}

/// The master's page of one application, which links to its driver's page and to its executors' logs.
pub fn application_request(target: &Target, app: &str) -> Request {
    named(target, target.master_url.as_ref(), format!("/app/?appId={}", encode(app)))
}

/// What of an application is asked for on its driver's page or of the history server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Facts {
    /// Stages with their accumulators.
    Stages,
    /// Executors, also those that have ended.
    Executors,
}

impl Facts {
    fn path(self, app: &str) -> String {
        let last = match self {
            Self::Stages => "stages",
            Self::Executors => "allexecutors",
        };
        format!("/api/v1/applications/{}/{last}", encode(app))
    }
}

/// Facts of the driver's own page, while it lives. `base` may end in a path: the master's proxy.
pub fn live_request(target: &Target, server: &str, prefix: &str, app: &str, facts: Facts) -> Request {
    told(target, server, format!("{prefix}{}", facts.path(app))).timeout(PAGE_MS)
}

/// Facts of the history server, after the application's end.
pub fn history_request(target: &Target, app: &str, facts: Facts) -> Request {
    named(target, target.history_url.as_ref(), facts.path(app)).timeout(PAGE_MS)
}

/// A log on a worker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Who wrote it.
    pub writer: Writer,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
}

/// Who wrote a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Writer {
    /// The driver with this id.
    Driver(String),
    /// An executor of an application.
    Executor {
        /// The application.
        app: String,
        /// Its number.
        id: String,
    },
}

/// At most `bytes` of a log from `offset` on; without an offset its last ones.
pub fn log_request(target: &Target, worker: &str, log: &Log, offset: Option<u64>, bytes: u64) -> Request {
    let writer = match &log.writer {
        Writer::Driver(id) => format!("driverId={}", encode(id)),
        Writer::Executor { app, id } => format!("appId={}&executorId={}", encode(app), encode(id)),
    };
    let from = offset.map(|offset| format!("&offset={offset}")).unwrap_or_default();
    let path = format!("/log/?{writer}&logType={}{from}&byteLength={bytes}", log.stream);
    let mut request = told(target, worker, path).timeout(LOG_MS);
    request.max_bytes = bytes + HEADER_BYTES;
    request
}
