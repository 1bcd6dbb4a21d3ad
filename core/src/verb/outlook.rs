//! What an operation changes, and what nobody can know of it before it has been tried.

use crate::{
    error::Error,
    job::{Operation, OperationKind as Kind},
};

/// What changes when the operation is done.
pub(super) fn changes(operation: &Operation) -> Vec<String> {
    let size = match (operation.min_workers, operation.parallelism) {
        (Some(least), Some(most)) => format!("between {least} and {most}"),
        (None, Some(most)) => format!("at most {most}"),
        _ => "another size".to_owned(),
    };
    let change = match operation.kind {
        Kind::Cancel if operation.force => "the job ends, as hard as the runner can end it".to_owned(),
        Kind::Cancel => "the job ends, and what is in flight is dropped".to_owned(),
        Kind::Drain => "the job stops reading, flushes what is in flight, and ends".to_owned(),
        Kind::Stop => "the job ends, with a savepoint to resume from".to_owned(),
        Kind::Savepoint => "there is a savepoint more, and the job goes on".to_owned(),
        Kind::Scale => format!("the job goes on with a parallelism of {size}"),
    };
    vec![change]
}

/// What only the runner will show; `silent` is why it could not be asked now.
pub(super) fn unknown(operation: &Operation, silent: Option<&Error>) -> Vec<String> {
    let unseen = match operation.kind {
        Kind::Cancel => "whether the job ends by itself before it is told to",
        Kind::Drain => "how long flushing takes, and whether the job's sources ever end",
        Kind::Stop | Kind::Savepoint => {
            "how long the savepoint takes, and whether it succeeds: if not, the job goes on"
        }
        Kind::Scale => "whether the runner finds the resources, and how long the job pauses",
    };
    let silent = silent.map(|error| format!("the exact calls: the runner cannot be asked now ({})", error.message()));
    [unseen.to_owned()].into_iter().chain(silent).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_says_what_changes_and_what_cannot_be_known() {
        for kind in ["cancel", "drain", "stop", "savepoint", "scale"] {
            let operation: Operation = serde_json::from_value(json!({
                "id": "a", "job_id": "flink:a", "kind": kind, "state": "REQUESTED", "trigger_id": "1",
                "requested_ms": 1, "sent_ms": 0, "attempts": 0, "parallelism": 4, "min_workers": 2,
            }))
            .unwrap();
            assert_eq!((changes(&operation).len(), unknown(&operation, None).len()), (1, 1), "{kind}");
            let silent = Error::precondition("x", "it is away");
            assert!(unknown(&operation, Some(&silent))[1].contains("it is away"));
            assert_eq!(changes(&operation)[0].contains("between 2 and 4"), kind == "scale");
        }
    }
}
