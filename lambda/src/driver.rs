//! Drives flows: performs their effects on tokio until they end.

use std::{sync::Arc, time::Duration};

use beam_mcp_core::{
    Error, Flow, Step,
    effect::{Effect, Fault, Reply, Response},
    store::Op,
};
use tokio::time::timeout;

use crate::{
    admission::Admission,
    attendance::{Attendance, Purpose},
    clock::Clock,
    committed::Committed,
    effects::{Processes, Staging},
    http_send::{Sender, rpc},
    metrics::{Metrics, store_op},
    setup::Folder,
    store::Store,
    tasks::{Phase, Stop, Tasks},
    topics::Topics,
};

/// What a cancelled flow may still take for its clean-up.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// The machine under the core: everything a flow can ask for.
pub struct Driver {
    /// Time.
    pub clock: Clock,
    /// Records.
    pub store: Store,
    /// The way to the targets.
    pub sender: Sender,
    /// Topics of this process.
    pub topics: Topics,
    /// Staged files, where the host keeps any.
    pub staging: Option<Arc<dyn Staging>>,
    /// Child processes, where the host may start any.
    pub processes: Option<Arc<dyn Processes>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Flows driven on without their caller.
    pub tasks: Tasks,
    /// How many requests are worked on at once.
    pub admission: Arc<Admission>,
    /// The process's stop.
    pub stop: Stop,
    /// Tells when somebody else than the reconciler has committed.
    pub committed: Committed,
    /// Where files lie, where the host keeps any; a temporary folder goes with the driver.
    pub folder: Option<Folder>,
}

impl Driver {
    /// Steps a flow to its end.
    ///
    /// When the caller leaves or the process stops, the outstanding effect is answered [`Reply::Cancelled`], unless
    /// the flow must finish or the effect is one that is not to be torn (a store operation, a child).
    ///
    /// # Errors
    /// What the flow ends with.
    pub async fn drive<T>(&self, flow: Flow<T>, caller: &Attendance) -> Result<T, Error> {
        let ended = self.steps(flow, caller).await;
        caller.worked();
        ended
    }

    async fn steps<T>(&self, mut flow: Flow<T>, caller: &Attendance) -> Result<T, Error> {
        let mut turn = caller.turn().await;
        let mut step = flow.step(self.clock.now(), None);
        loop {
            let effect = match step {
                Step::Done(result) => return result,
                Step::Effect(effect) => effect,
            };
            if is_wait(&effect) {
                turn = None;
            }
            let reply = if flow.must_finish() || !is_tearable(&effect) {
                self.perform(effect, caller).await
            } else {
                self.perform_unless_left(effect, caller).await
            };
            let cancelled = reply == Reply::Cancelled;
            if cancelled {
                turn = None;
            } else if turn.is_none() {
                turn = caller.turn().await;
            }
            step = flow.step(self.clock.now(), Some(reply));
            if cancelled {
                let clean_up = Box::pin(self.clean_up(flow, step, caller));
                return timeout(CLEAN_UP, clean_up).await.unwrap_or_else(|_| Err(Error::cancelled()));
            }
        }
    }

    /// Drives a flow that was told to end: its last effects are performed as they are.
    async fn clean_up<T>(&self, mut flow: Flow<T>, mut step: Step<T>, caller: &Attendance) -> Result<T, Error> {
        loop {
            match step {
                Step::Done(result) => return result,
                Step::Effect(effect) => step = flow.step(self.clock.now(), Some(self.perform(effect, caller).await)),
            }
        }
    }

    async fn perform_unless_left(&self, effect: Effect, caller: &Attendance) -> Reply {
        let only_waits = is_idle(&effect);
        let phase = if only_waits { Phase::Draining } else { Phase::Cancelling };
        let reply = tokio::select! {
            biased;
            reply = self.perform(effect, caller) => reply,
            () = caller.left() => Reply::Cancelled,
            () = self.stop.reached(phase) => Reply::Cancelled,
        };
        // News for a caller who left before it came, such as a yes to the question of a cancelled call, is none.
        if only_waits && caller.is_gone() { Reply::Cancelled } else { reply }
    }

    async fn perform(&self, effect: Effect, caller: &Attendance) -> Reply {
        self.metrics.effect(&effect);
        let _rest = if is_wait(&effect) { caller.rest() } else { None };
        match effect {
            Effect::Store(op) => Box::pin(self.store(op, caller)).await,
            // In boxes: what only waits for news is held by the thousand.
            Effect::Send(request) => response(Box::pin(self.sender.send(request)).await),
            Effect::SendAll { requests } => {
                Reply::Responses { outcomes: Box::pin(self.sender.send_all(requests)).await }
            }
            Effect::Sleep { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Reply::Elapsed
            }
            Effect::Emit(frame) => caller.emit(frame).await,
            Effect::Publish { topic, payload } => {
                self.topics.publish(&topic, payload);
                Reply::Ok
            }
            Effect::Wait { topics, timeout_ms } => self.topics.wait(&topics, Duration::from_millis(timeout_ms)).await,
            Effect::Rpc { target, method, message, timeout_ms, stream } => {
                let limit = Duration::from_millis(timeout_ms);
                let call = rpc::Call { target, method, message: message.into_bytes(), limit, stream };
                Box::pin(self.sender.rpc(call)).await
            }
            other => Box::pin(self.perform_locally(other)).await,
        }
    }

    async fn perform_locally(&self, effect: Effect) -> Reply {
        let (no_files, no_children) = ("this host keeps no files", "this host starts no processes");
        match (effect, &self.staging, &self.processes) {
            (Effect::Stage(recipe), Some(staging), _) => staging.stage(recipe).await,
            (Effect::Stage(_), None, _) => unsupported(no_files),
            (Effect::Launch(launch), _, Some(processes)) => processes.launch(launch).await,
            (Effect::Signal { handle, signal }, _, Some(processes)) => processes.signal(handle, signal).await,
            (Effect::Observe { handle, queries }, _, Some(processes)) => processes.observe(handle, queries).await,
            (Effect::Launch(_) | Effect::Signal { .. } | Effect::Observe { .. }, _, None) => unsupported(no_children),
            _ => unsupported("this host does not know the effect"),
        }
    }

    async fn store(&self, op: Op, caller: &Attendance) -> Reply {
        let place = store_op(&op);
        let (written, targets) = match &op {
            Op::Commit(commit) => (Topics::of(commit), Committed::targets(commit)),
            Op::Get { .. } | Op::Scan(_) => (Vec::new(), Vec::new()),
        };
        let reply = self.store.perform(op).await;
        self.metrics.store(place, &reply);
        if matches!(reply, beam_mcp_core::store::StoreReply::Committed { .. }) {
            self.topics.announce(&written);
            if caller.purpose() != Purpose::Tick {
                self.committed.tell(targets);
            }
        }
        Reply::Store(reply)
    }
}

fn response(outcome: Result<Response, Fault>) -> Reply {
    outcome.map_or_else(Reply::Fault, Reply::Response)
}

fn unsupported(reason: &str) -> Reply {
    Reply::Unsupported { reason: reason.to_owned() }
}

/// True for effects that may be given up halfway.
fn is_tearable(effect: &Effect) -> bool {
    !matches!(effect, Effect::Store(_) | Effect::Launch(_) | Effect::Signal { .. } | Effect::Publish { .. })
}

/// True for effects whose time is another's: a runner's, the disk's, a child's or nobody's.
fn is_wait(effect: &Effect) -> bool {
    !matches!(effect, Effect::Store(Op::Get { .. } | Op::Scan(_)) | Effect::Publish { .. })
}

/// True for effects that only wait: a stop does not wait with them.
fn is_idle(effect: &Effect) -> bool {
    matches!(effect, Effect::Sleep { .. } | Effect::Wait { .. } | Effect::Emit(_))
}

#[cfg(test)]
mod tests {
    use beam_mcp_core::{
        ErrorKind,
        effect::{Handle, Signal},
        engine::Share,
        flow::Wake,
        store::{Commit, Expect, Key, Put, Write},
    };

    use super::*;
    use crate::{admission::Urgency, testing::driver};

    fn commit(id: &str) -> Commit {
        let put = Put { schema: 1, expires_at: None, value: "{}".into() };
        let write = Write { key: Key::new("default", "job", id), expect: Expect::Absent, put: Some(put) };
        Commit { op_id: format!("op-{id}"), writes: vec![write] }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_cancels_a_wait_but_no_intent() {
        let driver = driver();
        let caller = Attendance::new(Purpose::Answer);
        caller.leave();
        let reading = Flow::new(|io| async move { io.sleep(Duration::from_secs(60)).await });
        let ended = driver.drive(reading, &caller).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Cancelled);
        let writing = Flow::new(|io| async move {
            io.commit(commit("a")).await?;
            io.intent_is_durable();
            io.sleep(Duration::from_secs(60)).await
        });
        driver.drive(writing, &caller).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_left_hears_no_news_that_came_later() {
        let (driver, caller) = (driver(), Attendance::new(Purpose::Stream));
        caller.leave();
        let telling = Flow::new(|io| async move { io.publish("t".into(), String::new()).await });
        driver.drive(telling, &Attendance::new(Purpose::Answer)).await.unwrap();
        let waiting = Flow::new(|io| async move { io.wait(vec![("t".into(), 0)], Duration::from_secs(60)).await });
        let ended = driver.drive(waiting, &caller).await.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_flow_may_clean_up_once_and_not_for_ever() {
        let driver = driver();
        let caller = Attendance::new(Purpose::Answer);
        caller.leave();
        let tidy = Flow::new(|io| async move {
            let _ = io.sleep(Duration::from_secs(1)).await;
            io.publish("tidied".into(), String::new()).await
        });
        driver.drive(tidy, &caller).await.unwrap();
        let endless: Flow<()> = Flow::new(|io| async move {
            let _ = io.sleep(Duration::from_secs(1)).await;
            loop {
                io.publish("again".into(), String::new()).await?;
                io.send(beam_mcp_core::effect::Request::new("hole", beam_mcp_core::effect::Method::Get, "/")).await?;
            }
        });
        assert!(driver.drive(endless, &caller).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_wakes_who_waits_for_its_records() {
        let driver = Arc::new(driver());
        let waiting = tokio::spawn({
            let driver = driver.clone();
            async move {
                let flow =
                    Flow::new(
                        |io| async move { io.wait(vec![("job/flink:b".into(), 0)], Duration::from_secs(600)).await },
                    );
                driver.drive(flow, &Attendance::new(Purpose::Answer)).await
            }
        });
        tokio::task::yield_now().await;
        let write = Flow::new(|io| async move { io.commit(commit("flink:b")).await });
        driver.drive(write, &Attendance::new(Purpose::Answer)).await.unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Wake::Topics(vec![("job/flink:b".into(), 1, String::new())])));
        assert_eq!(driver.committed.count(&Share::Target("flink".into())), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gives_its_turn_to_others() {
        let driver = Arc::new(driver());
        let mut flows = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (driver, caller) = (driver.clone(), Attendance::new(Purpose::Answer));
            caller.works(driver.admission.enter(Urgency::Normal).unwrap());
            let sleeping = Flow::new(|io| async move { io.sleep(Duration::from_secs(60)).await });
            flows.spawn(async move { driver.drive(sleeping, &caller).await });
        }
        let began = tokio::time::Instant::now();
        assert!(flows.join_all().await.iter().all(Result::is_ok));
        assert!(began.elapsed() < Duration::from_secs(61), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_cleans_up_has_no_turn() {
        let driver = Arc::new(driver());
        let mut flows = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (driver, caller) = (driver.clone(), Attendance::new(Purpose::Answer));
            caller.works(driver.admission.enter(Urgency::Normal).unwrap());
            caller.leave();
            let tidy = Flow::new(|io| async move {
                let _ = io.sleep(Duration::from_secs(60)).await;
                io.sleep(Duration::from_secs(5)).await
            });
            flows.spawn(async move { driver.drive(tidy, &caller).await });
        }
        let began = tokio::time::Instant::now();
        flows.join_all().await;
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_waits_first() {
        let driver = driver();
        driver.stop.advance(Phase::Draining);
        let flow = Flow::new(|io| async move { io.wait(vec![("t".into(), 0)], Duration::from_secs(600)).await });
        let ended = driver.drive(flow, &Attendance::new(Purpose::Stream)).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(tokio::time::Instant::now().elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn what_the_host_lacks_is_unsupported() {
        let handle = Handle { folder: String::new(), pid: 0, start_time: 0 };
        let flow = Flow::new(|io| async move { io.signal(handle, Signal::Term).await });
        let ended = driver().drive(flow, &Attendance::new(Purpose::Answer)).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
