//! S0's `runners:` section: one target per runner, named after it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{RunnerKind, Target, check};
use crate::error::Error;

/// One entry of `runners:`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SeedRunner {
    /// Off: the target does not exist.
    pub enabled: bool,
    /// Google Cloud project (Dataflow).
    pub default_project: Option<String>,
    /// Region (Dataflow).
    pub default_region: Option<String>,
    /// Master (Spark).
    pub spark_master: Option<String>,
    /// `host:port` or URL of the `JobManager` (Flink).
    pub jobmanager_address: Option<String>,
    /// Default pipeline options.
    pub options: Map<String, Value>,
}

pub(super) fn targets(runners: BTreeMap<String, SeedRunner>) -> Result<BTreeMap<String, Target>, Error> {
    runners.into_iter().filter(|(_, runner)| runner.enabled).map(|(name, runner)| target(&name, runner)).collect()
}

fn target(name: &str, seed: SeedRunner) -> Result<(String, Target), Error> {
    let kind = RunnerKind::parse(name).ok_or_else(|| {
        check::bad(&format!("runners.{name}"), "expected one of dataflow, direct, flink, portable, simulator, spark")
    })?;
    let mut target = Target::new(kind.as_str(), kind);
    target.url = seed.jobmanager_address.map(|address| as_url(&address));
    target.project = seed.default_project;
    target.region = seed.default_region;
    target.spark_master = seed.spark_master;
    target.options = seed.options;
    Ok((kind.as_str().to_owned(), target))
}

fn as_url(address: &str) -> String {
    let address = address.trim_end_matches('/');
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}
