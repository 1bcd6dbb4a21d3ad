//! An engine over scripted clusters, a store in memory and a clock that moves only when something waits.

mod drive;
mod map_store;

use std::{collections::BTreeMap, time::Duration};

use map_store::MapStore;
use serde_json::{Value, json};

use crate::{
    auth::{Caller, Role},
    call::{Call, Peer},
    config::Config,
    effect::Response,
    engine::{Engine, Host, HttpRequest, Inbound, Share},
    error::Error,
    flow::Now,
    job::{Job, Operation},
    store::{job_writes, operation_key},
};

/// When the world begins.
pub(super) const START_MS: u64 = 1_795_167_923_000;

/// A process with an engine, and the rest of the world.
pub(super) struct World {
    pub(super) engine: Engine,
    document: Value,
    pub(super) store: MapStore,
    pub(super) role: Role,
    elapsed: Duration,
    /// How far the process's wall clock is ahead of the world's, in milliseconds.
    pub(super) ahead_ms: u64,
    calls: u64,
    topics: BTreeMap<String, u64>,
    moves: u64,
    /// Effects since time last moved.
    idle: u64,
    /// Effects after which the process is gone.
    pub(super) dies_after: Option<u64>,
    /// The store fails at its operation of this number, once; whether it did what was asked.
    pub(super) store_fails: Option<(u64, bool)>,
    /// Frames that were streamed, with the milliseconds at which they were.
    pub(super) told: Vec<(u64, Value)>,
    /// Frames reach nobody.
    pub(super) is_deaf: bool,
    /// The caller goes away at the effect of this number.
    pub(super) leaves_after: Option<u64>,
}

/// How a flow ended that ran in a process that may die.
#[derive(Debug)]
pub(super) struct Died;

impl World {
    /// A world with one simulator target `sim` of these settings, and `slow` beside it.
    pub(super) fn new(sim: &Value) -> Self {
        Self::configured(sim, &json!({}))
    }

    /// The same with further configuration.
    pub(super) fn configured(sim: &Value, more: &Value) -> Self {
        let mut target = json!({"runner": "simulator"});
        target.as_object_mut().unwrap().extend(sim.as_object().unwrap().clone());
        let mut document = json!({"default_runner": "sim", "targets": {
            "sim": target, "other": {"runner": "simulator", "script": "batch"}}});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let engine = engine(&Config::from_json(&document).unwrap());
        Self {
            engine,
            document,
            store: MapStore::default(),
            role: Role::Operator,
            elapsed: Duration::ZERO,
            ahead_ms: 0,
            calls: 0,
            topics: BTreeMap::new(),
            moves: 0,
            idle: 0,
            dies_after: None,
            store_fails: None,
            told: Vec::new(),
            is_deaf: false,
            leaves_after: None,
        }
    }

    /// The same store and clock under a new process.
    pub(super) fn restart(&mut self) {
        self.engine = engine(&self.engine.config().clone());
        self.dies_after = None;
    }

    /// The same under a new process with other configuration.
    pub(super) fn restart_with(&mut self, more: &Value) {
        self.document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.engine = engine(&Config::from_json(&self.document).unwrap());
    }

    pub(super) fn now(&self) -> Now {
        let ms = u64::try_from(self.elapsed.as_millis()).unwrap();
        Now { mono: self.elapsed, wall_ms: START_MS + ms + self.ahead_ms }
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

    /// One round of one share.
    pub(super) fn tick_share(&mut self, share: Share) {
        let call = self.call();
        let flow = self.engine.tick_share(share, call);
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

    /// Replaces a job's row and its index rows.
    pub(super) fn put_job(&mut self, row: &Value) {
        let mut job: Job = serde_json::from_value(row.clone()).unwrap();
        let key = crate::store::Kind::Job.key("default", job.id.to_string());
        let record = self.store.records[&key].clone();
        let old = crate::store::Stored { value: serde_json::from_str(&record.value).unwrap(), version: record.version };
        job.version = record.version + 1;
        let writes = job_writes("default", Some(&old), &job).unwrap();
        self.store.perform(crate::store::Op::Commit(crate::store::Commit { op_id: "put".into(), writes }));
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
        let rows = self.store.records.keys().filter(|key| key.kind.starts_with("job.") || key.kind == "owner");
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
