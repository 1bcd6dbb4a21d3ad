//! The formulas: what a job is at a moment, computed from its row and the time alone.

use super::{
    plot::Plot,
    script::{self, Script},
};
use crate::{
    config::Target,
    error::Error,
    job::{Job, JobState, JobType},
};

/// Greatest speed: eleven days in a second.
pub(super) const FASTEST: f64 = 1e6;
/// How long a job is PENDING.
pub(super) const PENDING_MS: u64 = 1_000;
/// Distance of checkpoints of a streaming job.
pub(super) const CHECKPOINT_MS: u64 = 10_000;

/// A job's course on the scripted cluster, in simulated milliseconds since its submission.
pub(super) struct Course {
    pub(super) plot: Plot,
    pub(super) script: &'static Script,
    speed: f64,
    /// When the present generation was asked for.
    created_ms: u64,
    /// Where a request of ours ended it.
    ended_ms: Option<u64>,
}

impl Course {
    /// The course of a job.
    ///
    /// # Errors
    /// `failed_precondition` for a job that was not submitted to the simulator.
    pub(super) fn of(target: &Target, job: &Job) -> Result<Self, Error> {
        let plot = Plot::of(job)?;
        Ok(Self {
            script: script::find(&plot.script)?,
            plot,
            speed: speed(target),
            created_ms: if job.intended_ms == 0 { job.created_ms } else { job.intended_ms },
            ended_ms: job.ended_ms.filter(|_| job.ended_by.is_some()),
        })
    }

    /// Simulated time at a wall time.
    pub(super) fn at(&self, wall_ms: u64) -> u64 {
        scaled(wall_ms.saturating_sub(self.created_ms), self.speed)
    }

    /// First wall millisecond at which a simulated time is reached.
    pub(super) fn wall(&self, at_ms: u64) -> u64 {
        self.created_ms.saturating_add(unscaled(at_ms, self.speed))
    }

    /// Simulated time the job has lived: no further than its end.
    pub(super) fn lived(&self, wall_ms: u64) -> u64 {
        self.at(wall_ms).min(self.over().unwrap_or(u64::MAX))
    }

    /// When it ends by itself.
    pub(super) fn end(&self) -> Option<u64> {
        let ends = self.script.fails || self.plot.job_type == JobType::Batch;
        ends.then(|| PENDING_MS.saturating_add(self.plot.duration_ms))
    }

    /// When it is over, by itself or by a request of ours.
    pub(super) fn over(&self) -> Option<u64> {
        let asked = self.ended_ms.map(|at| self.at(at));
        self.end().into_iter().chain(asked).min()
    }

    /// How it ends by itself.
    pub(super) fn last_state(&self) -> JobState {
        if self.script.fails { JobState::Failed } else { JobState::Finished }
    }

    /// Its state, as far as no request of ours changed it.
    pub(super) fn state(&self, at_ms: u64) -> JobState {
        if at_ms < PENDING_MS {
            JobState::Pending
        } else if self.end().is_some_and(|end| at_ms >= end) {
            self.last_state()
        } else if self.script.recovers.is_some_and(|cycle| cycle.holds(at_ms)) {
            JobState::Recovering
        } else {
            JobState::Running
        }
    }

    /// Time it has been RUNNING.
    pub(super) fn worked(&self, at_ms: u64) -> u64 {
        let at_ms = at_ms.min(self.end().unwrap_or(u64::MAX));
        let away = self.script.recovers.map_or(0, |cycle| cycle.spent(at_ms));
        at_ms.saturating_sub(PENDING_MS).saturating_sub(away)
    }

    /// Times it has restarted itself.
    pub(super) fn restarts(&self, at_ms: u64) -> u64 {
        self.script.recovers.map_or(0, |cycle| cycle.begun(at_ms.min(self.end().unwrap_or(u64::MAX))))
    }

    /// Checkpoints completed.
    pub(super) fn checkpoints(&self, at_ms: u64) -> u64 {
        if self.plot.job_type == JobType::Streaming { self.worked(at_ms) / CHECKPOINT_MS } else { 0 }
    }

    /// When a checkpoint was completed: the first moment until `now_ms` that counts it.
    pub(super) fn completed_at(&self, checkpoint: u64, now_ms: u64) -> u64 {
        let (mut before, mut counted) = (0, now_ms);
        while before < counted {
            let middle = before.midpoint(counted);
            if self.checkpoints(middle) < checkpoint { before = middle + 1 } else { counted = middle }
        }
        counted
    }

    /// Records that arrived.
    pub(super) fn arrived(&self, at_ms: u64) -> u64 {
        self.plot.records_per_s.saturating_mul(self.worked(at_ms)) / 1_000
    }

    /// Records that were processed.
    pub(super) fn processed(&self, at_ms: u64) -> u64 {
        let arrived = u128::from(self.arrived(at_ms));
        let done = arrived * u128::from(100 - self.script.held_back_percent.min(100)) / 100;
        u64::try_from(done).unwrap_or(u64::MAX)
    }

    /// Records processed in a second of simulated time.
    pub(super) fn rate(&self, at_ms: u64) -> u64 {
        let runs = self.state(at_ms) == JobState::Running;
        if runs { self.plot.records_per_s * (100 - self.script.held_back_percent.min(100)) / 100 } else { 0 }
    }
}

/// How many times faster than the wall clock a target is.
pub(super) fn speed(target: &Target) -> f64 {
    target.speed.filter(|speed| *speed > 0.0 && *speed <= FASTEST).unwrap_or(1.0)
}

/// Simulated time between two wall times.
pub(super) fn between(target: &Target, from_ms: u64, to_ms: u64) -> u64 {
    scaled(to_ms.saturating_sub(from_ms), speed(target))
}

fn scaled(ms: u64, speed: f64) -> u64 {
    whole(float(ms) * speed)
}

fn unscaled(ms: u64, speed: f64) -> u64 {
    whole((float(ms) / speed).ceil())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a life fit the mantissa")]
fn float(ms: u64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; beyond u64 it saturates")]
fn whole(ms: f64) -> u64 {
    ms as u64
}
