use beam_mcp_core::effect::Response;
use serde_json::{Value, json};

use super::{Dataflow, Snapshot, Stage, call::Call};
use crate::host::recorded::{answer, parsed};

/// The token of the job that was kept.
const TOKEN: &str = "0bea0000000000000000000000000001";
/// Description of the snapshot that was kept.
const DESCRIPTION: &str = "beam-mcp 05af";

/// The answers, from what is kept.
impl Dataflow {
    pub(super) fn told(&self, call: &Call, word: &str) -> Response {
        match call {
            Call::Active | Call::Named if self.is_listed(call, word) => self.page(),
            Call::Active | Call::Named => Response::json(200, &json!({})),
            Call::Job { .. } if !self.is_shown(word) => kept("job-unknown"),
            Call::Job { whole } => self.job(if *whole { "job-whole" } else { "job" }),
            Call::Template => kept("template"),
            Call::Launch(_) if word == "name taken" => kept("taken"),
            Call::Launch(_) => self.job_of("launched-flex", |body| &mut body["job"]),
            Call::Cancel | Call::Drain if self.stage.has_ended() => ended(),
            Call::Cancel | Call::Drain | Call::Workers(_) => self.job("job"),
            Call::Snapshot(_) => self.snapshot_of("snapshot", |body| body),
            Call::Snapshots if self.snapshot == Snapshot::None || word == "not listed" => {
                Response::json(200, &json!({}))
            }
            Call::Snapshots => self.snapshot_of("snapshots", |body| &mut body["snapshots"][0]),
            Call::SnapshotById => self.snapshot_of("snapshot", |body| body),
            Call::Metrics => kept("metrics"),
            Call::Messages => kept("messages"),
            Call::Entries => kept("entries"),
        }
    }

    fn is_listed(&self, call: &Call, word: &str) -> bool {
        let asked_for = *call == Call::Named || self.stage.is_live();
        asked_for && self.is_shown(word)
    }

    fn is_shown(&self, word: &str) -> bool {
        word != "not listed" && !matches!(self.stage, Stage::Unknown | Stage::OnItsWay | Stage::Hidden)
    }

    fn job(&self, name: &str) -> Response {
        self.job_of(name, |body| body)
    }

    /// The kept page with our job alone, and no page behind it.
    fn page(&self) -> Response {
        let response = self.job_of("jobs", |body| &mut body["jobs"][0]);
        let jobs = parsed(&response)["jobs"].take();
        Response::json(200, &json!({"jobs": jobs}))
    }

    /// What is kept, about our job as it is.
    fn job_of(&self, name: &str, job: fn(&mut Value) -> &mut Value) -> Response {
        let mut body = parsed(&answer(&path(name), &[(TOKEN, self.token())]));
        let ours = job(&mut body);
        ours["name"] = self.name.as_str().into();
        ours["currentState"] = format!("JOB_STATE_{}", self.state_word()).into();
        if let Some((most, true)) = self.workers {
            ours["runtimeUpdatableParams"]["maxNumWorkers"] = most.into();
        }
        Response::json(200, &body)
    }

    fn state_word(&self) -> &'static str {
        match self.stage {
            Stage::Running => "RUNNING",
            Stage::Draining => "DRAINING",
            Stage::Cancelling => "CANCELLING",
            Stage::Done => "DONE",
            Stage::Failed => "FAILED",
            Stage::Cancelled => "CANCELLED",
            Stage::Drained => "DRAINED",
            Stage::Unknown | Stage::OnItsWay | Stage::Hidden | Stage::Pending => "PENDING",
        }
    }

    fn snapshot_of(&self, name: &str, snapshot: fn(&mut Value) -> &mut Value) -> Response {
        let mut body = parsed(&answer(&path(name), &[(DESCRIPTION, &self.description)]));
        let state = match self.snapshot {
            Snapshot::None | Snapshot::Pending => "PENDING",
            Snapshot::Ready => "READY",
            Snapshot::Failed => "FAILED",
        };
        snapshot(&mut body)["state"] = state.into();
        Response::json(200, &body)
    }
}

fn path(name: &str) -> String {
    format!("dataflow/emulated/{name}")
}

fn kept(name: &str) -> Response {
    answer(&path(name), &[])
}

/// In the form of the kept refusals.
fn refusal(status: u16, word: &str, reason: &str, message: &str) -> Response {
    let part = json!({"message": message, "domain": "global", "reason": reason});
    Response::json(status, &json!({"error": {"code": status, "message": message, "status": word, "errors": [part]}}))
}

pub(super) fn busy() -> Response {
    refusal(429, "RESOURCE_EXHAUSTED", "rateLimitExceeded", "Quota exceeded for quota metric 'Requests'.")
}

pub(super) fn denied() -> Response {
    refusal(403, "PERMISSION_DENIED", "forbidden", "The caller does not have permission.")
}

fn ended() -> Response {
    refusal(400, "FAILED_PRECONDITION", "badRequest", "Cannot modify a terminated job.")
}
