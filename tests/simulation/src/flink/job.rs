use std::collections::{BTreeMap, BTreeSet};

use crate::{random::Random, runner::End};

use super::REMEMBERED_MS;

/// Flink's word for an end: it has one for both ways of finishing.
pub(super) fn word(end: End) -> &'static str {
    match end {
        End::Finished | End::Stopped(_) => "FINISHED",
        End::Canceled => "CANCELED",
        End::Failed => "FAILED",
    }
}

/// A job on the cluster. What it is at a moment is computed from what was asked of it and when.
#[derive(Debug)]
pub struct FlinkJob {
    pub(super) id: String,
    /// When it was submitted.
    pub started: u64,
    created: u64,
    running: u64,
    restarts: Option<(u64, u64)>,
    ends: Vec<(u64, End)>,
    pub(super) batch: bool,
    pub(super) parallelism: u64,
    wish: Option<(u64, u64)>,
    cancel_from: Option<u64>,
    pub(super) savepoints: BTreeMap<String, Savepoint>,
}

/// A savepoint, stop or drain.
#[derive(Clone, Debug)]
pub(super) struct Savepoint {
    pub(super) begun: u64,
    pub(super) done: u64,
    pub(super) fails: bool,
    pub(super) stop: Option<bool>,
    written: bool,
}

/// What the status of a trigger says.
#[derive(Debug)]
pub(super) enum Status {
    Working,
    Written(String),
    Failed(&'static str),
}

impl FlinkJob {
    pub(super) fn new(id: &str, now: u64, random: &mut Random, batch: bool) -> Self {
        let created = now + random.between(50, 1_500);
        let running = created + random.between(50, 4_000);
        let mut job = Self {
            id: id.to_owned(),
            started: now,
            created,
            running,
            restarts: None,
            ends: Vec::new(),
            batch,
            parallelism: 1,
            wish: None,
            cancel_from: None,
            savepoints: BTreeMap::new(),
        };
        if batch {
            job.ends.push((running + random.between(1_000, 60_000), End::Finished));
        }
        if random.chance(800) {
            job.ends.push((running + random.between(0, 60_000), End::Failed));
        }
        if random.chance(1_500) {
            let from = running + random.between(1_000, 40_000);
            job.restarts = Some((from, from + random.between(200, 10_000)));
        }
        job
    }

    pub(super) fn fail_at(&mut self, at: u64) {
        self.ends.push((at, End::Failed));
    }

    fn first_end(&self) -> Option<(u64, End)> {
        self.ends.iter().copied().min_by_key(|(at, _)| *at)
    }

    /// How it has ended by a moment.
    pub(super) fn end(&self, at: u64) -> Option<End> {
        self.first_end().filter(|(end, _)| *end <= at).map(|(_, end)| end)
    }

    pub(super) fn ended_at(&self, at: u64) -> Option<u64> {
        self.first_end().map(|(end, _)| end).filter(|end| *end <= at)
    }

    /// Flink's word for its state at a moment.
    pub(super) fn state(&self, at: u64) -> &'static str {
        match self.end(at) {
            Some(end) => word(end),
            None if self.cancel_from.is_some_and(|from| from <= at) => "CANCELLING",
            None if at < self.created => "INITIALIZING",
            None if at < self.running => "CREATED",
            None if self.restarts.is_some_and(|(from, to)| (from..to).contains(&at)) => "RESTARTING",
            None => "RUNNING",
        }
    }

    pub(super) fn parallelism_at(&self, at: u64) -> u64 {
        self.wish.filter(|(_, from)| *from <= at).map_or(self.parallelism, |(wish, _)| wish)
    }

    pub(super) fn cancel(&mut self, at: u64) {
        self.cancel_from = Some(self.cancel_from.unwrap_or(at.saturating_sub(1)));
        self.ends.push((at, End::Canceled));
    }

    pub(super) fn rescale(&mut self, wish: u64, at: u64) {
        self.wish = Some((wish, at));
    }

    pub(super) fn remembers(&self, trigger: &str, now: u64) -> bool {
        self.savepoints.get(trigger).is_some_and(|savepoint| savepoint.begun + REMEMBERED_MS > now)
    }

    pub(super) fn savepoint(&mut self, trigger: &str, now: u64, random: &mut Random, stop: Option<bool>) {
        let done = now + random.between(100, 9_000);
        let fails = self.batch || self.state(now) != "RUNNING" || random.chance(1_000);
        self.savepoints.insert(trigger.to_owned(), Savepoint { begun: now, done, fails, stop, written: false });
        if let (Some(drain), false) = (stop, fails) {
            self.ends.push((done + random.between(10, 2_000), End::Stopped(drain)));
        }
    }

    /// Writes down what is finished by now: a savepoint under way when the job ends fails with it.
    pub(super) fn settle(&mut self, id: &str, now: u64, written: &mut BTreeSet<String>) {
        let end = self.first_end().map_or(u64::MAX, |(at, _)| at);
        for (trigger, savepoint) in &mut self.savepoints {
            savepoint.fails |= end < savepoint.done;
            if savepoint.done <= now && !savepoint.fails && !savepoint.written {
                savepoint.written = true;
                written.insert(path(id, trigger));
            }
        }
    }

    pub(super) fn status(&self, id: &str, trigger: &str, now: u64) -> Option<Status> {
        let savepoint = self.savepoints.get(trigger).filter(|savepoint| savepoint.begun + REMEMBERED_MS > now)?;
        Some(match savepoint.done <= now {
            false => Status::Working,
            true if savepoint.fails => Status::Failed(if self.end(now).is_some() { "gone" } else { "failed" }),
            true => Status::Written(path(id, trigger)),
        })
    }

    /// Savepoints finished by a moment, the newest last.
    pub(super) fn finished(&self, at: u64) -> Vec<(&str, &Savepoint)> {
        let done = self.savepoints.iter().filter(|(_, savepoint)| savepoint.done <= at && savepoint.written);
        let mut all: Vec<_> = done.map(|(trigger, savepoint)| (trigger.as_str(), savepoint)).collect();
        all.sort_by_key(|(_, savepoint)| savepoint.done);
        all
    }

    pub(super) fn last_end(&self, at: u64) -> i64 {
        self.ended_at(at).and_then(|end| i64::try_from(end).ok()).unwrap_or(-1)
    }
}

/// Where a savepoint lies.
pub(super) fn path(id: &str, trigger: &str) -> String {
    let short = |text: &str, most: usize| text.get(..most).unwrap_or(text).to_owned();
    format!("file:/srv/flink/savepoints/savepoint-{}-{}", short(id, 6), short(trigger, 12))
}
