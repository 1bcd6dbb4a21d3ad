//! An operator: somebody who looks at the runner and says what is true of jobs nobody can explain, mostly rightly.

use beam_mcp_core::job::JobState;
use serde_json::{Value, json};

use super::{Ask, Client, Door};

/// A job as an operator finds it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The job.
    pub job_id: String,
    /// Its state in the list.
    pub state: Option<JobState>,
    /// What the runner called that which was sent of it.
    pub natives: Vec<String>,
    /// What it called that which was sent of other jobs, of whichever tenant.
    pub others: Vec<String>,
}

/// Why an operator says so; one in twenty says nothing, which is refused.
const REASON: &str = "looked at the runner";

impl Client {
    /// What an operator does about a job: what a plan was shown of before, or something new.
    pub fn operate(&mut self, case: &Case) -> Ask {
        if let Some(confirmed) = self.planned.take() {
            return confirmed;
        }
        let verbs = match case.state {
            Some(JobState::Parked) => ["resubmit_job", "resubmit_job", "abandon_job", "adopt_job"],
            _ => ["abandon_job", "adopt_job", "adopt_job", "resubmit_job"],
        };
        let verb = *self.random.pick(&verbs);
        let (mut input, mut bad) = self.word(verb, case);
        if self.random.chance(1_500) {
            input["dry_run"] = true.into();
        } else if self.random.chance(500) {
            input["plan_digest"] = "0".repeat(64).into();
            bad = true;
        }
        let door = *self.random.pick(&[Door::Rest, Door::Rest, Door::Run, Door::Mcp]);
        // They are no tools: a model cannot look at a cluster.
        let bad = bad || door == Door::Mcp;
        let mut ask = Ask { verb, key: None, stolen: false, door, digest: 0, bad, input: Value::Null };
        if !bad {
            self.add_key(&mut ask, &mut input);
        }
        ask.input = input;
        ask
    }

    /// The input, and whether it must be refused.
    fn word(&mut self, verb: &str, case: &Case) -> (Value, bool) {
        if verb != "adopt_job" {
            let silent = self.random.chance(500);
            return (json!({"job_id": case.job_id, "reason": if silent { "" } else { REASON }}), silent);
        }
        let wrong = case.natives.is_empty() || self.random.chance(2_500);
        let native_id = if !wrong {
            self.random.pick(&case.natives).clone()
        } else if !case.others.is_empty() && self.random.chance(7_000) {
            self.random.pick(&case.others).clone()
        } else {
            format!("{:032x}", self.random.below(u64::MAX))
        };
        (json!({"job_id": case.job_id, "native_id": native_id}), wrong)
    }

    /// Keeps the call a plan was shown of, to be made with the plan's digest.
    pub fn plan(&mut self, ask: &Ask, answer: &Value) {
        let Some(digest) = answer.pointer("/plan/digest").filter(|_| ask.input["dry_run"] == true) else { return };
        let mut planned = ask.clone();
        planned.input["plan_digest"] = digest.clone();
        planned.input.as_object_mut().map(|input| input.remove("dry_run"));
        self.planned = Some(planned);
    }
}
