//! The processes of Direct on one machine: each waits on a pipe of its server until it is released, and ends without
//! doing anything when the server is gone first or nobody releases it in time.

use std::collections::BTreeMap;

use beam_mcp_core::{
    effect::{Fact, Handle, Held, Query, Signal},
    job_api::{message::Prepare, structure},
};
use serde_json::Map;

use crate::{plant::Plant, random::Random};

/// How long a child waits for its release.
const PATIENCE_MS: u64 = 120_000;

/// The children of a machine, by folder.
#[derive(Debug)]
pub struct Children {
    all: BTreeMap<String, Child>,
    random: Random,
    next_pid: u32,
    plant: Option<Plant>,
    /// They hand their pipeline over instead of running it.
    capture: bool,
    /// Folders whose children run without having been let go: planted bugs.
    began: Vec<String>,
}

#[derive(Debug)]
struct Child {
    pid: u32,
    start_time: u64,
    /// Process and incarnation that hold its pipe.
    parent: (usize, u64),
    launched: u64,
    /// The mark in its folder.
    released: Option<u64>,
    ends: Option<(u64, Ending)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Finished,
    Failed,
    Killed,
    Never,
}

impl Child {
    fn ended(&self, now: u64) -> Option<Ending> {
        let unreleased = self.released.is_none() && self.launched + PATIENCE_MS <= now;
        let ended = self.ends.filter(|(at, _)| *at <= now).map(|(_, ending)| ending);
        ended.or_else(|| unreleased.then_some(Ending::Never))
    }

    fn is(&self, handle: &Handle) -> bool {
        (self.pid, self.start_time) == (handle.pid, handle.start_time)
    }
}

impl Children {
    /// A machine without children.
    pub fn new(random: Random, plant: Option<Plant>, capture: bool) -> Self {
        Self { all: BTreeMap::new(), random, next_pid: 100, plant, capture, began: Vec::new() }
    }

    /// Starts the child of a folder, or gives the one that was released or still waits for the same server.
    pub fn launch(&mut self, folder: &str, parent: (usize, u64), now: u64) -> Held {
        if let Some(child) = self.all.get(folder) {
            let waits = child.parent == parent && child.released.is_none() && child.ended(now).is_none();
            if waits || (child.released.is_some() && self.plant != Some(Plant::SecondChild)) {
                return Held { pid: child.pid, start_time: child.start_time };
            }
        }
        self.next_pid += 1;
        let child = Child { pid: self.next_pid, start_time: now, parent, launched: now, released: None, ends: None };
        let held = Held { pid: child.pid, start_time: child.start_time };
        self.all.insert(folder.to_owned(), child);
        if self.plant == Some(Plant::UnheldChild) {
            self.began.push(folder.to_owned());
        }
        held
    }

    /// Acts on a child; true when it begins to run with this.
    pub fn signal(&mut self, handle: &Handle, signal: Signal, parent: (usize, u64), now: u64) -> bool {
        let Some(child) = self.all.get_mut(&handle.folder).filter(|child| child.is(handle)) else { return false };
        let alive = child.ended(now).is_none();
        if self.plant == Some(Plant::DeafChild) && signal != Signal::Release {
            return false;
        }
        match signal {
            // The mark of one that is gone counts for nothing: it left no `state.json`.
            Signal::Release if alive && child.released.is_none() && child.parent == parent => {
                child.released = Some(now);
                let random = &mut self.random;
                child.ends = if self.capture { Some(Self::built(random, now)) } else { Self::course(random, now) };
                return self.plant != Some(Plant::UnheldChild);
            }
            Signal::Term if alive && self.random.chance(8_000) => {
                child.ends = Some((now + self.random.between(10, 3_000), Ending::Killed));
            }
            Signal::Kill if alive => child.ends = Some((now, Ending::Killed)),
            Signal::Release | Signal::Term | Signal::Kill => {}
        }
        false
    }

    /// When and how it ends by itself; one in six never does.
    fn course(random: &mut Random, now: u64) -> Option<(u64, Ending)> {
        let ending = if random.chance(2_000) { Ending::Failed } else { Ending::Finished };
        let end = (now + random.between(500, 90_000), ending);
        (!random.chance(1_600)).then_some(end)
    }

    /// When and how a program has built its pipeline.
    fn built(random: &mut Random, now: u64) -> (u64, Ending) {
        let ending = if random.chance(500) { Ending::Failed } else { Ending::Finished };
        (now + random.between(200, 9_000), ending)
    }

    /// A server is gone: the children that wait on its pipes end.
    pub fn orphan(&mut self, parent: (usize, u64), now: u64) {
        let orphans = self.plant == Some(Plant::OrphanRuns);
        let held = self.all.iter_mut().filter(|(_, child)| child.parent == parent && child.released.is_none());
        for (folder, child) in held.filter(|(_, child)| child.ended(now).is_none()) {
            if orphans {
                self.began.push(folder.clone());
            } else {
                child.ends = Some((now, Ending::Never));
            }
        }
    }

    /// Folders whose children began to run by themselves.
    pub fn take_began(&mut self) -> Vec<String> {
        std::mem::take(&mut self.began)
    }

    /// Power is gone, and every child with it.
    pub fn cut(&mut self, now: u64) {
        for child in self.all.values_mut().filter(|child| child.ended(now).is_none()) {
            child.ends = Some((now, if child.released.is_some() { Ending::Killed } else { Ending::Never }));
        }
    }

    /// True when the child of a folder was released and has not ended.
    pub fn runs(&self, folder: &str, now: u64) -> bool {
        self.all.get(folder).is_some_and(|child| child.released.is_some() && child.ended(now).is_none())
    }

    /// Answers questions about a child.
    pub fn observe(&self, handle: &Handle, queries: &[Query], now: u64, offset: u64) -> Vec<Fact> {
        let there = self.all.get(&handle.folder);
        let child = there.filter(|child| child.is(handle));
        let one = |query: &Query| match query {
            Query::Result if self.capture => captured(child.and_then(|child| child.ended(now))),
            // Whoever left it: a file stays in its folder.
            Query::File { .. } => kept(there.and_then(|child| child.ended(now)).filter(|_| self.capture)),
            _ => answer(query, child, now, offset),
        };
        queries.iter().map(one).collect()
    }
}

/// What a program that was to build its pipeline left.
fn captured(ended: Option<Ending>) -> Fact {
    let result = match ended {
        Some(Ending::Finished) => Some(r#"{"state":"CAPTURED"}"#.into()),
        Some(Ending::Failed) => Some(r#"{"state":"FAILED","error":{"type":"ValueError","message":"bad 7"}}"#.into()),
        _ => None,
    };
    Fact::Result { state: None, result }
}

/// The request of `Prepare` a program left.
fn kept(ended: Option<Ending>) -> Fact {
    if ended != Some(Ending::Finished) {
        return Fact::File { size: None, data: Vec::new().into() };
    }
    let options = Map::from_iter([("beam:option:streaming:v1".to_owned(), false.into())]);
    let prepare = Prepare { pipeline: Vec::new(), options: structure::write(&options), job_name: "words".into() };
    let data = prepare.write();
    Fact::File { size: Some(data.len() as u64), data: data.into() }
}

fn answer(query: &Query, child: Option<&Child>, now: u64, offset: u64) -> Fact {
    let ended = child.and_then(|child| child.ended(now));
    match query {
        Query::Alive => Fact::Alive {
            alive: child.is_some() && ended.is_none(),
            exit_code: match ended {
                Some(Ending::Finished) => Some(0),
                Some(Ending::Failed) => Some(1),
                Some(Ending::Never) => Some(75),
                _ => None,
            },
            signal: ended.filter(|ending| *ending == Ending::Killed).map(|_| 15),
            limit: None,
            released: child.is_some_and(|child| child.released.is_some()),
        },
        Query::Result => Fact::Result {
            state: child.and_then(|child| child.released).map(|at| format!(r#"{{"started_at_ms":{}}}"#, at + offset)),
            result: match ended {
                Some(Ending::Finished) => Some(r#"{"state":"FINISHED","pipeline_states":["DONE"]}"#.into()),
                Some(Ending::Failed) => Some(
                    r#"{"state":"FAILED","error":{"type":"ValueError","message":"bad 7"},"pipeline_states":["FAILED"]}"#
                        .into(),
                ),
                _ => None,
            },
        },
        Query::Log { from, .. } => Fact::Log { from: from.unwrap_or(0), size: 0, data: Vec::new().into() },
        // The jar of a job server, which does not say what clusters it is for, or an interpreter.
        Query::Program { program, .. } if program == "job_server" => {
            Fact::Program { found: true, version: None, beam_version: None, yaml: false }
        }
        Query::Program { .. } => {
            Fact::Program { found: true, version: Some("3.11".into()), beam_version: Some("2.77.0".into()), yaml: true }
        }
        Query::File { .. } | Query::Source { .. } => Fact::File { size: None, data: Vec::new().into() },
    }
}
