//! The snapshots of a job for those who ask for them.

use super::{
    Dataflow,
    flow::native_id,
    request,
    response::{self, Snapshot, Snapshots},
};
use crate::{
    clock::unix_ms,
    error::Error,
    job::{Checkpoint, Checkpoints, Job},
    text::clean_line,
};

const ID_BYTES: usize = 256;
const TOLD: &str = "Dataflow numbers no snapshots: 1 is the oldest it lists; each is deleted when its time is over";

impl Dataflow {
    /// In one call.
    ///
    /// # Errors
    /// As every read.
    pub(super) async fn snapshot_list(&self, job: &Job) -> Result<Checkpoints, Error> {
        let request = request::snapshots_request(&self.context.target, native_id(job)?);
        let mut all = self.read(request, response::read::<Snapshots>).await?.snapshots;
        all.sort_by_key(|snapshot| unix_ms(&snapshot.creation_time));
        let shown = (1..).zip(&all).map(|(number, snapshot)| shown(number, snapshot)).collect();
        Ok(Checkpoints { notes: vec![TOLD.to_owned()], ..Checkpoints::new(shown) })
    }
}

fn shown(id: u64, snapshot: &Snapshot) -> Checkpoint {
    Checkpoint {
        id,
        status: clean_line(&snapshot.state, ID_BYTES),
        kind: "snapshot".into(),
        started_at: clean_line(&snapshot.creation_time, ID_BYTES),
        state_bytes: snapshot.disk_size_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        path: (snapshot.state == "READY").then(|| clean_line(&snapshot.id, ID_BYTES)),
        ..Checkpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        job::Checkpoints,
        runner::{
            Backend,
            dataflow::testing::{NATIVE, SNAPSHOTS, answer, job, play, target},
        },
    };

    fn listed(snapshots: &Value) -> Checkpoints {
        let script = vec![(SNAPSHOTS, answer(200, json!({"snapshots": snapshots})))];
        play(target(), script, |dataflow| async move { dataflow.checkpoints(&job()).await }).end.unwrap()
    }

    fn snapshot(id: &str, state: &str, at: &str) -> Value {
        json!({"id": id, "state": state, "creationTime": at, "sourceJobId": NATIVE, "diskSizeBytes": "1024"})
    }

    #[test]
    fn they_come_newest_first_and_a_job_starts_from_those_that_are_ready() {
        let (young, old) = ("2026-11-25T21:28:06.527059Z", "2026-11-25T20:00:00Z");
        let all = listed(&json!([snapshot("young", "PENDING", young), snapshot("old", "READY", old)]));
        let told: Vec<_> =
            all.checkpoints.iter().map(|one| (one.id, one.status.as_str(), one.path.as_deref())).collect();
        assert_eq!(told, [(2, "PENDING", None), (1, "READY", Some("old"))]);
        let first = &all.checkpoints[1];
        assert_eq!((first.state_bytes, first.started_at.as_str(), first.kind.as_str()), (Some(1_024), old, "snapshot"));
    }

    #[test]
    fn a_job_without_any_has_an_empty_list() {
        let none = vec![(SNAPSHOTS, answer(200, json!({})))];
        let all = play(target(), none, |dataflow| async move { dataflow.checkpoints(&job()).await }).end.unwrap();
        assert!(all.checkpoints.is_empty() && all.counts.is_none(), "{all:?}");
    }
}
