//! `google.protobuf.Struct`, in which pipeline options travel.

use serde_json::{Map, Value};

use super::protobuf::{Encoder, Message};
use crate::error::Error;

/// Deepest value that is read.
const DEPTH: usize = 32;
/// Below it every whole number has a double of its own: 2 to the 53rd.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The members of an encoded struct.
///
/// # Errors
/// `malformed_response` for bytes that are none, or are deeper than 32.
pub fn read(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    members(bytes, DEPTH)
}

fn members(bytes: &[u8], depth: usize) -> Result<Map<String, Value>, Error> {
    let depth = depth.checked_sub(1).ok_or_else(|| Error::malformed("options are nested too deeply"))?;
    let entries = Message::read(bytes)?.entries(1)?;
    entries.into_iter().map(|(key, bytes)| Ok((key, value(bytes, depth)?))).collect()
}

fn value(bytes: &[u8], depth: usize) -> Result<Value, Error> {
    let message = Message::read(bytes)?;
    if let Some(number) = message.double(2) {
        return Ok(whole(number));
    }
    if message.bytes(3).is_some() {
        return Ok(message.text(3).into());
    }
    if let Some(flag) = message.varint(4) {
        return Ok((flag != 0).into());
    }
    if let Some(inner) = message.bytes(5) {
        return members(inner, depth).map(Value::Object);
    }
    let Some(list) = message.bytes(6) else { return Ok(Value::Null) };
    let depth = depth.checked_sub(1).ok_or_else(|| Error::malformed("options are nested too deeply"))?;
    Message::read(list)?.all(1).map(|item| value(item, depth)).collect::<Result<_, _>>().map(Value::Array)
}

/// A number as JSON would write it: whole where it is.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2 to the 53rd")]
        return (number as i64).into();
    }
    number.into()
}

/// The bytes of a struct's members. Written behind those of another struct they are added to it, and win there.
pub fn write(members: &Map<String, Value>) -> Vec<u8> {
    let entry = |out: Encoder, (key, value): (&String, &Value)| out.entry(1, key, &written(value));
    members.iter().fold(Encoder::new(), entry).finish()
}

fn written(value: &Value) -> Vec<u8> {
    let out = Encoder::new();
    match value {
        Value::Null => out.varint(1, 0),
        Value::Number(number) => out.double(2, number.as_f64().unwrap_or(0.0)),
        Value::String(text) => out.bytes(3, text.as_bytes()),
        Value::Bool(flag) => out.varint(4, u64::from(*flag)),
        Value::Object(members) => out.bytes(5, &write(members)),
        Value::Array(items) => {
            let list = items.iter().fold(Encoder::new(), |list, item| list.bytes(1, &written(item)));
            out.bytes(6, &list.finish())
        }
    }
    .finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn values_read_back() {
        let all = map(json!({"n": null, "i": -3, "f": 1.5, "s": "", "b": false, "o": {"k": [1, "x", []]}}));
        assert_eq!(read(&write(&all)).unwrap(), all);
    }

    #[test]
    fn what_is_written_behind_a_struct_is_added_to_it() {
        let mut bytes = write(&map(json!({"a": 1, "b": "mine"})));
        bytes.extend(write(&map(json!({"b": "ours", "c": true}))));
        assert_eq!(read(&bytes).unwrap(), map(json!({"a": 1, "b": "ours", "c": true})));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = (0..40).fold(json!(1), |inner, _| json!({"k": inner}));
        assert!(read(&write(&map(deep))).is_err());
        let flat = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(read(&write(&map(json!({"k": flat})))).is_err());
    }
}
