use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use beam_mcp_core::{
    auth::{Caller, Role},
    call::Call,
    config::Config,
    engine::{Engine, Host},
    flow::Now,
    random::sha256_hex,
};
use serde_json::{Value, json};

use super::{Activity, Event, Owner, Running, START_MS, World};
use crate::{
    client::TENANTS,
    fault::Fault,
    plant::Plant,
    profile::{Cell, Mode, Profile},
    random::Random,
    spark,
};

/// Greatest difference of walls' clocks that is promised to do no harm (`docs/promises.md`).
const PROMISED_MS: i64 = 15 * 60 * 1000;

/// A server, or a Lambda execution environment.
pub(super) struct Process {
    pub(super) engine: Option<Arc<Engine>>,
    /// Times it was started.
    pub(super) incarnation: u64,
    /// It answers no new calls.
    pub(super) stopping: bool,
    started: u64,
    frozen_until: u64,
    /// Time the mono clock stood still with the process.
    lost_mono: u64,
    /// How far its wall clock is ahead, in milliseconds.
    pub(super) skew: i64,
    /// How far it was ahead at most.
    pub(super) furthest: i64,
    /// The monotonic clock stands still while it is frozen.
    mono_stops: bool,
    /// A planted bug: time is told by the wall clock, or no clock of a process that stood still shows it.
    plant: Option<Plant>,
}

impl Process {
    pub(super) fn new(profile: &Profile, number: usize, random: &mut Random) -> Self {
        let skewed = profile.chance(Fault::ClockJump) > 0 && number > 0;
        let skew = if skewed { i64::try_from(random.below(600_000)).unwrap_or(0) - 300_000 } else { 0 };
        Self {
            engine: None,
            incarnation: 0,
            stopping: false,
            started: 0,
            frozen_until: 0,
            lost_mono: 0,
            skew,
            furthest: skew,
            mono_stops: random.chance(5_000) || profile.has(Plant::LeaseAsLock),
            plant: profile.plant,
        }
    }

    pub(super) fn clock(&self, now: u64) -> Now {
        let mono = now.saturating_sub(self.started).saturating_sub(self.lost_mono);
        let mono =
            if self.plant == Some(Plant::WallSettle) { mono.saturating_add_signed(self.skew + 600_000) } else { mono };
        Now { mono: Duration::from_millis(mono), wall_ms: (START_MS + now).saturating_add_signed(self.skew) }
    }

    pub(super) fn frozen_at(&self, now: u64) -> Option<u64> {
        (self.frozen_until > now).then_some(self.frozen_until)
    }

    pub(super) fn is_up(&self) -> bool {
        self.engine.is_some()
    }
}

/// The configurations by cell, without and with what programs need, of a build in the second and in the first step of an
/// upgrade: read once, since schedules are many.
static CONFIGS: LazyLock<Vec<[[Config; 2]; 2]>> = LazyLock::new(|| {
    let builds = |cell, programs| [config(cell, programs, false), config(cell, programs, true)];
    Cell::ALL.iter().map(|cell| [builds(*cell, false), builds(*cell, true)]).collect()
});

/// In mixed mode the first process is a step behind: it writes rows of the version before.
fn engine(profile: &Profile, number: usize) -> Engine {
    let behind = profile.mode == Mode::Mixed && number == 0;
    let lambda = profile.mode == Mode::Lambda;
    let host = Host {
        kind: if lambda { "lambda".into() } else { "server".into() },
        loopback_only: true,
        authorities: vec!["127.0.0.1:8888".into()],
        durable: true,
        longest_wait_ms: if lambda { 25_000 } else { 600_000 },
        streams: !lambda,
    };
    let config = &CONFIGS[profile.cell as usize][usize::from(profile.programs)][usize::from(behind)];
    Engine::new(config.clone(), host).expect("the host of the world is sound")
}

fn config(cell: Cell, programs: bool, behind: bool) -> Config {
    let mut target = match cell {
        Cell::R1 | Cell::R2 => {
            json!({"runner": "flink", "url": "http://flink:8081", "savepoint_dir": "file:///srv/flink/savepoints"})
        }
        Cell::R9 => json!({"runner": "direct"}),
        Cell::R4 => json!({"runner": "portable", "url": "http://jobs:8073",
            "options": {"environment_type": "beam:env:embedded_python:v1"}}),
        Cell::R6 => json!({"runner": "dataflow", "project": "acme-prod", "region": "us-central1"}),
        Cell::R7 => json!({"runner": "spark", "url": spark::REST, "master_url": spark::MASTER,
            "history_url": spark::HISTORY, "jar_folder": "/srv/spark/shared"}),
        cell => json!({"runner": "simulator", "identity": cell.target()}),
    };
    if programs && cell.runs_jars() {
        target["job_server_jar"] = "/opt/beam/job-server.jar".into();
        target["options"] = json!({"environment_type": "EXTERNAL", "environment_config": "pool:50000"});
    }
    let token = |(tenant, token, _): &(&str, &str, &str)| json!({"name": tenant, "sha256": sha256_hex(token.as_bytes()), "tenant": tenant, "role": "operator"});
    let tokens: Vec<Value> = TENANTS.iter().map(token).collect();
    let document = json!({
        "default_runner": cell.target(),
        "targets": {cell.target(): target},
        "auth": {"tokens": tokens},
        "store": {"write_previous_schema": behind},
    });
    Config::from_json(&document).expect("the configuration of the world is sound")
}

impl World<'_> {
    pub(super) fn start(&mut self, number: usize) {
        let now = self.now;
        let process = &mut self.processes[number];
        process.incarnation += 1;
        (process.started, process.stopping, process.frozen_until, process.lost_mono) = (now, false, 0, 0);
        process.engine = Some(Arc::new(engine(&self.profile, number)));
        let incarnation = process.incarnation;
        self.trace.mark(now, 1, "start");
        self.say(|_| format!("p{number} starts"));
        self.queue.push(now + 1 + number as u64 * 37, Event::Tick(number, incarnation));
    }

    /// A process is gone, and all its flows with it; it comes back.
    pub(super) fn crash(&mut self, number: usize) {
        if !self.processes[number].is_up() {
            return;
        }
        self.trace.mark(self.now, 2, "crash");
        self.say(|_| format!("p{number} dies"));
        self.processes[number].engine = None;
        self.children.orphan((number, self.processes[number].incarnation), self.now);
        self.children_began();
        self.lose_flows(number);
        let quiet = self.now >= self.profile.quiet_at;
        let pause = if quiet { 100 } else { self.chances.between(0, 60_000) };
        self.queue.push(self.now + pause, Event::Start(number));
    }

    fn lose_flows(&mut self, number: usize) {
        for at in 0..self.activities.len() {
            let (_, place) = &mut self.activities[at];
            if place.as_ref().is_none_or(|activity| activity.process != number) {
                continue;
            }
            if let Some(activity) = place.take() {
                self.free.push(at);
                self.unanswered(&activity);
            }
        }
    }

    /// Power is gone: every process and child of the machine, and what the store had not synced.
    pub(super) fn power_cut(&mut self) {
        self.say(|_| "power cut".into());
        (0..self.processes.len()).for_each(|process| self.crash(process));
        self.children.cut(self.now);
        self.store.cut();
    }

    pub(super) fn freeze(&mut self, number: usize) {
        let lasts = self.chances.between(1_000, 120_000);
        let process = &mut self.processes[number];
        process.frozen_until = self.now + lasts;
        process.lost_mono += if process.mono_stops { lasts } else { 0 };
        process.skew -= if process.plant == Some(Plant::LeaseAsLock) { i64::try_from(lasts).unwrap_or(0) } else { 0 };
        self.trace.mark(self.now, 3, "freeze");
        self.say(|_| format!("p{number} stands still for {lasts} ms"));
    }

    pub(super) fn jump(&mut self, number: usize) {
        let jump = i64::try_from(self.chances.below(1_200_000)).unwrap_or(0) - 600_000;
        // Over an hour without the runner, what is sent again depends on the clocks: no more is promised of them.
        let most = if self.profile.outage > 0 { PROMISED_MS / 2 } else { i64::MAX };
        let process = &mut self.processes[number];
        process.skew = (process.skew + jump).clamp(-most, most);
        process.furthest = process.furthest.max(process.skew);
        self.trace.mark(self.now, 4, "jump");
        self.say(|_| format!("the wall clock of p{number} jumps by {jump} ms"));
    }

    /// Somebody sets the wall clocks, as well as it is promised.
    pub(super) fn set_clocks(&mut self) {
        for number in 0..self.processes.len() {
            let off = i64::try_from(self.chances.below(PROMISED_MS.unsigned_abs())).unwrap_or(0) - PROMISED_MS / 2;
            let process = &mut self.processes[number];
            (process.skew, process.furthest) = (off, process.furthest.max(off));
            self.say(|_| format!("the wall clock of p{number} is set {off} ms from the true time"));
        }
    }

    pub(super) fn shut_down(&mut self, number: usize) {
        if std::mem::replace(&mut self.processes[number].stopping, true) {
            return;
        }
        self.say(|_| format!("p{number} is told to stop"));
        let at = self.now + self.chances.between(10, 10_000);
        self.queue.push(at, Event::Kill(number, self.processes[number].incarnation));
    }

    pub(super) fn tick(&mut self, number: usize, incarnation: u64) {
        let process = &self.processes[number];
        if process.incarnation != incarnation || process.stopping {
            return;
        }
        let Some(engine) = process.engine.clone() else { return };
        if let Some(thaw) = process.frozen_at(self.now) {
            return self.queue.push(thaw, Event::Tick(number, incarnation));
        }
        if self.profile.has(Plant::NoReconciler) {
            return self.ticked(number, Duration::from_secs(15));
        }
        let deadline = self.clock(number).mono + Duration::from_secs(60);
        let call = Call::local(Caller::with_role("reconciler", Role::Admin), deadline, self.randomness.bytes());
        let id = self.enter(Activity::new(Running::Tick(engine.tick(call)), number, Owner::Ticker));
        self.deliver(id, 0, None);
    }

    /// Comes again when the round said; once all should be settled, no oftener than a Lambda schedule would.
    pub(super) fn ticked(&mut self, number: usize, pause: Duration) {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let late = self.now > self.profile.quiet_at + 20_000;
        // A schedule is never exactly on time.
        let pause = if self.is_lambda() || late { self.chances.between(50_000, 75_000) } else { pause };
        self.queue.push(self.now + pause, Event::Tick(number, self.processes[number].incarnation));
    }
}
