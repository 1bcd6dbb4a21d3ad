//! What stands in for a host and all behind it while a flow of the engine is explored: a store that fails and that
//! others write to, a Flink cluster, a child process, staged files. Each effect has at most six words for its replies.
//!
//! The host objects to what must not happen: a request that changes something without a permit in the store, a send
//! after a clear end, a job that runs although its row says it ended.

mod child;
mod cluster;
mod ledger;
mod recorded;
mod rival;
mod scene;
mod shelf;

use beam_mcp_core::{
    effect::{Artifact, Effect, FaultKind, Handle, Outcome, Recipe, Refusal, Reply, Request, Signal, Source, SourceId},
    job::{Job, JobState, OperationKind, Phase},
    store::Op,
};

pub use child::Child;
pub use cluster::{Cluster, Life};
pub use scene::{DEADLINE, Scene};
pub use shelf::Shelf;

use crate::explore::{Taken, World};

/// The host of one script.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The store.
    pub shelf: Shelf,
    /// The cluster behind the target `flink`.
    pub cluster: Cluster,
    /// The child of the target `here`.
    pub child: Child,
    objections: Vec<String>,
    /// Job or operation whose send is under way.
    sending: Option<String>,
}

impl World for Host {
    fn offers(&self, effect: &Effect) -> Vec<String> {
        let words = match effect {
            Effect::Store(op) => self.shelf.offers(op),
            Effect::Send(request) => self.cluster.offers(std::slice::from_ref(request)),
            Effect::SendAll { requests } => self.cluster.offers(requests),
            Effect::Stage(_) => vec!["staged", "not_found", "too_large", "unsupported"],
            Effect::Launch(_) => self.child.launches(),
            Effect::Signal { .. } => self.child.signals(),
            Effect::Observe { queries, .. } => self.child.observations(queries),
            Effect::Sleep { .. } => vec!["elapsed"],
            Effect::Wait { .. } => vec!["elapsed", "woken", "closed", "unsupported"],
            Effect::Publish { .. } => vec!["done", "unsupported"],
            other => panic!("no world for {other:?}"),
        };
        words.into_iter().map(str::to_owned).collect()
    }

    fn answer(&mut self, effect: &Effect, word: &str) -> Reply {
        if word == "unsupported" {
            return Reply::Unsupported { reason: "this host has none".into() };
        }
        match effect {
            Effect::Store(op) => self.shelf.answer(op, word),
            Effect::Send(request) => match self.send(std::slice::from_ref(request), word).pop() {
                Some(Outcome::Response(response)) => Reply::Response(response),
                Some(Outcome::Fault(fault)) => Reply::Fault(fault),
                None => panic!("no outcome"),
            },
            Effect::SendAll { requests } => Reply::Responses { outcomes: self.send(requests, word) },
            Effect::Stage(recipe) => stage(recipe, word),
            Effect::Launch(_) => {
                self.check(effect);
                self.child.launch(word)
            }
            Effect::Signal { signal, .. } => {
                self.check(effect);
                self.child.signal(*signal, word)
            }
            Effect::Observe { queries, .. } => self.child.observe(queries, word),
            Effect::Wait { topics, .. } if word == "woken" => Reply::Woken {
                topics: topics.iter().map(|(name, seen)| (name.clone(), seen + 1, String::new())).collect(),
            },
            Effect::Wait { .. } if word == "closed" => Reply::Closed,
            Effect::Sleep { .. } | Effect::Wait { .. } => Reply::Elapsed,
            _ => Reply::Ok,
        }
    }

    fn cancelled(&mut self, effect: &Effect) {
        self.check(effect);
        self.arrived();
    }

    fn state(&self) -> String {
        format!("{} | {} | {:?}", self.shelf.state(), self.cluster.state(), self.child)
    }

    fn objections(&self, taken: &[Taken]) -> Vec<String> {
        let lost = self.shelf.jobs().into_iter().filter_map(|job| self.lost(&job));
        let left = lost.chain(taken.iter().filter_map(abandoned)).collect();
        [self.objections.clone(), self.shelf.objections(), left].concat()
    }
}

impl Host {
    fn send(&mut self, requests: &[Request], word: &str) -> Vec<Outcome> {
        for request in requests {
            self.check_request(request);
        }
        let outcomes = self.cluster.answer(requests, word);
        let nobody = |outcome: &Outcome| matches!(outcome, Outcome::Fault(fault) if fault.kind == FaultKind::Refused);
        if outcomes.iter().all(nobody) {
            self.sending = None;
        } else {
            self.arrived();
        }
        outcomes
    }

    /// What an effect asks for has its permit.
    fn check(&mut self, effect: &Effect) {
        match effect {
            Effect::Send(request) => self.check_request(request),
            Effect::SendAll { requests } => requests.iter().for_each(|request| self.check_request(request)),
            Effect::Launch(launch) => {
                self.check_submission(&launch.folder);
                self.arrived();
            }
            Effect::Signal { handle, signal } => {
                self.check_signal(handle, *signal);
                self.arrived();
            }
            _ => {}
        }
    }

    fn arrived(&mut self) {
        if let Some(id) = self.sending.take() {
            self.shelf.note_arrival(&id);
        }
    }

    fn check_request(&mut self, request: &Request) {
        match cluster::changes(request) {
            Some(cluster::Change::Submission(token)) => self.check_submission(&token),
            Some(cluster::Change::Operation(kinds)) => self.check_operation(kinds),
            None => {}
        }
    }

    /// One permit is one submission, and the row shows it.
    fn check_submission(&mut self, token: &str) {
        let jobs = self.shelf.jobs();
        let Some(job) = jobs.iter().find(|job| job.token() == token) else {
            return self.object("a submission before its intent".into());
        };
        if job.phase != Phase::Sending || job.state.is_terminal() {
            self.object(format!("a submission of a job that is {:?} and {}", job.phase, job.state.as_str()));
        }
        self.use_permit(job.id.to_string());
    }

    /// One permit is one request; nothing is sent after a clear end.
    fn check_operation(&mut self, kinds: &[OperationKind]) {
        let jobs = self.shelf.jobs();
        let open = jobs.iter().flat_map(|job| job.open_operations.iter().map(move |id| (job, id)));
        let of_kind = |id: &str| OperationKind::of_id(id).is_some_and(|kind| kinds.contains(&kind));
        let Some((job, id)) = open.into_iter().find(|(_, id)| of_kind(id)) else {
            return self.object(format!("a {kinds:?} that is not open in the store"));
        };
        let ended = self.shelf.operation(id).is_none_or(|operation| operation.state.is_terminal());
        if ended || job.state.is_terminal() {
            self.object(format!("{id} was sent after its end"));
        }
        self.use_permit(id.clone());
    }

    fn use_permit(&mut self, id: String) {
        if !self.shelf.take_permit(&id) {
            self.object(format!("{id} was sent without a permit"));
        }
        self.sending = Some(id);
    }

    fn check_signal(&mut self, handle: &Handle, signal: Signal) {
        let jobs = self.shelf.jobs();
        match signal {
            Signal::Release if !jobs.iter().any(|job| job.handle.as_ref() == Some(handle)) => {
                self.object("a child was let go before its identity was stored".into());
            }
            Signal::Release => {}
            // What outlives SIGTERM is killed under the permit of the first signal.
            Signal::Kill if self.child == Child::Told => {}
            Signal::Term | Signal::Kill => self.check_operation(&[OperationKind::Cancel]),
        }
    }

    fn object(&mut self, seen: String) {
        self.objections.push(seen);
    }

    /// A job that works on although its row has ended would be lost.
    fn lost(&self, job: &Job) -> Option<String> {
        let live = match job.id.target() {
            "flink" => self.cluster.life.is_live() && self.cluster.job() == job.token(),
            "here" => self.child.is_live(),
            _ => false,
        };
        (live && job.state.is_terminal()).then(|| format!("{} runs, and its row says {}", job.id, job.state.as_str()))
    }
}

/// Nobody refused the job, only its caller left: what is durable is not ended by that.
fn abandoned(taken: &Taken) -> Option<String> {
    let Effect::Store(Op::Commit(commit)) = &taken.effect else { return None };
    let jobs = commit.writes.iter().filter(|write| taken.cancelled && write.key.kind == "job");
    let mut jobs = jobs.filter_map(|write| serde_json::from_str::<Job>(&write.put.as_ref()?.value).ok());
    let given_up = jobs.find(|job| job.state == JobState::Failed && job.native_id.is_none())?;
    Some(format!("{} failed because its caller left", given_up.id))
}

fn stage(recipe: &Recipe, word: &str) -> Reply {
    if word != "staged" {
        return Reply::Refused(Refusal { reason: word.into(), detail: String::new() });
    }
    let file_name = match &recipe.base {
        beam_mcp_core::effect::Origin::Path(path) => path.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => "artifact.jar".to_owned(),
    };
    let main_class = Some("org.beammcp.examples.RateJob".to_owned());
    let archive = Artifact { main_class, entries: 12, main_class_present: true };
    let sha256 = "5".repeat(64);
    Reply::Staged(Source {
        id: SourceId(format!("sha256:{sha256}")),
        sha256,
        size: 6_459,
        outline: None,
        archive: (file_name.rsplit('.').next() == Some("jar")).then_some(archive),
        file_name,
    })
}
