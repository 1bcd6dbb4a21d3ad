use std::time::Duration;

use super::Io;
use crate::{
    effect::{
        Effect, Fact, Frame, Handle, Held, Launch, Outcome, Query, Recipe, Refusal, Reply, Request, Response, Signal,
        Source, StreamLimit,
    },
    error::{Error, ErrorKind},
    store::{Commit, Committed, Key, Op, Page, Record, Scan, StoreReply},
};

/// How a wait for topics ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Wake {
    /// These moved: name, sequence number, payload.
    Topics(Vec<(String, u64, String)>),
    /// Time ran out.
    Elapsed,
}

/// A gRPC answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rpc {
    /// gRPC status code; 0 is OK.
    pub status: u32,
    /// gRPC status message.
    pub message: String,
    /// The encoded message.
    pub body: Vec<u8>,
}

/// What the flows of an engine ask for, and those of a client do not.
impl Io {
    /// Sends requests side by side, at most 64; one outcome each.
    ///
    /// # Errors
    /// `cancelled`, `unsupported`, `misuse`; faults are outcomes.
    pub async fn send_all(&self, requests: Vec<Request>) -> Result<Vec<Result<Response, Error>>, Error> {
        let count = requests.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        match self.perform(Effect::SendAll { requests }).await {
            Reply::Responses { outcomes } if outcomes.len() == count => Ok(outcomes.into_iter().map(outcome).collect()),
            Reply::Responses { .. } => Err(self.misuse("outcomes do not match the requests")),
            other => Err(self.refused(other, "requests")),
        }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn get(&self, key: Key) -> Result<Option<Record>, Error> {
        match self.store(Op::Get { key }).await? {
            StoreReply::Record { record } => Ok(record),
            other => Err(self.misuse(format!("{} to a get", other.name()))),
        }
    }

    /// Reads one page of records in key order.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer.
    pub async fn scan(&self, scan: Scan) -> Result<Page, Error> {
        match self.store(Op::Scan(scan)).await? {
            StoreReply::Page(page) => Ok(page),
            other => Err(self.misuse(format!("{} to a scan", other.name()))),
        }
    }

    /// Writes all or nothing.
    ///
    /// # Errors
    /// `unavailable` when the store cannot answer; then nobody knows whether it was written, and the same commit may
    /// be made again: the same `op` twice is success.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        match self.store(Op::Commit(commit)).await? {
            StoreReply::Committed { versions } => Ok(Committed::Written(versions)),
            StoreReply::Conflict { index, current } => Ok(Committed::Conflict { index, current }),
            other => Err(self.misuse(format!("{} to a commit", other.name()))),
        }
    }

    async fn store(&self, op: Op) -> Result<StoreReply, Error> {
        match self.perform(Effect::Store(op)).await {
            Reply::Store(StoreReply::Failed { reason }) => Err(store_failed(&reason)),
            Reply::Store(reply) => Ok(reply),
            other => Err(self.refused(other, "a store operation")),
        }
    }

    /// Stages a file or artifact.
    ///
    /// # Errors
    /// `unsupported` on hosts without files.
    pub async fn stage(&self, recipe: Recipe) -> Result<Result<Source, Refusal>, Error> {
        match self.perform(Effect::Stage(recipe)).await {
            Reply::Staged(source) => Ok(Ok(source)),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            other => Err(self.refused(other, "a recipe")),
        }
    }

    /// Starts a child that waits for its release.
    ///
    /// # Errors
    /// `unsupported` on hosts without processes.
    pub async fn launch(&self, launch: Launch) -> Result<Result<Held, Refusal>, Error> {
        match self.perform(Effect::Launch(launch)).await {
            Reply::Held(held) => Ok(Ok(held)),
            Reply::Refused(refusal) => Ok(Err(refusal)),
            other => Err(self.refused(other, "a launch")),
        }
    }

    /// Acts on a child; one that is gone is no error.
    ///
    /// # Errors
    /// `unsupported` on hosts without processes.
    pub async fn signal(&self, handle: Handle, signal: Signal) -> Result<(), Error> {
        match self.perform(Effect::Signal { handle, signal }).await {
            Reply::Ok => Ok(()),
            other => Err(self.refused(other, "a signal")),
        }
    }

    /// Asks about a child.
    ///
    /// # Errors
    /// `unsupported` on hosts without processes.
    pub async fn observe(&self, handle: Handle, queries: Vec<Query>) -> Result<Vec<Fact>, Error> {
        let count = queries.len();
        match self.perform(Effect::Observe { handle, queries }).await {
            Reply::Facts { facts } if facts.len() == count => Ok(facts),
            Reply::Facts { .. } => Err(self.misuse("facts do not match the queries")),
            other => Err(self.refused(other, "a query")),
        }
    }

    /// Sends one frame of a streamed answer.
    ///
    /// # Errors
    /// `cancelled` when the peer is gone.
    pub async fn emit(&self, data: String) -> Result<(), Error> {
        self.emit_frame(Frame::data(data)).await
    }

    /// Sends one frame with its id or name.
    ///
    /// # Errors
    /// `cancelled` when the peer is gone.
    pub async fn emit_frame(&self, frame: Frame) -> Result<(), Error> {
        match self.perform(Effect::Emit(frame)).await {
            Reply::Ok => Ok(()),
            Reply::Closed => Err(Error::cancelled()),
            other => Err(self.refused(other, "a frame")),
        }
    }

    /// Tells waiting flows that a topic moved; a host without topics has nobody to tell.
    ///
    /// # Errors
    /// `cancelled`, `misuse`.
    pub async fn publish(&self, topic: String, payload: String) -> Result<(), Error> {
        match self.perform(Effect::Publish { topic, payload }).await {
            Reply::Ok | Reply::Unsupported { .. } => Ok(()),
            other => Err(self.refused(other, "a publication")),
        }
    }

    /// Waits for topics to move; on a host without topics it just waits.
    ///
    /// # Errors
    /// `cancelled`.
    pub async fn wait(&self, topics: Vec<(String, u64)>, limit: Duration) -> Result<Wake, Error> {
        let until = self.now().mono.saturating_add(limit);
        loop {
            if self.is_cancelled() {
                return Err(Error::cancelled());
            }
            let left = until.saturating_sub(self.now().mono);
            let timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let topics = topics.iter().cloned().chain(self.turn_topic()).collect();
            match self.perform(Effect::Wait { topics, timeout_ms }).await {
                Reply::Woken { .. } if self.is_cancelled() => return Err(Error::cancelled()),
                Reply::Woken { topics } => {
                    if let Some(moved) = self.news(topics) {
                        return Ok(Wake::Topics(moved));
                    }
                }
                Reply::Elapsed => return Ok(Wake::Elapsed),
                Reply::Closed => return Err(Error::cancelled()),
                Reply::Unsupported { .. } => return self.rest(left).await.map(|()| Wake::Elapsed),
                other => return Err(self.refused(other, "a wait")),
            }
        }
    }

    /// One gRPC call: status, message and body. With `stream` it is one to a server stream, and the body is what was
    /// read of it, in frames.
    ///
    /// # Errors
    /// As [`Io::send`].
    pub async fn rpc(
        &self,
        target: &str,
        method: &str,
        message: Vec<u8>,
        limit: Duration,
        stream: Option<StreamLimit>,
    ) -> Result<Rpc, Error> {
        let effect = Effect::Rpc {
            target: target.to_owned(),
            method: method.to_owned(),
            message: message.into(),
            timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            stream,
        };
        match self.perform(effect).await {
            Reply::Rpc { status, message, body } => Ok(Rpc { status, message, body: body.into_bytes() }),
            Reply::Fault(fault) => Err(Error::transport(&fault)),
            other => Err(self.refused(other, "a call")),
        }
    }
}

fn outcome(outcome: Outcome) -> Result<Response, Error> {
    match outcome {
        Outcome::Response(response) => Ok(response),
        Outcome::Fault(fault) => Err(Error::transport(&fault)),
    }
}

fn store_failed(reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "store", "the job store cannot answer now")
        .with("detail", reason)
        .landed_as(crate::error::Landed::Perhaps)
}
