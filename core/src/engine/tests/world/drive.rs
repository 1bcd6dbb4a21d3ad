//! Flows side by side: each effect answered by the store, the topics and the clock of the world.

use std::time::Duration;

use serde_json::Value;

use super::{Died, World, engine};
use crate::{
    call::Call,
    effect::{Effect, Reply},
    engine::Engine,
    error::Error,
    flow::{Flow, Step},
    lifecycle,
    store::{Key, Op, StoreReply},
    verb::Context,
};

impl World {
    pub(super) fn drive<T>(&mut self, flow: Flow<T>) -> Result<Result<T, Error>, Died> {
        let ends = self.drive_all(vec![flow], 0)?;
        Ok(ends.into_iter().next().unwrap())
    }

    /// Runs verbs side by side, every second one in another process, interleaved as the seed has it.
    pub(in crate::engine::tests) fn together(
        &mut self,
        verbs: &[(&str, Value)],
        seed: u64,
    ) -> Vec<Result<Value, Error>> {
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
            Effect::Emit(_) if self.is_deaf => Is::Ready(Some(Reply::Closed)),
            Effect::Emit(frame) => {
                self.told.push((now_ms, serde_json::from_str(&frame.data).unwrap()));
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
        lifecycle::reconcile(&context, &lifecycle::Share::All).await.map(|_| Value::Null)
    })
}
