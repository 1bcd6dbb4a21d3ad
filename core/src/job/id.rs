use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::error::Error;

/// Name of a job: `<target>:<32 hex>` for our own, `<target>:@<native id>` for a foreign one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId {
    target: String,
    rest: String,
}

impl JobId {
    /// Id of a job of ours.
    pub fn own(target: &str, token: &str) -> Self {
        Self { target: target.to_owned(), rest: token.to_owned() }
    }

    /// Id of a job somebody else submitted.
    pub fn foreign(target: &str, native_id: &str) -> Self {
        Self { target: target.to_owned(), rest: format!("@{native_id}") }
    }

    /// Reads an id a caller sent.
    ///
    /// # Errors
    /// `invalid_argument` with reason `bad_job_id`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (target, rest) = text.split_once(':').ok_or_else(|| bad(text))?;
        let native = rest.strip_prefix('@');
        let fits = native.map_or_else(|| is_token(rest), |id| !id.is_empty() && id.len() <= 256 && is_plain(id));
        if is_target(target) && fits {
            Ok(Self { target: target.to_owned(), rest: rest.to_owned() })
        } else {
            Err(bad(text))
        }
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The 32 hex digits of a job of ours.
    pub fn token(&self) -> Option<&str> {
        (!self.rest.starts_with('@')).then_some(self.rest.as_str())
    }

    /// The runner's own id in the id of a foreign job.
    pub fn foreign_id(&self) -> Option<&str> {
        self.rest.strip_prefix('@')
    }
}

/// True for a legal target name: `[a-z][a-z0-9-]{0,31}`.
pub fn is_target(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// True for 32 lower-case hex digits.
pub fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn bad(text: &str) -> Error {
    Error::invalid("bad_job_id", "a job id has the form `<target>:<32 hex digits>` or `<target>:@<native id>`")
        .with("job_id", text)
        .suggest("take the id from create_job or list_jobs and send it unchanged")
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.target, self.rest)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_bad_ones_are_refused() {
        let token = "0123456789abcdef0123456789abcdef";
        let own = JobId::parse(&format!("flink:{token}")).unwrap();
        assert_eq!((own.target(), own.token(), own.foreign_id()), ("flink", Some(token), None));
        let foreign = JobId::parse("prod-1:@driver-2026").unwrap();
        assert_eq!(foreign.foreign_id(), Some("driver-2026"));
        for bad in ["", "flink", "Flink:0", "flink:0", "flink:@", "flink:@a/b", "flink:@../x", ":0"] {
            assert!(JobId::parse(bad).is_err(), "{bad}");
        }
    }
}
