use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

/// Id of a request; equal ids have the same JSON type.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Id {
    /// An integer; `1.0` is read as 1.
    Integer(i128),
    /// A string.
    Text(String),
}

impl Id {
    /// The id in a message: a string or an integer, never null.
    pub(super) fn read(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Number(number) => integer(&number).map(Self::Integer),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => serializer.serialize_i128(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// The value of a number without a fraction, however it was written.
pub(super) fn integer(number: &Number) -> Option<i128> {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole.or_else(|| number.as_f64().and_then(whole_float))
}

/// A float prints without a point exactly when it has no fraction. Beyond 64 bits a float stands for many integers.
fn whole_float(float: f64) -> Option<i128> {
    float.to_string().parse::<i64>().ok().map(i128::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_and_integers_only() {
        for (json, want) in [
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("1e3", Some("1000")),
            ("-0.0", Some("0")),
            ("-7", Some("-7")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("\"1\"", Some("\"1\"")),
            ("\"\"", Some("\"\"")),
            ("1.5", None),
            ("1e300", None),
            ("184467440737095516160", None),
            ("null", None),
            ("true", None),
            ("[]", None),
            ("{}", None),
        ] {
            let id = Id::read(serde_json::from_str(json).unwrap());
            assert_eq!(id.map(|id| serde_json::to_string(&id).unwrap()).as_deref(), want, "{json}");
        }
    }
}
