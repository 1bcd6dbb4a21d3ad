//! `list_runners`: every target, probed.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Context, Hints, registry::Define};
use crate::{
    auth::Scope,
    clock::rfc3339,
    config::{Preset, RunnerKind, Target},
    error::{Error, ErrorKind},
    lifecycle::note_outage,
    runner::{Backend, Capability, Probe, refusal},
};

/// A probe younger than this is not repeated.
const FRESH_MS: u64 = 10_000;
/// The same for one that failed, while nothing has answered since: targets that are silent do not add up.
const FRESH_OUTAGE_MS: u64 = 60_000;
/// Longest one probe takes.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// Input of `list_runners`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Only targets of this runner, or this target.
    #[serde(alias = "runner", alias = "target")]
    pub runner_type: Option<String>,
    /// Also why it cannot do the rest, and what to do instead. Not in the schema: REST asks, and a tool list is short.
    #[schemars(skip)]
    pub reasons: bool,
}

/// Output of `list_runners`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// In name order.
    pub runners: Vec<RunnerView>,
}

/// One target.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunnerView {
    /// Name of the target.
    pub name: String,
    /// The same, under S2's name.
    pub mcp_resource_id: String,
    /// Runner.
    pub runner_type: RunnerKind,
    /// AVAILABLE, UNAVAILABLE, or UNSUPPORTED by this version or host.
    pub status: String,
    /// Circuit breaker: `closed`, `open` (not asked for a while) or `probing`.
    pub breaker: String,
    /// Text of the operator.
    pub description: String,
    /// What it can do, as probed; empty when it does not answer.
    pub capabilities: Vec<Capability>,
    /// What it cannot do, where that was asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unsupported: BTreeMap<Capability, Unsupported>,
    /// The runner's version, where it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Default pipeline options of the operator.
    pub config: Map<String, Value>,
    /// What `create_job` can be told by name, as `preset`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub presets: BTreeMap<String, Preset>,
    /// Facts of the probe, for instance slots.
    pub facts: Map<String, Value>,
    /// Who runs it.
    pub mcp_provider: String,
    /// Not known to beam-mcp.
    pub mcp_cost_tier: String,
    /// Smallest parallelism.
    pub mcp_min_workers: u32,
    /// Slots or processes the target has, where it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_max_workers: Option<u64>,
    /// True when it changes parallelism in place.
    pub mcp_auto_scaling: bool,
    /// RFC 3339 of the probe.
    pub checked_at: String,
    /// Why it is not available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// What a user should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Why a target cannot do something.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Unsupported {
    /// The reason one is refused with who asks for it.
    pub reason: String,
    /// The nearest alternative.
    pub suggestion: String,
}

pub(super) struct ListRunners;

impl Define for ListRunners {
    const NAME: &'static str = "list_runners";
    const TITLE: &'static str = "List runners";
    const DESCRIPTION: &'static str = "Every target jobs can run on, probed now: whether it answers, its version, and \
        what it can do (drain, savepoints, rescale, …). Call it first to choose a target.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let wanted = input.runner_type.as_deref();
        let kind = wanted.and_then(RunnerKind::parse);
        let fits = |t: &Target| wanted.is_none_or(|name| t.name == name || Some(t.runner) == kind);
        let targets: Vec<_> = context.state.targets().filter(|target| fits(target)).cloned().collect();
        let mut runners = Vec::new();
        for target in targets {
            let (at_ms, probe) = probe(&context, &target).await?;
            let guard = context.state.guard(&target.name).map(|guard| guard.snapshot(context.io.now().mono));
            let lacks = probe.as_ref().ok().filter(|_| input.reasons).map(|probe| unsupported(&target, probe));
            runners.push(RunnerView {
                breaker: guard.map_or("closed", |guard| guard.breaker).into(),
                unsupported: lacks.unwrap_or_default(),
                ..view(&context.shown_target(&target), at_ms, probe)
            });
        }
        Ok(Output { runners })
    }
}

fn unsupported(target: &Target, probe: &Probe) -> BTreeMap<Capability, Unsupported> {
    let lacking = Capability::ALL.into_iter().filter(|one| !probe.capabilities.contains(one));
    let told = |lacks| {
        let error = refusal(target, lacks);
        (lacks, Unsupported { reason: error.reason().to_owned(), suggestion: error.suggestion().to_owned() })
    };
    lacking.map(told).collect()
}

async fn probe(context: &Context, target: &Target) -> Result<(u64, Result<Probe, Error>), Error> {
    let now = context.now_ms();
    if let Some(recent) = remembered(context, target, now) {
        return Ok(recent);
    }
    let probe = match context.runner_within(&target.name, PROBE_LIMIT) {
        Ok(runner) => runner.probe().await.map_err(|error| note_outage(context, &target.name, error)),
        Err(error) => Err(error),
    };
    if probe.as_ref().is_err_and(Error::gave_up) {
        return Err(Error::cancelled());
    }
    if probe.is_ok() {
        context.state.answered(&target.name, now);
    }
    context.state.set_health(&target.name, |health| health.probe = Some((now, probe.clone())));
    Ok((now, probe))
}

/// The last probe, as long as it holds: what answered is not believed to answer once the breaker is open.
fn remembered(context: &Context, target: &Target, now_ms: u64) -> Option<(u64, Result<Probe, Error>)> {
    let health = context.state.health(&target.name);
    let open = context.state.guard(&target.name)?.snapshot(context.io.now().mono).breaker != "closed";
    let (at_ms, probe) = health.probe?;
    let most = match &probe {
        Ok(_) if open => 0,
        Err(_) if health.down_since_ms.is_some() => FRESH_OUTAGE_MS,
        Ok(_) | Err(_) => FRESH_MS,
    };
    (now_ms.saturating_sub(at_ms) < most).then_some((at_ms, probe))
}

fn view(target: &Target, at_ms: u64, probe: Result<Probe, Error>) -> RunnerView {
    let (status, probe, error) = match probe {
        Ok(probe) => ("AVAILABLE", probe, None),
        Err(error) if error.kind() == ErrorKind::Unsupported => ("UNSUPPORTED", Probe::default(), Some(error)),
        Err(error) => ("UNAVAILABLE", Probe::default(), Some(error)),
    };
    RunnerView {
        name: target.name.clone(),
        mcp_resource_id: target.name.clone(),
        runner_type: target.runner,
        status: status.into(),
        breaker: String::new(),
        description: target.description.clone(),
        mcp_auto_scaling: probe.capabilities.contains(&Capability::Rescale),
        mcp_max_workers: probe.facts.get("slots_total").and_then(Value::as_u64),
        capabilities: probe.capabilities,
        unsupported: BTreeMap::new(),
        version: probe.version,
        config: target.options.clone(),
        presets: target.presets.clone(),
        facts: probe.facts,
        mcp_provider: provider(target.runner).into(),
        mcp_cost_tier: "unknown".into(),
        mcp_min_workers: 1,
        checked_at: rfc3339(at_ms),
        error: error.map(|error| json!(error.to_json())),
        warnings: probe.warnings,
    }
}

fn provider(kind: RunnerKind) -> &'static str {
    match kind {
        RunnerKind::Dataflow => "google-cloud",
        RunnerKind::Flink => "apache-flink",
        RunnerKind::Direct | RunnerKind::Portable => "apache-beam",
        RunnerKind::Simulator => "beam-mcp",
        RunnerKind::Spark => "apache-spark",
    }
}
