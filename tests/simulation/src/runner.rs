//! What a cluster or service is to the world: something that is sent messages, restarts, and knows what really ran.

use beam_mcp_core::effect::{Blob, Method, Request, Response};

use crate::{
    dataflow::Dataflow, flink::Flink, plant::Plant, profile::Cell, random::Random, service::Service, spark::Spark,
};

/// What is sent to a runner.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request over HTTP.
    Http(Request),
    /// A gRPC call.
    Rpc {
        /// The method without its service.
        method: String,
        /// The encoded message.
        body: Blob,
        /// Limit on the call in milliseconds.
        timeout_ms: u64,
    },
}

impl Message {
    /// Milliseconds after which the sender gives up.
    pub fn timeout_ms(&self) -> u64 {
        match self {
            Self::Http(request) => request.timeout_ms,
            Self::Rpc { timeout_ms, .. } => *timeout_ms,
        }
    }

    /// True when it may change something.
    pub fn writes(&self) -> bool {
        match self {
            Self::Http(request) => request.method != Method::Get,
            Self::Rpc { method, .. } => matches!(method.as_str(), "Prepare" | "Run" | "Cancel" | "Drain"),
        }
    }
}

/// What a runner answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To a request over HTTP.
    Http(Response),
    /// To a gRPC call: status, its message, the encoded answer.
    Rpc(u32, String, Blob),
}

/// What a message did, for those who keep count.
#[derive(Debug, Eq, PartialEq)]
pub enum Did {
    /// Nothing that lasts.
    Nothing,
    /// A job began to run under this token of ours.
    Started(String),
    /// A savepoint, stop or drain began under this trigger.
    Triggered(String),
    /// The service died of it.
    Died,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// By itself.
    Finished,
    /// By a stop with savepoint; with true its windows were flushed.
    Stopped(bool),
    /// By a cancel.
    Canceled,
    /// By an exception.
    Failed,
}

/// A fake of a cluster or service, shaped by what the real one was recorded to answer. Jobs are known by our token.
pub trait Runner {
    /// Answers a message that arrived.
    fn answer(&mut self, message: &Message, now: u64, wall_ms: u64) -> (Answer, Did);

    /// The answer about a job that is not there.
    fn unknown(&self) -> Answer;

    /// The token of the job a message is about, where the message or what was told before says it.
    fn subject(&self, message: &Message) -> Option<String>;

    /// What it called, ever, what ran under a token of ours: the ids operators know.
    fn natives(&self, token: &str) -> Vec<String>;

    /// It dies and comes back without its memory.
    fn restart(&mut self, now: u64);

    /// True while nobody listens.
    fn is_down(&self, now: u64) -> bool;

    /// How often it has restarted.
    fn incarnation(&self) -> u64;

    /// True when a job executes.
    fn runs(&self, token: &str, now: u64) -> bool;

    /// How a job ended, where the runner still knows.
    fn end_of(&self, claim: &Claim<'_>, now: u64) -> Option<End>;

    /// True for a job that a restart ended.
    fn was_killed(&self, claim: &Claim<'_>) -> bool;

    /// True for a savepoint that was written.
    fn wrote(&self, savepoint: &str) -> bool;
}

/// What a job's row says that it stands for.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The name it was sent under.
    pub token: &'a str,
    /// What the runner calls it, where the row knows.
    pub native: Option<&'a str>,
    /// What the core canceled under this name, and does not take for the job.
    pub strays: Vec<String>,
}

/// The runner of a cell; `None` where jobs run in children or nowhere.
pub fn of(cell: Cell, random: Random, plant: Option<Plant>) -> Option<Box<dyn Runner>> {
    match cell {
        Cell::R1 | Cell::R2 => Some(Box::new(Flink::new(random, plant))),
        Cell::R4 => Some(Box::new(Service::new(random, plant))),
        Cell::R6 => Some(Box::new(Dataflow::new(random, plant))),
        Cell::R7 => Some(Box::new(Spark::new(random, plant))),
        Cell::R9 | Cell::Chosen | Cell::Named | Cell::Marker | Cell::None => None,
    }
}
