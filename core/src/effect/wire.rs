use serde_json::Value;

use super::{Blob, Body, Effect, Reply};
#[cfg(feature = "server")]
use super::{Fact, Origin, Outcome};
use crate::error::Error;

/// The JSON form of an effect and the byte parts beside it.
///
/// # Errors
/// Never in practice; a value that cannot be JSON is `misuse`.
pub fn encode_effect(mut effect: Effect) -> Result<(String, Vec<Vec<u8>>), Error> {
    let mut parts = Vec::new();
    for blob in effect_blobs(&mut effect) {
        take(blob, &mut parts);
    }
    let json = serde_json::to_string(&effect).map_err(|error| Error::misuse(error.to_string()))?;
    Ok((json, parts))
}

/// A reply from its JSON form and byte parts.
///
/// # Errors
/// `misuse` when the JSON is no reply or names a part that is not there.
pub fn decode_reply(json: &str, mut parts: Vec<Vec<u8>>) -> Result<Reply, Error> {
    let value = serde_json::from_slice(json.as_bytes());
    let mut reply = value.and_then(read_reply).map_err(|error| Error::misuse(format!("not a reply: {error}")))?;
    for blob in reply_blobs(&mut reply) {
        fill(blob, &mut parts)?;
    }
    Ok(reply)
}

/// The same as `Reply`'s own form, without the way of a tagged enum for those that every flow gets: a client needs no
/// other, and for its wasm module that way is a sixth of the size.
fn read_reply(value: Value) -> Result<Reply, serde_json::Error> {
    match value.get("reply").and_then(Value::as_str) {
        Some("response") => serde_json::from_value(value).map(Reply::Response),
        Some("fault") => serde_json::from_value(value).map(Reply::Fault),
        Some("elapsed") => Ok(Reply::Elapsed),
        Some("cancelled") => Ok(Reply::Cancelled),
        Some("unsupported") => {
            let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok(Reply::Unsupported { reason })
        }
        #[cfg(any(feature = "mcp-client", feature = "server"))]
        _ => serde_json::from_value(value),
        #[cfg(not(any(feature = "mcp-client", feature = "server")))]
        _ => Err(serde::de::Error::custom("a client knows no such reply")),
    }
}

fn effect_blobs(effect: &mut Effect) -> Vec<&mut Blob> {
    match effect {
        #[cfg(feature = "server")]
        Effect::Rpc { message, .. } => vec![message],
        Effect::Send(request) => body_blob(&mut request.body).into_iter().collect(),
        #[cfg(feature = "mcp-client")]
        Effect::Open(request) => body_blob(&mut request.body).into_iter().collect(),
        #[cfg(feature = "server")]
        Effect::SendAll { requests } => {
            requests.iter_mut().filter_map(|request| body_blob(&mut request.body)).collect()
        }
        #[cfg(feature = "server")]
        Effect::Stage(recipe) => match &mut recipe.base {
            Origin::Bytes(blob) => vec![blob],
            Origin::Path(_) | Origin::Artifact(_) | Origin::Left { .. } | Origin::JobServer(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn body_blob(body: &mut Body) -> Option<&mut Blob> {
    match body {
        Body::Raw(blob) => Some(blob),
        Body::Empty | Body::Json(_) | Body::Form(_) | Body::Multipart(_) | Body::Source(_) => None,
    }
}

fn reply_blobs(reply: &mut Reply) -> Vec<&mut Blob> {
    match reply {
        Reply::Response(response) => vec![&mut response.body],
        #[cfg(feature = "mcp-client")]
        Reply::Piece { body } => vec![body],
        #[cfg(feature = "server")]
        Reply::Responses { outcomes } => outcomes.iter_mut().filter_map(outcome_blob).collect(),
        #[cfg(feature = "server")]
        Reply::Rpc { body, .. } => vec![body],
        #[cfg(feature = "server")]
        Reply::Facts { facts } => facts.iter_mut().filter_map(fact_blob).collect(),
        _ => Vec::new(),
    }
}

#[cfg(feature = "server")]
fn outcome_blob(outcome: &mut Outcome) -> Option<&mut Blob> {
    match outcome {
        Outcome::Response(response) => Some(&mut response.body),
        Outcome::Fault(_) => None,
    }
}

#[cfg(feature = "server")]
fn fact_blob(fact: &mut Fact) -> Option<&mut Blob> {
    match fact {
        Fact::Log { data, .. } | Fact::File { data, .. } => Some(data),
        Fact::Alive { .. } | Fact::Result { .. } | Fact::Program { .. } => None,
    }
}

fn take(blob: &mut Blob, parts: &mut Vec<Vec<u8>>) {
    if let Blob::Bytes(bytes) = std::mem::replace(blob, Blob::Part(parts.len())) {
        parts.push(bytes);
    }
}

fn fill(blob: &mut Blob, parts: &mut [Vec<u8>]) -> Result<(), Error> {
    if let Blob::Part(number) = *blob {
        let bytes = parts.get_mut(number).ok_or_else(|| Error::misuse(format!("part {number} is missing")))?;
        *blob = Blob::Bytes(std::mem::take(bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_travel_beside_the_json() {
        let reply =
            decode_reply(r#"{"reply":"response","status":200,"body":{"part":0}}"#, vec![b"hi".to_vec()]).unwrap();
        let Reply::Response(response) = reply else { panic!("{reply:?}") };
        assert_eq!(response.body, Blob::from("hi"));
        assert!(decode_reply(r#"{"reply":"response","status":200,"body":{"part":1}}"#, vec![vec![]]).is_err());
        assert!(decode_reply("{", vec![]).is_err());
    }
}
