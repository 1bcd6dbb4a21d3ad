//! A subscription whose tasks cannot be read for a while.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Map, Value, json};

use super::fixture::{Fixture, caller};
use crate::{
    effect::{Effect, Reply},
    error::{Error, ErrorKind},
    flow::{Flow, Now, Step},
    mcp::{
        self, Answer, Exchange, Features, Handled, Info, Surface, Task, TaskDetail, TaskState, TaskStatus, Tool,
        ToolResult,
    },
};

/// One task, which cannot be read so often.
struct Failing {
    offer: Fixture,
    times: AtomicUsize,
    kind: ErrorKind,
}

impl Surface for Failing {
    fn info(&self) -> &Info {
        self.offer.info()
    }

    fn features(&self) -> Features {
        Features { streams: true, tasks: true, ..Features::default() }
    }

    fn tools(&self) -> &[Tool] {
        self.offer.tools()
    }

    fn call_tool(&self, exchange: Exchange, name: &str, arguments: Map<String, Value>) -> Handled<ToolResult> {
        self.offer.call_tool(exchange, name, arguments)
    }

    fn watch_task(&self, _: Exchange, task: &str) -> Answer<Option<String>> {
        Box::pin(std::future::ready(Ok(Some(format!("task/{task}")))))
    }

    fn get_task(&self, _: Exchange, task: &str) -> Answer<TaskState> {
        let fails = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let state = if fails { Err(Error::new(self.kind, "planned", "for a while")) } else { Ok(ended(task)) };
        Box::pin(std::future::ready(state))
    }
}

fn ended(task: &str) -> TaskState {
    let task = Task {
        task_id: task.to_owned(),
        status: TaskStatus::Completed,
        status_message: None,
        created_at: "2026-01-01T00:00:00Z".into(),
        last_updated_at: "2026-01-01T00:00:00Z".into(),
        ttl_ms: None,
        poll_interval_ms: 1_000,
    };
    TaskState { task, detail: TaskDetail::Result(ToolResult::text("done")) }
}

fn subscription() -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    let params = json!({"notifications": {"taskIds": ["a"]}, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
}

/// Milliseconds of every rest after the one that a move of the task ended, and what was told of it.
fn listen(times: usize, kind: ErrorKind) -> (Vec<u64>, Vec<Value>) {
    let surface = Arc::new(Failing { offer: Fixture::new(), times: times.into(), kind });
    let line = subscription().to_string().into();
    let mut flow = Flow::new(|io| mcp::line(io, surface, line, Box::new(caller())));
    let (mut rests, mut told, mut reply) = (Vec::new(), Vec::new(), None);
    loop {
        reply = Some(match flow.step(Now::default(), reply.take()) {
            Step::Done(_) => return (rests, told),
            Step::Effect(Effect::Emit(frame)) => {
                told.push(serde_json::from_str(&frame.data).unwrap());
                Reply::Ok
            }
            Step::Effect(Effect::Wait { timeout_ms: 0, .. }) => Reply::Elapsed,
            Step::Effect(Effect::Wait { topics, timeout_ms }) => {
                rests.push(timeout_ms);
                match topics.as_slice() {
                    [(topic, 0)] => Reply::Woken { topics: vec![(topic.clone(), 1, String::new())] },
                    _ if rests.len() > 9 || timeout_ms == 600_000 => Reply::Closed,
                    _ => Reply::Elapsed,
                }
            }
            Step::Effect(other) => panic!("a subscription asks for no {other:?}"),
        });
    }
}

fn tasks(told: &[Value]) -> Vec<&Value> {
    let of_task = told.iter().filter(|frame| frame["method"] == "notifications/tasks");
    of_task.map(|frame| &frame["params"]["status"]).collect()
}

#[test]
fn the_last_news_of_a_task_outlives_a_store_that_cannot_answer() {
    let (rests, told) = listen(3, ErrorKind::Unavailable);
    assert_eq!(tasks(&told), ["completed"], "{told:?}");
    assert_eq!(rests, [600_000, 1_000, 2_000, 4_000, 600_000]);
    let (rests, told) = listen(usize::MAX, ErrorKind::Unavailable);
    assert_eq!((tasks(&told).len(), rests.last()), (0, Some(&60_000)), "{rests:?}");
}

#[test]
fn a_task_that_is_gone_is_told_no_more() {
    let (rests, told) = listen(1, ErrorKind::NotFound);
    assert_eq!((tasks(&told).len(), rests), (0, vec![600_000, 600_000]));
}
