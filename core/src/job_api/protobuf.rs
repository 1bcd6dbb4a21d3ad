//! The wire format of Protocol Buffers: fields in, fields out.

use crate::error::Error;

/// Greatest number of a field. A reader that keeps 32 bits of a tag takes a greater one for another field.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

/// A message whose fields are all whole.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// Reads the borders of all fields.
    ///
    /// # Errors
    /// `malformed_response` for bytes that are no message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = field(rest).ok_or_else(|| Error::malformed("not a protobuf message"))?.2;
        }
        Ok(Self(bytes))
    }

    fn values(self, number: u64) -> impl Iterator<Item = Value<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (number, value, after) = field(rest)?;
            rest = after;
            Some((number, value))
        })
        .filter_map(move |(found, value)| (found == number).then_some(value))
    }

    /// All values of a repeated field of messages, texts or bytes, in order.
    pub fn all(self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.values(number).filter_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32 => None,
        })
    }

    /// A message or bytes, where they were sent.
    pub fn bytes(self, number: u64) -> Option<&'a [u8]> {
        self.all(number).last()
    }

    /// The same where it may be sent once only: protobuf merges a message that is sent in parts, so none of the parts is
    /// what a reader of the whole will see. Empty where it was not sent.
    ///
    /// # Errors
    /// `malformed_response` for a field that was sent twice.
    pub fn once(self, number: u64) -> Result<&'a [u8], Error> {
        let mut values = self.all(number);
        let value = values.next().unwrap_or_default();
        values.next().map_or(Ok(value), |_| Err(Error::malformed("a field is there twice")))
    }

    /// The message with each value of a field of messages, texts or bytes as `edit` makes it, or without it; all else
    /// stays byte for byte.
    ///
    /// # Errors
    /// Those of `edit`.
    pub fn edited(
        self,
        number: u64,
        mut edit: impl FnMut(&'a [u8]) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let (mut out, mut rest) = (Encoder::new(), self.0);
        while let Some((found, value, after)) = field(rest) {
            match value {
                Value::Bytes(bytes) if found == number => {
                    out = edit(bytes)?.iter().fold(out, |out, new| out.bytes(number, new));
                }
                _ => out.0.extend_from_slice(rest.strip_suffix(after).unwrap_or_default()),
            }
            rest = after;
        }
        Ok(out.finish())
    }

    /// A text; empty where none was sent.
    pub fn text(self, number: u64) -> String {
        String::from_utf8_lossy(self.bytes(number).unwrap_or_default()).into_owned()
    }

    /// A whole number or enum, where it was sent.
    pub fn varint(self, number: u64) -> Option<u64> {
        let value = self.values(number).last()?;
        if let Value::Varint(value) = value { Some(value) } else { None }
    }

    /// A double, where it was sent.
    pub fn double(self, number: u64) -> Option<f64> {
        let value = self.values(number).last()?;
        if let Value::Fixed64(bytes) = value { Some(f64::from_le_bytes(bytes)) } else { None }
    }

    /// The entries of a map with text keys, in order; a later one wins over an earlier one of its key.
    ///
    /// # Errors
    /// `malformed_response` for an entry that is no message.
    pub fn entries(self, number: u64) -> Result<Vec<(String, &'a [u8])>, Error> {
        let entry = |bytes| {
            let entry = Message::read(bytes)?;
            Ok((entry.text(1), entry.bytes(2).unwrap_or_default()))
        };
        self.all(number).map(entry).collect()
    }
}

/// Number and value of the first field, and what follows it.
fn field(bytes: &[u8]) -> Option<(u64, Value<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let (number, kind) = (tag >> 3, tag & 7);
    let (value, rest) = match kind {
        0 => varint(rest).map(|(value, rest)| (Value::Varint(value), rest))?,
        1 => rest.split_first_chunk::<8>().map(|(value, rest)| (Value::Fixed64(*value), rest))?,
        2 => {
            let (length, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(value), rest)
        }
        5 => (Value::Fixed32, rest.get(4..)?),
        _ => return None,
    };
    (1..=MAX_NUMBER).contains(&number).then_some((number, value, rest))
}

/// The first variable-length number, and what follows it.
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let shift = u32::try_from(index).ok()? * 7;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// Writes fields in the order of the calls; what proto3 leaves out is left out.
#[derive(Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a text, unless it is empty.
    #[must_use]
    pub fn text(self, number: u64, text: &str) -> Self {
        if text.is_empty() { self } else { self.bytes(number, text.as_bytes()) }
    }

    /// The same with a message or bytes, also when they are empty.
    #[must_use]
    pub fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        self.push(number << 3 | 2);
        self.push(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// The same with a whole number, also when it is 0.
    #[must_use]
    pub fn varint(mut self, number: u64, value: u64) -> Self {
        self.push(number << 3);
        self.push(value);
        self
    }

    /// The same with a double.
    #[must_use]
    pub fn double(mut self, number: u64, value: f64) -> Self {
        self.push(number << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// The same with one entry of a map.
    #[must_use]
    pub fn entry(self, number: u64, key: &str, value: &[u8]) -> Self {
        self.bytes(number, &Self::new().text(1, key).bytes(2, value).finish())
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn push(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }
}

/// The messages in gRPC's frames; what is cut off at the end is left out.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<5>()?;
        let [_, length @ ..] = head;
        let (message, after) = tail.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rest = after;
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Encoder::new().text(1, "k").finish();
        let bytes = Encoder::new()
            .text(1, "abc")
            .text(2, "")
            .varint(3, 300)
            .bytes(4, &inner)
            .bytes(4, b"")
            .double(5, 1.5)
            .entry(6, "key", b"v")
            .varint(7, u64::MAX)
            .finish();
        assert_eq!(bytes.get(..8).unwrap(), [0x0a, 3, b'a', b'b', b'c', 0x18, 0xac, 2]);
        let read = Message::read(&bytes).unwrap();
        assert_eq!((read.text(1).as_str(), read.bytes(2), read.varint(3)), ("abc", None, Some(300)));
        assert_eq!(read.all(4).collect::<Vec<_>>(), [&inner[..], b""]);
        assert_eq!((read.double(5), read.varint(7), read.varint(1)), (Some(1.5), Some(u64::MAX), None));
        assert_eq!(read.entries(6).unwrap(), [("key".to_owned(), &b"v"[..])]);
    }

    #[test]
    fn an_edit_leaves_all_else_byte_for_byte() {
        let bytes = Encoder::new().varint(1, 300).text(2, "a").double(3, 0.5).text(2, "b").text(9, "kept").finish();
        let edit = |value: &[u8]| Ok((value != b"a").then(|| b"new".to_vec()));
        let expected = Encoder::new().varint(1, 300).double(3, 0.5).text(2, "new").text(9, "kept").finish();
        assert_eq!(Message::read(&bytes).unwrap().edited(2, edit).unwrap(), expected);
        let same = Message::read(&bytes).unwrap().edited(4, |_| Ok(None)).unwrap();
        assert_eq!(same, bytes);
    }

    #[test]
    fn broken_bytes_are_no_message() {
        for bad in [&[0x0a][..], &[0x0a, 5, 1], &[0x09, 1], &[0x0d, 1], &[0x0b], &[0xff; 11], &[0, 0], &[0x08]] {
            assert!(Message::read(bad).is_err(), "{bad:?}");
        }
        let tag = [0x8a, 0x80, 0x80, 0x80, 0x10, 0];
        assert!(Message::read(&tag).is_err(), "field 1 for a reader that keeps 32 bits of a tag, as Java's does");
        assert!(Message::read(&[]).is_ok());
    }

    #[test]
    fn frames_end_where_the_bytes_do() {
        let bytes = [0, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1];
        assert_eq!(frames(&bytes).collect::<Vec<_>>(), [&[7][..], &[]]);
    }
}
