//! The checkpoints of a scripted job: one after each ten seconds of work, none of which fails.

use super::course::Course;
use crate::{
    clock::rfc3339,
    error::Error,
    job::{Checkpoint, CheckpointCounts, Checkpoints, JobType},
};

/// So many are remembered, as by Flink.
const REMEMBERED: u64 = 10;

/// Those of a job that has lived so long.
pub(super) fn of(course: &Course, at_ms: u64) -> Result<Checkpoints, Error> {
    if course.plot.job_type != JobType::Streaming {
        return Err(Error::precondition("checkpointing_off", "the job takes no checkpoints")
            .suggest("give it `job_type` STREAMING when it is created"));
    }
    let completed = course.checkpoints(at_ms);
    let shown = (completed.saturating_sub(REMEMBERED)..completed).map(|before| Checkpoint {
        id: before + 1,
        status: "COMPLETED".into(),
        kind: "checkpoint".into(),
        started_at: rfc3339(course.wall(course.completed_at(before + 1, at_ms))),
        ..Checkpoint::default()
    });
    let counts = CheckpointCounts { completed, restored: course.restarts(at_ms), ..CheckpointCounts::default() };
    let notes = vec!["simulated: computed from the script; nothing was written".into()];
    Ok(Checkpoints { counts: Some(counts), notes, ..Checkpoints::new(shown.collect()) })
}
