use serde_json::{Map, Value};

use super::{Id, protocol_error::ProtocolError};

/// One JSON-RPC message, taken apart.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Request(Id, Ask),
    Notification(Ask),
    /// Result or error, under the id of the question; `None` for one that cannot have been ours.
    Response(Option<Id>, Result<Value, Value>),
}

/// What a message asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// A message that is none, with the id where it could be read.
#[derive(Debug, PartialEq)]
pub(super) struct Unread {
    pub(super) id: Option<Id>,
    pub(super) error: ProtocolError,
}

impl From<ProtocolError> for Unread {
    fn from(error: ProtocolError) -> Self {
        Self { id: None, error }
    }
}

/// Key in `_meta` that makes a request a modern one.
pub(super) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

impl Message {
    pub(super) fn read(value: Value) -> Result<Self, Unread> {
        let Value::Object(mut fields) = value else {
            return Err(ProtocolError::invalid_request("a message is a JSON object").into());
        };
        let answers = fields.contains_key("result") || fields.contains_key("error");
        if answers && !fields.contains_key("method") {
            return Ok(Self::response(fields));
        }
        let id = fields.remove("id").map(read_id).transpose()?;
        match (Ask::read(fields, answers), id) {
            (Ok(ask), Some(id)) => Ok(Self::Request(id, ask)),
            (Ok(ask), None) => Ok(Self::Notification(ask)),
            (Err(error), id) => Err(Unread { id, error }),
        }
    }
}

impl Message {
    fn response(mut fields: Map<String, Value>) -> Self {
        let id = fields.remove("id").and_then(Id::read);
        let answer = match fields.remove("error") {
            Some(error) => Err(error),
            None => Ok(fields.remove("result").unwrap_or_default()),
        };
        Self::Response(id, answer)
    }
}

fn read_id(value: Value) -> Result<Id, ProtocolError> {
    Id::read(value).ok_or_else(|| ProtocolError::invalid_request("`id` must be a string or an integer"))
}

impl Ask {
    fn read(mut fields: Map<String, Value>, answers: bool) -> Result<Self, ProtocolError> {
        if fields.get("jsonrpc").is_none_or(|version| version != "2.0") {
            return Err(ProtocolError::invalid_request("`jsonrpc` must be \"2.0\""));
        }
        if answers {
            return Err(ProtocolError::invalid_request("a request has neither `result` nor `error`"));
        }
        let Some(Value::String(method)) = fields.remove("method") else {
            return Err(ProtocolError::invalid_request("`method` must be a string"));
        };
        match fields.remove("params") {
            None | Some(Value::Null) => Ok(Self { method, params: Map::new() }),
            Some(Value::Object(params)) => Ok(Self { method, params }),
            Some(_) => Err(ProtocolError::invalid_request("`params` must be an object")),
        }
    }

    /// The id of the request that this notification cancels; `None` for any other.
    pub(super) fn cancels(&self) -> Option<Id> {
        let id = self.params.get("requestId").filter(|_| self.method == "notifications/cancelled")?;
        Id::read(id.clone())
    }

    /// True when the request names its protocol version, as only modern ones do.
    pub(super) fn is_modern(&self) -> bool {
        self.params.get("_meta").is_some_and(|meta| meta.get(VERSION_KEY).is_some()) || self.method == "server/discover"
    }
}
