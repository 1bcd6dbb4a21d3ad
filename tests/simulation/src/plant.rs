//! Planted bugs: what the world sees of a defect, made at its edge, so that no build is needed for each. A simulation
//! that does not find them could not find the defects they stand for.

use beam_mcp_core::{
    job::Job,
    store::{Commit, Expect, Record, Write},
};
use serde_json::{Value, json};

use crate::profile::Cell;

/// Declares the plants: what each stands for, and whether another rule of the product masks it.
macro_rules! plants {
    ($($plant:ident $name:literal $masked:literal $text:literal,)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Plant { $(#[doc = $text] $plant,)* }

        impl Plant {
            /// Every planted bug.
            pub const ALL: &'static [Self] = &[$(Self::$plant,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$plant => $name,)* }
            }

            /// What it stands for.
            pub fn text(self) -> &'static str {
                match self { $(Self::$plant => $text,)* }
            }

            /// Why no invariant can break; empty where one must.
            pub fn masked(self) -> &'static str {
                match self { $(Self::$plant => $masked,)* }
            }

            /// The plant of a name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|plant| plant.name() == name)
            }
        }
    };
}

plants! {
    EarlyAnswer "early-answer" "" "a commit is answered before it is synced",
    TornTail "torn-tail" "" "half a commit survives a crash",
    BlindWrite "blind-write" "" "a write does not look at the version it replaces",
    BlindMake "blind-make" "" "a row that must be new replaces one that is there",
    NoAudit "no-audit" "" "commits without their audit rows",
    NoKeyRow "no-key-row" "" "idempotency keys are not remembered",
    NoDueRow "no-due-row" "" "the index of unfinished jobs is not written",
    NoOperationRow "no-operation-row" "" "an operation is acknowledged and not stored",
    LostOpenOperation "lost-open-operation" "" "the job's row forgets the operations that wait for it",
    LostAttempt "lost-attempt" "" "a permit is taken and not counted",
    LostAmbiguity "lost-ambiguity" "" "an unexplained send is forgotten",
    StuckVersion "stuck-version" "" "a change does not move the version in the row",
    UnstoredEnd "unstored-end" "" "the end of a job is stored as RUNNING",
    OpIdIgnored "op-id-ignored" "a repeated commit conflicts, and every caller reads again what is there before it goes on"
        "the id of a commit is not looked at when it comes again",
    RandomToken "random-token" "" "each run gets an id of its own",
    RunWithoutPermit "run-without-permit" "" "a run is sent by the host a second time, without a permit",
    RefusedAfterEffect "refused-after-effect" "" "a lost answer is taken for a refusal",
    SameMemory "same-memory" "" "a restarted runner is taken for the one before",
    ErrorIsAbsence "error-is-absence" "" "a runner that fails is taken for one that does not know the job",
    InventedSavepoint "invented-savepoint" "" "a savepoint is written once it is accepted",
    InventedEnd "invented-end" "" "a job that cannot be read has FINISHED",
    UnheldChild "unheld-child" "" "a child runs before its identity is stored",
    OrphanRuns "orphan-runs" "" "a held child goes on when its server dies",
    SecondChild "second-child" "" "a folder is started again although its child was let go",
    DeafChild "deaf-child" "" "a signal is said to be sent and is not",
    DeafKill "deaf-kill" "" "Spark says that it kills a driver and does not",
    Unmarked "unmarked" "" "the marker of a driver is not read",
    IgnoredWish "ignored-wish" "" "Dataflow takes a cancel or drain and does not follow it",
    TakenIsRefusal "taken-is-refusal"
        "a name is found taken after an unexplained launch only, and no refusal explains that one: it is looked for"
        "a name that is taken is a refusal like any other",
    SharedNames "shared-names" "" "a second launch under a name is a second job",
    BlindNames "blind-names" "" "a list by name is empty",
    DeafCancel "deaf-cancel" "" "a job service says CANCELLED of what goes on, and nobody expects it of this one",
    BelievedCancel "believed-cancel" "" "the service that lies about cancels is taken for one that does not",
    ForgottenIsCanceled "forgotten-is-canceled" "" "what a job service forgot is listed as CANCELLED",
    ResentRun "resent-run" "" "the host sends a run again whose answer was lost",
    WrongTenant "wrong-tenant" "" "a token opens another tenant's door",
    SameRandomness "same-randomness" "" "two calls draw the same bytes",
    NoReconciler "no-reconciler" "" "nothing goes on with what a dead process left",
    LostAnswer "lost-answer" "" "a flow is never told what became of its effect",
    ShortSettle "short-settle" "" "silence counts as settled at once",
    CarriedSettle "carried-settle"
        "what is launched too early finds its name taken: no job ends before it is shown"
        "silence about one send is counted for the next",
    NoTombstone "no-tombstone" "" "what shows up late is not canceled",
    LeaseAsLock "lease-as-lock" ""
        "who stood still since a permit does not know, and sends as if nobody else had meanwhile",
    BlindToCancel "blind-to-cancel" "" "who sends does not see that a cancel is set, and writes the row without it",
    SameToken "same-token" "" "what an operator has sent again bears the token it was sent under before",
    NeverSealed "never-sealed" "" "audit rows are never sealed",
    WallSettle "wall-settle" "" "settle time runs on the wall clock",
    NoTopics "no-topics" "topics are hints: who waits looks again by itself" "a commit announces nothing",
    DroppedAfterIntent "dropped-after-intent" "the reconciler takes up what the flow left"
        "a durable intent is dropped with its client",
}

impl Plant {
    /// The cell whose runner it is planted in; `None`: it may show anywhere.
    pub fn cell(self) -> Option<Cell> {
        match self {
            Self::DeafKill | Self::Unmarked => Some(Cell::R7),
            // Only where a name is taken no longer than its job is active does silence decide about a second send.
            Self::IgnoredWish
            | Self::TakenIsRefusal
            | Self::SharedNames
            | Self::BlindNames
            | Self::ShortSettle
            | Self::CarriedSettle => Some(Cell::R6),
            // The runner must restart between two sends of one job.
            Self::LeaseAsLock => Some(Cell::R1),
            Self::DeafCancel | Self::BelievedCancel | Self::ForgottenIsCanceled => Some(Cell::R4),
            _ => None,
        }
    }
}

/// What a commit becomes under a planted bug.
pub fn spoil(commit: &Commit, plant: Plant) -> Commit {
    let mut commit = commit.clone();
    let keep = |write: &Write| match plant {
        Plant::NoAudit => write.key.kind != "audit.new",
        Plant::NoKeyRow => write.key.kind != "idempotency",
        Plant::NoDueRow => write.key.kind != "job.due" || write.put.is_none(),
        Plant::NoOperationRow => write.key.kind != "operation" || write.expect != Expect::Absent,
        _ => true,
    };
    commit.writes.retain(keep);
    for write in &mut commit.writes {
        let job = write.key.kind == "job" || write.key.kind.starts_with("job.");
        if let Some(put) = write.put.as_mut().filter(|_| job) {
            put.value = spoilt(&put.value, plant);
        }
    }
    commit
}

fn spoilt(row: &std::sync::Arc<str>, plant: Plant) -> std::sync::Arc<str> {
    let (field, value) = match plant {
        Plant::ShortSettle | Plant::CarriedSettle => return settled(row, plant),
        Plant::SameToken => ("later_token", Value::Null),
        Plant::LostOpenOperation => ("open_operations", json!([])),
        Plant::LostAttempt => ("attempts", json!(0)),
        Plant::LostAmbiguity => ("ambiguous", json!(false)),
        Plant::StuckVersion => ("version", json!(1)),
        Plant::UnstoredEnd => ("state", json!("RUNNING")),
        _ => return std::sync::Arc::clone(row),
    };
    let ends = ["FINISHED", "FAILED", "CANCELED", "DRAINED"];
    let Ok(mut job) = serde_json::from_str::<Value>(row) else { return std::sync::Arc::clone(row) };
    if plant != Plant::UnstoredEnd || job["state"].as_str().is_some_and(|state| ends.contains(&state)) {
        job[field] = value;
    }
    rewritten(row, job)
}

/// In the form the product writes rows in, so that nothing else tells the spoilt one.
fn rewritten(row: &std::sync::Arc<str>, job: Value) -> std::sync::Arc<str> {
    let job: Option<Job> = serde_json::from_value(job).ok();
    job.and_then(|job| serde_json::to_string(&job).ok()).map_or_else(|| std::sync::Arc::clone(row), Into::into)
}

/// The row of an unexplained send, as if looks had found nothing of it for long.
fn settled(row: &std::sync::Arc<str>, plant: Plant) -> std::sync::Arc<str> {
    let Ok(mut job) = serde_json::from_str::<Value>(row) else { return std::sync::Arc::clone(row) };
    let unexplained = matches!(job["phase"].as_str(), Some("sending" | "unknown"));
    let least = if plant == Plant::CarriedSettle { 2 } else { 1 };
    if unexplained && job["attempts"].as_u64() >= Some(least) {
        (job["absences"], job["absent_since_ms"]) = (json!(10), json!(1));
    }
    rewritten(row, job)
}

/// What a read becomes under a planted bug: a row without the cancel that is set.
pub fn unseen(record: &mut Record) {
    let Ok(mut job) = serde_json::from_str::<Value>(&record.value) else { return };
    if let Some(open) = job["open_operations"].as_array_mut() {
        open.retain(|id| !id.as_str().is_some_and(|id| id.contains("/cancel-")));
    }
    record.value = rewritten(&record.value, job);
}
