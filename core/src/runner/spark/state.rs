//! Spark's words for a driver's state. An application's state does not count: it is FINISHED also where the driver FAILED.

use crate::job::JobState;

/// The state a driver's word means; `None` for `UNKNOWN` and words nobody here knows: no change.
pub(super) fn driver_state(word: &str) -> Option<JobState> {
    Some(match word {
        "SUBMITTED" => JobState::Pending,
        "RUNNING" => JobState::Running,
        "RELAUNCHING" => JobState::Recovering,
        "FINISHED" => JobState::Finished,
        "KILLED" => JobState::Canceled,
        "FAILED" | "ERROR" => JobState::Failed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_spark_is_ours() {
        use JobState as S;
        for (word, state) in [
            ("SUBMITTED", Some(S::Pending)),
            ("RUNNING", Some(S::Running)),
            ("RELAUNCHING", Some(S::Recovering)),
            ("FINISHED", Some(S::Finished)),
            ("KILLED", Some(S::Canceled)),
            ("FAILED", Some(S::Failed)),
            ("ERROR", Some(S::Failed)),
            ("UNKNOWN", None),
            ("EXPLODED", None),
        ] {
            assert_eq!(driver_state(word), state, "{word}");
        }
    }
}
