use std::{cmp::Ordering, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::error::Error;

/// Name of a job: `<target>:<32 hex>` for our own, `<target>:@<native id>` for a foreign one.
///
/// In the order of their targets. Shared: ids are copied with every row and key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct JobId {
    text: Arc<str>,
    /// Length of the target's name.
    target: usize,
}

impl JobId {
    /// Id of a job of ours.
    pub fn own(target: &str, token: &str) -> Self {
        Self::of(target, "", token)
    }

    /// Id of a job somebody else submitted.
    pub fn foreign(target: &str, native_id: &str) -> Self {
        Self::of(target, "@", native_id)
    }

    fn of(target: &str, mark: &str, rest: &str) -> Self {
        Self { text: [target, ":", mark, rest].concat().into(), target: target.len() }
    }

    /// Reads an id a caller sent.
    ///
    /// # Errors
    /// `invalid_argument` with reason `bad_job_id`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (target, rest) = text.split_once(':').ok_or_else(|| bad(text))?;
        let native = rest.strip_prefix('@');
        let fits = native.map_or_else(|| is_token(rest), |id| !id.is_empty() && id.len() <= 256 && is_plain(id));
        if is_target(target) && fits { Ok(Self { text: text.into(), target: target.len() }) } else { Err(bad(text)) }
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        self.parts().0
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Target and what follows its colon.
    fn parts(&self) -> (&str, &str) {
        let (target, rest) = self.text.split_at_checked(self.target).unwrap_or((&self.text, ""));
        (target, rest.get(1..).unwrap_or_default())
    }

    /// The 32 hex digits of a job of ours.
    pub fn token(&self) -> Option<&str> {
        let (_, rest) = self.parts();
        (!rest.starts_with('@')).then_some(rest)
    }

    /// The runner's own id in the id of a foreign job.
    pub fn foreign_id(&self) -> Option<&str> {
        self.parts().1.strip_prefix('@')
    }
}

impl Ord for JobId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for JobId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
        formatter.write_str(&self.text)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
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
        assert_eq!(own, JobId::own("flink", token));
        let foreign = JobId::parse("prod-1:@driver-2026").unwrap();
        assert_eq!((foreign.foreign_id(), foreign.token()), (Some("driver-2026"), None));
        assert_eq!(foreign, JobId::foreign("prod-1", "driver-2026"));
        assert!(JobId::own("a", token) < JobId::own("a-b", token), "in the order of their targets");
        for bad in ["", "flink", "Flink:0", "flink:0", "flink:@", "flink:@a/b", "flink:@../x", ":0"] {
            assert!(JobId::parse(bad).is_err(), "{bad}");
        }
    }
}
