use beam_mcp_core::{
    job::{Job, JobState, Operation, OperationKind, OperationState, Phase},
    store::{AuditChain, audit_head_key, job_writes, operation_key, parse_record},
};

use super::{Event, World};
use crate::{
    client::TENANTS,
    ledger::SeenJob,
    profile::Cell,
    runner::{Claim, End},
};

/// How long silence about a submission is watched before nothing can be on its way any more (G3).
const SETTLE_MS: u64 = 15 * 60 * 1000;
/// Three rounds of this world's reconcilers, which come at least this often once all should be settled, and one that seals
/// what the last of them has written.
const ROUNDS_MS: u64 = 4 * 75_000;
/// A job whose runner failed until then is looked at again within this time.
const FAILED_MS: u64 = 300_000;
/// Distance of the checks.
const EVERY_MS: u64 = 15_000;

type Open = (&'static str, String);

impl World<'_> {
    /// After the faults: ends the schedule once nothing is left to do, or once there was time enough for it.
    pub(super) fn settle(&mut self) {
        let open = self.open();
        let now = self.now;
        match open {
            None if self.turn() => self.queue.push(self.profile.quiet_at + 1_000, Event::Settle),
            None => {
                self.over = true;
                self.check_rows();
            }
            Some((invariant, text)) if now > self.profile.quiet_at.max(self.cut_until) + self.within_ms() => {
                self.ledger.broken(invariant, now, || format!("not settled: {text}"));
            }
            Some(_) => self.queue.push(now + EVERY_MS, Event::Settle),
        }
    }

    /// How long after the last fault everything must be settled. Of any class: after an unexplained send a cancel waits for
    /// the settle time also where the runner would take a second send for the first. What waits by the wall's time waits
    /// longer where walls were set back.
    fn within_ms(&self) -> u64 {
        let furthest = self.processes.iter().map(|process| process.furthest).max().unwrap_or(0);
        let last = self.processes.iter().map(|process| process.skew).min().unwrap_or(0);
        // Scripts of the simulator runner have outages that do not end with the faults, 20 s of each minute: a tick a minute
        // may meet one for a quarter of an hour.
        let outages = if self.profile.cell.is_simulated() { 6 * FAILED_MS } else { 0 };
        SETTLE_MS + ROUNDS_MS + FAILED_MS + outages + EVERY_MS + furthest.abs_diff(last)
    }

    /// The first thing that is not as it must be in the end.
    fn open(&self) -> Option<Open> {
        if self.in_flight > 0 || self.now < self.last_arrival + 10_000 {
            return Some(("I13", format!("{} writes are on their way", self.in_flight)));
        }
        if let Some(number) = self.clients.iter().position(|client| client.waiting > 0 || client.left > 0) {
            return Some(("I13", format!("client {number} waits for an answer")));
        }
        let jobs = self.ledger.jobs.iter().filter(|seen| seen.job.id.token().is_some());
        let job = jobs.map(|seen| self.open_job(seen)).find(Option::is_some).flatten();
        job.or_else(|| self.open_operation()).or_else(|| self.unsealed())
    }

    /// I8: audit rows do not wait for their seal for ever.
    fn unsealed(&self) -> Option<Open> {
        let waiting = self.store.of_kind("audit.new").count();
        (waiting > 0).then(|| ("I8", format!("{waiting} audit rows wait for their seal")))
    }

    fn open_job(&self, seen: &SeenJob) -> Option<Open> {
        let job = &seen.job;
        let id = &job.id;
        if !matches!(job.phase, Phase::Submitted | Phase::Parked) && !job.state.is_terminal() {
            return Some(("I3", format!("{id} is {:?} for ever", job.phase)));
        }
        let bound = self.bound(seen);
        let runs = self.runs(bound);
        if seen.cancel_acknowledged && runs {
            return Some(("I6", format!("{id} runs although its cancel was acknowledged")));
        }
        if job.state.is_terminal() && runs {
            return Some(("I9", format!("{id} is {} and runs", job.state.as_str())));
        }
        if job.phase == Phase::Parked && runs && self.profile.cell != Cell::None {
            return Some(("I3", format!("{id} is parked and runs")));
        }
        if let Some(token) = seen.tokens().find(|token| *token != bound && self.runs(token)) {
            return Some(("I6", format!("{id} runs as {bound}, and as {token}, which nobody wants")));
        }
        let live = job.phase == Phase::Submitted && job.state.is_live();
        if live && self.is_real() && !runs {
            return Some(("I13", format!("{id} is {} and does not run", job.state.as_str())));
        }
        self.wrong_end(seen)
    }

    /// Runners and children tell what is true.
    fn is_real(&self) -> bool {
        self.runner.is_some() || self.profile.cell == Cell::R9
    }

    fn runs(&self, token: &str) -> bool {
        match &self.runner {
            Some(runner) => runner.runs(token, self.now),
            None => self.children.runs(token, self.now),
        }
    }

    /// Token of what the row stands for: of an earlier generation, where an operator has adopted that.
    fn bound<'b>(&self, seen: &'b SeenJob) -> &'b str {
        let native = seen.job.native_id.as_ref();
        let shown = |token: &&str| {
            self.runner.as_ref().is_some_and(|runner| native.is_some_and(|id| runner.natives(token).contains(id)))
        };
        seen.tokens().rev().find(shown).unwrap_or(seen.tokens().last().unwrap_or_default())
    }

    /// I9: an end is what the runner saw.
    fn wrong_end(&self, seen: &SeenJob) -> Option<Open> {
        let (job, runner) = (&seen.job, self.runner.as_ref()?);
        let finished = matches!(job.state, JobState::Finished | JobState::Drained);
        let canceled = job.state == JobState::Canceled && job.ended_by.is_none();
        let claim = claim_of(job, self.bound(seen));
        if (finished || canceled) && runner.was_killed(&claim) {
            return Some(("I9", format!("{} is {} and was killed with its runner", job.id, job.state.as_str())));
        }
        if (job.unconfirmed && !self.profile.cell.deduplicates()) || seen.is_abandoned() {
            // It was never recognised, or is what an operator said: nobody can say how it ended.
            return None;
        }
        let end = runner.end_of(&claim, self.now)?;
        let fits = match job.state {
            JobState::Finished => end == End::Finished,
            JobState::Drained => end == End::Stopped(true),
            JobState::Canceled => matches!(end, End::Canceled | End::Stopped(_)),
            JobState::Failed => end == End::Failed,
            _ => true,
        };
        (!fits).then(|| ("I9", format!("{} is {} and ended {end:?}", job.id, job.state.as_str())))
    }

    fn open_operation(&self) -> Option<Open> {
        // A rescale that Flink never follows stays open for ten minutes of its own; a stuck script for ever.
        let open = self
            .ledger
            .open_operations()
            .find(|operation| operation.kind != OperationKind::Scale || operation.state == OperationState::Requested);
        if let Some(operation) = open.filter(|operation| !self.may_wait(&operation.job_id)) {
            return Some(("I13", format!("{} is {:?} for ever", operation.id, operation.state)));
        }
        let unwritten = self.ledger.written_savepoints().find(|operation| {
            let path = operation.savepoint_path.as_deref().unwrap_or_default();
            self.runner.as_ref().is_some_and(|runner| !runner.wrote(path))
        });
        let unwritten = unwritten.map(|operation| ("I9", format!("{} names a savepoint nobody wrote", operation.id)));
        unwritten.or_else(|| self.wrongly_lost())
    }

    /// I9: no drain is said not to have arrived that the runner did. On Lambda only the wall tells how long ago it was
    /// sent, and that may jump.
    fn wrongly_lost(&self) -> Option<Open> {
        let runner = self.runner.as_ref().filter(|_| !self.is_lambda())?;
        let drains = || self.ledger.operations.values().filter(|one| one.kind == OperationKind::Drain);
        let is_lost = |one: &&Operation| {
            let said = one.state == OperationState::Failed && one.diagnostics.contains("did not arrive");
            said && drains().filter(|other| other.job_id == one.job_id).count() == 1
        };
        let end_of_job = |one: &Operation| {
            let job = self.ledger.find(&one.job_id).map(|index| &self.ledger.jobs[index].job)?;
            runner.end_of(&claim_of(job, job.token()), self.now)
        };
        let wrong = drains().filter(is_lost).find(|one| end_of_job(one) == Some(End::Stopped(true)))?;
        Some(("I9", format!("{} is said not to have arrived, and the runner did it", wrong.id)))
    }

    /// Behind a rescale, or for what an operator decides about a parked job.
    fn may_wait(&self, job_id: &str) -> bool {
        let parked = |index: usize| self.ledger.jobs[index].job.phase == Phase::Parked;
        let scales = self.ledger.open_operations().any(|operation| {
            operation.job_id == job_id
                && operation.kind == OperationKind::Scale
                && operation.state != OperationState::Requested
        });
        scales || self.ledger.find(job_id).is_some_and(parked)
    }

    /// Index rows are those of their jobs, versions agree, what is open is there, the audit chain holds.
    fn check_rows(&mut self) {
        let broken = self.wrong_row().or_else(|| self.broken_chain().err().map(|text| ("I8", text)));
        if let Some((invariant, text)) = broken {
            let now = self.now;
            self.ledger.broken(invariant, now, || text);
        }
    }

    /// Every audit row that was written is in its tenant's chain.
    fn broken_chain(&self) -> Result<(), String> {
        let mut sealed = 0;
        for (tenant, ..) in TENANTS {
            let head = self.store.get(&audit_head_key(tenant)).map(parse_record).transpose();
            let mut chain = AuditChain::new(head.map_err(|error| error.to_string())?);
            let rows = self.store.of_kind("audit").filter(|row| row.key.tenant == tenant);
            for record in rows {
                chain.link(&parse_record(record).map_err(|error| error.to_string())?)?;
            }
            sealed += chain.finish()?;
        }
        let written = self.ledger.audits.len() as u64;
        if sealed >= written {
            Ok(())
        } else {
            Err(format!("{written} audit rows were written and {sealed} are sealed"))
        }
    }

    fn wrong_row(&self) -> Option<Open> {
        let mut indexed = 0;
        for record in self.store.of_kind("job") {
            let job: Job = match parse_record(record) {
                Ok(job) => job,
                Err(error) => return Some(("I3", format!("{} cannot be read: {error}", record.key.id))),
            };
            let tenant = &record.key.tenant;
            if job.version != record.version {
                return Some(("I4", format!("{} has version {} in its row", job.id, job.version)));
            }
            let writes = job_writes(tenant, None, &job).ok()?;
            for write in writes.iter().filter(|write| write.key.kind.starts_with("job.")) {
                let wanted = write.put.as_ref().map(|put| &put.value);
                if self.store.get(&write.key).map(|row| &row.value) != wanted {
                    return Some(("I3", format!("{} is not in its index {}", job.id, write.key.kind)));
                }
                indexed += 1;
            }
            let missing = |id: &&String| self.store.get(&operation_key(tenant, id)).is_none();
            if let Some(id) = job.open_operations.iter().find(missing) {
                return Some(("I3", format!("{id} is open and has no row")));
            }
        }
        let rows = self.store.records().filter(|record| record.key.kind.starts_with("job.")).count();
        (rows != indexed).then(|| ("I3", format!("{rows} index rows for {indexed} that belong to jobs")))
    }
}

/// What a row stands for under a name: what was canceled under it as somebody's repetition is not the job.
fn claim_of<'a>(job: &'a Job, token: &'a str) -> Claim<'a> {
    let native = job.native_id.as_deref();
    let strays = job.swept.iter().filter(|id| native != Some(id.as_str())).cloned().collect();
    Claim { token, native, strays }
}
