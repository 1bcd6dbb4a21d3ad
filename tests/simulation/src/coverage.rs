//! Which cells of (job state × effect × fault) the schedules went through, and how often.

use std::fmt::Write as _;

use beam_mcp_core::job::JobState;

use crate::{
    effects::Kind,
    fault::{FAULTS, Fault},
};

const STATES: usize = JobState::ALL.len() + 1;
const KINDS: usize = Kind::ALL.len();

/// Counts per cell.
#[derive(Clone, Debug)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { counts: vec![0; STATES * KINDS * FAULTS] }
    }
}

impl Coverage {
    /// Counts one effect.
    pub fn count(&mut self, state: Option<JobState>, kind: Kind, fault: Fault) {
        let state = state.map_or(0, |state| state as usize + 1);
        self.counts[(state * KINDS + kind as usize) * FAULTS + fault as usize] += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
    }

    /// Cells hit at all, and cells hit at least a hundred times.
    pub fn cells(&self) -> (usize, usize) {
        let hit = |least: u64| self.counts.iter().filter(|count| **count >= least).count();
        (hit(1), hit(100))
    }

    /// Cells that can be hit as far as these schedules know: each effect that was asked for in a state, with each fault
    /// that has struck an effect of its kind in any.
    pub fn reachable(&self) -> usize {
        let row = |state: usize, kind: usize| &self.counts[(state * KINDS + kind) * FAULTS..][..FAULTS];
        let asked = |kind: usize| (0..STATES).filter(|state| row(*state, kind).iter().any(|count| *count > 0)).count();
        let struck =
            |kind: usize| (0..FAULTS).filter(|fault| (0..STATES).any(|state| row(state, kind)[*fault] > 0)).count();
        (0..KINDS).map(|kind| asked(kind) * struck(kind)).sum()
    }

    /// How often a fault happened.
    pub fn strikes(&self, fault: Fault) -> u64 {
        self.counts.iter().skip(fault as usize).step_by(FAULTS).sum()
    }

    /// The table: one block per fault, a row per state, a column per effect; `.` for never.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (index, fault) in Fault::ALL.iter().enumerate() {
            self.block(&mut text, index, *fault);
        }
        text
    }

    fn block(&self, text: &mut String, index: usize, fault: Fault) {
        let _ = writeln!(text, "\n{} {}", fault.name(), fault.text());
        let _ = write!(text, "{:16}", "");
        for kind in Kind::ALL {
            let _ = write!(text, "{:>15}", kind.name());
        }
        let names = std::iter::once("(no job)").chain(JobState::ALL.iter().map(|state| state.as_str()));
        for (state, name) in names.enumerate() {
            let row: Vec<u64> = (0..KINDS).map(|kind| self.counts[(state * KINDS + kind) * FAULTS + index]).collect();
            if row.iter().all(|count| *count == 0) {
                continue;
            }
            let _ = write!(text, "\n{name:16}");
            for count in row {
                let shown = if count == 0 { ".".to_owned() } else { count.to_string() };
                let _ = write!(text, "{shown:>15}");
            }
        }
        let _ = writeln!(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_hit_is_what_was_asked_for_with_what_can_strike_it() {
        let mut coverage = Coverage::default();
        coverage.count(None, Kind::Get, Fault::None);
        coverage.count(Some(JobState::Running), Kind::Get, Fault::Crash);
        coverage.count(Some(JobState::Running), Kind::Scan, Fault::None);
        coverage.count(Some(JobState::Running), Kind::Scan, Fault::PowerCut);
        assert_eq!((coverage.cells().0, coverage.reachable()), (4, 6), "a get without a job may meet a crash too");
        coverage.count(Some(JobState::Failed), Kind::Commit, Fault::PowerCut);
        assert_eq!((coverage.strikes(Fault::PowerCut), coverage.strikes(Fault::Freeze)), (2, 0));
    }
}
