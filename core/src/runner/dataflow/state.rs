//! Dataflow's words for states.

use crate::job::{JobState, JobType};

/// Our state for one of Dataflow's; `None` for a word nobody knows: no change.
pub(super) fn job_state(word: &str) -> Option<JobState> {
    Some(match word.strip_prefix("JOB_STATE_")? {
        "QUEUED" | "PENDING" | "STOPPED" => JobState::Pending,
        "RUNNING" | "RESOURCE_CLEANING_UP" => JobState::Running,
        "PAUSING" | "PAUSED" => JobState::Paused,
        "DRAINING" => JobState::Draining,
        "CANCELLING" => JobState::Cancelling,
        "DONE" => JobState::Finished,
        "FAILED" => JobState::Failed,
        "CANCELLED" => JobState::Canceled,
        "DRAINED" => JobState::Drained,
        "UPDATED" => JobState::Updated,
        _ => return None,
    })
}

pub(super) fn job_type(word: &str) -> Option<JobType> {
    match word {
        "JOB_TYPE_BATCH" => Some(JobType::Batch),
        "JOB_TYPE_STREAMING" => Some(JobType::Streaming),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_document_is_mapped_and_others_change_nothing() {
        let words = [
            "STOPPED",
            "RUNNING",
            "DONE",
            "FAILED",
            "CANCELLED",
            "UPDATED",
            "DRAINING",
            "DRAINED",
            "PENDING",
            "CANCELLING",
            "QUEUED",
            "RESOURCE_CLEANING_UP",
            "PAUSING",
            "PAUSED",
        ];
        for word in words {
            let state = job_state(&format!("JOB_STATE_{word}")).unwrap();
            let ends = matches!(word, "DONE" | "FAILED" | "CANCELLED" | "UPDATED" | "DRAINED");
            assert_eq!(state.is_terminal(), ends, "{word}");
        }
        for word in ["JOB_STATE_UNKNOWN", "JOB_STATE_NEW", "RUNNING", ""] {
            assert_eq!(job_state(word), None);
        }
        assert_eq!((job_type("JOB_TYPE_BATCH"), job_type("JOB_TYPE_UNKNOWN")), (Some(JobType::Batch), None));
    }
}
