//! The scripts: what each shows, as data. The formulas that read it are in `course`.

use serde_json::{Value, json};

use crate::{config::nearest, error::Error, job::JobType};

/// One script.
#[expect(clippy::struct_excessive_bools, reason = "a row of a table: each column stands for itself")]
#[derive(Debug, PartialEq)]
pub(super) struct Script {
    /// Value of the option `simulator_script`.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) shows: &'static str,
    /// What happens when, in simulated time since the submission.
    pub(super) phases: &'static str,
    /// Kind of pipeline where the caller says none.
    pub(super) job_type: JobType,
    /// A job of the other kind may follow it too.
    pub(super) either: bool,
    /// Ends in FAILED instead of FINISHED, after `simulator_duration_s`; a streaming job ends in no other way.
    pub(super) fails: bool,
    /// When the job restarts itself.
    pub(super) recovers: Option<Cycle>,
    /// When the cluster does not answer.
    pub(super) outage: Option<Cycle>,
    /// How long a savepoint takes, in milliseconds.
    pub(super) savepoint_ms: u64,
    /// Every savepoint fails at its end.
    pub(super) savepoint_fails: bool,
    /// A rescale is accepted and never applied.
    pub(super) scale_sticks: bool,
    /// How late states are shown, in milliseconds.
    pub(super) lag_ms: u64,
    /// The first submission, the first send of each operation and every third read are answered with 429.
    pub(super) limits_rate: bool,
    /// The answer to the first submission is lost although it arrived.
    pub(super) loses_answer: bool,
    /// Share of the incoming records that cannot be processed, in percent.
    pub(super) held_back_percent: u64,
}

/// Something that comes back: from `from` for `lasts` of every `every`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cycle {
    pub(super) every: u64,
    pub(super) from: u64,
    pub(super) lasts: u64,
}

impl Cycle {
    /// True inside its window.
    pub(super) fn holds(self, at_ms: u64) -> bool {
        (self.from..self.from + self.lasts).contains(&(at_ms % self.every))
    }

    /// Time spent inside its windows up to a moment.
    pub(super) fn spent(self, at_ms: u64) -> u64 {
        let part = (at_ms % self.every).saturating_sub(self.from).min(self.lasts);
        (at_ms / self.every).saturating_mul(self.lasts) + part
    }

    /// Windows that have begun up to a moment.
    pub(super) fn begun(self, at_ms: u64) -> u64 {
        at_ms / self.every + u64::from(at_ms % self.every >= self.from)
    }
}

/// A streaming job that goes on until it is asked to end.
const PLAIN: Script = Script {
    name: "running",
    shows: "a healthy streaming job",
    phases: "PENDING 1 s, RUNNING until asked to end; savepoint 3 s, scale 2 s, cancel 1 s, stop 4 s, drain 5 s",
    job_type: JobType::Streaming,
    either: false,
    fails: false,
    recovers: None,
    outage: None,
    savepoint_ms: 3_000,
    savepoint_fails: false,
    scale_sticks: false,
    lag_ms: 0,
    limits_rate: false,
    loses_answer: false,
    held_back_percent: 0,
};

/// Every script, in the order it is shown in.
pub(super) static SCRIPTS: [Script; 12] = [
    PLAIN,
    Script {
        name: "batch",
        shows: "a batch job that ends well",
        phases: "PENDING 1 s, RUNNING simulator_duration_s (10), FINISHED",
        job_type: JobType::Batch,
        ..PLAIN
    },
    Script {
        name: "failing",
        shows: "a job whose code throws",
        phases: "PENDING 1 s, RUNNING simulator_duration_s (10), FAILED with a stack trace in diagnostics",
        either: true,
        fails: true,
        ..PLAIN
    },
    Script {
        name: "restarting",
        shows: "a job that loses a worker now and then and recovers by itself",
        phases: "as running; RECOVERING for 5 s from second 15 of every 30 s",
        either: true,
        recovers: Some(Cycle { every: 30_000, from: 15_000, lasts: 5_000 }),
        ..PLAIN
    },
    Script {
        name: "slow_savepoint",
        shows: "savepoints that outlast a caller's patience",
        phases: "as running; a savepoint takes 70 s, or simulator_savepoint_s",
        savepoint_ms: 70_000,
        ..PLAIN
    },
    Script {
        name: "failing_savepoint",
        shows: "savepoints that are accepted and fail; the job goes on",
        phases: "as running; a savepoint fails after 3 s, and so does a stop",
        savepoint_fails: true,
        ..PLAIN
    },
    Script {
        name: "stuck_scale",
        shows: "a rescale that is accepted and never applied, as with too few slots",
        phases: "as running; a scale stays IN_PROGRESS",
        scale_sticks: true,
        ..PLAIN
    },
    Script {
        name: "back_pressure",
        shows: "a job that falls behind: back_pressure_ratio 0.8, a growing backlog",
        phases: "as running; four of five incoming records wait",
        either: true,
        held_back_percent: 80,
        ..PLAIN
    },
    Script {
        name: "rate_limited",
        shows: "a cluster that answers 429 with Retry-After",
        phases: "as running; the first submission, the first send of each operation and every third read get 429",
        either: true,
        limits_rate: true,
        ..PLAIN
    },
    Script {
        name: "lag",
        shows: "a cluster that shows states late",
        phases: "as running; states are 10 s old",
        either: true,
        lag_ms: 10_000,
        ..PLAIN
    },
    Script {
        name: "outage",
        shows: "a cluster that is away for a while and comes back with the job unharmed",
        phases: "as running; no answer for 20 s from second 20 of every 60 s",
        either: true,
        outage: Some(Cycle { every: 60_000, from: 20_000, lasts: 20_000 }),
        ..PLAIN
    },
    Script {
        name: "lost_answer",
        shows: "a submission that arrived although its answer never came back",
        phases: "as running; the first submission times out, then the job is looked for and found (or, with identity \
                 none, parked)",
        either: true,
        loses_answer: true,
        ..PLAIN
    },
];

/// The script of a name.
///
/// # Errors
/// `invalid_argument`, reason `unknown_script`, with the nearest known name.
pub(super) fn find(name: &str) -> Result<&'static Script, Error> {
    SCRIPTS.iter().find(|script| script.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = SCRIPTS.iter().map(|script| script.name).collect();
    let error = Error::invalid("unknown_script", "`simulator_script` names no script of this version")
        .with("script", name)
        .with("known", names.join(", "));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("take one of the known scripts; list_runners says what each shows"),
    }
}

/// The table for people.
pub(super) fn table() -> Value {
    SCRIPTS.iter().map(|script| json!({"name": script.name, "shows": script.shows, "phases": script.phases})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_counted_as_it_is_shown() {
        let cycle = Cycle { every: 30, from: 15, lasts: 5 };
        let mut spent = 0;
        for at in 0..100 {
            assert_eq!(cycle.spent(at), spent, "{at}");
            assert_eq!(cycle.begun(at), (at + 15) / 30, "{at}");
            spent += u64::from(cycle.holds(at));
        }
    }

    #[test]
    fn a_misspelt_script_is_told_its_nearest() {
        let error = find("runing").unwrap_err();
        assert_eq!((error.reason(), error.suggestion()), ("unknown_script", "did you mean `running`?"));
        assert_eq!(find("slow_savepoint").unwrap().savepoint_ms, 70_000);
    }
}
