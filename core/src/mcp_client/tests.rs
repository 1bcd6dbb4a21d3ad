//! The flows under servers, networks and people who do anything at all, drawn from seeds: they end, leave no stream
//! open, send nothing after the end of a cancelled call but its one clean-up, and never break the contract themselves.

mod bounds;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{Connection, Options};
use crate::{
    auth::Caller,
    call::Call,
    effect::{Effect, Fault, FaultKind, Reply, Response},
    error::ErrorKind,
    flow::{Now, Step},
    random::Seed,
};

const CALLS: [(&str, &str); 7] = [
    ("connect", "{}"),
    ("list_tools", "{}"),
    ("call_tool", r#"{"name": "a", "arguments": {"x": "ü"}, "progress": true}"#),
    ("call_tool", r#"{"name": "a", "repeatable": true}"#),
    ("get_prompt", r#"{"name": "a"}"#),
    ("listen", r#"{"toolsListChanged": true, "resourceSubscriptions": ["a:b"]}"#),
    ("close", "{}"),
];

/// Longest a call may get: rounds, repeats, tokens and streams taken up are all bounded, and so is their product.
const LONGEST: usize = 20_000;

struct World {
    seed: Seed,
    draws: u64,
    id: u64,
    opened: u64,
    open: BTreeSet<u64>,
}

impl World {
    fn draw(&mut self, bound: usize) -> usize {
        self.draws += 1;
        usize::try_from(self.seed.below(&self.draws.to_string(), bound as u64)).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.draw(from.len());
        from[index].clone()
    }

    fn reply(&mut self, effect: Effect) -> Reply {
        match effect {
            Effect::Open(request) => {
                if let crate::effect::Body::Json(body) = &request.body {
                    self.id = body["id"].as_u64().unwrap_or(self.id);
                }
                self.head()
            }
            Effect::Read { stream, .. } => self.read(stream),
            Effect::Shut { stream } => {
                self.open.remove(&stream);
                Reply::Ok
            }
            Effect::Send(_) => self.document(),
            Effect::Sleep { .. } => Reply::Elapsed,
            Effect::Ask { .. } => self.person(),
            Effect::Tell { .. } => Reply::Ok,
            #[cfg(feature = "server")]
            other => panic!("{other:?}"),
        }
    }

    fn head(&mut self) -> Reply {
        const WHO: &str = "Bearer error=\"insufficient_scope\", scope=\"a\"";
        let json = ("content-type", "application/json");
        let (status, headers) = self.pick(&[
            (200, vec![json]),
            (200, vec![json, ("mcp-session-id", "s")]),
            (200, vec![("content-type", "text/event-stream")]),
            (200, vec![("content-type", "text/event-stream")]),
            (202, vec![]),
            (400, vec![json]),
            (401, vec![("www-authenticate", "Bearer")]),
            (403, vec![("www-authenticate", WHO)]),
            (404, vec![json]),
            (503, vec![("retry-after", "1")]),
            (0, vec![]),
        ]);
        if status == 0 {
            return Reply::Fault(Fault {
                kind: self.pick(&[FaultKind::Refused, FaultKind::Reset]),
                detail: String::new(),
            });
        }
        self.opened += 1;
        self.open.insert(self.opened);
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Reply::Opened { stream: self.opened, status, headers }
    }

    fn read(&mut self, stream: u64) -> Reply {
        match self.draw(8) {
            0 | 1 => {
                self.open.remove(&stream);
                Reply::Ended
            }
            2 => Reply::Elapsed,
            3 => {
                self.open.remove(&stream);
                Reply::Fault(Fault { kind: FaultKind::Reset, detail: String::new() })
            }
            4 => {
                Reply::Piece { body: self.pick(&["id: 1\n", "data: {", "\n\n", ":", "\u{feff}", "retry: 5\n"]).into() }
            }
            5 => Reply::Piece { body: self.message().to_string().into() },
            _ => Reply::Piece { body: format!("id: e\ndata: {}\n\n", self.message()).into() },
        }
    }

    fn message(&mut self) -> Value {
        let id = self.id;
        let ask = json!({"k": {"method": "elicitation/create", "params": {}}});
        let tag = json!({"_meta": {"io.modelcontextprotocol/subscriptionId": id}});
        self.pick(&[
            json!({"id": id, "result": {}}),
            json!({"id": id, "result": {"supportedVersions": ["2026-07-28"]}}),
            json!({"id": id, "result": {"protocolVersion": "2025-03-26"}}),
            json!({"id": id, "result": {"tools": [{"name": "a", "inputSchema": {"properties": {"x": {"type": "string", "x-mcp-header": "X"}}}}]}}),
            json!({"id": id, "result": {"tools": [], "nextCursor": self.draws.to_string()}}),
            json!({"id": id, "result": {"resultType": "input_required", "inputRequests": ask, "requestState": "s"}}),
            json!({"id": id, "result": {"resultType": "task", "taskId": "t", "status": "working", "pollIntervalMs": 0}}),
            json!({"id": id, "result": {"taskId": "t", "status": "input_required", "inputRequests": ask}}),
            json!({"id": id, "error": {"code": -32022, "data": {"supported": ["2026-07-28", "2025-06-18"]}}}),
            json!({"id": id, "error": {"code": -32020}}),
            json!({"id": id, "error": {"code": -32601}}),
            json!({"id": "q", "method": "elicitation/create", "params": {}}),
            json!({"id": 1, "method": "ping"}),
            json!({"method": "notifications/progress", "params": {"progressToken": id}}),
            json!({"method": "notifications/subscriptions/acknowledged", "params": tag}),
            json!([{"id": id, "result": {}}]),
            json!(null),
        ])
    }

    fn document(&mut self) -> Reply {
        let issuer = "http://localhost:8";
        let (status, body) = self.pick(&[
            (
                200,
                json!({"resource": "http://localhost:9", "authorization_servers": [issuer], "issuer": issuer,
                "token_endpoint": "http://localhost:8/t", "authorization_endpoint": "http://localhost:8/a",
                "registration_endpoint": "http://localhost:8/r", "code_challenge_methods_supported": ["S256"],
                "client_id": "c", "access_token": "t", "token_type": "Bearer", "refresh_token": "r"}),
            ),
            (404, json!({})),
            (200, json!([])),
            (500, json!(null)),
            (400, json!({"error": "invalid_grant"})),
        ]);
        Reply::Response(Response { status, headers: Vec::new(), body: body.to_string().into() })
    }

    fn person(&mut self) -> Reply {
        let value = self.pick(&[
            json!({"action": "accept"}),
            json!("http://localhost:7/cb?code=x&state=y"),
            json!(7),
            Value::Null,
        ]);
        if value.is_null() { Reply::Unsupported { reason: "no".into() } } else { Reply::Answer { value } }
    }
}

fn options(world: &mut World) -> Options {
    let era =
        world.pick(&[json!("auto"), json!("modern"), json!({"legacy": "2025-11-25"}), json!({"legacy": "2025-03-26"})]);
    serde_json::from_value(json!({"url": "http://localhost:9/mcp", "era": era, "max_rounds": 3, "max_retries": 2,
        "capabilities": {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}},
        "oauth": {"redirect_uri": "http://localhost:7/cb"}}))
    .unwrap()
}

/// Effects after a cancel, besides those that tidy up.
fn beyond_tidying(effect: &Effect) -> bool {
    !matches!(effect, Effect::Shut { .. } | Effect::Tell { .. })
}

/// One call; cancelled at a drawn effect, or not at all. Returns the effects that came after a cancel.
fn run(connection: &Connection, world: &mut World, verb: &str, input: &str, cancel_at: usize) -> usize {
    let call = Call::local(Caller::nobody(), Duration::from_secs(3_600), world.seed.derive("call"));
    let mut flow = connection.start(verb, serde_json::from_str(input).unwrap(), call);
    let (mut now, mut after) = (Now::default(), 0);
    let mut turn = flow.step(now, None);
    for count in 0..LONGEST {
        let effect = match turn {
            Step::Effect(effect) => effect,
            Step::Done(end) => {
                let broke = end.is_err_and(|error| error.kind() == ErrorKind::Misuse);
                assert!(!broke, "{verb}: the contract was broken");
                assert!(world.open.is_empty(), "{verb}: left {:?} open", world.open);
                return after;
            }
        };
        now.mono += Duration::from_millis(match effect {
            Effect::Sleep { ms } => ms,
            Effect::Read { timeout_ms, .. } => timeout_ms.min(40_000),
            _ => 1,
        });
        after += usize::from(count > cancel_at && beyond_tidying(&effect));
        let reply = if count == cancel_at && beyond_tidying(&effect) { Reply::Cancelled } else { world.reply(effect) };
        let cancelled = reply == Reply::Cancelled;
        turn = flow.step(now, Some(reply));
        if !cancelled && count == cancel_at {
            return run_out(flow, turn, world, now);
        }
    }
    panic!("{verb} does not end");
}

/// The rest of a call whose cancel fell on an effect that tidies up.
fn run_out(mut flow: crate::Flow<Value>, mut turn: Step<Value>, world: &mut World, mut now: Now) -> usize {
    while let Step::Effect(effect) = turn {
        now.mono += Duration::from_secs(40);
        turn = flow.step(now, Some(world.reply(effect)));
    }
    world.open.clear();
    0
}

#[test]
fn whatever_comes_a_call_ends_and_leaves_nothing_open() {
    for number in 0..3_000_u32 {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(number.to_be_bytes()) {
            *to = from;
        }
        let mut world = World { seed: Seed::new(bytes), draws: 0, id: 0, opened: 0, open: BTreeSet::new() };
        let connection = Connection::new(options(&mut world)).unwrap();
        for _ in 0..3 {
            let (verb, input) = world.pick(&CALLS);
            let cancel_at = if world.draw(2) == 0 { world.draw(12) } else { LONGEST };
            let after = run(&connection, &mut world, verb, input, cancel_at);
            assert!(after <= 1, "{number}: {verb} went on for {after} effects after it was cancelled");
        }
    }
}
