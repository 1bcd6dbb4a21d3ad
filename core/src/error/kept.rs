use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Error, ErrorKind, Retry};

/// An error as a row keeps it, to be answered again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    kind: ErrorKind,
    reason: String,
    message: String,
    suggestion: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    context: BTreeMap<String, String>,
    retry: Retry,
}

impl From<&Error> for Kept {
    fn from(error: &Error) -> Self {
        let context = error.context().iter().map(|(key, value)| (key.clone().into_owned(), value.clone()));
        Self {
            kind: error.kind(),
            reason: error.reason().to_owned(),
            message: error.message().to_owned(),
            suggestion: error.suggestion().to_owned(),
            context: context.collect(),
            retry: error.retry(),
        }
    }
}

impl From<Kept> for Error {
    fn from(kept: Kept) -> Self {
        let error = Self::new(kept.kind, kept.reason, kept.message).suggest(kept.suggestion).retry_as(kept.retry);
        kept.context.into_iter().fold(error, |error, (key, value)| error.with(key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_kept_is_answered_alike() {
        let plain = Error::invalid("bad_jar", "no main class").with("entry_class", "org.example.Main");
        let later = Error::new(ErrorKind::RateLimited, "runner_busy", "too many jobs")
            .suggest("wait for one of them to end")
            .retry_as(Retry::After(Duration::from_secs(9)));
        for error in [plain, later] {
            let row = serde_json::to_string(&Kept::from(&error)).unwrap();
            let again = Error::from(serde_json::from_str::<Kept>(&row).unwrap());
            assert_eq!(again.to_json(), error.to_json());
        }
    }
}
