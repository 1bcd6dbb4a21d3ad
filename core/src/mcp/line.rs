//! Standard input and output: one message a line, both eras message by message.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Id, Surface, Version,
    http::{answer, answer_all},
    legacy::{self, Peer},
    message::{Ask, Message, Unread},
    modern,
    plan::{Plan, Planned},
    protocol_error::ProtocolError,
    wire,
};
use crate::{call::Call, effect::Response, error::Error, flow::Io, json};

/// Serves one line. The body of the answer is the line to write, without its end; empty for none: notifications,
/// responses (answering one could go back and forth for ever) and requests that were cancelled meanwhile.
///
/// # Errors
/// None: a peer that waits for a line would wait for ever.
pub async fn line<S: Surface>(io: Io, surface: Arc<S>, line: Arc<str>, call: Box<Call>) -> Result<Response, Error> {
    if line.trim().is_empty() {
        return Ok(wire::empty(202));
    }
    let pipe = Pipe { surface: &*surface, now_ms: io.now().wall_ms, call: &call };
    let admitted = pipe.admit(&line);
    let says_its_end = matches!(&admitted, Ok(Admitted::One(planned)) if planned.is_subscription());
    let body = match admitted {
        Ok(Admitted::Nothing) => return Ok(wire::empty(202)),
        Ok(Admitted::Answered(topic)) => {
            // Whoever waits for the answer looks for it now and then.
            let _ = io.publish(topic, String::new()).await;
            return Ok(wire::empty(202));
        }
        Ok(Admitted::One(planned)) => {
            let id = planned.id.clone();
            let answer = answer(io.clone(), &*surface, planned, call.clone()).await;
            let answer = answer.map(|answer| answer.map(|(_, body)| body).unwrap_or_default());
            answer.unwrap_or_else(|error| ProtocolError::of_tool(&error).body(Some(&id)))
        }
        Ok(Admitted::Many(batch)) => {
            let answers = answer_all(io.clone(), &*surface, batch, &call).await;
            let answers = answers.map(Option::unwrap_or_default);
            answers.unwrap_or_else(|error| ProtocolError::of_tool(&error).body(None))
        }
        Err(unread) => unread.error.body(unread.id.as_ref()),
    };
    Ok(if body.is_empty() || (io.is_cancelled() && !says_its_end) {
        wire::empty(202)
    } else {
        wire::response(200, body)
    })
}

/// What a line turned out to be.
enum Admitted {
    Nothing,
    /// An answer to a question; the topic to publish.
    Answered(String),
    One(Planned),
    Many(Vec<Planned>),
}

/// What a line is looked at with. A pipe is a session of its own: its handshake holds until the next one.
struct Pipe<'a, S> {
    surface: &'a S,
    now_ms: u64,
    call: &'a Call,
}

impl<S: Surface> Pipe<'_, S> {
    fn admit(&self, line: &str) -> Result<Admitted, Unread> {
        let message = match read(line)? {
            Value::Array(messages) => {
                let messages = legacy::read_batch(messages)?;
                let batch = legacy::plan_batch(self.surface, messages, &self.peer(Version::V2025_03_26));
                return Ok(if batch.is_empty() { Admitted::Nothing } else { Admitted::Many(batch) });
            }
            message => Message::read(message)?,
        };
        match message {
            Message::Request(id, ask) => Ok(Admitted::One(Planned { plan: self.plan(&id, ask), id })),
            Message::Response(Some(Id::Text(id)), answer) => {
                let session = self.surface.sessions().and_then(|all| all.stdio(self.call, self.now_ms));
                let topic = session.and_then(|session| session.take_response(&id, answer));
                Ok(topic.map_or(Admitted::Nothing, Admitted::Answered))
            }
            Message::Notification(_) | Message::Response(..) => Ok(Admitted::Nothing),
        }
    }

    fn plan(&self, id: &Id, ask: Ask) -> Result<Plan, ProtocolError> {
        if ask.is_modern() {
            return modern::plan(self.surface, id, ask, None, self.surface.features().streams);
        }
        if ask.method == "initialize"
            && let Some(sessions) = self.surface.sessions()
        {
            let (version, capabilities) = legacy::asked(&ask.params)?;
            sessions.open_stdio(self.call, version, capabilities, self.now_ms);
        }
        legacy::plan(self.surface, id, ask, &self.peer(Version::V2025_11_25))
    }

    /// Where no session is held, the handshake settled on a version that nobody remembers. What newer ones added, older
    /// ones ignore.
    fn peer(&self, version: Version) -> Peer {
        let session = self.surface.sessions().and_then(|all| all.stdio(self.call, self.now_ms));
        Peer::new(version, self.surface.features().streams, session)
    }
}

fn read(line: &str) -> Result<Value, ProtocolError> {
    json::parse(line.as_bytes(), json::MAX_DEPTH).map_err(|error| ProtocolError::unreadable(&error))
}

/// The id of the request on a line, for a host that keeps its flow to cancel it; `None` for anything else.
pub fn request_id(line: &str) -> Option<Id> {
    match Message::read(read(line).ok()?).ok()? {
        Message::Request(id, _) => Some(id),
        Message::Notification(_) | Message::Response(..) => None,
    }
}

/// True when a line holds a request, alone or in a batch: a host may refuse that one when too much is at work. All else
/// is over at once, and notifications and responses must get through and are never answered.
pub fn holds_request(line: &str) -> bool {
    let is_request = |message| matches!(Message::read(message), Ok(Message::Request(..)));
    match read(line) {
        Ok(Value::Array(messages)) => messages.into_iter().any(is_request),
        Ok(message) => is_request(message),
        Err(_) => false,
    }
}

/// The id of the request that a line asks to cancel; `None` for any other line.
pub fn cancelled_id(line: &str) -> Option<Id> {
    if !line.contains("cancelled") {
        return None;
    }
    match Message::read(read(line).ok()?).ok()? {
        Message::Notification(ask) => ask.cancels(),
        Message::Request(..) | Message::Response(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_learns_which_request_a_line_starts_or_cancels() {
        let cancel =
            |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
        assert_eq!(cancelled_id(&cancel(r#"{"requestId":7}"#)), Some(Id::Integer(7)));
        assert_eq!(cancelled_id(&cancel(r#"{"requestId":"7","reason":"x"}"#)), Some(Id::Text("7".into())));
        assert_eq!(cancelled_id(&cancel(r#"{"requestId":null}"#)), None);
        assert_eq!(cancelled_id(&cancel("{}")), None);
        assert_eq!(
            cancelled_id(r#"{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled","params":{"requestId":7}}"#),
            None
        );
        assert_eq!(request_id(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#), Some(Id::Integer(1)));
        for none in [r#"{"jsonrpc":"2.0","method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "{", "[]"] {
            assert_eq!((request_id(none), cancelled_id(none)), (None, None), "{none}");
            assert!(!holds_request(none), "{none}");
        }
        let (ask, answer) = (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(holds_request(ask) && holds_request(&format!("[{answer},{ask}]")));
        assert!(!holds_request(&format!("[{answer},{answer}]")));
    }
}
