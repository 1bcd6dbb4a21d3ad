//! Configuration: the host parses YAML to JSON, this module checks it and gives it meaning.
//!
//! # Shape
//! S0's integration guide (`service`, `default_runner`, `runners`, `interfaces`) and `targets`, `server`, `auth`,
//! `roots`, `store`. An unknown key is an error that names the nearest known one. Secrets appear only as references
//! (`env:NAME`, `file:PATH`) that the host resolves.

mod check;
mod google;
mod preset;
mod seed_form;
mod target;

pub use check::{nearest, server as check_server, slip};
pub use google::ALL_REGIONS;
pub use preset::Preset;
pub use target::{CredentialRef, DEFAULT_MAX_JOBS, Identity, RunnerKind, Target, TokenSource};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{auth::TokenEntry, error::Error, job::id::is_target};

/// Days ended jobs are kept where the configuration says nothing, and at least: an idempotency key finds its job for a
/// week.
const DAYS_OF_JOBS: u32 = 90;
const LEAST_DAYS_OF_JOBS: u32 = 8;
/// The same for audit rows.
const DAYS_OF_AUDIT: u32 = 365;
const LEAST_DAYS_OF_AUDIT: u32 = 30;
const DAY_MS: u64 = 24 * 3_600_000;

/// Checked configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Name shown to clients.
    pub service_name: String,
    /// Target (or runner) taken when a caller names none.
    pub default_runner: Option<String>,
    /// Targets by name.
    pub targets: BTreeMap<String, Target>,
    /// Interfaces switched off.
    pub interfaces: Interfaces,
    /// Who may call.
    pub auth: AuthConfig,
    /// What is offered over MCP.
    pub mcp: McpConfig,
    /// Beam's Job API as a door; `None`: off.
    pub job_api: Option<JobApiConfig>,
    /// For the host: where it listens.
    pub server: ServerConfig,
    /// For the host: directories beneath which `code_path` is looked up.
    pub roots: Vec<String>,
    /// For the host: where jobs are kept.
    pub store: StoreConfig,
}

/// The document as written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// Name and type of the service.
    pub service: Service,
    /// Target or runner taken when a caller names none.
    pub default_runner: Option<String>,
    /// Targets in S0's form: one per runner, named after it.
    pub runners: BTreeMap<String, seed_form::SeedRunner>,
    /// Targets by name.
    pub targets: BTreeMap<String, Target>,
    /// Which interfaces are on.
    pub interfaces: Interfaces,
    /// What is offered over MCP.
    pub mcp: McpConfig,
    /// Beam's Job API as a door: SDK programs with `--runner=PortableRunner --job_endpoint=127.0.0.1:<port>` submit
    /// through this server. On loopback only, and off unless it is set.
    pub job_api: Option<JobApiConfig>,
    /// Where the server listens.
    pub server: ServerConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// Directories beneath which `code_path` is looked up.
    pub roots: Vec<String>,
    /// Where jobs are kept.
    pub store: StoreConfig,
}

/// Name and type of the service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Shown to clients.
    pub name: String,
    /// Always `beam`.
    pub r#type: String,
}

impl Default for Service {
    fn default() -> Self {
        Self { name: "beam-mcp".into(), r#type: "beam".into() }
    }
}

/// One interface of S0.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Interface {
    /// Off: its verbs are refused.
    pub enabled: bool,
    /// Largest page of a list.
    pub batch_size: Option<u32>,
    /// Days ended jobs are kept.
    pub retention_days: Option<u32>,
}

impl Default for Interface {
    fn default() -> Self {
        Self { enabled: true, batch_size: None, retention_days: None }
    }
}

/// The interfaces of S0.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Interfaces {
    /// Jobs.
    pub jobs: Interface,
    /// Metrics.
    pub metrics: Interface,
    /// Logs.
    pub logs: Interface,
    /// Savepoints.
    pub savepoints: Interface,
}

/// Beam's Job API as a door.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobApiConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[serde(default = "job_api_port")]
    pub port: u16,
    /// Target that jobs go to: a portable or a Direct one, or a Flink or Spark target that has `job_server_jar`.
    pub target: String,
}

fn job_api_port() -> u16 {
    8099
}

/// What is offered over MCP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct McpConfig {
    /// No sessions for revisions with a handshake: for several servers behind one address, where the next request of a
    /// client may reach another one. Such clients cannot be asked anything then.
    pub stateless: bool,
    /// Only tools that change nothing, on every path. Tokens with the role `viewer` do the same for one caller.
    pub read_only: bool,
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Most connections at once.
    pub max_connections: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { host: "127.0.0.1".into(), port: 8888, max_connections: 1024 }
    }
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// `None`: required unless the server listens on loopback only and no tokens are configured.
    pub enabled: Option<bool>,
    /// Static tokens.
    pub tokens: Vec<TokenEntry>,
    /// Host names accepted besides those of the listening address.
    pub allowed_hosts: Vec<String>,
    /// Origins accepted; none by default.
    pub allowed_origins: Vec<String>,
    /// Requests a minute that each caller may send to one process over HTTP, those of ten seconds at once; no limit when
    /// left out.
    pub calls_per_minute: Option<std::num::NonZeroU32>,
}

/// Where jobs are kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite` (default of the server) or `memory`.
    pub kind: Option<String>,
    /// Directory of the database, staged files and job folders.
    pub path: Option<String>,
    /// During an upgrade, while processes of the version before run: rows are written so that they can read them.
    pub write_previous_schema: bool,
    /// Days audit rows are kept, at least 30; default 365.
    pub audit_days: Option<u32>,
    /// The table of the Lambda function; without it the function forgets its jobs.
    pub dynamodb: Option<DynamoConfig>,
}

/// A `DynamoDB` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DynamoConfig {
    /// Its name.
    pub table: String,
    /// AWS region; the function's own by default.
    #[serde(default)]
    pub region: Option<String>,
    /// Base URL, for instance of an emulator; the service's own by default.
    #[serde(default)]
    pub endpoint: Option<String>,
}

impl Config {
    /// Checks a document and gives it meaning.
    ///
    /// # Errors
    /// `invalid_argument`: unknown key (with the nearest known one), wrong type (with its path), a bad target name,
    /// two targets of one name, a target without what its runner needs.
    pub fn from_json(document: &Value) -> Result<Self, Error> {
        let document: Document = check::read(document)?;
        let mut targets = seed_form::targets(document.runners)?;
        for (name, target) in document.targets {
            if targets.insert(name.clone(), target).is_some() {
                return Err(check::bad(&format!("targets.{name}"), "`runners` names a target of this name too"));
            }
        }
        check_days("interfaces.jobs.retention_days", document.interfaces.jobs.retention_days, LEAST_DAYS_OF_JOBS)?;
        check_days("store.audit_days", document.store.audit_days, LEAST_DAYS_OF_AUDIT)?;
        for (name, target) in &mut targets {
            target.name.clone_from(name);
            google::complete(target);
            check_target(name, target)?;
        }
        check::store(&document.store)?;
        Ok(Self {
            service_name: document.service.name,
            default_runner: document.default_runner,
            targets,
            interfaces: document.interfaces,
            auth: document.auth,
            mcp: document.mcp,
            job_api: document.job_api,
            server: document.server,
            roots: document.roots,
            store: document.store,
        })
    }

    /// Jobs that ended before this are not kept: Unix milliseconds.
    pub fn job_cutoff_ms(&self, now_ms: u64) -> u64 {
        let days = self.interfaces.jobs.retention_days.unwrap_or(DAYS_OF_JOBS);
        now_ms.saturating_sub(u64::from(days) * DAY_MS)
    }

    /// Audit rows from before this are not kept: Unix milliseconds.
    pub fn audit_cutoff_ms(&self, now_ms: u64) -> u64 {
        let days = self.store.audit_days.unwrap_or(DAYS_OF_AUDIT);
        now_ms.saturating_sub(u64::from(days) * DAY_MS)
    }

    /// The JSON Schema of the document, draft 2020-12.
    #[cfg(feature = "server")]
    pub fn schema() -> Value {
        schemars::schema_for!(Document).to_value()
    }

    /// Every tenant a token belongs to, and `own`.
    pub fn tenants(&self, own: &str) -> Vec<String> {
        let mut tenants: Vec<String> = self.auth.tokens.iter().map(|token| token.tenant.clone()).collect();
        tenants.push(own.to_owned());
        tenants.sort();
        tenants.dedup();
        tenants
    }

    /// The target a caller means by a target name or a runner name.
    ///
    /// # Errors
    /// `not_found` that lists the targets, `invalid_argument` when several fit.
    pub fn target(&self, wanted: Option<&str>) -> Result<&Target, Error> {
        let wanted = wanted.or(self.default_runner.as_deref()).ok_or_else(|| self.no_target_named())?;
        if let Some(target) = self.targets.get(wanted) {
            return Ok(target);
        }
        let kind = RunnerKind::parse(wanted).ok_or_else(|| self.unknown_target(wanted))?;
        let mut fitting = self.targets.values().filter(|target| target.runner == kind);
        match (fitting.next(), fitting.next()) {
            (Some(target), None) => Ok(target),
            (None, _) => Err(self.unknown_target(wanted)),
            (Some(_), Some(_)) => Err(self.several(kind)),
        }
    }

    fn names(&self) -> String {
        self.targets.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    fn no_target_named(&self) -> Error {
        Error::invalid("no_target", "no target was named and the server has no `default_runner`")
            .with("targets", self.names())
            .suggest("set `target` (or `runner_type`) to one of the listed targets")
    }

    fn unknown_target(&self, wanted: &str) -> Error {
        let wanted = crate::text::clean_line(wanted, 64);
        Error::not_found("unknown_target", format!("there is no target `{wanted}`"))
            .with("targets", self.names())
            .suggest("name one of the listed targets; list_runners shows what each can do")
    }

    fn several(&self, kind: RunnerKind) -> Error {
        let names: Vec<_> = self.targets.values().filter(|t| t.runner == kind).map(|t| t.name.as_str()).collect();
        Error::invalid("several_targets", format!("several targets run {}", kind.as_str()))
            .with("targets", names.join(", "))
            .suggest("name one of the listed targets instead of the runner")
    }
}

fn check_days(path: &str, days: Option<u32>, least: u32) -> Result<(), Error> {
    if days.is_none_or(|days| days >= least) {
        return Ok(());
    }
    Err(check::bad(path, &format!("at least {least} days are kept")))
}

fn check_target(name: &str, target: &Target) -> Result<(), Error> {
    let path = format!("targets.{name}");
    if !is_target(name) {
        return Err(check::bad(&path, "a target name is a lower-case letter, then letters, digits or `-`, at most 32"));
    }
    if target.runner.needs_url() && target.url.is_none() {
        return Err(check::bad(&format!("{path}.url"), "this runner needs a `url`"));
    }
    google::check(&path, target)?;
    target.credential.as_ref().map_or(Ok(()), |credential| check::credential(&path, credential))?;
    let mut presets = target.presets.iter();
    presets.try_for_each(|(name, preset)| preset::check(&format!("{path}.presets.{name}"), name, preset))?;
    let urls = [
        ("url", &target.url),
        ("master_url", &target.master_url),
        ("history_url", &target.history_url),
        ("logging_url", &target.logging_url),
    ];
    for (key, url) in urls {
        url.as_deref().map_or(Ok(()), |url| check::url(&format!("{path}.{key}"), url))?;
    }
    if target.runner == RunnerKind::Spark && target.url.is_some() != target.master_url.is_some() {
        return Err(check::bad(
            &path,
            "a Spark target needs `url`, its master's submission REST API (port 6066), and \
            `master_url`, its master's web page (port 8080)",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_seed_document_is_read() {
        let config = Config::from_json(&json!({
            "service": {"name": "beam-mcp", "type": "beam"},
            "default_runner": "dataflow",
            "runners": {
                "dataflow": {"enabled": true, "default_project": "p", "default_region": "us-central1"},
                "spark": {"enabled": true, "spark_master": "yarn"},
                "flink": {"enabled": true, "jobmanager_address": "localhost:8081"},
                "direct": {"enabled": true, "options": {"direct_num_workers": 4, "save_main_session": true}},
            },
            "interfaces": {"jobs": {"enabled": true, "batch_size": 100}, "savepoints": {"enabled": true}},
        }))
        .unwrap();
        assert_eq!(config.target(Some("flink")).unwrap().url.as_deref(), Some("http://localhost:8081"));
        assert_eq!(config.target(Some("FlinkRunner")).unwrap().name, "flink");
        assert_eq!(config.target(None).unwrap().runner, RunnerKind::Dataflow);
        assert_eq!(config.targets["direct"].options["direct_num_workers"], 4);
        assert_eq!(config.target(Some("samza")).unwrap_err().reason(), "unknown_target");
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = Config::from_json(&json!({"targets": {"a": {"runner": "flink", "ulr": "x"}}})).unwrap_err();
        assert_eq!(error.reason(), "unknown_key");
        assert!(error.message().contains("targets.a"), "{error}");
        assert!(error.suggestion().contains("`url`"), "{}", error.suggestion());
    }

    #[test]
    fn what_is_kept_has_a_least_time() {
        for (document, path) in [
            (json!({"interfaces": {"jobs": {"retention_days": 7}}}), "interfaces.jobs.retention_days"),
            (json!({"store": {"audit_days": 29}}), "store.audit_days"),
        ] {
            let error = Config::from_json(&document).unwrap_err();
            assert!(error.message().contains(path), "{error}");
        }
        let config = Config::from_json(&json!({"interfaces": {"jobs": {"retention_days": 8}}})).unwrap();
        assert_eq!(config.job_cutoff_ms(9 * DAY_MS), DAY_MS);
    }

    #[test]
    fn a_table_needs_a_name_and_is_the_only_store() {
        let read = |store: Value| Config::from_json(&json!({"store": store}));
        let table = json!({"table": "jobs", "region": "eu-west-1"});
        assert_eq!(read(json!({"dynamodb": table})).unwrap().store.dynamodb.unwrap().table, "jobs");
        for (store, key) in [
            (json!({"dynamodb": {}}), "store.dynamodb"),
            (json!({"dynamodb": {"table": "a b"}}), "store.dynamodb.table"),
            (json!({"dynamodb": {"table": "jobs", "endpoint": "127.0.0.1:8000"}}), "store.dynamodb.endpoint"),
            (json!({"dynamodb": table, "kind": "sqlite"}), "store.kind"),
            (json!({"dynamodb": table, "path": "/x"}), "store.path"),
        ] {
            assert!(read(store.clone()).unwrap_err().message().contains(key), "{store}");
        }
    }

    #[test]
    fn two_targets_of_one_runner_must_be_named() {
        let url = "http://127.0.0.1:8081";
        let config = Config::from_json(&json!({"targets": {
            "a": {"runner": "flink", "url": url}, "b": {"runner": "flink", "url": url}}}))
        .unwrap();
        assert_eq!(config.target(Some("flink")).unwrap_err().context()["targets"], "a, b");
        assert_eq!(config.target(Some("b")).unwrap().name, "b");
    }
}
