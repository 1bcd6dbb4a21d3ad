use beam_mcp_core::{
    effect::{Artifact, Effect, Origin, Recipe, Refusal, Reply, Signal, Source, SourceId},
    store::{Commit, Op, StoreReply},
};

use super::{Event, Id, LONGEST_FLOW, START_MS, World};
use crate::{
    effects::Kind,
    fault::Fault,
    plant::{Plant, spoil, unseen},
    profile::Cell,
    runner::Message,
    store::Outcome,
};

impl World<'_> {
    /// Performs an effect, or lets the process die, stand still or lose its sense of time around it.
    pub(super) fn perform(&mut self, id: Id, turn: u32, process: usize, effect: Effect) {
        self.steps += 1;
        let kind = Kind::of(&effect);
        self.note(id, process, kind, &effect);
        if turn > LONGEST_FLOW {
            let now = self.now;
            return self.ledger.broken("I7", now, || format!("a flow has asked for {turn} effects"));
        }
        let struck = self.process_fault();
        if struck != Fault::None {
            self.count(id, kind, struck);
        }
        match struck {
            Fault::Crash | Fault::PowerCut => {
                if self.chances.chance(5_000) {
                    self.dispatch(id, turn, process, kind, effect);
                }
                return if struck == Fault::Crash { self.crash(process) } else { self.power_cut() };
            }
            Fault::Freeze => self.freeze(process),
            Fault::ClockJump => self.jump(process),
            Fault::Shutdown => self.shut_down(process),
            _ => {}
        }
        self.dispatch(id, turn, process, kind, effect);
    }

    fn process_fault(&mut self) -> Fault {
        let all = [Fault::Crash, Fault::PowerCut, Fault::Freeze, Fault::ClockJump, Fault::Shutdown];
        all.into_iter().find(|fault| self.strikes(*fault)).unwrap_or(Fault::None)
    }

    /// Remembers what the flow is about, and what it asked for.
    fn note(&mut self, id: Id, process: usize, kind: Kind, effect: &Effect) {
        let (detail, subject) = match effect {
            Effect::Store(Op::Get { key }) => (key.id.as_str(), self.ledger.find(&key.id)),
            Effect::Store(Op::Scan(scan)) => (scan.kind.as_str(), None),
            Effect::Store(Op::Commit(commit)) => {
                let job = commit.writes.iter().find(|write| write.key.kind == "job");
                (commit.op_id.as_str(), job.and_then(|write| self.ledger.find(&write.key.id)))
            }
            Effect::Send(request) => (request.path.as_str(), None),
            Effect::SendAll { requests } => (requests.first().map_or("", |request| request.path.as_str()), None),
            Effect::Rpc { method, .. } => (method.as_str(), None),
            Effect::Launch(launch) => (launch.folder.as_str(), self.ledger.of_token(&launch.folder)),
            Effect::Signal { handle, .. } | Effect::Observe { handle, .. } => {
                (handle.folder.as_str(), self.ledger.of_token(&handle.folder))
            }
            Effect::Publish { topic, .. } => (topic.as_str(), None),
            _ => ("", None),
        };
        self.trace.mark(self.now, 16 + kind as u64, detail);
        if self.trace.is_read() {
            let line = format!("p{process} f{}.{} {} {}", id.at, id.generation, kind.name(), describe(effect));
            self.trace.say(self.now, || line);
        }
        if let Some(activity) = self.activity(id).filter(|_| subject.is_some()) {
            activity.subject = subject;
        }
    }

    fn dispatch(&mut self, id: Id, turn: u32, process: usize, kind: Kind, effect: Effect) {
        match effect {
            Effect::Store(op) => self.plan_store(id, turn, process, kind, op),
            Effect::Send(request) => self.send(id, turn, kind, vec![Message::Http(request)], false),
            Effect::SendAll { requests } => {
                self.send(id, turn, kind, requests.into_iter().map(Message::Http).collect(), true);
            }
            Effect::Rpc { method, message, timeout_ms, .. } => {
                let method = method.rsplit('/').next().unwrap_or_default().to_owned();
                self.send(id, turn, kind, vec![Message::Rpc { method, body: message, timeout_ms }], false);
            }
            other => {
                self.count(id, kind, Fault::None);
                self.local(id, turn, process, other);
            }
        }
    }

    fn local(&mut self, id: Id, turn: u32, process: usize, effect: Effect) {
        let (reply, after) = match effect {
            Effect::Sleep { ms } => (Reply::Elapsed, ms),
            Effect::Wait { topics, timeout_ms } => {
                if let Some(activity) = self.activity(id) {
                    activity.waits = topics;
                }
                (Reply::Elapsed, timeout_ms)
            }
            Effect::Publish { topic, .. } => {
                self.announce(process, &topic);
                (Reply::Ok, 0)
            }
            Effect::Stage(recipe) => (staged(&recipe), 3),
            Effect::Emit(_) => (Reply::Ok, 0),
            other => (self.child(process, other), self.chances.between(1, 100)),
        };
        self.queue.push(self.now.saturating_add(after), Event::Reply(id, turn, reply));
    }

    fn child(&mut self, process: usize, effect: Effect) -> Reply {
        let parent = (process, self.processes[process].incarnation);
        let now = self.now;
        if self.is_lambda() {
            return Reply::Unsupported { reason: "a Lambda function keeps no processes".into() };
        }
        match effect {
            Effect::Launch(_) if self.store.full => {
                Reply::Refused(Refusal { reason: "disk_full".into(), detail: String::new() })
            }
            Effect::Launch(launch) => {
                let held = self.children.launch(&launch.folder, parent, now);
                self.children_began();
                Reply::Held(held)
            }
            Effect::Signal { handle, signal } => {
                if self.children.signal(&handle, signal, parent, now) && signal == Signal::Release {
                    self.say(|_| format!("    the child {} begins", handle.folder));
                    self.child_began(&handle.folder);
                }
                Reply::Ok
            }
            Effect::Observe { handle, queries } => {
                Reply::Facts { facts: self.children.observe(&handle, &queries, now, START_MS) }
            }
            _ => Reply::Unsupported { reason: "not in this world".into() },
        }
    }

    /// What began to run without being let go, under a planted bug.
    pub(super) fn children_began(&mut self) {
        for folder in self.children.take_began() {
            self.child_began(&folder);
        }
    }

    /// A child that builds a pipeline executes nothing of it.
    fn child_began(&mut self, folder: &str) {
        if self.profile.cell == Cell::R9 {
            let now = self.now;
            self.ledger.executed(folder, now);
        }
    }

    /// Wakes the flows of a process that wait for a topic.
    fn announce(&mut self, process: usize, topic: &str) {
        if self.profile.has(Plant::NoTopics) {
            return;
        }
        let mut woken = Vec::new();
        for (at, (generation, place)) in self.activities.iter_mut().enumerate() {
            let Some(activity) = place.as_mut().filter(|activity| activity.process == process) else { continue };
            let Some((name, seen)) = activity.waits.iter().find(|(name, _)| name == topic) else { continue };
            let topics = vec![(name.clone(), seen + 1, String::new())];
            activity.waits.clear();
            woken.push((Id { at, generation: *generation }, activity.turn, topics));
        }
        for (id, turn, topics) in woken {
            self.queue.push(self.now, Event::Reply(id, turn, Reply::Woken { topics }));
        }
    }

    fn plan_store(&mut self, id: Id, turn: u32, process: usize, kind: Kind, op: Op) {
        let fault = self.store_fault(&op);
        self.count(id, kind, fault);
        if fault != Fault::None {
            self.say(|_| format!("    {} {}", fault.name(), fault.text()));
        }
        let after = if self.is_sqlite() { self.storage.below(4) } else { self.storage.between(2, 30) };
        self.queue.push(self.now + after, Event::Store(id, turn, process, op, fault));
    }

    fn store_fault(&mut self, op: &Op) -> Fault {
        let faults: &[Fault] = match op {
            Op::Get { .. } => &[Fault::Throttled],
            Op::Scan(_) => &[Fault::Throttled, Fault::StaleIndex],
            Op::Commit(_) => &[Fault::Throttled, Fault::Ambiguous, Fault::DiskFull, Fault::DiskError],
        };
        faults.iter().copied().find(|fault| self.strikes(*fault)).unwrap_or(Fault::None)
    }

    /// The store gets to an operation. One whose process has died meanwhile was on its way: the service still carries
    /// it out, the machine's own writer perhaps did.
    pub(super) fn store_op(&mut self, id: Id, turn: u32, process: usize, op: &Op, fault: Fault) {
        let alive = self.activity(id).is_some_and(|activity| activity.turn == turn);
        if !alive && self.is_sqlite() && self.storage.chance(5_000) {
            return self.torn(op);
        }
        let failed = |reason: &str| Reply::Store(StoreReply::Failed { reason: reason.into() });
        let done = matches!(fault, Fault::DiskError | Fault::Ambiguous) && self.storage.chance(5_000);
        let reply = match fault {
            Fault::Throttled => failed("throttled"),
            Fault::DiskFull => {
                self.store.full = true;
                let until = self.now + self.storage.between(1_000, 20_000);
                self.queue.push(until, Event::DiskFree);
                failed("disk_full")
            }
            Fault::DiskError | Fault::Ambiguous => {
                if done {
                    self.carry_out(process, op, fault);
                }
                failed("timeout")
            }
            _ => Reply::Store(self.carry_out(process, op, fault)),
        };
        if fault == Fault::DiskError {
            // Nobody can say any more what is on the disk: the server stops (security-reliability.md 4.5).
            return self.crash(process);
        }
        self.deliver(id, turn, Some(reply));
    }

    /// Half of a commit reached the log; its checksum says so, and recovery leaves it out.
    fn torn(&mut self, op: &Op) {
        if let Op::Commit(commit) = op {
            self.store.torn(commit);
        }
    }

    fn carry_out(&mut self, process: usize, op: &Op, fault: Fault) -> StoreReply {
        if let (Op::Scan(scan), Fault::StaleIndex) = (op, fault) {
            let age = self.storage.below(2_001);
            return self.store.stale_scan(scan, self.now, age);
        }
        let spoilt = match (op, self.profile.plant) {
            (Op::Commit(commit), Some(plant)) => Some(Op::Commit(spoil(commit, plant))),
            _ => None,
        };
        let op = spoilt.as_ref().unwrap_or(op);
        let (mut reply, outcome) = self.store.perform(op, self.now);
        if let Some(plant) = self.profile.plant {
            misread(op, &mut reply, plant);
        }
        if let (Op::Commit(commit), Outcome::Written) = (op, outcome) {
            self.ledger.committed(commit, self.now, self.profile.cell);
            self.announce_rows(process, commit);
            self.say_rows(commit);
        }
        reply
    }

    fn announce_rows(&mut self, process: usize, commit: &Commit) {
        let flows = self.activities.iter().filter_map(|(_, place)| place.as_ref());
        if flows.filter(|activity| activity.process == process).all(|activity| activity.waits.is_empty()) {
            return;
        }
        for write in &commit.writes {
            self.announce(process, &format!("{}/{}", write.key.kind, write.key.id));
        }
    }

    fn say_rows(&mut self, commit: &Commit) {
        if !self.trace.is_read() {
            return;
        }
        for write in &commit.writes {
            if let Some(line) = self.ledger.describe(&write.key) {
                self.trace.say(self.now, || format!("    {line}"));
            }
        }
    }
}

/// What an answer of the store becomes under a planted bug.
fn misread(op: &Op, reply: &mut StoreReply, plant: Plant) {
    match (op, reply) {
        (Op::Scan(scan), StoreReply::Page(page)) if plant == Plant::NeverSealed && scan.kind == "audit.new" => {
            page.records.clear();
        }
        (Op::Get { key }, StoreReply::Record { record: Some(record) })
            if plant == Plant::BlindToCancel && key.kind == "job" =>
        {
            unseen(record);
        }
        _ => {}
    }
}

fn staged(recipe: &Recipe) -> Reply {
    let (id, path) = match &recipe.base {
        Origin::Path(path) => {
            let sha256 = if is_jar(path) { "ab" } else { "cd" }.repeat(32);
            (SourceId(format!("sha256:{sha256}")), path.as_str())
        }
        // What was staged before, put where the workers read it.
        Origin::Artifact(id) => (id.clone(), "pipeline.jar"),
        // Entries of the jar of a captured pipeline, and that jar.
        Origin::Bytes(_) => (SourceId(format!("sha256:{}", "ef".repeat(32))), "pipeline.json"),
        Origin::JobServer(_) => (SourceId(format!("sha256:{}", "12".repeat(32))), "job-server.jar"),
        Origin::Left { .. } => return Reply::Refused(Refusal { reason: "not_found".into(), detail: String::new() }),
    };
    let main_class = Some("org.example.Main".to_owned());
    Reply::Staged(Source {
        sha256: id.0.trim_start_matches("sha256:").to_owned(),
        id,
        size: 4_096,
        file_name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        outline: None,
        archive: is_jar(path).then_some(Artifact { main_class, entries: 9, main_class_present: true }),
    })
}

fn is_jar(path: &str) -> bool {
    path.rsplit('.').next() == Some("jar")
}

fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Store(Op::Get { key }) => format!("{} {}", key.kind, key.id),
        Effect::Store(Op::Scan(scan)) => scan.kind.clone(),
        Effect::Store(Op::Commit(commit)) => {
            let kinds: Vec<_> = commit.writes.iter().map(|write| &*write.key.kind).collect();
            format!("{} [{}]", commit.op_id.get(..8).unwrap_or_default(), kinds.join(" "))
        }
        Effect::Send(request) => format!("{:?} {}", request.method, request.path),
        Effect::SendAll { requests } => {
            requests.iter().map(|request| request.path.as_str()).collect::<Vec<_>>().join(" + ")
        }
        Effect::Rpc { method, .. } => method.rsplit('/').next().unwrap_or_default().to_owned(),
        Effect::Sleep { ms } => format!("{ms} ms"),
        Effect::Wait { topics, timeout_ms } => format!("{topics:?} {timeout_ms} ms"),
        Effect::Publish { topic, .. } => topic.clone(),
        Effect::Launch(launch) => launch.folder.clone(),
        Effect::Signal { handle, signal } => format!("{signal:?} {}", handle.folder),
        Effect::Observe { handle, .. } => handle.folder.clone(),
        _ => String::new(),
    }
}
