//! What came before an exploration: an engine's configuration, and calls that ended as they ordinarily do.

use std::{sync::Arc, time::Duration};

use beam_mcp_core::{
    Call, Error, Flow, Now, Step,
    auth::{Caller, Role},
    config::Config,
    engine::{self, Engine, Inbound, State},
    lifecycle, verb,
};
use serde_json::{Value, json};

use super::Host;
use crate::explore::{Bounds, Subject, World, later, nothing_more, of};

/// When an exploration begins (`explore::run`), and how long before it the scene was set.
const BEGINS_MS: u64 = 1_800_000_000_000;
const BEFORE_MS: u64 = 120_000;

/// Time a call has.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A configuration and a host to explore in.
#[derive(Clone)]
pub struct Scene {
    config: Config,
    /// The host as the exploration finds it.
    pub host: Host,
    /// Answer of the last call.
    pub answer: Value,
    calls: u8,
    wall_ms: u64,
    troubles: usize,
}

/// A store is asked four times: the fourth trouble in a row is told.
const TROUBLES: usize = 4;

impl Scene {
    /// A scene nobody has called yet.
    ///
    /// # Panics
    /// For a configuration that is none.
    pub fn new(config: &Value) -> Self {
        let config = Config::from_json(config).expect("a configuration");
        let wall_ms = BEGINS_MS - BEFORE_MS;
        Self { config, host: Host::default(), answer: Value::Null, calls: 0, wall_ms, troubles: TROUBLES }
    }

    /// After a call that ended well.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn after(mut self, verb: &str, input: &Value) -> Self {
        let (end, _) = self.play(verb, input, |_| false, None);
        self.answer = end.expect("the call ends").unwrap_or_else(|error| panic!("{verb}: {error:?}"));
        self
    }

    /// After a call whose process died before an effect with this label.
    ///
    /// # Panics
    /// When it ended before.
    #[must_use]
    pub fn after_death_at(mut self, label: &str, verb: &str, input: &Value) -> Self {
        let (end, labels) = self.play(verb, input, |at| at == label, None);
        assert!(end.is_none(), "{verb} has no {label}: {labels:?}");
        self
    }

    /// After a call in which the first effect with this label had this reply.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn after_reply(mut self, label: &str, word: &str, verb: &str, input: &Value) -> Self {
        let (_, labels) = self.play(verb, input, |_| false, Some((label, word)));
        assert!(labels.iter().any(|at| at == label), "{verb} has no {label}: {labels:?}");
        self
    }

    /// What a call answers here, and the names of its effects.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ask(&self, verb: &str, input: &Value) -> (Result<Value, Error>, Vec<String>) {
        let (end, labels) = self.clone().play(verb, input, |_| false, None);
        (end.expect("the call ends"), labels)
    }

    /// Names of the effects of a call in a process whose last round was `age` ago.
    ///
    /// # Panics
    /// When the round or the call does not end well.
    pub fn ask_after_a_round(&self, age: Duration, verb: &str, input: &Value) -> Vec<String> {
        let (mut scene, state) = (self.clone(), state(&self.config));
        let (end, _) = scene.walk(&mut round(state.clone(), DEADLINE), |_| false, None);
        end.expect("the round ends").expect("the round ends well");
        scene.wall_ms += u64::try_from(age.as_millis()).expect("an invented time");
        let verb = verb::find(verb).expect("a verb");
        let input = input.clone();
        let mut flow = Flow::new(move |io| verb.run(verb::Context::new(io, call(9, DEADLINE), state), input));
        let (end, labels) = scene.walk_from(age, &mut flow, |_| false, None);
        end.expect("the call ends").expect("the call ends well");
        labels
    }

    /// With another number of troubles in a row that are told apart.
    #[must_use]
    pub fn with_troubles(self, troubles: usize) -> Self {
        Self { troubles, ..self }
    }

    /// After the one job of the scene was given up as unexplained.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn parked(mut self) -> Self {
        let id = self.host.shelf.park();
        self.answer = json!({"job_id": id});
        self
    }

    /// Ordinary replies, but for one, until the end, or until an effect at which the process dies.
    fn play(
        &mut self,
        verb: &str,
        input: &Value,
        dies: impl Fn(&str) -> bool,
        other: Option<(&str, &str)>,
    ) -> Played<Value> {
        self.calls += 1;
        let mut flow = run(&self.config, verb, input.clone(), self.calls);
        self.walk(&mut flow, dies, other)
    }

    fn walk<T>(&mut self, flow: &mut Flow<T>, dies: impl Fn(&str) -> bool, other: Option<(&str, &str)>) -> Played<T> {
        self.walk_from(Duration::ZERO, flow, dies, other)
    }

    fn walk_from<T>(
        &mut self,
        mut mono: Duration,
        flow: &mut Flow<T>,
        dies: impl Fn(&str) -> bool,
        mut other: Option<(&str, &str)>,
    ) -> Played<T> {
        let (mut reply, mut labels) = (None, Vec::new());
        loop {
            let now = Now { mono, wall_ms: self.wall_ms };
            let effect = match flow.step(now, reply.take()) {
                Step::Done(end) => return (Some(end), labels),
                Step::Effect(effect) => effect,
            };
            labels.push(self.host.label(&effect));
            if labels.last().is_some_and(|label| dies(label)) {
                return (None, labels);
            }
            let ordinary = self.host.offers(&effect).swap_remove(0);
            let here = other.take_if(|(label, _)| labels.last().is_some_and(|last| last == label));
            let word = here.map_or(ordinary, |(_, word)| word.to_owned());
            reply = Some(self.host.answer(&effect, &word));
            let passed = crate::explore::pause(&effect);
            mono += passed;
            self.wall_ms += u64::try_from(passed.as_millis()).expect("an invented time");
        }
    }

    /// A verb to explore in this scene.
    pub fn verb(&self, name: &'static str, verb: &'static str, input: &Value) -> Subject {
        let (config, input) = (self.config.clone(), input.clone());
        let keyed = input.get("idempotency_key").is_some();
        self.subject(name, keyed, move || of(run(&config, verb, input.clone(), 0), told))
    }

    /// A round of the reconciler to explore in this scene.
    pub fn tick(&self, name: &'static str) -> Subject {
        let config = self.config.clone();
        self.subject(name, false, move || of(round(state(&config), DEADLINE), again))
    }

    /// The same in a process whose last round, two minutes ago, ended as it ordinarily does: what it leaves to others
    /// for a while it has left long enough.
    ///
    /// # Panics
    /// When that round did not end well.
    pub fn later_tick(&self, name: &'static str) -> Subject {
        let passed = Duration::from_millis(BEFORE_MS);
        let watched = |scene: &mut Self| {
            let state = state(&scene.config);
            let (end, _) = scene.walk(&mut round(state.clone(), DEADLINE), |_| false, None);
            end.expect("the round ends").expect("the round ends well");
            state
        };
        let mut scene = self.clone();
        watched(&mut scene);
        let before = self.clone();
        scene.subject(name, false, move || {
            let state = watched(&mut before.clone());
            later(passed, of(round(state, DEADLINE + passed), again))
        })
    }

    /// A request to explore in this scene.
    ///
    /// # Panics
    /// For a configuration no engine takes.
    pub fn request(&self, name: &'static str, inbound: Inbound) -> Subject {
        let (config, host) = (self.config.clone(), host());
        let start = move || {
            let engine = Engine::new(config.clone(), host.clone()).expect("an engine");
            let flow = engine.handle(inbound.clone(), call(0, DEADLINE));
            of(flow, |response| response.status.to_string())
        };
        self.subject(name, false, start)
    }

    fn subject(
        &self,
        name: &'static str,
        keyed: bool,
        start: impl Fn() -> Box<dyn crate::explore::Stepped> + 'static,
    ) -> Subject {
        let mut host = self.host.clone();
        host.shelf.begin(keyed);
        Subject {
            name,
            start: Box::new(start),
            world: Box::new(move || Box::new(host.clone())),
            bounds: Bounds {
                sleep: Duration::from_secs(5),
                // A store that fails is asked again although the time is up.
                total: DEADLINE + Duration::from_secs(10),
                troubles: self.troubles,
                most: vec![("", 400)],
            },
            also: nothing_more,
        }
    }
}

type Played<T> = (Option<Result<T, Error>>, Vec<String>);

fn host() -> engine::Host {
    engine::Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: vec!["127.0.0.1:8888".into()],
        durable: true,
        longest_wait_ms: 600_000,
        streams: true,
    }
}

fn call(random: u8, deadline: Duration) -> Call {
    Call::local(Caller::with_role("local", Role::Operator), deadline, [random; 32])
}

fn state(config: &Config) -> Arc<State> {
    Arc::new(State::new(config.clone(), host()))
}

fn run(config: &Config, verb: &str, input: Value, random: u8) -> Flow<Value> {
    let (verb, state) = (verb::find(verb).expect("a verb"), state(config));
    Flow::new(move |io| verb.run(verb::Context::new(io, call(random, DEADLINE), state), input))
}

fn round(state: Arc<State>, deadline: Duration) -> Flow<Duration> {
    Flow::new(move |io| async move {
        lifecycle::reconcile(&verb::Context::new(io, call(0, deadline), state), &lifecycle::Share::All).await
    })
}

fn again(delay: &Duration) -> String {
    format!("again in {} s", delay.as_secs())
}

/// A success in a few words: where the job and its operation are, and how far the answer goes.
fn told(answer: &Value) -> String {
    let text = |place: &str| answer.pointer(place).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str| answer[name].as_bool().filter(|set| *set).map(|_| name.to_owned());
    let stale = answer.pointer("/stale_since").or(answer.pointer("/job/stale_since")).map(|_| "stale".to_owned());
    let statuses = answer["runners"].as_array().into_iter().flatten().filter_map(|runner| runner["status"].as_str());
    let count = answer["jobs"].as_array().map(|jobs| format!("{} jobs", jobs.len()));
    [text("/state"), text("/operation/state").map(|state| format!("operation {state}")), stale, count]
        .into_iter()
        .chain(["pending", "replayed", "changed"].map(flag))
        .flatten()
        .chain(statuses.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(", ")
}
