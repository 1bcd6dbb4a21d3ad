use beam_mcp_core::effect::Response;
use serde_json::{Value, json};

use super::{Cluster, Life, Trigger, call::Call};
use crate::host::recorded::{body, recorded};

/// The answers, from what was recorded.
impl Cluster {
    pub(super) fn told(&self, call: &Call, word: &str) -> Response {
        let name = match call {
            Call::Job => self.job_file(),
            Call::Checkpoints => self.checkpoints_file(),
            Call::Status => self.status_file(),
            Call::Run(_) => self.run_file(word),
            Call::Cancel => self.cancel_file(word),
            Call::Requirements if word == "not adaptive" => "resource-requirements-put-default-scheduler",
            Call::Requirements => "resource-requirements-put",
            Call::Savepoint(_) => "savepoint-trigger",
            Call::Stop { .. } => "stop-trigger",
            Call::DeleteJar if word == "gone" => "jar-delete-missing",
            Call::DeleteJar => "jar-delete",
            Call::Config if word == "takes no jobs" => return self.changed("config", closed),
            Call::Config => "config",
            Call::Settings => return self.settings(word),
            Call::Jars => return self.jars(),
            Call::Upload(_) => "jars-upload",
            Call::Jobs => return self.listed(word),
            Call::Other(name) if *name == "execution-result" && self.life == Life::Failed => "execution-result-failed",
            Call::Other(name) if *name == "exceptions" && self.life == Life::Failed => "exceptions-failed",
            Call::Other(name) if *name == "exceptions" && self.life == Life::Restarting => "exceptions-restarting",
            Call::Other("exceptions") => "exceptions-none",
            Call::Other("execution-result") => "execution-result-in-progress",
            Call::Other("log") => return log(),
            Call::Other(name) => name,
        };
        recorded(name, &self.job, &self.trigger_id)
    }

    fn job_file(&self) -> &'static str {
        match self.life {
            Life::Unknown | Life::OnItsWay => "job-unknown",
            Life::Created => "job-just-submitted",
            Life::Running | Life::Stopping => "job-running",
            Life::Restarting => "job-restarting",
            Life::Scaling => "job-scale-pending",
            Life::Scaled => "job-scaled",
            Life::Cancelling => "job-cancelling",
            Life::Finished => "job-finished",
            Life::Failed => "job-failed",
            Life::Canceled => "job-canceled",
            Life::Stopped => "job-stopped",
            Life::Drained => "job-drained",
        }
    }

    fn checkpoints_file(&self) -> &'static str {
        match self.life {
            Life::Unknown | Life::OnItsWay => "job-checkpoints-unknown",
            Life::Finished => "checkpoints-finished",
            Life::Failed => "checkpoints-failed",
            Life::Stopped => "checkpoints-stopped",
            Life::Drained => "checkpoints-drained",
            Life::Scaled => "checkpoints-scaled",
            _ if self.trigger == Trigger::Done => "checkpoints-after-savepoint",
            _ => "checkpoints-running",
        }
    }

    fn status_file(&self) -> &'static str {
        match (self.trigger, self.life) {
            (Trigger::Unknown, _) => "savepoint-unknown-trigger",
            (Trigger::Open, _) => "savepoint-in-progress",
            (Trigger::Failed, Life::Running) => "stop-bad-directory-failed",
            (Trigger::Failed, _) => "savepoint-finished-job-failed",
            (Trigger::Done, Life::Stopping | Life::Stopped) => "stop-completed",
            (Trigger::Done, Life::Drained) => "drain-completed",
            (Trigger::Done, _) => "savepoint-completed",
        }
    }

    fn run_file(&self, word: &str) -> &'static str {
        match (word, self.life) {
            ("duplicate", life) if life.is_live() => "run-duplicate",
            ("duplicate", Life::Canceled) => "run-duplicate-of-canceled",
            ("duplicate", _) => "run-duplicate-of-finished",
            ("main throws", _) => "run-main-throws",
            _ => "run",
        }
    }

    fn cancel_file(&self, word: &str) -> &'static str {
        match self.life {
            Life::Finished | Life::Stopped | Life::Drained => "cancel-finished",
            Life::Failed => "cancel-failed",
            Life::Canceled => "cancel-canceled",
            Life::Unknown | Life::OnItsWay => "cancel-unknown",
            _ => {
                assert_ne!(word, "ended before");
                "cancel"
            }
        }
    }

    /// Of some 40 settings the ones that are read. `web.tmpdir` is another one in each process.
    fn settings(&self, word: &str) -> Response {
        let folder = format!("/srv/flink/web/flink-web-cd176554-9cab-4ce6-bc70-cdd10d41d75{}", self.restarts);
        let settings = json!([{"key": "web.tmpdir", "value": folder}, {"key": "rest.port", "value": "8081"}]);
        Response::json(if word == "hidden" { 403 } else { 200 }, &settings)
    }

    /// The recorded list of jars, the one that was uploaded among them.
    fn jars(&self) -> Response {
        self.changed("jars", |body| {
            if let Some(name) = &self.jar {
                body["files"][2]["name"] = name.as_str().into();
            }
        })
    }

    /// The recorded list of jobs: ours as it is, alone or among all those that were there.
    fn listed(&self, word: &str) -> Response {
        let state = self.overview_state();
        let of_state = |name: &str| {
            let all = body(name)["jobs"].as_array().cloned().unwrap_or_default();
            all.into_iter().find(|job| job["state"] == state)
        };
        let mut ours = of_state("jobs-overview-running").or_else(|| of_state("jobs-overview"));
        if let Some(ours) = &mut ours {
            ours["jid"] = self.job.as_str().into();
        }
        self.changed("jobs-overview", |body| {
            let all = body["jobs"].as_array_mut().expect("a list of jobs");
            if word != "with others" {
                all.clear();
            }
            all.extend(ours);
        })
    }

    fn overview_state(&self) -> &'static str {
        match self.life {
            Life::Unknown | Life::OnItsWay => "none",
            Life::Finished | Life::Stopped | Life::Drained => "FINISHED",
            Life::Failed => "FAILED",
            Life::Canceled => "CANCELED",
            _ => "RUNNING",
        }
    }

    fn changed(&self, name: &str, edit: impl FnOnce(&mut Value)) -> Response {
        let mut json = body(name);
        edit(&mut json);
        Response { body: json.to_string().into(), ..recorded(name, &self.job, &self.trigger_id) }
    }
}

/// The operator has set `web.submit.enable` to false.
fn closed(config: &mut Value) {
    config["features"]["web-submit"] = false.into();
}

/// A line as Flink's default configuration writes it.
fn log() -> Response {
    let body = "2026-11-20 11:18:17,600 INFO  org.apache.flink.runtime.taskmanager.Task [] - Source: numbers -> throttle \
                (1/2)#0 switched from INITIALIZING to RUNNING.\n";
    Response { status: 200, headers: Vec::new(), body: body.into() }
}
