//! A standalone Spark with at most one driver of ours: master, worker, driver's page and history server.

mod answer;
mod call;

use beam_mcp_core::{
    effect::{FaultKind, Outcome, Request},
    job::OperationKind,
};

use super::remote::{Change, NO_ANSWER, Remote, fault, half, trouble, word_of};
use call::{Call, call};

/// How the driver is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Driver {
    /// The master does not know it.
    #[default]
    Unknown,
    /// Its submission is still on its way.
    OnItsWay,
    /// It waits for a worker.
    Queued,
    /// It runs.
    Running,
    /// It runs, and its application waits for executors.
    Waiting,
    /// It runs, and was told to end.
    Killing,
    /// Ended by itself.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended by a kill.
    Killed,
}

impl Driver {
    fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Waiting | Self::Killing)
    }
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct Spark {
    /// How its driver is.
    pub driver: Driver,
    token: String,
    class: String,
    /// A submission may have been taken: each one is a driver.
    sent: bool,
    objections: Vec<String>,
}

impl Spark {
    /// What decides the answers to come.
    pub fn state(&self) -> String {
        format!("{:?} {}", self.driver, self.sent)
    }

    fn words(&self, call: &Call) -> Vec<&'static str> {
        match call {
            Call::Create { .. } => {
                vec!["taken", "taken, no answer", "lost, no answer", "on its way", "refused", "not alive"]
            }
            Call::Kill if self.driver.is_live() => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "ended before", "half"]
            }
            Call::Status => self.looks(),
            Call::Master if self.driver == Driver::OnItsWay => {
                vec!["told", "arrived", "standby", "refused", "time-out", "half"]
            }
            Call::Master if self.driver == Driver::Running => {
                vec!["told", "failed", "standby", "refused", "time-out", "half"]
            }
            Call::Master => vec!["told", "standby", "refused", "time-out", "half"],
            Call::Log => vec!["told", "none", "refused", "time-out"],
            Call::Version | Call::Kill | Call::Page | Call::Live(_) | Call::History(_) => {
                vec!["told", "refused", "time-out", "half"]
            }
        }
    }

    fn looks(&self) -> Vec<&'static str> {
        match self.driver {
            Driver::Unknown | Driver::OnItsWay => vec!["as it was", "refused", "time-out", "half"],
            Driver::Queued => vec!["running", "as it was", "failed", "forgotten", "refused", "half"],
            Driver::Running => vec!["as it was", "finished", "failed", "waits", "forgotten", "refused"],
            Driver::Waiting => vec!["running", "as it was", "failed", "refused"],
            Driver::Killing => vec!["killed", "as it was", "finished", "forgotten", "refused", "half"],
            Driver::Finished | Driver::Failed | Driver::Killed => vec!["as it was", "forgotten", "refused", "half"],
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
            word if word.ends_with(NO_ANSWER) || word == "on its way" => fault(FaultKind::Timeout),
            word => Outcome::Response(self.told(&call, word)),
        }
    }

    /// What a word changes.
    fn happen(&mut self, call: &Call, word: &str) {
        use Driver as D;
        match call {
            Call::Create { token, class } => self.sent_driver(token, class, word),
            Call::Kill if word == "ended before" => self.driver = D::Finished,
            Call::Kill if word != "lost, no answer" && self.driver.is_live() => self.driver = D::Killing,
            Call::Master if word == "arrived" => self.driver = D::Queued,
            Call::Master if word == "failed" => self.driver = D::Failed,
            Call::Status => {
                self.driver = match word {
                    "running" => D::Running,
                    "waits" => D::Waiting,
                    "finished" => D::Finished,
                    "failed" => D::Failed,
                    "killed" => D::Killed,
                    "forgotten" => D::Unknown,
                    _ => self.driver,
                }
            }
            _ => {}
        }
    }

    fn sent_driver(&mut self, token: &str, class: &str, word: &str) {
        if word == "not alive" {
            return;
        }
        if std::mem::replace(&mut self.sent, true) {
            self.objections.push("a second driver was sent".into());
        }
        (self.token, self.class) = (token.to_owned(), class.to_owned());
        self.driver = match word {
            "lost, no answer" => self.driver,
            "on its way" => Driver::OnItsWay,
            _ => Driver::Queued,
        };
    }
}

impl Remote for Spark {
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

    fn changes(&self, request: &Request) -> Option<Change> {
        match call(request) {
            Call::Create { token, .. } => Some(Change::Submission(token)),
            Call::Kill => Some(Change::Operation(&[OperationKind::Cancel])),
            _ => None,
        }
    }

    fn live(&self) -> Option<&str> {
        self.driver.is_live().then_some(&self.token)
    }

    fn objections(&self) -> &[String] {
        &self.objections
    }
}
