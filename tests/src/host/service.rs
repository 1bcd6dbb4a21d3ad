//! A job service: Prism with at most one job of ours, as it was seen to answer.

mod answer;

use beam_mcp_core::{
    effect::{Fault, FaultKind, Reply},
    job::OperationKind,
    job_api::{message::Prepare, protobuf::Message, structure},
};

use super::remote::{Change, NO_ANSWER};

/// How the pipeline is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Life {
    /// The service has none.
    #[default]
    Unknown,
    /// It was handed over, and does not run.
    Prepared,
    /// It was handed over, and its `Run` is still on its way.
    OnItsWay,
    /// It runs.
    Running,
    /// It runs, and was told to end.
    Cancelling,
    /// Ended by itself.
    Done,
    /// Ended badly.
    Failed,
    /// Ended by a cancel.
    Cancelled,
}

impl Life {
    fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }
}

/// A call by what it asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    Jobs,
    Prepare,
    Run,
    Cancel,
    Drain,
    /// State of a job of ours.
    State,
    /// State of a job that no service has: who answers?
    Who,
    Messages,
    Metrics,
}

fn call(method: &str, message: &[u8]) -> Call {
    let about = Message::read(message).expect("a message").text(1);
    match method.rsplit('/').next().unwrap_or_default() {
        "GetJobs" => Call::Jobs,
        "Prepare" => Call::Prepare,
        "Run" => Call::Run,
        "Cancel" => Call::Cancel,
        "Drain" => Call::Drain,
        "GetState" if about == NOBODY => Call::Who,
        "GetState" => Call::State,
        "GetMessageStream" => Call::Messages,
        "GetJobMetrics" => Call::Metrics,
        other => panic!("a job service was never asked for {other}"),
    }
}

/// What is asked for to see who answers, in the recordings and by the runner.
const NOBODY: &str = "beam-mcp-probe";
const MARKER: &str = "beam:option:beam_mcp_job:v1";

/// A job service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// How its job is.
    pub life: Life,
    token: String,
    /// A `Run` may have been taken: each one runs the pipeline.
    ran: bool,
    objections: Vec<String>,
}

impl Service {
    /// What decides the answers to come.
    pub fn state(&self) -> String {
        format!("{:?} {}", self.life, self.ran)
    }

    pub(super) fn offers(&self, method: &str, message: &[u8]) -> Vec<&'static str> {
        match call(method, message) {
            Call::Run => vec!["taken", "taken, no answer", "lost, no answer", "on its way", "refused", "busy"],
            Call::Cancel if self.life.is_live() => {
                vec!["taken", "taken, no answer", "lost, no answer", "refused", "ended before", "half"]
            }
            Call::Jobs => self.looks(),
            Call::Prepare => vec!["told", "raises", "refused", "time-out", "half"],
            Call::Drain => vec!["told", "refused", "time-out"],
            Call::Cancel | Call::State | Call::Who | Call::Messages | Call::Metrics => {
                vec!["told", "refused", "time-out", "busy", "half"]
            }
        }
    }

    fn looks(&self) -> Vec<&'static str> {
        match self.life {
            Life::Unknown | Life::Prepared => vec!["told", "refused", "time-out", "half"],
            Life::OnItsWay => vec!["told", "arrived", "refused", "half"],
            Life::Running => vec!["told", "done", "failed", "forgotten", "refused", "busy"],
            Life::Cancelling => vec!["cancelled", "told", "done", "forgotten", "refused", "half"],
            Life::Done | Life::Failed | Life::Cancelled => vec!["told", "forgotten", "refused", "half"],
        }
    }

    pub(super) fn answer(&mut self, method: &str, message: &[u8], word: &str) -> Reply {
        match word {
            "refused" => return fault(FaultKind::Refused),
            "time-out" => return fault(FaultKind::Timeout),
            "busy" => return status(14, "connection error: desc = \"transport is closing\""),
            "raises" => return status(2, "unable to unmarshal the pipeline"),
            _ => {}
        }
        let call = call(method, message);
        self.happen(call, message, word);
        match word {
            "half" => body(vec![0x0a, 0x07, b'j']),
            word if word.ends_with(NO_ANSWER) || word == "on its way" => fault(FaultKind::Timeout),
            _ => self.told(call),
        }
    }

    /// What a word changes.
    fn happen(&mut self, call: Call, message: &[u8], word: &str) {
        match (call, word) {
            (_, "lost, no answer") if call != Call::Run => {}
            (Call::Prepare, _) => self.prepared(message),
            (Call::Run, word) => self.run(word),
            (Call::Cancel, "ended before") | (Call::Jobs, "done") => self.life = Life::Done,
            (Call::Cancel, _) if self.life.is_live() => self.life = Life::Cancelling,
            (Call::Jobs, "arrived") => self.life = Life::Running,
            (Call::Jobs, "failed") => self.life = Life::Failed,
            (Call::Jobs, "cancelled") => self.life = Life::Cancelled,
            (Call::Jobs, "forgotten") => self.life = Life::Unknown,
            _ => {}
        }
    }

    /// What is handed over again stays as it was: only a `Run` counts.
    fn prepared(&mut self, message: &[u8]) {
        let prepare = Prepare::read(message).expect("a request of Prepare");
        let options = structure::read(&prepare.options).expect("options");
        options[MARKER].as_str().expect("our marker").clone_into(&mut self.token);
        if self.life == Life::Unknown {
            self.life = Life::Prepared;
        }
    }

    fn run(&mut self, word: &str) {
        if std::mem::replace(&mut self.ran, true) {
            self.objections.push("the pipeline was run a second time".into());
        }
        self.life = match word {
            "lost, no answer" => self.life,
            "on its way" => Life::OnItsWay,
            _ => Life::Running,
        };
    }

    pub(super) fn changes(&self, method: &str, message: &[u8]) -> Option<Change> {
        match call(method, message) {
            Call::Run => Some(Change::Submission(self.token.clone())),
            Call::Cancel => Some(Change::Operation(&[OperationKind::Cancel])),
            _ => None,
        }
    }

    pub(super) fn live(&self) -> Option<&str> {
        self.life.is_live().then_some(&self.token)
    }

    pub(super) fn objections(&self) -> &[String] {
        &self.objections
    }
}

fn fault(kind: FaultKind) -> Reply {
    Reply::Fault(Fault { kind, detail: String::new() })
}

fn status(status: u32, message: &str) -> Reply {
    Reply::Rpc { status, message: message.into(), body: Vec::new().into() }
}

fn body(body: Vec<u8>) -> Reply {
    Reply::Rpc { status: 0, message: String::new(), body: body.into() }
}
