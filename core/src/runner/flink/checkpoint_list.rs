//! The checkpoints of a job for those who ask for them.

use super::{
    Flink,
    checkpoint::{self, CheckpointKind},
    flow::{NAME_BYTES, native_id},
    request, response,
};
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Checkpoint, CheckpointCounts, Checkpoints, Job, RestoredFrom},
    text::{clean, clean_line},
};

const PATH_BYTES: usize = 1 << 10;
const FAILURE_BYTES: usize = 2 << 10;
const LAGS: &str = "Flink lists the newest ones only (web.checkpoints.history, by default 10), a few seconds late";

impl Flink {
    /// In one call.
    ///
    /// # Errors
    /// `failed_precondition` with reason `checkpointing_off`, `not_found` when Flink does not know the job, else as
    /// every read.
    pub(super) async fn checkpoint_list(&self, job: &Job) -> Result<Checkpoints, Error> {
        let request = request::checkpoints_request(&self.context.target, native_id(job)?);
        let answer = self.read(request, response::read::<checkpoint::Checkpoints>).await?;
        Ok(list(&answer))
    }
}

fn list(answer: &checkpoint::Checkpoints) -> Checkpoints {
    let latest = [&answer.latest.completed, &answer.latest.savepoint, &answer.latest.failed];
    let shown = answer.history.iter().chain(latest.into_iter().flatten()).map(shown).collect();
    let counts = &answer.counts;
    Checkpoints {
        counts: Some(CheckpointCounts {
            completed: counts.completed,
            failed: counts.failed,
            in_progress: counts.in_progress,
            restored: counts.restored,
        }),
        restored_from: answer.latest.restored.as_ref().map(restored),
        notes: vec![LAGS.to_owned()],
        ..Checkpoints::new(shown)
    }
}

fn shown(one: &checkpoint::Checkpoint) -> Checkpoint {
    let whole = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let kind = match one.kind {
        CheckpointKind::Checkpoint => "checkpoint",
        CheckpointKind::Savepoint => "savepoint",
        CheckpointKind::SyncSavepoint => "final_savepoint",
        CheckpointKind::Other => "other",
    };
    Checkpoint {
        id: one.id,
        status: clean_line(&one.status, NAME_BYTES),
        kind: kind.to_owned(),
        started_at: rfc3339(one.trigger_timestamp),
        duration_ms: whole(one.duration_ms).filter(|_| one.status != "IN_PROGRESS"),
        state_bytes: whole(one.state_bytes),
        path: one.kept_path().map(|path| clean_line(path, PATH_BYTES)),
        failure: one.failure.as_deref().map(|text| clean(text, FAILURE_BYTES)),
    }
}

fn restored(one: &checkpoint::Restored) -> RestoredFrom {
    RestoredFrom {
        id: one.id,
        restored_at: rfc3339(one.restore_timestamp),
        is_savepoint: one.is_savepoint,
        path: one.path.as_deref().map(|path| clean_line(path, PATH_BYTES)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use crate::{
        effect::Reply,
        error::Error,
        job::Checkpoints,
        runner::{
            Backend,
            flink::testing::{job, json, play, recorded, target},
        },
    };

    fn checkpoints(answer: Reply) -> Result<Checkpoints, Error> {
        let script = vec![("GET /jobs/{id}/checkpoints", answer)];
        play(target(), script, |flink| async move { flink.checkpoints(&job()).await }).end
    }

    #[test]
    fn they_come_newest_first_with_what_became_of_each() {
        let listed = checkpoints(recorded!("2.2.1/checkpoints-stopped")).unwrap();
        let counts = listed.counts.unwrap();
        assert_eq!((counts.completed, counts.failed), (18, 2));
        assert!(listed.checkpoints.is_sorted_by(|a, b| a.id > b.id), "{listed:?}");
        let failed = listed.checkpoints.iter().find(|checkpoint| checkpoint.status == "FAILED").unwrap();
        assert_eq!((failed.id, failed.kind.as_str(), &failed.path), (16, "final_savepoint", &None));
        assert!(failed.failure.as_deref().unwrap().contains("IO-problem"));
        let kept = listed.checkpoints.iter().find(|checkpoint| checkpoint.path.is_some()).unwrap();
        assert_eq!((kept.status.as_str(), kept.started_at.get(..4)), ("COMPLETED", Some("2026")));
        assert!(kept.state_bytes.is_some() && kept.duration_ms.is_some());
    }

    #[test]
    fn a_restored_job_says_from_where() {
        let listed = checkpoints(recorded!("2.2.1/checkpoints-scaled")).unwrap();
        assert_eq!(listed.counts.unwrap().restored, 1);
        assert!(listed.restored_from.is_some());
    }

    #[test]
    fn foreign_text_is_cleaned_and_odd_numbers_are_left_out() {
        let odd = value!({"id": 1, "status": "FAI\u{1b}[31mLED", "checkpoint_type": "NEW", "trigger_timestamp": 0,
            "end_to_end_duration": -1, "state_size": -1, "failure_message": "a\u{0}b"});
        let listed = checkpoints(json(200, value!({"history": [odd]}))).unwrap();
        let [one] = listed.checkpoints.as_slice() else { panic!("{listed:?}") };
        assert!(!one.status.contains('\u{1b}') && !one.failure.as_deref().unwrap().contains('\0'));
        assert_eq!((one.kind.as_str(), one.duration_ms, one.state_bytes), ("other", None, None));
    }

    #[test]
    fn a_batch_job_has_none() {
        let error = checkpoints(recorded!("1.20.5/beam-checkpoints-batch")).unwrap_err();
        assert_eq!(error.reason(), "checkpointing_off");
        assert!(error.suggestion().contains("checkpoint_interval"));
    }
}
