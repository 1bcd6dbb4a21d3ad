//! Standard input and output: one message a line, both eras message by message.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Id, Surface, Version,
    http::{Admitted, admit_batch, answer, answer_all},
    legacy,
    message::{Message, Unread},
    modern,
    plan::Planned,
    protocol_error::ProtocolError,
    wire,
};
use crate::{call::Call, effect::Response, error::Error, flow::Io, json};

/// Serves one line. The body of the answer is the line to write, without its end; empty for none: notifications,
/// responses (answering one could go back and forth for ever) and requests that were cancelled meanwhile.
///
/// # Errors
/// None: a peer that waits for a line would wait for ever.
pub async fn line<S: Surface>(io: Io, surface: Arc<S>, line: Arc<str>, call: Call) -> Result<Response, Error> {
    if line.trim().is_empty() {
        return Ok(wire::empty(202));
    }
    let body = match admit(&*surface, &line) {
        Ok(Admitted::Notified) => return Ok(wire::empty(202)),
        Ok(Admitted::One(planned)) => {
            let id = planned.id.clone();
            let answer = answer(io.clone(), &*surface, planned, call).await;
            answer.map_or_else(|error| ProtocolError::of_tool(&error).body(Some(&id)), |(_, body)| body)
        }
        Ok(Admitted::Many(batch)) => {
            let answers = answer_all(io.clone(), &*surface, batch, call).await;
            answers.unwrap_or_else(|error| ProtocolError::of_tool(&error).body(None))
        }
        Err(unread) => unread.error.body(unread.id.as_ref()),
    };
    Ok(if io.is_cancelled() { wire::empty(202) } else { wire::response(200, body) })
}

fn read(line: &str) -> Result<Value, ProtocolError> {
    json::parse(line.as_bytes(), json::MAX_DEPTH).map_err(|error| ProtocolError::unreadable(&error))
}

fn admit<S: Surface>(surface: &S, line: &str) -> Result<Admitted, Unread> {
    let message = match read(line)? {
        Value::Array(messages) => return admit_batch(surface, messages, Version::V2025_03_26),
        message => Message::read(message)?,
    };
    let Message::Request(id, ask) = message else { return Ok(Admitted::Notified) };
    // The handshake settled on a version that nobody remembers. What newer ones added, older ones ignore.
    let plan = if ask.is_modern() {
        modern::plan(surface, &id, ask, None)
    } else {
        legacy::plan(surface, &id, ask, Version::V2025_11_25)
    };
    Ok(Admitted::One(Planned { id, plan }))
}

/// The id of the request on a line, for a host that keeps its flow to cancel it; `None` for anything else.
pub fn request_id(line: &str) -> Option<Id> {
    match Message::read(read(line).ok()?).ok()? {
        Message::Request(id, _) => Some(id),
        Message::Notification(_) | Message::Response => None,
    }
}

/// The id of the request that a line asks to cancel; `None` for any other line.
pub fn cancelled_id(line: &str) -> Option<Id> {
    if !line.contains("cancelled") {
        return None;
    }
    match Message::read(read(line).ok()?).ok()? {
        Message::Notification(mut ask) if ask.method == "notifications/cancelled" => {
            Id::read(ask.params.remove("requestId")?)
        }
        _ => None,
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
        }
    }
}
