//! What a run of many schedules showed.

use std::{collections::BTreeMap, time::Duration};

use beam_mcp_simulation::{Cell, Coverage, Ended, Fault, Fixed, Flavour, Mode, Profile, Violation};

use crate::command::Command;

/// Runner, store and mode of a schedule, by their places.
type Kind = (usize, usize, usize);

/// Sums over schedules.
#[derive(Default)]
pub(crate) struct Report {
    schedules: u64,
    pub(crate) steps: u64,
    jobs: u64,
    parked: u64,
    by_kind: BTreeMap<Kind, u64>,
    /// The longest time from the last fault until all was settled, by cell.
    longest: BTreeMap<usize, u64>,
    pub(crate) coverage: Coverage,
    pub(crate) failed: Vec<(u64, Fixed, Violation)>,
}

impl Report {
    /// Adds a schedule; true when it failed.
    pub(crate) fn add(&mut self, seed: u64, fixed: &Fixed, ended: Ended) -> bool {
        let profile = Profile::draw(seed, fixed);
        self.schedules += 1;
        self.steps += ended.steps;
        self.jobs += ended.jobs;
        self.parked += ended.parked;
        *self.by_kind.entry(place((profile.cell, profile.flavour, profile.mode))).or_default() += 1;
        let longest = self.longest.entry(profile.cell as usize).or_default();
        *longest = (*longest).max(ended.settled);
        let failed = ended.violation.is_some();
        self.failed.extend(ended.violation.map(|violation| (seed, fixed.clone(), violation)));
        failed
    }

    /// Schedules of one kind.
    pub(crate) fn of_kind(&self, kind: (Cell, Flavour, Mode)) -> u64 {
        self.by_kind.get(&place(kind)).copied().unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn print(&self, took: Duration, command: &Command) {
        let (seconds, schedules, steps) = (took.as_secs_f64().max(0.001), self.schedules as f64, self.steps as f64);
        println!("schedules        {:>12}  in {seconds:.1} s on {} threads", self.schedules, command.threads);
        println!("schedules/s      {:>12.0}", schedules / seconds);
        println!("steps            {:>12}", self.steps);
        println!(
            "steps/s          {:>12.0}  per thread {:.0}",
            steps / seconds,
            steps / seconds / command.threads as f64
        );
        println!("mean steps       {:>12.1}", steps / schedules.max(1.0));
        println!("jobs             {:>12}  parked {}", self.jobs, self.parked);
        let (hit, often) = self.coverage.cells();
        let all = self.coverage.reachable();
        println!(
            "cells            {hit:>12}  of {all} of state x effect x fault hit, {often} of them 100 times or more"
        );
        println!("power cuts       {:>12}", self.coverage.strikes(Fault::PowerCut));
        println!("failed           {:>12}", self.failed.len());
        let settled = self.longest.iter().map(|(cell, most)| format!("{:?} {}", Cell::ALL[*cell], most / 1000));
        println!("settled within s {:>12}", settled.collect::<Vec<_>>().join(", "));
        for ((cell, store, mode), count) in &self.by_kind {
            let kind = format!("{:?} {:?} {:?}", Cell::ALL[*cell], Flavour::ALL[*store], Mode::ALL[*mode]);
            println!("  {:28} {count:>10}", kind.to_lowercase());
        }
        if command.coverage {
            println!("{}", self.coverage.table());
        }
    }
}

fn place((cell, store, mode): (Cell, Flavour, Mode)) -> Kind {
    (cell as usize, store as usize, mode as usize)
}
