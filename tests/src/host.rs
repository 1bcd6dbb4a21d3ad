//! What stands in for a host and all behind it while a flow of the engine is explored: a store that fails and that
//! others write to, a Flink, a Spark, a Dataflow, a job service, a child process, staged files. Each effect has at most
//! six words for its replies.
//!
//! The host objects to what must not happen: a request that changes something without a permit in the store, a send
//! after a clear end, a job that runs although its row says it ended.

mod child;
mod cluster;
mod dataflow;
mod ledger;
mod permit;
mod recorded;
mod remote;
mod rival;
mod scene;
mod service;
mod shelf;
mod spark;

use beam_mcp_core::{
    effect::{Artifact, Effect, FaultKind, Launch, Outcome, Recipe, Refusal, Reply, Request, Source, SourceId},
    job::{Job, JobState},
    store::Op,
};

pub use child::Child;
pub use cluster::{Cluster, Life};
pub use dataflow::{Dataflow, Stage};
pub use scene::{DEADLINE, Scene};
pub use service::Service;
pub use shelf::Shelf;
pub use spark::{Driver, Spark};

use crate::explore::{Taken, World};
use remote::Remote;

/// The host of one script.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The store.
    pub shelf: Shelf,
    /// The cluster behind the target `flink`.
    pub cluster: Cluster,
    /// The cluster behind the target `spark`.
    pub spark: Spark,
    /// The project behind the target `df`.
    pub dataflow: Dataflow,
    /// The job service behind the target `prism`.
    pub service: Service,
    /// The child of the target `here`.
    pub child: Child,
    /// The child that builds a pipeline for `prism`.
    pub capture: Child,
    objections: Vec<String>,
    /// Job or operation whose send is under way.
    sending: Option<String>,
}

impl World for Host {
    fn offers(&self, effect: &Effect) -> Vec<String> {
        let words = match effect {
            Effect::Store(op) => self.shelf.offers(op),
            Effect::Send(request) => self.remote(&request.target).offers(std::slice::from_ref(request)),
            Effect::SendAll { requests } => match requests.first() {
                Some(first) => self.remote(&first.target).offers(requests),
                None => vec!["told"],
            },
            Effect::Rpc { method, message, .. } => self.service.offers(method, message.as_slice()),
            Effect::Stage(_) => vec!["staged", "not_found", "too_large", "unsupported"],
            Effect::Launch(launch) if captures(launch) => self.capture.launches(),
            Effect::Launch(_) => self.child.launches(),
            Effect::Signal { .. } if self.is_captured() => self.capture.signals(),
            Effect::Signal { .. } => self.child.signals(),
            Effect::Observe { queries, .. } if self.is_captured() => self.capture.captures(queries),
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
            Effect::Rpc { method, message, .. } => self.call(method, message.as_slice(), word),
            Effect::Stage(recipe) => stage(recipe, word),
            Effect::Launch(launch) if captures(launch) => self.capture.launch(word),
            Effect::Launch(_) => {
                self.check(effect);
                self.child.launch(word)
            }
            Effect::Signal { signal, .. } if self.is_captured() => self.capture.signal(*signal, word),
            Effect::Signal { signal, .. } => {
                self.check(effect);
                self.child.signal(*signal, word)
            }
            Effect::Observe { queries, .. } if self.is_captured() => {
                self.capture.observe(queries, word, &child::CAPTURE)
            }
            Effect::Observe { queries, .. } => self.child.observe(queries, word, &child::PROGRAM),
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
        let runners = [self.cluster.state(), self.spark.state(), self.dataflow.state(), self.service.state()];
        format!("{} | {} | {:?} {:?}", self.shelf.state(), runners.join(" | "), self.child, self.capture)
    }

    fn objections(&self, taken: &[Taken]) -> Vec<String> {
        let lost = self.shelf.jobs().into_iter().filter_map(|job| self.lost(&job));
        let left = lost.chain(taken.iter().filter_map(abandoned)).collect();
        let remotes = [self.spark.objections(), self.dataflow.objections(), self.service.objections()].concat();
        [self.objections.clone(), self.shelf.objections(), remotes, left].concat()
    }
}

impl Host {
    /// The runner behind a target.
    fn remote(&self, target: &str) -> &dyn Remote {
        match target {
            "flink" => &self.cluster,
            "spark" => &self.spark,
            "df" => &self.dataflow,
            other => panic!("nothing is behind {other}"),
        }
    }

    fn remote_mut(&mut self, target: &str) -> &mut dyn Remote {
        match target {
            "flink" => &mut self.cluster,
            "spark" => &mut self.spark,
            "df" => &mut self.dataflow,
            other => panic!("nothing is behind {other}"),
        }
    }

    /// The only child there is builds a pipeline.
    fn is_captured(&self) -> bool {
        self.capture != Child::None
    }

    fn call(&mut self, method: &str, message: &[u8], word: &str) -> Reply {
        let change = self.service.changes(method, message);
        self.check_change(change);
        let reply = self.service.answer(method, message, word);
        match &reply {
            Reply::Fault(fault) if fault.kind == FaultKind::Refused => self.sending = None,
            _ => self.arrived(),
        }
        reply
    }

    fn send(&mut self, requests: &[Request], word: &str) -> Vec<Outcome> {
        for request in requests {
            self.check_request(request);
        }
        let Some(first) = requests.first() else { return Vec::new() };
        let outcomes = self.remote_mut(&first.target).answer(requests, word);
        let nobody = |outcome: &Outcome| matches!(outcome, Outcome::Fault(fault) if fault.kind == FaultKind::Refused);
        if outcomes.iter().all(nobody) {
            self.sending = None;
        } else {
            self.arrived();
        }
        outcomes
    }

    /// A job that works on although its row has ended would be lost.
    fn lost(&self, job: &Job) -> Option<String> {
        let live = match job.id.target() {
            "here" => self.child.is_live(),
            "prism" => self.service.live() == Some(job.token()),
            "sim" => false,
            remote => self.remote(remote).live() == Some(job.token()),
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

/// A child that runs up to its pipeline: nothing of the job is on the runner with it.
fn captures(launch: &Launch) -> bool {
    launch.argv.first().is_some_and(|kind| kind.starts_with("capture-"))
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
