use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Host;
use crate::{
    auth::Rates,
    config::{Config, Target},
    error::Error,
    guard::Guard,
    lifecycle::{Recent, Watch, outlives},
    random::Seed,
    runner::{Launches, Probe},
    store::ReadJobs,
};

/// What the calls of one process share. Correctness rests on the store: all that is mutable here is bounded and may
/// be lost at any time.
pub struct State {
    /// Checked configuration.
    pub config: Config,
    /// Where the engine runs.
    pub host: Host,
    /// Jobs that were read lately.
    pub jobs: Arc<ReadJobs>,
    /// What was sent lately, and when by the own clock.
    pub launches: Arc<Launches>,
    /// How much callers have called.
    pub rates: Rates,
    targets: BTreeMap<String, Arc<Target>>,
    guards: BTreeMap<String, Arc<Guard>>,
    live: Mutex<Live>,
    watch: Mutex<Watch>,
    process: OnceLock<String>,
    audited: AtomicU64,
}

/// Most jobs whose last observation is remembered.
const REMEMBERED: usize = 100_000;
/// Age of an observation that tells no more than the job's row.
const STALE_MS: u64 = 600_000;
/// Targets that are configured no more and whose jobs are still looked at; of more, nothing is remembered.
const STRANGERS: usize = 1_000;

struct Live {
    /// Unix milliseconds of the last answer of the runner about a job, by tenant and job id.
    observed: Recent<u64>,
    /// Work that one flow of this process is at, so that others leave it alone.
    busy: BTreeSet<String>,
    health: BTreeMap<String, Health>,
}

impl Default for Live {
    fn default() -> Self {
        Self { observed: Recent::new(REMEMBERED), busy: BTreeSet::new(), health: BTreeMap::new() }
    }
}

/// How a target answered last.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Unix milliseconds since which it does not answer; `None`: it answers.
    pub down_since_ms: Option<u64>,
    /// Unix milliseconds of its first answer after its last silence. To a process that lives on, its very first answer
    /// is one: what was before is not known.
    pub back_ms: Option<u64>,
    /// Failed calls in a row.
    pub failures: u32,
    /// When the reconciler calls it next, by the own clock.
    pub next_call: Duration,
    /// The last probe, with Unix milliseconds.
    pub probe: Option<(u64, Result<Probe, Error>)>,
}

impl State {
    /// State of an engine that has done nothing yet.
    pub fn new(config: Config, host: Host) -> Self {
        let targets = config.targets.iter().map(|(name, target)| (name.clone(), Arc::new(target.clone()))).collect();
        let guards = config.targets.keys().map(|name| (name.clone(), Arc::new(Guard::new(name)))).collect();
        Self {
            config,
            host,
            jobs: Arc::default(),
            launches: Arc::default(),
            rates: Rates::default(),
            targets,
            guards,
            live: Mutex::default(),
            watch: Mutex::default(),
            process: OnceLock::new(),
            audited: AtomicU64::new(0),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on what the reconciler of this process remembers.
    pub fn watch<T>(&self, work: impl FnOnce(&mut Watch) -> T) -> T {
        work(&mut self.watch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Name of this process in audit rows, drawn from the first call that needs it, and the next number of its own
    /// sequence.
    pub fn next_audit(&self, seed: &Seed) -> (&str, u64) {
        let process = self.process.get_or_init(|| seed.hex128("process"));
        (process, self.audited.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A target of the configuration by its name.
    pub fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.targets.get(name).cloned()
    }

    /// What stands before a target.
    pub fn guard(&self, target: &str) -> Option<Arc<Guard>> {
        self.guards.get(target).cloned()
    }

    /// All targets in name order.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.values()
    }

    /// Remembers that the runner answered about a job.
    pub fn observed(&self, tenant: &str, job: &str, at_ms: u64) {
        let is_stale = |seen: &u64| seen.saturating_add(STALE_MS) < at_ms;
        self.live().observed.insert([tenant, job].join("/"), at_ms, is_stale);
    }

    /// When the runner last answered about a job, as far as this process knows.
    pub fn last_observed(&self, tenant: &str, job: &str) -> Option<u64> {
        self.live().observed.get(&[tenant, job].join("/")).copied()
    }

    /// Claims a piece of work for one flow of this process; `None` when another flow is at it.
    pub fn claim(self: &Arc<Self>, work: String) -> Option<Claim> {
        self.live().busy.insert(work.clone()).then(|| Claim { state: Arc::clone(self), work })
    }

    /// True while a flow of this process is at a piece of work.
    pub fn is_busy(&self, work: &str) -> bool {
        self.live().busy.contains(work)
    }

    /// How a target answered last.
    pub fn health(&self, target: &str) -> Health {
        self.live().health.get(target).cloned().unwrap_or_default()
    }

    /// Unix milliseconds since which a target does not answer.
    pub fn down_since_ms(&self, target: &str) -> Option<u64> {
        self.live().health.get(target)?.down_since_ms
    }

    /// Notes that a target answers.
    pub fn answered(&self, target: &str, now_ms: u64) {
        let counts_first = outlives(&self.host.kind);
        self.set_health(target, |health| {
            let is_first = counts_first && health.back_ms.is_none();
            if health.down_since_ms.take().is_some() || is_first {
                health.back_ms = Some(now_ms);
            }
            health.failures = 0;
        });
    }

    /// Changes what is known about a target.
    pub fn set_health(&self, target: &str, edit: impl FnOnce(&mut Health)) {
        let mut live = self.live();
        let fits = live.health.len() < self.targets.len() + STRANGERS;
        if fits || self.targets.contains_key(target) || live.health.contains_key(target) {
            edit(live.health.entry(target.to_owned()).or_default());
        }
    }
}

#[cfg(test)]
impl State {
    /// The state of a new process of such a host, with one scripted cluster.
    pub(crate) fn for_test(kind: &str) -> Self {
        let config = Config::from_json(&serde_json::json!({"targets": {"sim": {"runner": "simulator"}}})).unwrap();
        let host = Host {
            kind: kind.into(),
            loopback_only: true,
            authorities: Vec::new(),
            durable: true,
            longest_wait_ms: 1,
            streams: false,
        };
        Self::new(config, host)
    }
}

/// A piece of work one flow of this process is at; dropping it lets go.
pub struct Claim {
    state: Arc<State>,
    work: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.state.live().busy.remove(&self.work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_comes_back_with_its_first_answer_to_a_process_that_lives_on() {
        for (kind, first) in [("server", Some(5)), ("embedded", Some(5)), ("lambda", None)] {
            let state = State::for_test(kind);
            state.answered("sim", 5);
            state.answered("sim", 6);
            assert_eq!(state.health("sim").back_ms, first, "{kind}");
            state.set_health("sim", |health| health.down_since_ms = Some(7));
            state.answered("sim", 8);
            assert_eq!(state.health("sim").back_ms, Some(8), "{kind}");
        }
    }

    #[test]
    fn of_targets_that_are_gone_no_more_is_remembered_than_there_is_room_for() {
        let state = State::for_test("server");
        for number in 0..3 * STRANGERS {
            state.set_health(&format!("gone {number}"), |health| health.failures += 1);
        }
        assert_eq!(state.live().health.len(), 1 + STRANGERS);
        state.set_health("sim", |health| health.failures += 1);
        state.set_health("gone 0", |health| health.failures += 1);
        assert_eq!((state.health("sim").failures, state.health("gone 0").failures), (1, 2));
    }

    #[test]
    fn what_is_remembered_of_jobs_and_of_work_has_an_end() {
        let state = Arc::new(State::for_test("server"));
        for number in 0..=REMEMBERED {
            state.observed("t", &number.to_string(), 5);
        }
        assert_eq!(state.live().observed.len(), REMEMBERED);
        let claims: Vec<Claim> = (0..9).filter_map(|number| state.claim(number.to_string())).collect();
        assert!(claims.len() == 9 && state.claim("0".into()).is_none());
        drop(claims);
        assert!(state.live().busy.is_empty(), "work that has ended leaves nothing");
    }
}
