use crate::{random::Random, runner::End};

/// A driver. What it is at a moment is computed from what was asked of it and when.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) token: String,
    pub(super) class: String,
    pub(super) app: String,
    pub(super) submitted: u64,
    /// When a worker took it.
    pub(super) placed: u64,
    /// When its launch command stands in its log; a jar that cannot be fetched leaves none.
    launched: Option<u64>,
    /// When it became an application, and until when that waits for executors.
    connected: u64,
    waits_until: u64,
    ends: Vec<(u64, End)>,
}

impl Driver {
    /// A driver that a worker takes after `from`: in one of eight cases only once there is room.
    pub(super) fn new(
        token: &str,
        class: &str,
        app: &str,
        now: u64,
        from: u64,
        random: &mut Random,
        batch: bool,
    ) -> Self {
        let placed = from + if random.chance(1_200) { random.between(1_000, 60_000) } else { random.between(20, 900) };
        let launched = placed + random.between(50, 3_000);
        let connected = launched + random.between(500, 8_000);
        let mut driver = Self {
            token: token.to_owned(),
            class: class.to_owned(),
            app: app.to_owned(),
            submitted: now,
            placed,
            launched: Some(launched),
            connected,
            waits_until: connected + if random.chance(1_500) { random.between(1_000, 40_000) } else { 0 },
            ends: Vec::new(),
        };
        if random.chance(300) {
            driver.launched = None;
            driver.ends.push((placed + random.between(20, 400), End::Failed));
        }
        if random.chance(800) {
            driver.ends.push((launched + random.between(0, 60_000), End::Failed));
        }
        if batch {
            driver.ends.push((connected + random.between(1_000, 60_000), End::Finished));
        }
        driver
    }

    pub(super) fn kill(&mut self, at: u64) {
        self.ends.push((at, End::Canceled));
    }

    /// How it has ended by a moment.
    pub(super) fn end(&self, at: u64) -> Option<End> {
        self.ends.iter().copied().min_by_key(|(end, _)| *end).filter(|(end, _)| *end <= at).map(|(_, end)| end)
    }

    /// Spark's word for its state at a moment.
    pub(super) fn state(&self, at: u64) -> &'static str {
        match self.end(at) {
            Some(End::Finished | End::Stopped(_)) => "FINISHED",
            Some(End::Canceled) => "KILLED",
            Some(End::Failed) if self.launched.is_none() => "ERROR",
            Some(End::Failed) => "FAILED",
            None if at < self.placed => "SUBMITTED",
            None => "RUNNING",
        }
    }

    /// State of its application at a moment; `None` before it has become one.
    pub(super) fn app_state(&self, at: u64) -> Option<&'static str> {
        let ended = self.ends.iter().map(|(end, _)| *end).min().unwrap_or(u64::MAX);
        let became = self.launched.is_some() && self.connected <= at.min(ended);
        became.then(|| match self.end(at) {
            Some(_) => "FINISHED",
            None if at < self.waits_until => "WAITING",
            None => "RUNNING",
        })
    }

    pub(super) fn connected(&self) -> u64 {
        self.connected
    }

    /// What it wrote by a moment; `None` before its worker has begun its log.
    pub(super) fn stderr(&self, at: u64, unmarked: bool) -> Option<String> {
        let ended = self.ends.iter().map(|(end, _)| *end).min().unwrap_or(u64::MAX);
        self.launched.filter(|launched| *launched <= at && *launched <= ended)?;
        let marker = if unmarked { String::new() } else { format!(" \"-Dspark.beam.jobId={}\"", self.token) };
        let mut text = format!(
            "Launch Command: \"/usr/bin/java\" \"-Dspark.app.name={}\"{marker} \"{}\"\n========================================\n\n",
            self.app, self.class
        );
        if self.app_state(at).is_some() {
            text.push_str("26/11/25 19:58:51 INFO StandaloneSchedulerBackend: Connected to Spark cluster with app ID ");
            text.push_str(&super::answer::app_id(self));
            text.push('\n');
        }
        if self.end(at) == Some(End::Failed) {
            text.push_str("Exception in thread \"main\" java.lang.IllegalStateException: told to fail\n");
        }
        Some(text)
    }
}
