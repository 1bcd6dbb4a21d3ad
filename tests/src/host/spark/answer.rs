use beam_mcp_core::effect::Response;
use serde_json::{Value, json};

use super::{Driver, Spark, call::Call};
use crate::host::recorded::{answer, parsed};

/// What in the recordings belongs to their own job: its token, its class, and the moments its driver and application
/// began.
const TOKEN: &str = "0bea0000000000000000000000000001";
const CLASS: &str = "org.beammcp.examples.SparkRateJob";
const BEGAN: [(&str, &str); 2] = [("1795636720864", "1800000000000"), ("1795636731290", "1800000010000")];

/// The answers, from what was recorded.
impl Spark {
    pub(super) fn told(&self, call: &Call, word: &str) -> Response {
        match call {
            Call::Version => self.recorded("root"),
            Call::Create { .. } if word == "not alive" => not_alive(),
            Call::Create { .. } => self.recorded("create-running"),
            Call::Kill if self.driver == Driver::Killing => self.recorded("kill"),
            Call::Kill => self.recorded("kill-finished"),
            Call::Status => self.recorded(self.status_file()),
            Call::Master => self.master(word),
            Call::Page => self.recorded("app-page-running"),
            Call::Log if word == "none" || self.driver == Driver::Queued => self.recorded("log-unknown"),
            Call::Log if self.driver == Driver::Failed => self.recorded("stderr-tail-fails"),
            Call::Log => self.recorded("driver-stderr-head"),
            Call::Live(facts) => self.recorded(&format!("ui-{facts}")),
            Call::History(facts) => self.recorded(&format!("history-{facts}-finished")),
        }
    }

    fn recorded(&self, name: &str) -> Response {
        let ours = [(TOKEN, self.token.as_str()), (CLASS, self.class.as_str())];
        answer(&format!("spark/recorded/3.5.9/{name}"), &[ours.as_slice(), &BEGAN].concat())
    }

    fn status_file(&self) -> &'static str {
        match self.driver {
            Driver::Unknown | Driver::OnItsWay => "status-unknown",
            Driver::Queued => "status-submitted",
            Driver::Running | Driver::Waiting | Driver::Killing => "status-running",
            Driver::Finished => "status-finished",
            Driver::Failed => "status-failed",
            Driver::Killed => "status-killed",
        }
    }

    /// The recorded master, its driver as ours is.
    fn master(&self, word: &str) -> Response {
        let response = self.recorded("master-running");
        let mut body = parsed(&response);
        let driver = body["activedrivers"][0].take();
        let app = body["activeapps"][0].take();
        for list in ["activedrivers", "activeapps", "completeddrivers", "completedapps"] {
            body[list] = json!([]);
        }
        if let Some((list, driver)) = self.listed(driver) {
            body[list] = json!([driver]);
        }
        if let Some((list, app)) = self.application(app) {
            body[list] = json!([app]);
        }
        if word == "standby" {
            body["status"] = "STANDBY".into();
        }
        Response { body: body.to_string().into(), ..response }
    }

    fn listed(&self, mut driver: Value) -> Option<(&'static str, Value)> {
        let (list, state) = match self.driver {
            Driver::Unknown | Driver::OnItsWay => return None,
            Driver::Queued => ("activedrivers", "SUBMITTED"),
            Driver::Running | Driver::Waiting | Driver::Killing => ("activedrivers", "RUNNING"),
            Driver::Finished => ("completeddrivers", "FINISHED"),
            Driver::Failed => ("completeddrivers", "FAILED"),
            Driver::Killed => ("completeddrivers", "KILLED"),
        };
        driver["state"] = state.into();
        if self.driver == Driver::Queued {
            driver["worker"] = "None".into();
        }
        Some((list, driver))
    }

    /// An application's state says FINISHED however its driver ended.
    fn application(&self, mut app: Value) -> Option<(&'static str, Value)> {
        let (list, state) = match self.driver {
            Driver::Unknown | Driver::OnItsWay | Driver::Queued => return None,
            Driver::Running | Driver::Killing => ("activeapps", "RUNNING"),
            Driver::Waiting => ("activeapps", "WAITING"),
            Driver::Finished | Driver::Failed | Driver::Killed => ("completedapps", "FINISHED"),
        };
        app["state"] = state.into();
        Some((list, app))
    }
}

/// A master that does not decide: written after its source, for it stands aside only where there are two.
fn not_alive() -> Response {
    let message = "Current state is not alive: STANDBY. Can only accept driver \
                   submissions in ALIVE state.";
    Response::json(
        200,
        &json!({"action": "CreateSubmissionResponse", "message": message, "serverSparkVersion": "3.5.9",
            "success": false}),
    )
}
