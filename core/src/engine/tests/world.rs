//! An engine over scripted clusters, a store in memory and a clock that moves only when something waits.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    auth::{Caller, Role},
    call::{Call, Peer},
    config::Config,
    effect::{Effect, Reply, Response},
    engine::{Engine, Host, HttpRequest, Inbound},
    error::Error,
    flow::{Flow, Now, Step},
    job::{Job, Operation},
    lifecycle,
    store::{Commit, Expect, Key, Op, Page, Record, Scan, StoreReply, Write, job_writes, operation_key},
    verb::Context,
};

/// When the world begins.
pub(super) const START_MS: u64 = 1_795_167_923_000;

/// A process with an engine, and the rest of the world.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) store: MapStore,
    pub(super) role: Role,
    elapsed: Duration,
    calls: u64,
    topics: BTreeMap<String, u64>,
    moves: u64,
    /// Effects since time last moved.
    idle: u64,
    /// Effects after which the process is gone.
    pub(super) dies_after: Option<u64>,
    /// The store fails at its operation of this number, once; whether it did what was asked.
    pub(super) store_fails: Option<(u64, bool)>,
    /// The caller goes away at the effect of this number.
    pub(super) leaves_after: Option<u64>,
}

/// How a flow ended that ran in a process that may die.
#[derive(Debug)]
pub(super) struct Died;

impl World {
    /// A world with one simulator target `sim` of these settings, and `slow` beside it.
    pub(super) fn new(sim: &Value) -> Self {
        let mut target = json!({"runner": "simulator"});
        target.as_object_mut().unwrap().extend(sim.as_object().unwrap().clone());
        let document = json!({"default_runner": "sim", "targets": {
            "sim": target, "other": {"runner": "simulator", "script": "batch"}}});
        let engine = engine(&Config::from_json(&document).unwrap());
        Self {
            engine,
            store: MapStore::default(),
            role: Role::Operator,
            elapsed: Duration::ZERO,
            calls: 0,
            topics: BTreeMap::new(),
            moves: 0,
            idle: 0,
            dies_after: None,
            store_fails: None,
            leaves_after: None,
        }
    }

    /// The same store and clock under a new process.
    pub(super) fn restart(&mut self) {
        self.engine = engine(&self.engine.config().clone());
        self.dies_after = None;
    }

    pub(super) fn now(&self) -> Now {
        let ms = u64::try_from(self.elapsed.as_millis()).unwrap();
        Now { mono: self.elapsed, wall_ms: START_MS + ms }
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.elapsed += Duration::from_millis(ms);
        self.idle = if ms == 0 { self.idle } else { 0 };
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        let mut random = [0; 32];
        random[..8].copy_from_slice(&self.calls.to_be_bytes());
        let caller = Caller::with_role("tester", self.role);
        Call::local(caller, self.elapsed + Duration::from_secs(600), random)
    }

    /// Runs a verb.
    pub(super) fn run(&mut self, verb: &str, input: &Value) -> Result<Value, Error> {
        self.try_run(verb, input).expect("the process lives")
    }

    /// Runs a verb in a process that may die.
    pub(super) fn try_run(&mut self, verb: &str, input: &Value) -> Result<Result<Value, Error>, Died> {
        let call = self.call();
        let flow = self.engine.run(verb, input.clone(), call);
        self.drive(flow)
    }

    /// What a verb must answer.
    pub(super) fn ok(&mut self, verb: &str, input: &Value) -> Value {
        self.run(verb, input).unwrap_or_else(|error| panic!("{verb} {input}: {}", error.to_json()))
    }

    /// What a verb must refuse.
    pub(super) fn err(&mut self, verb: &str, input: &Value) -> Error {
        self.run(verb, input).expect_err("a refusal")
    }

    /// One round of the reconciler.
    pub(super) fn tick(&mut self) {
        let call = self.call();
        let flow = self.engine.tick(call);
        self.drive(flow).expect("the process lives").expect("a round ends well");
    }

    /// Ticks every two seconds for a while, or thirty times where that is less.
    pub(super) fn ticks(&mut self, seconds: u64) {
        let rounds = (seconds / 2).min(30);
        for _ in 0..rounds {
            self.advance(seconds * 1_000 / rounds);
            self.tick();
        }
    }

    /// Serves a request with a JSON body (none for null).
    pub(super) fn http(&mut self, method: &str, path: &str, body: &Value) -> (Response, Value) {
        self.http_with(method, path, body, &[])
    }

    /// The same with further headers.
    pub(super) fn http_with(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> (Response, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let own = [("host", "127.0.0.1:8888"), ("content-type", "application/json")];
        let request = HttpRequest {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: own.iter().chain(headers).map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            body: if body.is_null() { "".into() } else { body.to_string().into() },
            staged: None,
        };
        let call = Call { peer: Peer::Remote("127.0.0.1".into()), ..self.call() };
        let flow = self.engine.handle(Inbound::Http(Box::new(request)), call);
        let response = self.drive(flow).expect("the process lives").expect("a response");
        let json = serde_json::from_slice(response.body.as_slice()).unwrap_or_default();
        (response, json)
    }

    /// One tool call over MCP 2026-07-28: the result.
    pub(super) fn tool(&mut self, name: &str, arguments: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": name, "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}});
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ];
        self.http_with("POST", "/mcp", &body, &headers).1
    }

    fn drive<T>(&mut self, flow: Flow<T>) -> Result<Result<T, Error>, Died> {
        let ends = self.drive_all(vec![flow], 0)?;
        Ok(ends.into_iter().next().unwrap())
    }

    /// Runs verbs side by side, every second one in another process, interleaved as the seed has it.
    pub(super) fn together(&mut self, verbs: &[(&str, Value)], seed: u64) -> Vec<Result<Value, Error>> {
        let other = engine(&self.engine.config().clone());
        let flows = verbs.iter().enumerate().map(|(index, (verb, input))| {
            let call = self.call();
            let engine = if index % 2 == 0 { &self.engine } else { &other };
            match *verb {
                "tick" => ticking(engine, call),
                verb => engine.run(verb, input.clone(), call),
            }
        });
        let flows = flows.collect();
        self.drive_all(flows, seed).expect("the process lives")
    }

    /// Steps flows one effect at a time; time moves to the next one due when all of them wait.
    fn drive_all<T>(&mut self, flows: Vec<Flow<T>>, mut seed: u64) -> Result<Vec<Result<T, Error>>, Died> {
        let mut actors: Vec<Actor<T>> = flows.into_iter().map(Actor::new).collect();
        loop {
            for actor in &mut actors {
                self.wake(actor);
            }
            let ready: Vec<usize> = (0..actors.len()).filter(|at| matches!(actors[*at].is, Is::Ready(_))).collect();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if let Some(at) = ready.get(usize::try_from(seed >> 33).unwrap() % ready.len().max(1)) {
                self.step(&mut actors[*at])?;
            } else if let Some(due) = actors.iter().filter_map(Actor::due).min() {
                self.advance(due.saturating_sub(u64::try_from(self.elapsed.as_millis()).unwrap()));
            } else {
                return Ok(actors.into_iter().map(Actor::end).collect());
            }
        }
    }

    fn wake<T>(&self, actor: &mut Actor<T>) {
        let Is::Waiting { topics, until_ms } = &actor.is else { return };
        let moved = self.moved_since(topics);
        if !moved.is_empty() {
            actor.is = Is::Ready(Some(Reply::Woken { topics: moved }));
        } else if self.elapsed >= Duration::from_millis(*until_ms) {
            actor.is = Is::Ready(Some(Reply::Elapsed));
        }
    }

    fn step<T>(&mut self, actor: &mut Actor<T>) -> Result<(), Died> {
        let Is::Ready(reply) = &mut actor.is else { return Ok(()) };
        actor.is = match actor.flow.step(self.now(), reply.take()) {
            Step::Done(result) => Is::Done(result),
            Step::Effect(effect) => {
                if let Some(left) = &mut self.dies_after {
                    *left = left.checked_sub(1).ok_or(Died)?;
                }
                if self.caller_left() && !actor.flow.must_finish() {
                    Is::Ready(Some(Reply::Cancelled))
                } else {
                    self.perform(effect)
                }
            }
        };
        Ok(())
    }

    fn caller_left(&mut self) -> bool {
        let Some(left) = &mut self.leaves_after else { return false };
        *left = left.saturating_sub(1);
        *left == 0
    }

    /// The answer of a store that fails this time.
    fn failure(&mut self, op: &Op) -> Option<Reply> {
        let (left, made) = self.store_fails.as_mut()?;
        if let Some(fewer) = left.checked_sub(1) {
            *left = fewer;
            return None;
        }
        if std::mem::take(made) {
            self.store.perform(op.clone());
        }
        self.store_fails = None;
        Some(Reply::Store(StoreReply::Failed { reason: "timeout".into() }))
    }

    fn perform<T>(&mut self, effect: Effect) -> Is<T> {
        self.idle += 1;
        assert!(self.idle < 5_000, "a flow spins: {effect:?}");
        let now_ms = u64::try_from(self.elapsed.as_millis()).unwrap();
        match effect {
            Effect::Store(op) => Is::Ready(Some(self.store(op))),
            Effect::Sleep { ms } => Is::Waiting { topics: Vec::new(), until_ms: now_ms + ms },
            Effect::Wait { topics, timeout_ms } => Is::Waiting { topics, until_ms: now_ms + timeout_ms },
            Effect::Publish { topic, .. } => {
                self.moved(topic);
                Is::Ready(Some(Reply::Ok))
            }
            other => panic!("the simulator asks for no {other:?}"),
        }
    }

    /// A commit announces the records it writes.
    fn store(&mut self, op: Op) -> Reply {
        if let Some(failure) = self.failure(&op) {
            return failure;
        }
        let written: Vec<Key> = match &op {
            Op::Commit(commit) => commit.writes.iter().map(|write| write.key.clone()).collect(),
            _ => Vec::new(),
        };
        let reply = self.store.perform(op);
        if matches!(reply, StoreReply::Committed { .. }) {
            for key in written {
                self.moved(format!("{}/{}", key.kind, key.id));
            }
        }
        Reply::Store(reply)
    }

    fn moved(&mut self, topic: String) {
        self.moves += 1;
        self.topics.insert(topic, self.moves);
    }

    fn moved_since(&self, topics: &[(String, u64)]) -> Vec<(String, u64, String)> {
        let seq = |name: &String| self.topics.get(name).copied().unwrap_or(0);
        let moved = topics.iter().filter(|(name, seen)| seq(name) > *seen);
        moved.map(|(name, _)| (name.clone(), seq(name), String::new())).collect()
    }

    /// What holds of the store at all times: index rows are those of the jobs, versions agree, open operations are
    /// there and have not ended.
    pub(super) fn check(&self) {
        let mut indexed = 0;
        for record in self.store.records.values().filter(|record| record.key.kind == "job") {
            let job: Job = serde_json::from_str(&record.value).unwrap();
            assert_eq!(job.version, record.version, "{job:?}");
            for write in job_writes("default", None, &job).unwrap().iter().skip(1) {
                let row = self.store.records.get(&write.key).unwrap_or_else(|| panic!("no {:?}", write.key));
                assert_eq!(row.value, write.put.as_ref().unwrap().value, "{:?}", write.key);
                indexed += 1;
            }
            for id in &job.open_operations {
                let row = &self.store.records[&operation_key("default", id)];
                let operation: Operation = serde_json::from_str(&row.value).unwrap();
                assert!(!operation.state.is_terminal(), "{operation:?}");
            }
        }
        let rows = self.store.records.keys().filter(|key| key.kind.starts_with("job."));
        assert_eq!(rows.count(), indexed, "an index row without its job");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// A flow and what it waits for.
struct Actor<T> {
    flow: Flow<T>,
    is: Is<T>,
}

enum Is<T> {
    Ready(Option<Reply>),
    Waiting { topics: Vec<(String, u64)>, until_ms: u64 },
    Done(Result<T, Error>),
}

impl<T> Actor<T> {
    fn new(flow: Flow<T>) -> Self {
        Self { flow, is: Is::Ready(None) }
    }

    fn due(&self) -> Option<u64> {
        match &self.is {
            Is::Waiting { until_ms, .. } => Some(*until_ms),
            Is::Ready(_) | Is::Done(_) => None,
        }
    }

    fn end(self) -> Result<T, Error> {
        match self.is {
            Is::Done(result) => result,
            Is::Ready(_) | Is::Waiting { .. } => panic!("a flow that has not ended"),
        }
    }
}

/// A round of the reconciler among verbs.
fn ticking(engine: &Engine, call: Call) -> Flow<Value> {
    let engine = engine.clone();
    Flow::new(move |io| async move {
        let context = Context::new(io, call, std::sync::Arc::clone(&engine.state));
        lifecycle::reconcile(&context).await.map(|_| Value::Null)
    })
}

fn engine(config: &Config) -> Engine {
    let host = Host {
        kind: "server".into(),
        loopback_only: true,
        authorities: vec!["127.0.0.1:8888".into()],
        durable: true,
        longest_wait_ms: 600_000,
        streams: true,
    };
    Engine::new(config.clone(), host).unwrap()
}

/// A store as `store::op` describes it, strict about its limits.
#[derive(Default)]
pub(super) struct MapStore {
    pub(super) records: BTreeMap<Key, Record>,
    /// Commits made.
    pub(super) commits: u64,
}

impl MapStore {
    fn perform(&mut self, op: Op) -> StoreReply {
        match op {
            Op::Get { key } => StoreReply::Record { record: self.records.get(&key).cloned() },
            Op::Scan(scan) => StoreReply::Page(Page { records: self.scan(&scan) }),
            Op::Commit(commit) => self.commit(&commit),
        }
    }

    fn scan(&self, scan: &Scan) -> Vec<Record> {
        assert!((1..=200).contains(&scan.limit), "{scan:?}");
        let fits = |key: &Key| {
            (scan.tenant == "*" || key.tenant == scan.tenant)
                && key.kind == scan.kind
                && key.id.starts_with(&scan.prefix)
                && scan
                    .after
                    .as_ref()
                    .is_none_or(|after| if scan.descending { key.id < *after } else { key.id > *after })
        };
        let mut found: Vec<Record> =
            self.records.iter().filter(|(key, _)| fits(key)).map(|(_, record)| record.clone()).collect();
        found.sort_by(|a, b| (&a.key.id, &a.key.tenant).cmp(&(&b.key.id, &b.key.tenant)));
        if scan.descending {
            found.reverse();
        }
        found.truncate(scan.limit as usize);
        found
    }

    fn commit(&mut self, commit: &Commit) -> StoreReply {
        assert!(commit.writes.len() <= 20, "{} writes", commit.writes.len());
        for (index, write) in commit.writes.iter().enumerate() {
            assert!((1..=512).contains(&write.key.id.len()), "{:?}", write.key);
            assert!(commit.writes[..index].iter().all(|other| other.key != write.key), "twice {:?}", write.key);
        }
        let misfit = commit.writes.iter().position(|write| !self.fits(write));
        match misfit {
            None => self.write(commit),
            Some(_) if self.made(commit) => StoreReply::Committed { versions: self.versions(commit) },
            Some(index) => {
                StoreReply::Conflict { index, current: self.records.get(&commit.writes[index].key).cloned() }
            }
        }
    }

    fn fits(&self, write: &Write) -> bool {
        let version = self.records.get(&write.key).map(|record| record.version);
        match write.expect {
            Expect::Any => true,
            Expect::Absent => version.is_none(),
            Expect::Version(wanted) => version == Some(wanted),
        }
    }

    /// Every write that does not fit is there under this commit's own id.
    fn made(&self, commit: &Commit) -> bool {
        let ours = |write: &Write| match self.records.get(&write.key) {
            Some(record) => record.op == commit.op_id,
            None => write.put.is_none(),
        };
        commit.writes.iter().filter(|write| !self.fits(write)).all(ours)
    }

    fn versions(&self, commit: &Commit) -> Vec<u64> {
        commit.writes.iter().map(|write| self.records.get(&write.key).map_or(0, |record| record.version)).collect()
    }

    fn write(&mut self, commit: &Commit) -> StoreReply {
        self.commits += 1;
        for write in &commit.writes {
            let version = self.records.get(&write.key).map_or(0, |record| record.version) + 1;
            match &write.put {
                None => drop(self.records.remove(&write.key)),
                Some(put) => {
                    assert!(put.value.len() <= 256 << 10);
                    let record = Record {
                        key: write.key.clone(),
                        version,
                        op: commit.op_id.clone(),
                        schema: put.schema,
                        expires_at: put.expires_at,
                        value: put.value.clone(),
                    };
                    self.records.insert(write.key.clone(), record);
                }
            }
        }
        StoreReply::Committed { versions: self.versions(commit) }
    }

    /// Rows of a kind as JSON.
    pub(super) fn rows(&self, kind: &str) -> Vec<Value> {
        let of_kind = self.records.values().filter(|record| record.key.kind == kind);
        of_kind.map(|record| serde_json::from_str(&record.value).unwrap()).collect()
    }
}
