use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bytes of a body.
///
/// # Shape
/// In JSON one of `{"text": "…"}` (UTF-8), `{"base64": "…"}`, `{"json": …}` (read only) or `{"part": 0}`: the bytes
/// are the numbered part that travels beside the JSON. Bindings use parts, vectors use the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Blob {
    /// The bytes themselves.
    Bytes(Vec<u8>),
    /// The number of the part that holds them; only between a host and [`super::decode_reply`].
    Part(usize),
}

impl Blob {
    /// No bytes.
    pub const EMPTY: Self = Self::Bytes(Vec::new());

    /// The bytes, none for a part that was never filled in.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Part(_) => &[],
        }
    }

    /// The bytes by value.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Part(_) => Vec::new(),
        }
    }

    /// The text, with broken UTF-8 replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.as_slice())
    }
}

impl Default for Blob {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Blob {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Text(String),
    Base64(String),
    Json(serde_json::Value),
    Part(usize),
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Part(number) => Form::Part(*number),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Form::Text(text.to_owned()),
                Err(_) => Form::Base64(STANDARD.encode(bytes)),
            },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => Self::from(text),
            Form::Json(value) => Self::Bytes(serde_json::to_vec(&value).map_err(D::Error::custom)?),
            Form::Part(number) => Self::Part(number),
            Form::Base64(text) => Self::Bytes(STANDARD.decode(text).map_err(D::Error::custom)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_reads_back() {
        for (json, bytes) in [
            (r#"{"text":"a"}"#, b"a".to_vec()),
            (r#"{"base64":"/w=="}"#, vec![0xff]),
            (r#"{"json":{"a":1}}"#, br#"{"a":1}"#.to_vec()),
        ] {
            assert_eq!(serde_json::from_str::<Blob>(json).unwrap(), Blob::Bytes(bytes));
        }
        assert_eq!(serde_json::to_string(&Blob::Bytes(vec![0xff])).unwrap(), r#"{"base64":"/w=="}"#);
    }
}
