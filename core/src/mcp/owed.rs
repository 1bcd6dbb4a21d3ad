//! News that could not be told yet: what they tell of could not be read, and nothing else may ever move it again.

use std::{mem, time::Duration};

use super::listen::News;

/// Rest before what is owed is tried again; it doubles, so that a store that is down is left in peace.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// News owed to a subscriber: as many as it watches at most.
#[derive(Default)]
pub(super) struct Owed {
    news: Vec<News>,
    pause: Duration,
}

impl Owed {
    /// How long to rest where one rests so long when nothing is owed.
    pub(super) fn rest(&self, usual: Duration) -> Duration {
        if self.news.is_empty() { usual } else { self.pause }
    }

    /// What is to be told: what is owed, and what came; the same only once, since it is told as it is now.
    pub(super) fn with(&mut self, news: impl Iterator<Item = News>) -> Vec<News> {
        let mut all = mem::take(&mut self.news);
        self.pause = if all.is_empty() { FIRST } else { (self.pause * 2).min(LONGEST) };
        for news in news {
            if !all.contains(&news) {
                all.push(news);
            }
        }
        all
    }

    /// It could not be told.
    pub(super) fn keep(&mut self, news: News) {
        self.news.push(news);
    }
}
