use beam_mcp_core::engine::{HttpRequest, Inbound};
use serde_json::{Value, json};

use super::{Act, Client, TENANTS};
use crate::profile::{Cell, Profile};

/// The door a call goes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// REST.
    Rest,
    /// MCP over HTTP.
    Mcp,
    /// MCP over standard input.
    Line,
    /// Embedded.
    Run,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The verb.
    pub verb: &'static str,
    /// Its input.
    pub input: Value,
    /// The idempotency key in it.
    pub key: Option<String>,
    /// The key was used for something else before.
    pub stolen: bool,
    /// The door.
    pub door: Door,
    /// Tells apart what is asked under one key.
    pub digest: u64,
    /// It is nonsense.
    pub bad: bool,
}

/// Scripts of simulator jobs.
const SCRIPTS: [&str; 8] =
    ["running", "batch", "failing", "rate_limited", "outage", "lost_answer", "restarting", "failing_savepoint"];

impl Client {
    /// Composes the next call.
    pub fn compose(&mut self, act: Act, profile: &Profile) -> Ask {
        let door = *self.random.pick(&[Door::Rest, Door::Rest, Door::Mcp, Door::Line, Door::Run]);
        let (verb, mut input) = self.call(act, profile);
        let mut ask = Ask { verb, key: None, stolen: false, door, digest: 0, bad: act == Act::Bad, input: Value::Null };
        if is_write(verb) && !ask.bad {
            self.add_key(&mut ask, &mut input);
        }
        ask.input = input;
        ask
    }

    pub(super) fn add_key(&mut self, ask: &mut Ask, input: &mut Value) {
        // How long a caller waits is no part of what it asks for, nor what it was shown before.
        let mut meant = input.clone();
        for name in ["wait_seconds", "dry_run", "plan_digest"] {
            meant.as_object_mut().map(|map| map.remove(name));
        }
        ask.digest = digest(&format!("{} {meant}", ask.verb));
        if !self.keys.is_empty() && self.random.chance(500) {
            ask.key = Some(self.random.pick(&self.keys).clone());
            ask.stolen = true;
        } else if self.random.chance(7_500) {
            let key = format!("{}-{}-{}", ask.verb, self.tenant, self.random.below(u64::MAX));
            self.keys.push(key.clone());
            ask.key = Some(key);
        }
        if let Some(key) = &ask.key {
            input["idempotency_key"] = key.as_str().into();
        }
    }

    fn call(&mut self, act: Act, profile: &Profile) -> (&'static str, Value) {
        let job = if self.jobs.is_empty() { "flink:0".into() } else { self.random.pick(&self.jobs).clone() };
        let wait = *self.random.pick(&[0, 0, 2, 20]);
        match act {
            Act::Create => ("create_job", self.create(profile)),
            Act::Get => ("get_job", json!({"job_id": job, "max_age_ms": *self.random.pick(&[0, 2_000])})),
            Act::Wait => ("wait_for_change", json!({"job_id": job, "timeout_seconds": 10})),
            Act::List => ("list_jobs", json!({"limit": 10})),
            Act::Savepoint => ("create_savepoint", json!({"job_id": job, "wait_seconds": wait})),
            Act::Scale => {
                let parallelism = self.random.between(1, 6);
                ("scale_job", json!({"job_id": job, "parallelism": parallelism, "wait_seconds": wait}))
            }
            Act::Cancel => ("cancel_job", json!({"job_id": job, "mode": "cancel", "wait_seconds": wait})),
            Act::Drain => ("cancel_job", json!({"job_id": job, "mode": "drain", "wait_seconds": wait})),
            Act::Stop => ("cancel_job", json!({"job_id": job, "mode": "stop", "wait_seconds": wait})),
            Act::Restore => ("restore_job", json!({"job_id": job})),
            Act::Metrics => ("get_metrics", json!({"job_id": job})),
            Act::Logs => ("get_logs", json!({"job_id": job})),
            Act::Operation => match self.operations.last() {
                Some(id) => ("get_operation", json!({"operation_id": id})),
                None => ("get_job", json!({"job_id": job})),
            },
            Act::Runners => ("list_runners", json!({})),
            Act::Bad => self.nonsense(&job),
        }
    }

    fn create(&mut self, profile: &Profile) -> Value {
        let name = format!("{} {}", TENANTS[self.tenant].2, self.random.below(1_000_000));
        let target = profile.cell.target();
        match profile.cell {
            _ if profile.captures() => Self::program(&name, target),
            Cell::R1 | Cell::R2 | Cell::R7 => {
                let args: &[&str] = match self.random.below(12) {
                    0 => &["main=throws"],
                    1 | 2 => &["batch"],
                    _ => &[],
                };
                json!({"name": name, "target": target, "code_path": "jobs/pipeline.jar", "args": args})
            }
            Cell::R9 => Self::program(&name, target),
            Cell::R6 => {
                let template = *self.random.pick(&["Words", "Stream", "flex/Words", "flex/Stream"]);
                let path = format!("gs://dataflow-templates/latest/{template}");
                json!({"name": name, "target": target, "template_path": path})
            }
            _ => {
                let script = *self.random.pick(&SCRIPTS);
                json!({"name": name, "target": target, "options": {"simulator_script": script}})
            }
        }
    }

    fn program(name: &str, target: &str) -> Value {
        json!({"name": name, "target": target, "code_path": "jobs/words.py"})
    }

    fn nonsense(&mut self, job: &str) -> (&'static str, Value) {
        match self.random.below(6) {
            0 => ("create_job", json!({"name": "x", "target": "nowhere"})),
            1 => ("create_job", json!({"nme": "x"})),
            2 => ("get_job", json!({"job_id": "../etc/passwd"})),
            3 => ("get_job", json!({"job_id": "flink:00000000000000000000000000000000"})),
            4 => ("scale_job", json!({"job_id": job, "parallelism": 0})),
            _ => ("cancel_job", json!({"job_id": job, "mode": "sometimes"})),
        }
    }
}

/// True for a verb that changes something.
fn is_write(verb: &str) -> bool {
    matches!(verb, "create_job" | "restore_job" | "cancel_job" | "create_savepoint" | "scale_job") || decides(verb)
}

/// True for a verb of operators.
fn decides(verb: &str) -> bool {
    matches!(verb, "adopt_job" | "abandon_job" | "resubmit_job")
}

impl Ask {
    /// True when asking again cannot make a second of it.
    pub fn is_repeatable(&self) -> bool {
        self.key.is_some() || !is_write(self.verb)
    }

    /// True when it submits.
    pub fn makes_a_job(&self) -> bool {
        matches!(self.verb, "create_job" | "restore_job")
    }

    /// True when an operator says by it what is true.
    pub fn decides(&self) -> bool {
        decides(self.verb)
    }

    /// The call as it arrives at a server.
    pub fn inbound(&self, token: &str) -> Option<Inbound> {
        match self.door {
            Door::Rest => Some(Inbound::Http(Box::new(self.rest(token)))),
            Door::Mcp => Some(Inbound::Http(Box::new(self.mcp(token)))),
            Door::Line => Some(Inbound::Line(self.message().to_string().into())),
            Door::Run => None,
        }
    }

    fn message(&self) -> Value {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": self.verb, "arguments": self.input, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}})
    }

    fn mcp(&self, token: &str) -> HttpRequest {
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", self.verb),
        ];
        request("POST", "/mcp", "", self.message().to_string(), token, &headers)
    }

    fn rest(&self, token: &str) -> HttpRequest {
        let mut input = self.input.clone();
        let mut take = |name: &str| {
            let value = input.as_object_mut().and_then(|map| map.remove(name));
            value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (method, path) = match self.verb {
            "create_job" => ("POST", "/api/v1/jobs".to_owned()),
            "list_jobs" => ("GET", "/api/v1/jobs".to_owned()),
            "list_runners" => ("GET", "/api/v1/runners".to_owned()),
            "get_job" => ("GET", format!("/api/v1/jobs/{}", escaped(&take("job_id")))),
            "wait_for_change" => ("GET", format!("/api/v1/jobs/{}/wait", escaped(&take("job_id")))),
            "get_metrics" => ("GET", format!("/api/v1/jobs/{}/metrics", escaped(&take("job_id")))),
            "get_logs" => ("GET", format!("/api/v1/jobs/{}/logs", escaped(&take("job_id")))),
            "cancel_job" => ("POST", format!("/api/v1/jobs/{}/cancel", escaped(&take("job_id")))),
            "scale_job" => ("POST", format!("/api/v1/jobs/{}/scale", escaped(&take("job_id")))),
            "create_savepoint" => ("POST", format!("/api/v1/jobs/{}/savepoints", escaped(&take("job_id")))),
            "restore_job" => ("POST", format!("/api/v1/jobs/{}/restore", escaped(&take("job_id")))),
            "adopt_job" => ("POST", format!("/api/v1/jobs/{}/adopt", escaped(&take("job_id")))),
            "abandon_job" => ("POST", format!("/api/v1/jobs/{}/abandon", escaped(&take("job_id")))),
            "resubmit_job" => ("POST", format!("/api/v1/jobs/{}/resubmit", escaped(&take("job_id")))),
            _ => {
                let id = take("operation_id");
                let (job, operation) = id.split_once('/').unwrap_or((&id, ""));
                ("GET", format!("/api/v1/jobs/{job}/operations/{operation}"))
            }
        };
        if method == "GET" {
            return request(method, &path, &query(&input), String::new(), token, &[]);
        }
        let key = take("idempotency_key");
        let header = [("idempotency-key", key.as_str())];
        let headers = if key.is_empty() { &[][..] } else { &header[..] };
        request(method, &path, "", input.to_string(), token, headers)
    }
}

fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn escaped(segment: &str) -> String {
    segment.replace('/', "%2F")
}

fn query(input: &Value) -> String {
    let pairs = input.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn request(method: &str, path: &str, query: &str, body: String, token: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let bearer = format!("Bearer {token}");
    let own = [("host", "127.0.0.1:8888"), ("content-type", "application/json"), ("authorization", bearer.as_str())];
    HttpRequest {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: own.iter().chain(headers).map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: body.into(),
        staged: None,
    }
}
