use beam_mcp_core::job_api::message::State;

use super::Kind;
use crate::{random::Random, runner::End};

/// A pipeline that was handed over. What it is at a moment is computed from what was asked of it and when.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) options: Vec<u8>,
    pub(super) token: String,
    prepared: u64,
    ran: Option<u64>,
    running: u64,
    ends: Vec<(u64, End)>,
    cancelling: Option<u64>,
    /// From when on it is called CANCELLED although it goes on.
    pretends: Option<u64>,
}

impl Pipeline {
    pub(super) fn new(id: &str, name: &str, options: Vec<u8>, token: String, now: u64) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            options,
            token,
            prepared: now,
            ran: None,
            running: 0,
            ends: Vec::new(),
            cancelling: None,
            pretends: None,
        }
    }

    /// What the core calls it.
    pub(super) fn native_id(&self) -> String {
        format!("{}.{}", self.id, self.token)
    }

    /// Python's service runs a pipeline to its end; one in four of Prism's never ends by itself. One in ten is cancelled
    /// by somebody else.
    pub(super) fn run(&mut self, now: u64, random: &mut Random, kind: Kind) {
        self.ran = Some(now);
        self.running = now + random.between(50, 2_000);
        let failed = if random.chance(1_200) { End::Failed } else { End::Finished };
        let bounded = kind == Kind::Python || random.chance(7_500);
        let end = self.running + random.between(500, 90_000);
        let cancelled = self.running + random.between(500, 60_000);
        if bounded {
            self.ends.push((end, failed));
        }
        match kind {
            Kind::Python if random.chance(1_000) => self.pretend(cancelled),
            Kind::Prism if random.chance(1_000) => self.cancel(cancelled, cancelled + 500),
            Kind::Python | Kind::Prism => {}
        }
    }

    pub(super) fn cancel(&mut self, now: u64, ends: u64) {
        if self.ran.is_some() && self.end(now).is_none() {
            self.cancelling = Some(self.cancelling.unwrap_or(now));
            self.ends.push((ends, End::Canceled));
        }
    }

    pub(super) fn pretend(&mut self, from: u64) {
        self.pretends = Some(self.pretends.unwrap_or(from));
    }

    /// A planted bug: what was forgotten is said to have been cancelled.
    pub(super) fn ended_by_cancel(self, now: u64) -> Self {
        Self { ends: vec![(now, End::Canceled)], ..self }
    }

    /// When and how it ended by a moment.
    fn ended(&self, at: u64) -> Option<(u64, End)> {
        self.ends.iter().copied().min_by_key(|(end, _)| *end).filter(|(end, _)| *end <= at)
    }

    pub(super) fn end(&self, at: u64) -> Option<End> {
        self.ended(at).map(|(_, end)| end)
    }

    /// True while it executes.
    pub(super) fn runs(&self, at: u64) -> bool {
        self.ran.is_some() && self.end(at).is_none()
    }

    /// Beam's number of its state.
    pub(super) fn state(&self, at: u64) -> State {
        match self.end(at) {
            Some(End::Finished | End::Stopped(_)) => State::DONE,
            Some(End::Canceled) => State::CANCELLED,
            Some(End::Failed) => State::FAILED,
            None if self.pretends.is_some_and(|from| from <= at) => State::CANCELLED,
            None if self.cancelling.is_some_and(|from| from <= at) => State::CANCELLING,
            None if self.ran.is_none() => State::STOPPED,
            None if at < self.running => State::STARTING,
            None => State::RUNNING,
        }
    }

    /// Since when it is in its state, about.
    pub(super) fn since(&self, at: u64) -> u64 {
        self.ended(at).map_or(self.ran.unwrap_or(self.prepared), |(end, _)| end)
    }
}
