//! What is known beyond doubt, kept beside the engine: every commit, every execution, every acknowledged call. The
//! invariants are checked against it at the moment something happens.

mod generation;

use std::collections::{BTreeMap, BTreeSet};

use beam_mcp_core::{
    job::{Job, JobState, Operation, OperationKind, OperationState, Phase},
    store::{Commit, Expect, Key, Write, listed_job, parse_record},
};

use crate::{client::Refused, profile::Cell, violation::Violation};
use generation::Generation;

/// Most permits of one submission or operation.
const PERMITS: u32 = 5;
/// Most permits of a cancel within a schedule.
const CANCELS: u32 = 24;

/// A job as the last commit left it.
#[derive(Debug)]
pub struct SeenJob {
    /// The row.
    pub job: Job,
    /// Tenant of the row.
    pub tenant: String,
    /// A client was told that it will be cancelled.
    pub cancel_acknowledged: bool,
    /// Highest version a client was shown, with the state.
    pub shown: (u64, Option<JobState>),
    /// Its generations, the present one last.
    generations: Vec<Generation>,
    /// Its script refuses submissions for certain at times.
    refuses: bool,
}

impl SeenJob {
    fn of_token(&mut self, token: &str) -> Option<&mut Generation> {
        self.generations.iter_mut().find(|generation| generation.token == token)
    }

    /// Tokens of all its generations, the present one last.
    pub fn tokens(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.generations.iter().map(|generation| generation.token.as_str())
    }

    /// An operator declared that it does not run.
    pub fn is_abandoned(&self) -> bool {
        self.job.unconfirmed && self.job.diagnostics.starts_with("abandoned by ")
    }
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Jobs in the order of their intents.
    pub jobs: Vec<SeenJob>,
    by_id: BTreeMap<String, usize>,
    by_token: BTreeMap<String, usize>,
    /// Executions by token: each generation has its own.
    executions: BTreeMap<String, u32>,
    /// Operations by id.
    pub operations: BTreeMap<String, Operation>,
    /// Savepoints begun on a runner, by trigger.
    pub triggers: BTreeMap<String, u32>,
    /// What a key was answered with: digest of the call, subject.
    pub keys: BTreeMap<String, (u64, String)>,
    /// What a submission with a key was refused with.
    pub refusals: BTreeMap<String, Refused>,
    /// Which call a job or operation is the answer to.
    pub subjects: BTreeMap<String, String>,
    /// Broken invariants; the first one counts.
    pub violation: Option<Violation>,
    /// Audit rows written, by process and sequence: an unanswered commit of one alone is made again.
    pub audits: BTreeSet<String>,
}

impl Ledger {
    /// Notes a broken invariant, unless one was noted before.
    pub fn broken(&mut self, invariant: &'static str, at: u64, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, at, text: text() });
        }
    }

    /// The job of an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The job of a token.
    pub fn of_token(&self, token: &str) -> Option<usize> {
        self.by_token.get(token).copied()
    }

    /// A job began to execute.
    pub fn executed(&mut self, token: &str, at: u64) {
        let Some(index) = self.of_token(token) else {
            return self.broken("I2", at, || format!("{token} executes and no row names it"));
        };
        let unsent = self.jobs[index].of_token(token).is_some_and(|generation| generation.cancelled_unsent);
        let count = self.executions.entry(token.to_owned()).or_default();
        *count += 1;
        let count = *count;
        if count > 1 {
            self.broken("I1", at, || format!("{token} executes for the {count}. time"));
        }
        if unsent {
            self.broken("I6", at, || format!("{token} executes although it was cancelled before it was sent"));
        }
    }

    /// A savepoint, stop or drain began.
    pub fn triggered(&mut self, trigger: &str, at: u64) {
        let count = self.triggers.entry(trigger.to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            let count = *count;
            self.broken("I1", at, || format!("the trigger {trigger} was carried out for the {count}. time"));
        }
    }

    /// A run was sent: the permit must be in the store before.
    pub fn sent(&mut self, token: &str, at: u64) {
        let Some(index) = self.of_token(token) else {
            return self.broken("I2", at, || format!("a run of {token} was sent without an intent"));
        };
        let Some(generation) = self.jobs[index].of_token(token) else { return };
        generation.sends += 1;
        generation.at_large += 1;
        let (sends, permits) = (generation.sends, generation.permits);
        if sends > permits {
            self.broken("I7", at, || format!("{token}: {sends} runs sent with {permits} permits"));
        }
    }

    /// A run did nothing and never will.
    pub fn refused(&mut self, token: &str) {
        let index = self.of_token(token);
        if let Some(generation) = index.and_then(|index| self.jobs[index].of_token(token)) {
            generation.at_large = generation.at_large.saturating_sub(1);
        }
    }

    /// True when a job has begun to execute before.
    pub fn has_executed(&self, token: &str) -> bool {
        self.executions.contains_key(token)
    }

    /// A commit was made.
    pub fn committed(&mut self, commit: &Commit, at: u64, cell: Cell) {
        let rows = commit.writes.iter().filter(|write| write.key.kind == "audit.new" && write.put.is_some());
        let before = self.audits.len();
        self.audits.extend(rows.map(|write| write.key.id.clone()));
        let audited = self.audits.len() > before;
        for write in &commit.writes {
            match &*write.key.kind {
                "job" => self.job_written(commit, write, audited, at, cell),
                "operation" => self.operation_written(write, audited, at),
                _ => {}
            }
        }
    }

    fn job_written(&mut self, commit: &Commit, write: &Write, audited: bool, at: u64, cell: Cell) {
        if write.put.is_none() && self.is_adopted(commit, &write.key) {
            self.by_id.remove(&write.key.id);
            return;
        }
        let Some(new) = read_job(commit, write) else {
            return self.broken("I3", at, || format!("the row {} was deleted or cannot be read", write.key.id));
        };
        match self.find(&write.key.id) {
            None => self.job_made(new, &write.key, audited, at),
            Some(index) => self.job_moved(index, new, at, cell),
        }
    }

    /// What was found on the runner is listed no more by itself once it is adopted as a job of ours.
    fn is_adopted(&self, commit: &Commit, key: &Key) -> bool {
        let found = self.find(&key.id).is_some_and(|index| self.jobs[index].job.id.token().is_none());
        found && jobs_of(commit).count() == 2
    }

    fn job_made(&mut self, new: Job, key: &Key, audited: bool, at: u64) {
        if new.spec.is_some() && !audited {
            self.broken("I8", at, || format!("{} was made without an audit row", key.id));
        }
        if new.id.token().is_some() && (new.attempts, new.phase, new.version) != (0, Phase::Intent, 1) {
            self.broken("I3", at, || format!("{} does not begin as an intent", key.id));
        }
        let script = new.spec.as_ref().and_then(|spec| spec.pipeline_options.get("simulator_script"));
        let refuses = script.is_some_and(|script| script == "rate_limited" || script == "outage");
        let index = self.jobs.len();
        self.by_id.insert(key.id.clone(), index);
        if let Some(token) = new.id.token() {
            self.by_token.insert(token.to_owned(), index);
        }
        self.jobs.push(SeenJob {
            generations: vec![Generation::new(new.token())],
            job: new,
            tenant: key.tenant.clone(),
            cancel_acknowledged: false,
            shown: (0, None),
            refuses,
        });
    }

    fn job_moved(&mut self, index: usize, new: Job, at: u64, cell: Cell) {
        let old = &self.jobs[index].job;
        let (before, after) = (old.state, new.state);
        if before != after && !before.may_become(after) {
            let id = new.id.clone();
            self.broken("I4", at, || format!("{id} went from {} to {}", before.as_str(), after.as_str()));
        }
        let old = &self.jobs[index].job;
        if new.version != old.version + 1 {
            let text = format!("{} went from version {} to {}", new.id, old.version, new.version);
            self.broken("I4", at, || text);
        }
        let old = &self.jobs[index].job;
        if new.attempts > old.attempts && new.phase == Phase::Sending {
            self.permitted(index, &new, at, cell);
        }
        if new.generation != self.jobs[index].job.generation {
            self.resubmitted(index, &new, at);
        }
        let seen = &mut self.jobs[index];
        let explained = seen.refuses && seen.job.phase == Phase::Sending && new.phase == Phase::Intent;
        if let Some(present) = seen.generations.last_mut() {
            present.unexplained = if explained { 0 } else { present.unexplained };
            present.cancelled_unsent |= after == JobState::Canceled && new.attempts == 0;
            present.permits = new.attempts;
        }
        seen.job = new;
    }

    /// An operator had it sent again: the next generation, of a job that was parked and that nobody wants ended.
    fn resubmitted(&mut self, index: usize, new: &Job, at: u64) {
        let (old, id) = (&self.jobs[index].job, new.id.clone());
        let (before, wanted) = (old.generation, old.ending() != Some(OperationKind::Cancel));
        let parked = old.phase == Phase::Parked && !old.state.is_terminal();
        if new.generation != before + 1 || !parked || new.attempts > 0 {
            let text = format!("{id} went from generation {before}, {:?}, to {}", old.phase, new.generation);
            self.broken("I4", at, || text);
        }
        if !wanted {
            self.broken("I6", at, || format!("{id} was resubmitted although it is being cancelled"));
        }
        if self.by_token.insert(new.token().to_owned(), index).is_some() {
            self.broken("I1", at, || format!("{id} was resubmitted under a token that was used before"));
        }
        self.jobs[index].generations.push(Generation::new(new.token()));
    }

    /// A permit to send was taken.
    fn permitted(&mut self, index: usize, new: &Job, at: u64, cell: Cell) {
        let seen = &mut self.jobs[index];
        let (old, id) = (&seen.job, new.id.clone());
        let open = old.ending() == Some(OperationKind::Cancel);
        let terminal = old.state.is_terminal();
        let ambiguous = old.ambiguous;
        let unexplained = seen.generations.last_mut().is_some_and(|present| {
            present.unexplained += 1;
            // Where nothing is sent, the permits themselves are counted.
            if cell.is_simulated() { present.unexplained > 1 } else { present.at_large > 0 }
        });
        if terminal || open {
            self.broken("I6", at, || {
                format!("{id} took a permit although it {}", if open { "is being cancelled" } else { "has ended" })
            });
        }
        // A permit that cannot have reached anybody comes back.
        let used = new.sends();
        if used > PERMITS {
            self.broken("I7", at, || format!("{id} took {used} permits"));
        }
        if !cell.deduplicates() && (ambiguous || unexplained) {
            self.broken("I1", at, || format!("{id} took a second permit while the first was unexplained"));
        }
    }

    fn operation_written(&mut self, write: &Write, audited: bool, at: u64) {
        let Some(new) = read_operation(write) else {
            return self.broken("I3", at, || format!("the row {} was deleted or cannot be read", write.key.id));
        };
        let id = &write.key.id;
        match self.operations.get(id) {
            None if !audited => self.broken("I8", at, || format!("{id} was made without an audit row")),
            Some(old) if old.state.is_terminal() && *old != new => {
                let text = format!("{id} was {:?} and became {:?}", old.state, new.state);
                self.broken("I4", at, || text);
            }
            None | Some(_) => {}
        }
        // A cancel goes on until the job has ended, at growing distances.
        let most = if new.kind == OperationKind::Cancel { CANCELS } else { PERMITS };
        if new.attempts > most {
            self.broken("I7", at, || format!("{id} took {} permits", new.attempts));
        }
        self.operations.insert(id.clone(), new);
    }

    /// A client was shown a job: what one call showed, no later call takes back.
    pub fn shown(&mut self, index: usize, version: u64, state: JobState, at: u64) {
        let seen = &mut self.jobs[index];
        let (before, was) = seen.shown;
        let id = seen.job.id.clone();
        let unsaid = version > seen.job.version;
        if version >= before {
            seen.shown = (version, Some(state));
        }
        if unsaid {
            self.broken("I3", at, || format!("{id} was shown in version {version}, which no commit made"));
        }
        let changed = version == before && was.is_some_and(|was| was != state);
        if changed {
            self.broken("I4", at, || format!("{id} was shown in two states in version {version}"));
        }
    }

    /// A row as a line of the trace.
    pub fn describe(&self, key: &Key) -> Option<String> {
        if let Some(operation) = self.operations.get(&key.id).filter(|_| key.kind == "operation") {
            return Some(format!("{} is {:?}, {} permits", key.id, operation.state, operation.attempts));
        }
        let job = &self.jobs[self.find(&key.id).filter(|_| key.kind == "job")?].job;
        let ambiguous = if job.ambiguous { ", ambiguous" } else { "" };
        Some(format!(
            "{} v{} is {:?} {}, {} permits{ambiguous}, open {:?}",
            key.id,
            job.version,
            job.phase,
            job.state.as_str(),
            job.attempts,
            job.open_operations,
        ))
    }

    /// True when an operation of the job that ends it with a cancel exists.
    pub fn cancel_of(&self, index: usize) -> Option<&Operation> {
        let id = self.jobs[index].job.id.to_string();
        self.operations.values().find(|operation| operation.job_id == id && operation.kind == OperationKind::Cancel)
    }

    /// Operations that have not ended.
    pub fn open_operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values().filter(|operation| !operation.state.is_terminal())
    }

    /// Savepoints that are said to be written.
    pub fn written_savepoints(&self) -> impl Iterator<Item = &Operation> {
        let done = |operation: &&Operation| operation.state == OperationState::Succeeded;
        self.operations.values().filter(done).filter(|operation| operation.savepoint_path.is_some())
    }
}

fn jobs_of(commit: &Commit) -> impl Iterator<Item = &Write> {
    commit.writes.iter().filter(|write| write.key.kind == "job")
}

/// The index row of the same commit holds the job without what was asked for, which is most of its text.
fn read_job(commit: &Commit, write: &Write) -> Option<Job> {
    let whole = write.expect == Expect::Absent || jobs_of(commit).count() > 1;
    let index = commit.writes.iter().find(|write| write.key.kind == "job.by_time" && write.put.is_some());
    let row = if whole { Some(write) } else { index }?;
    listed_job(&record(row)?).ok()
}

fn read_operation(write: &Write) -> Option<Operation> {
    parse_record(&record(write)?).ok()
}

fn record(write: &Write) -> Option<beam_mcp_core::store::Record> {
    let put = write.put.as_ref()?;
    Some(beam_mcp_core::store::Record {
        key: write.key.clone(),
        version: 1,
        op: String::new(),
        schema: put.schema,
        expires_at: put.expires_at,
        value: put.value.clone(),
    })
}
