use crate::{random::Random, runner::End};

/// What an update asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    Nothing,
    Cancel,
    Drain,
    /// Least and most workers.
    Workers(u64, u64),
}

/// A job. What it is at a moment is computed from what was asked of it and when.
#[derive(Debug)]
pub(super) struct DataflowJob {
    pub(super) id: String,
    pub(super) name: String,
    /// Of its label.
    pub(super) token: String,
    pub(super) streaming: bool,
    pub(super) created: u64,
    /// From when on it is shown.
    pub(super) shown: u64,
    pub(super) running: u64,
    draining: Option<u64>,
    cancelling: Option<u64>,
    ends: Vec<(u64, End)>,
    workers: Option<(u64, u64, u64)>,
}

impl DataflowJob {
    /// Workers take half a minute and more to start, and no job ends by itself before they have, nor before it is shown.
    pub(super) fn new(id: String, name: &str, token: &str, now: u64, random: &mut Random, streaming: bool) -> Self {
        let hidden = if random.chance(1_500) { random.between(10_000, 60_000) } else { random.between(0, 5_000) };
        let hidden = slow(token).unwrap_or(hidden);
        let running = now + random.between(30_000, 90_000);
        let least = running.max(now + hidden);
        let mut job = Self {
            id,
            name: name.to_owned(),
            token: token.to_owned(),
            streaming,
            created: now,
            shown: now + hidden,
            running,
            draining: None,
            cancelling: None,
            ends: Vec::new(),
            workers: None,
        };
        if random.chance(800) {
            job.ends.push((least + random.between(30_000, 120_000), End::Failed));
        }
        if !streaming {
            job.ends.push((least + random.between(30_000, 180_000), End::Finished));
        }
        job
    }

    /// When and how it ended by a moment.
    pub(super) fn ended(&self, at: u64) -> Option<(u64, End)> {
        self.ends.iter().copied().min_by_key(|(end, _)| *end).filter(|(end, _)| *end <= at)
    }

    pub(super) fn end(&self, at: u64) -> Option<End> {
        self.ended(at).map(|(_, end)| end)
    }

    /// Dataflow's word for its state at a moment.
    pub(super) fn state(&self, at: u64) -> &'static str {
        match self.end(at) {
            Some(End::Finished) => "DONE",
            Some(End::Stopped(_)) => "DRAINED",
            Some(End::Canceled) => "CANCELLED",
            Some(End::Failed) => "FAILED",
            None if self.cancelling.is_some_and(|from| from <= at) => "CANCELLING",
            None if self.draining.is_some_and(|from| from <= at) => "DRAINING",
            None if at < self.running => "PENDING",
            None => "RUNNING",
        }
    }

    pub(super) fn is_running_stream(&self, at: u64) -> bool {
        self.streaming && self.state(at) == "RUNNING"
    }

    /// Does what an update asks for, or says why not.
    pub(super) fn change(&mut self, wish: &Wish, now: u64, random: &mut Random) -> Result<(), String> {
        if self.end(now).is_some() {
            return Err(format!("Cannot modify a terminated job {}: it is {}.", self.id, self.state(now)));
        }
        match *wish {
            Wish::Cancel if self.cancelling.is_none() => {
                self.cancelling = Some(now + random.between(0, 2_000));
                self.ends.push((now + random.between(3_000, 90_000), End::Canceled));
            }
            Wish::Drain if self.is_running_stream(now) => {
                self.draining = Some(now + random.between(0, 2_000));
                self.ends.push((now + random.between(3_000, 120_000), End::Stopped(true)));
            }
            Wish::Drain if self.state(now) != "DRAINING" => {
                return Err("Only a running streaming job can be drained.".into());
            }
            Wish::Workers(least, most) if self.streaming => {
                self.workers = Some((least, most, now + random.between(0, 5_000)));
            }
            Wish::Workers(..) => return Err("The field is supported for streaming jobs only.".into()),
            Wish::Nothing => return Err("The requested state cannot be asked for.".into()),
            Wish::Cancel | Wish::Drain => {}
        }
        Ok(())
    }

    /// A planted bug: what was asked for is shown and does not happen.
    pub(super) fn forget_wish(&mut self) {
        self.ends.retain(|(_, end)| !matches!(end, End::Canceled | End::Stopped(_)));
    }

    /// Least and most workers, where somebody has set them.
    pub(super) fn workers(&self, at: u64) -> Option<(u64, u64)> {
        self.workers.filter(|(_, _, from)| *from <= at).map(|(least, most, _)| (least, most))
    }
}

/// How long one in twenty is not shown: told by its token, so that it takes no draw.
fn slow(token: &str) -> Option<u64> {
    let drawn = u64::from_str_radix(token.get(24..)?, 16).ok()?;
    drawn.is_multiple_of(20).then_some(60_000 + drawn % 240_000)
}
