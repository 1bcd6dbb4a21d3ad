//! The world of one schedule: processes with their clocks, a store, a runner, clients, and one queue of events.

mod calls;
mod network;
mod operator;
mod perform;
mod process;
mod settled;
mod spoil;

use beam_mcp_core::{
    Error, Flow, Step,
    effect::{Reply, Response},
    flow::Now,
    store::Op,
};
use serde_json::Value;
use std::time::Duration;

use crate::{
    children::Children,
    client::{Ask, Client},
    coverage::Coverage,
    effects::Kind,
    fault::Fault,
    ledger::Ledger,
    plant::Plant,
    profile::{Flavour, Mode, Profile},
    queue::Queue,
    random::Random,
    runner::{self, Message, Runner},
    store::Store,
    trace::Trace,
    violation::Violation,
};
use process::Process;

/// Unix time at which every schedule begins.
pub(crate) const START_MS: u64 = 1_795_167_923_000;
/// Most effects of one flow.
const LONGEST_FLOW: u32 = 4_000;

/// How a schedule ended.
#[derive(Debug)]
pub struct Ended {
    /// Effects performed.
    pub steps: u64,
    /// Hash of all that happened.
    pub hash: u64,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// The trace, where it was asked for.
    pub text: String,
    /// Milliseconds of the world's time.
    pub lasted: u64,
    /// Milliseconds of it after the last fault.
    pub settled: u64,
    /// Jobs parked at the end.
    pub parked: u64,
    /// Jobs made.
    pub jobs: u64,
}

/// Name of a flow: its place and how often the place was used before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Id {
    at: usize,
    generation: u64,
}

enum Running {
    Http(Flow<Response>),
    Value(Flow<Value>),
    Tick(Flow<Duration>),
}

#[derive(Clone, Debug)]
enum Owner {
    Client(usize, Box<Ask>),
    Ticker,
}

struct Activity {
    flow: Running,
    process: usize,
    owner: Owner,
    /// Number of the effect it waits for: an answer to an earlier one comes too late.
    turn: u32,
    /// Topics it waits for.
    waits: Vec<(String, u64)>,
    /// Its client is gone, and it goes on.
    alone: bool,
    /// The job it is about.
    subject: Option<usize>,
}

enum Finished {
    Http(Result<Response, Error>),
    Value(Result<Value, Error>),
    Tick(Result<Duration, Error>),
}

struct Arrival {
    id: Id,
    turn: u32,
    messages: Vec<Message>,
    all: bool,
    fault: Fault,
    /// Drawn when it was sent: which way the fault goes.
    way: u64,
    answered: bool,
    /// Token of the job it runs.
    run: Option<String>,
    /// Nobody waits for it any more from then on.
    late_from: u64,
    /// Start of the runner it was sent to.
    sent_to: u64,
}

enum Event {
    Begin(Id),
    Reply(Id, u32, Reply),
    Store(Id, u32, usize, Op, Fault),
    Arrive(Box<Arrival>),
    Client(usize),
    ClientGone(Id),
    Tick(usize, u64),
    Start(usize),
    Kill(usize, u64),
    DiskFree,
    Settle,
}

/// The world.
pub struct World<'a> {
    profile: Profile,
    now: u64,
    queue: Queue<Event>,
    activities: Vec<(u64, Option<Activity>)>,
    free: Vec<usize>,
    processes: Vec<Process>,
    clients: Vec<Client>,
    store: Store,
    runner: Option<Box<dyn Runner>>,
    children: Children,
    ledger: Ledger,
    coverage: &'a mut Coverage,
    trace: Trace,
    network: Random,
    chances: Random,
    storage: Random,
    randomness: Random,
    steps: u64,
    /// Writes on their way to the runner.
    in_flight: u32,
    last_arrival: u64,
    /// How often the operator comes back.
    turns: u64,
    /// Until when the runner cannot be reached; 0 before its outage begins.
    cut_until: u64,
    over: bool,
}

impl<'a> World<'a> {
    /// The world of a profile.
    pub fn new(profile: Profile, readable: bool, coverage: &'a mut Coverage) -> Self {
        let random = |purpose| Random::new(profile.seed, purpose);
        let store = Store::new(profile.chance(Fault::StaleIndex) > 0, profile.plant);
        let mut chances = random(4);
        let mut clients: Vec<Client> =
            (0..profile.clients).map(|n| Client::new(random(100 + n as u64), n, profile.actions)).collect();
        let operator = operator::operator(&profile);
        let turns = operator.as_ref().map_or(0, |(_, turns)| *turns);
        clients.extend(operator.map(|(client, _)| client));
        let processes = (0..profile.processes).map(|n| Process::new(&profile, n, &mut chances)).collect();
        Self {
            now: 0,
            queue: Queue::default(),
            activities: Vec::new(),
            free: Vec::new(),
            processes,
            clients,
            store,
            runner: runner::of(profile.cell, random(5), profile.plant),
            children: Children::new(random(6), profile.plant, profile.captures()),
            ledger: Ledger::default(),
            coverage,
            trace: Trace::new(readable),
            network: random(2),
            storage: random(3),
            randomness: random(7),
            chances,
            steps: 0,
            in_flight: 0,
            last_arrival: 0,
            turns,
            cut_until: 0,
            over: false,
            profile,
        }
    }

    /// Lets everything happen until all is settled or something is broken.
    pub fn run(mut self) -> Ended {
        self.say(|world| format!("{:?}", world.profile));
        for process in 0..self.processes.len() {
            self.queue.push(0, Event::Start(process));
        }
        for client in 0..self.clients.len() {
            let operator = self.clients[client].operator;
            let chances = if operator { &mut self.clients[client].random } else { &mut self.chances };
            let at = if operator { chances.between(2_000, 40_000) } else { chances.below(3_000) };
            self.queue.push(at, Event::Client(client));
        }
        let quiet_at = self.profile.quiet_at;
        self.queue.push(quiet_at + 1_000, Event::Settle);
        while let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.happen(event);
            if self.over || self.ledger.violation.is_some() {
                break;
            }
        }
        self.end()
    }

    fn end(self) -> Ended {
        let mut trace = self.trace;
        let parked = self.ledger.jobs.iter().filter(|seen| seen.job.phase == beam_mcp_core::job::Phase::Parked);
        if let Some(violation) = &self.ledger.violation {
            trace.say(self.now, || violation.to_string());
        }
        Ended {
            steps: self.steps,
            hash: trace.hash(),
            parked: parked.count() as u64,
            jobs: self.ledger.jobs.len() as u64,
            violation: self.ledger.violation,
            text: trace.into_text(),
            lasted: self.now,
            settled: self.now.saturating_sub(self.profile.quiet_at),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(id) => self.deliver(id, 0, None),
            Event::Reply(..) if self.profile.has(Plant::LostAnswer) && self.chances.chance(50) => {}
            Event::Reply(id, turn, reply) => self.deliver(id, turn, Some(reply)),
            Event::Store(id, turn, process, op, fault) => self.store_op(id, turn, process, &op, fault),
            Event::Arrive(arrival) => self.arrive(&arrival),
            Event::Client(client) => self.client(client),
            Event::ClientGone(id) => self.client_gone(id),
            Event::Tick(process, incarnation) => self.tick(process, incarnation),
            Event::Start(process) => self.start(process),
            Event::Kill(process, incarnation) => {
                if self.processes[process].incarnation == incarnation {
                    self.crash(process);
                }
            }
            Event::DiskFree => self.store.full = false,
            Event::Settle => self.settle(),
        }
    }

    /// True when a fault happens now. After the quiet begins none does.
    fn strikes(&mut self, fault: Fault) -> bool {
        let chance = self.profile.chance(fault);
        chance > 0 && self.now < self.profile.quiet_at && self.chances.chance(chance)
    }

    fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_read() {
            let line = line(self);
            self.trace.say(self.now, || line);
        }
    }

    fn clock(&self, process: usize) -> Now {
        self.processes[process].clock(self.now)
    }

    fn activity(&mut self, id: Id) -> Option<&mut Activity> {
        let (generation, activity) = self.activities.get_mut(id.at)?;
        activity.as_mut().filter(|_| *generation == id.generation)
    }

    fn enter(&mut self, activity: Activity) -> Id {
        let at = self.free.pop().unwrap_or_else(|| {
            self.activities.push((0, None));
            self.activities.len() - 1
        });
        let (generation, place) = &mut self.activities[at];
        *generation += 1;
        *place = Some(activity);
        Id { at, generation: *generation }
    }

    fn leave(&mut self, id: Id) -> Option<Activity> {
        let (generation, place) = self.activities.get_mut(id.at)?;
        if *generation != id.generation {
            return None;
        }
        let activity = place.take()?;
        self.free.push(id.at);
        Some(activity)
    }

    /// Steps a flow with the answer to the effect it waits for.
    fn deliver(&mut self, id: Id, turn: u32, reply: Option<Reply>) {
        let Some(process) = self.activity(id).filter(|activity| activity.turn == turn).map(|a| a.process) else {
            return;
        };
        if let Some(thaw) = self.processes[process].frozen_at(self.now) {
            let event = reply.map_or(Event::Begin(id), |reply| Event::Reply(id, turn, reply));
            return self.queue.push(thaw, event);
        }
        let now = self.clock(process);
        let Some(activity) = self.activity(id) else { return };
        activity.turn += 1;
        activity.waits.clear();
        let turn = activity.turn;
        let finished = match &mut activity.flow {
            Running::Http(flow) => match flow.step(now, reply) {
                Step::Effect(effect) => return self.perform(id, turn, process, effect),
                Step::Done(result) => Finished::Http(result),
            },
            Running::Value(flow) => match flow.step(now, reply) {
                Step::Effect(effect) => return self.perform(id, turn, process, effect),
                Step::Done(result) => Finished::Value(result),
            },
            Running::Tick(flow) => match flow.step(now, reply) {
                Step::Effect(effect) => return self.perform(id, turn, process, effect),
                Step::Done(result) => Finished::Tick(result),
            },
        };
        if let Some(activity) = self.leave(id) {
            self.finished(activity, finished);
        }
    }

    fn count(&mut self, id: Id, kind: Kind, fault: Fault) {
        let subject = self.activity(id).and_then(|activity| activity.subject);
        let state = subject.and_then(|index| self.ledger.jobs.get(index)).map(|seen| seen.job.state);
        self.coverage.count(state, kind, fault);
    }

    fn is_lambda(&self) -> bool {
        self.profile.mode == Mode::Lambda
    }

    fn is_sqlite(&self) -> bool {
        self.profile.flavour == Flavour::Sqlite
    }
}
