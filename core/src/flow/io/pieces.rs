use std::time::Duration;

use serde_json::Value;

use super::Io;
use crate::{
    effect::{Effect, Reply, Request},
    error::Error,
};

/// The head of an answer whose body is read in pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Number of the stream.
    pub stream: u64,
    /// Status code.
    pub status: u16,
    /// Header names in lower case, with values.
    pub headers: Vec<(String, String)>,
}

impl Opened {
    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a read gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// The answer is at its end.
    End,
    /// Nothing came in time.
    Elapsed,
}

/// What the flows of an MCP client ask for.
impl Io {
    /// Sends once and reads the head of the answer.
    ///
    /// # Errors
    /// As [`Io::send`].
    pub async fn open(&self, request: Request) -> Result<Opened, Error> {
        match self.perform(Effect::Open(request)).await {
            Reply::Opened { stream, status, headers } => Ok(Opened { stream, status, headers }),
            Reply::Fault(fault) => Err(Error::transport(&fault)),
            other => Err(self.refused(other, "a request")),
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// A connection that broke is `unavailable`; `cancelled`.
    pub async fn read(&self, stream: u64, limit: Duration) -> Result<Piece, Error> {
        let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        match self.perform(Effect::Read { stream, timeout_ms }).await {
            Reply::Piece { body } => Ok(Piece::Bytes(body.into_bytes())),
            Reply::Ended => Ok(Piece::End),
            Reply::Elapsed => Ok(Piece::Elapsed),
            Reply::Fault(fault) => Err(Error::transport(&fault)),
            other => Err(self.refused(other, "a read")),
        }
    }

    /// Leaves the rest of an answer alone. The one effect a cancelled flow may still ask for.
    ///
    /// # Errors
    /// `misuse`.
    pub async fn shut(&self, stream: u64) -> Result<(), Error> {
        match self.perform(Effect::Shut { stream }).await {
            Reply::Ok | Reply::Cancelled => Ok(()),
            other => Err(self.refused(other, "the end of an answer")),
        }
    }

    /// Asks the application.
    ///
    /// # Errors
    /// `unsupported` where nobody answers; `cancelled`.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value, Error> {
        match self.perform(Effect::Ask { method: method.to_owned(), params }).await {
            Reply::Answer { value } => Ok(value),
            other => Err(self.refused(other, "a question")),
        }
    }

    /// Tells the application; one that does not listen misses it.
    ///
    /// # Errors
    /// `cancelled`, `misuse`.
    pub async fn tell(&self, method: &str, params: Value) -> Result<(), Error> {
        match self.perform(Effect::Tell { method: method.to_owned(), params }).await {
            Reply::Ok | Reply::Unsupported { .. } => Ok(()),
            other => Err(self.refused(other, "a notification")),
        }
    }
}
