//! One project and region of Dataflow with at most one streaming job of ours. Its answers are those of the emulator of
//! `tests/dataflow`, which Google's document describes.

mod answer;
mod call;

use beam_mcp_core::{
    effect::{FaultKind, Outcome, Request},
    job::OperationKind,
};

use super::remote::{Change, NO_ANSWER, Remote, fault, half, trouble, word_of};
use call::{Call, call};

/// How the job is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// There is none.
    #[default]
    Unknown,
    /// Its launch is still on its way.
    OnItsWay,
    /// Launched, and not listed yet.
    Hidden,
    /// Its workers start.
    Pending,
    /// It runs.
    Running,
    /// It was told to flush and end.
    Draining,
    /// It was told to end.
    Cancelling,
    /// Ended by itself.
    Done,
    /// Ended badly.
    Failed,
    /// Ended by a cancel.
    Cancelled,
    /// Ended by a drain.
    Drained,
}

impl Stage {
    fn is_live(self) -> bool {
        matches!(self, Self::Hidden | Self::Pending | Self::Running | Self::Draining | Self::Cancelling)
    }

    fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Drained)
    }
}

/// A snapshot Dataflow was asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Snapshot {
    #[default]
    None,
    Pending,
    Ready,
    Failed,
}

/// A project in a region.
#[derive(Clone, Debug, Default)]
pub struct Dataflow {
    /// How its job is.
    pub stage: Stage,
    name: String,
    snapshot: Snapshot,
    /// Description the snapshot was asked for with.
    description: String,
    /// Most workers that were asked for, and whether they are shown.
    workers: Option<(u64, bool)>,
    objections: Vec<String>,
}

impl Dataflow {
    /// What decides the answers to come.
    pub fn state(&self) -> String {
        format!("{:?} {:?} {:?}", self.stage, self.snapshot, self.workers)
    }

    fn token(&self) -> &str {
        self.name.rsplit('-').next().unwrap_or_default()
    }

    fn words(&self, call: &Call) -> Vec<&'static str> {
        match call {
            Call::Launch(_) if self.stage.is_live() => vec!["name taken", NO_ANSWER, "refused", "busy"],
            Call::Launch(_) => {
                vec!["taken", "taken, no answer", "lost, no answer", "on its way", "refused", "denied"]
            }
            Call::Named => self.named(),
            Call::Active if self.stage == Stage::Pending => {
                vec!["told", "running", "failed", "refused", "time-out", "busy"]
            }
            Call::Job { .. } => self.looks(),
            Call::Cancel | Call::Drain if !self.stage.is_live() => vec!["told", "refused", "time-out", "busy", "half"],
            Call::Cancel | Call::Drain => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "ended before", "half"]
            }
            Call::Workers(_) | Call::Snapshot(_) => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "denied", "half"]
            }
            Call::Snapshots if self.snapshot == Snapshot::Pending => {
                vec!["ready", "pending", "failed", "not listed", "refused", "half"]
            }
            Call::Entries => vec!["told", "refused", "time-out", "denied", "half"],
            Call::Active | Call::Template | Call::Snapshots | Call::SnapshotById | Call::Metrics | Call::Messages => {
                vec!["told", "refused", "time-out", "busy", "half"]
            }
        }
    }

    fn named(&self) -> Vec<&'static str> {
        match self.stage {
            Stage::Hidden => vec!["listed", "not listed", "refused", "time-out", "half"],
            Stage::OnItsWay => vec!["not listed", "arrived", "refused", "time-out", "half"],
            _ => vec!["told", "refused", "time-out", "busy", "half"],
        }
    }

    fn looks(&self) -> Vec<&'static str> {
        match self.stage {
            Stage::Hidden => vec!["listed", "not listed", "refused", "half"],
            Stage::Pending => vec!["running", "as it was", "failed", "refused", "half"],
            Stage::Running if self.workers.is_some_and(|(_, shown)| !shown) => {
                vec!["scaled", "as it was", "failed", "refused", "time-out"]
            }
            Stage::Running => vec!["as it was", "failed", "cancelled", "refused", "time-out"],
            Stage::Draining => vec!["drained", "as it was", "failed", "cancelled", "refused", "half"],
            Stage::Cancelling => vec!["cancelled", "as it was", "done", "forgotten", "refused", "half"],
            _ => vec!["as it was", "refused", "time-out", "half"],
        }
    }

    fn one(&mut self, request: &Request, word: &str) -> Outcome {
        if let Some(outcome) = trouble(word) {
            return outcome;
        }
        let call = call(request);
        self.happen(&call, word);
        match word {
            "half" => half(),
            "busy" => Outcome::Response(answer::busy()),
            "denied" => Outcome::Response(answer::denied()),
            word if word.ends_with(NO_ANSWER) || word == "on its way" => fault(FaultKind::Timeout),
            word => Outcome::Response(self.told(&call, word)),
        }
    }

    /// What a word changes.
    fn happen(&mut self, call: &Call, word: &str) {
        if matches!(word, "lost, no answer" | "busy" | "denied") {
            return;
        }
        match call {
            Call::Launch(name) if !self.stage.is_live() => self.launched(name, word),
            Call::Active | Call::Named | Call::Job { .. } => self.look_happens(word),
            Call::Cancel | Call::Drain if word == "ended before" => self.stage = Stage::Done,
            Call::Cancel if self.stage.is_live() => self.stage = Stage::Cancelling,
            Call::Drain if self.stage.is_live() => self.stage = Stage::Draining,
            Call::Workers(most) => self.workers = Some((*most, false)),
            Call::Snapshot(description) => {
                (self.snapshot, self.description) = (Snapshot::Pending, description.clone());
            }
            Call::Snapshots if word == "ready" => self.snapshot = Snapshot::Ready,
            Call::Snapshots if word == "failed" => self.snapshot = Snapshot::Failed,
            _ => {}
        }
    }

    fn launched(&mut self, name: &str, word: &str) {
        if self.stage.has_ended() {
            self.objections.push("launched again after it had ended".into());
        }
        name.clone_into(&mut self.name);
        self.stage = if word == "on its way" { Stage::OnItsWay } else { Stage::Hidden };
    }

    fn look_happens(&mut self, word: &str) {
        self.stage = match word {
            "listed" | "arrived" => Stage::Pending,
            "running" => Stage::Running,
            "done" => Stage::Done,
            "failed" => Stage::Failed,
            "cancelled" => Stage::Cancelled,
            "drained" => Stage::Drained,
            "forgotten" => Stage::Unknown,
            _ => self.stage,
        };
        if word == "scaled" {
            self.workers = self.workers.map(|(most, _)| (most, true));
        }
    }
}

impl Remote for Dataflow {
    fn offers(&self, requests: &[Request]) -> Vec<&'static str> {
        requests.first().map_or_else(|| vec!["told"], |first| self.words(&call(first)))
    }

    fn answer(&mut self, requests: &[Request], word: &str) -> Vec<Outcome> {
        let each = |(index, request)| self.one(request, word_of(word, index, ""));
        requests.iter().enumerate().map(each).collect()
    }

    fn changes(&self, request: &Request) -> Option<Change> {
        use OperationKind as K;
        match call(request) {
            Call::Launch(name) => Some(Change::Submission(name.rsplit('-').next().unwrap_or_default().to_owned())),
            Call::Cancel => Some(Change::Operation(&[K::Cancel])),
            Call::Drain => Some(Change::Operation(&[K::Drain])),
            Call::Workers(_) => Some(Change::Operation(&[K::Scale])),
            Call::Snapshot(_) => Some(Change::Operation(&[K::Savepoint])),
            _ => None,
        }
    }

    fn live(&self) -> Option<&str> {
        self.stage.is_live().then(|| self.token())
    }

    fn objections(&self) -> &[String] {
        &self.objections
    }
}
