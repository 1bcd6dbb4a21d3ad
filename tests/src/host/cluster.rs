//! A Flink cluster with at most one job on it: what it may answer depends on what happened to it so far. Its answers
//! are those a real one was seen to give.

mod answer;
mod call;
mod words;

use beam_mcp_core::{
    effect::{FaultKind, Outcome, Request, Response},
    job::OperationKind,
};

use super::remote::{Change, NO_ANSWER, Remote, fault, half, trouble, word_of};
use call::{Call, call};

/// How the cluster's job is, as far as its answers go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Life {
    /// The cluster does not know it.
    #[default]
    Unknown,
    /// Its submission is still on its way.
    OnItsWay,
    /// Taken, no task runs.
    Created,
    /// All tasks run.
    Running,
    /// It failed and starts again.
    Restarting,
    /// It runs; another parallelism was asked for.
    Scaling,
    /// It runs with the parallelism that was asked for.
    Scaled,
    /// It runs; a stop or drain was asked for.
    Stopping,
    /// It runs; a cancel was asked for.
    Cancelling,
    /// Ended by itself.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended by a cancel.
    Canceled,
    /// Ended by a stop.
    Stopped,
    /// Ended by a drain.
    Drained,
}

impl Life {
    /// True while the cluster works on it.
    pub fn is_live(self) -> bool {
        use Life as L;
        matches!(self, L::Created | L::Running | L::Restarting | L::Scaling | L::Scaled | L::Stopping | L::Cancelling)
    }
}

/// A savepoint, stop or drain the cluster was asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Trigger {
    #[default]
    Unknown,
    Open,
    Done,
    Failed,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// How its job is.
    pub life: Life,
    job: String,
    jar: Option<String>,
    trigger: Trigger,
    trigger_id: String,
    drains: bool,
    /// Processes of the `JobManager` so far: a new one knows no job.
    restarts: u32,
}

impl Cluster {
    /// What decides the answers to come.
    pub fn state(&self) -> String {
        format!("{:?} {:?} {} {}", self.life, self.trigger, self.jar.is_some(), self.restarts.min(1))
    }

    /// A cluster that was started anew, and runs this job of somebody else.
    #[must_use]
    pub fn with_foreign_job(job: &str) -> Self {
        Self { life: Life::Running, job: job.to_owned(), restarts: 1, ..Self::default() }
    }

    /// A cluster that was started anew and has forgotten its job.
    #[must_use]
    pub fn started_anew() -> Self {
        Self { restarts: 1, ..Self::default() }
    }

    fn one(&mut self, request: &Request, word: &str) -> Outcome {
        let call = call(request);
        if word == "busy" {
            return busy();
        }
        if let Some(outcome) = trouble(word) {
            return outcome;
        }
        self.happen(&call, word);
        match word {
            "half" => half(),
            word if word.ends_with(NO_ANSWER) || word == "on its way" => fault(FaultKind::Timeout),
            word => Outcome::Response(self.told(&call, word)),
        }
    }

    /// What a word changes.
    fn happen(&mut self, call: &Call, word: &str) {
        if word == "lost, no answer" {
            return;
        }
        match (call, word) {
            (Call::Job, word) => self.look_happens(word),
            (Call::Run(token), "taken" | "taken, no answer") => {
                (self.life, self.job) = (Life::Created, token.clone());
            }
            (Call::Run(token), "on its way") => (self.life, self.job) = (Life::OnItsWay, token.clone()),
            (Call::Upload(name), _) => self.jar = Some(name.clone()),
            (Call::DeleteJar, _) => self.jar = None,
            (Call::Cancel, "ended before") => self.life = Life::Finished,
            (Call::Cancel, _) if self.life.is_live() => self.life = Life::Cancelling,
            (Call::Requirements, "taken" | "taken, no answer" | "half") => self.life = Life::Scaling,
            (Call::Savepoint(id), _) => self.trigger_taken(id, self.life),
            (Call::Stop { id, drains }, _) => {
                self.drains = *drains;
                self.trigger_taken(id, if self.life.is_live() { Life::Stopping } else { self.life });
            }
            (Call::Status, "completed") => self.trigger = Trigger::Done,
            (Call::Status, "failed") => self.trigger = Trigger::Failed,
            (Call::Status, "forgotten") => self.trigger = Trigger::Unknown,
            (Call::Jobs, "listed as failed") => self.life = Life::Failed,
            (Call::Jobs, "not listed") => self.start_anew(),
            _ => {}
        }
    }

    /// Flink takes a savepoint of a job that has ended, and lets it fail.
    fn trigger_taken(&mut self, id: &str, life: Life) {
        self.trigger = if self.life.is_live() { Trigger::Open } else { Trigger::Failed };
        (self.life, self.trigger_id) = (life, id.to_owned());
    }

    fn start_anew(&mut self) {
        (self.life, self.trigger, self.restarts) = (Life::Unknown, Trigger::Unknown, self.restarts + 1);
    }

    fn look_happens(&mut self, word: &str) {
        if word == "forgotten" {
            return self.start_anew();
        }
        (self.life, self.trigger) = match word {
            "running" if matches!(self.life, Life::Created | Life::Restarting) => (Life::Running, self.trigger),
            "restarting" => (Life::Restarting, self.trigger),
            "arrived" => (Life::Created, self.trigger),
            "scaled" => (Life::Scaled, self.trigger),
            "finished" => (Life::Finished, self.trigger),
            "failed" if self.trigger == Trigger::Open => (Life::Failed, Trigger::Failed),
            "failed" => (Life::Failed, self.trigger),
            "saved" => (self.life, Trigger::Done),
            "stop failed" => (Life::Running, Trigger::Failed),
            "ended" if self.life == Life::Cancelling => (Life::Canceled, self.trigger),
            "ended" if self.drains => (Life::Drained, Trigger::Done),
            "ended" => (Life::Stopped, Trigger::Done),
            _ => (self.life, self.trigger),
        };
    }
}

/// A `JobManager` that has no leader yet.
fn busy() -> Outcome {
    let body = "Service temporarily unavailable due to an ongoing leader election. Please refresh.";
    Outcome::Response(Response { status: 503, headers: vec![("retry-after".into(), "2".into())], body: body.into() })
}

impl Remote for Cluster {
    fn offers(&self, requests: &[Request]) -> Vec<&'static str> {
        let Some(first) = requests.first() else { return vec!["told"] };
        let mut words = self.words(&call(first));
        if requests.len() > 1 && words.len() < 6 {
            words.push("only the first");
        }
        words
    }

    fn answer(&mut self, requests: &[Request], word: &str) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let ordinary = self.words(&call(request))[0];
            outcomes.push(self.one(request, word_of(word, index, ordinary)));
        }
        outcomes
    }

    /// Jars apart.
    fn changes(&self, request: &Request) -> Option<Change> {
        use OperationKind as K;
        match call(request) {
            Call::Run(token) => Some(Change::Submission(token)),
            Call::Cancel => Some(Change::Operation(&[K::Cancel])),
            Call::Savepoint(_) => Some(Change::Operation(&[K::Savepoint])),
            Call::Stop { drains: true, .. } => Some(Change::Operation(&[K::Drain])),
            Call::Stop { .. } => Some(Change::Operation(&[K::Stop])),
            Call::Requirements => Some(Change::Operation(&[K::Scale])),
            _ => None,
        }
    }

    fn live(&self) -> Option<&str> {
        self.life.is_live().then_some(&self.job)
    }
}
