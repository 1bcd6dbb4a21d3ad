//! Topics of this process: hints that something moved. What is true is re-read from the store.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use beam_mcp_core::{effect::Reply, store::Commit};
use tokio::sync::Notify;

/// Topics remembered while nobody waits for them.
const MOST_TOPICS: usize = 4096;
/// Bytes of payload remembered in all.
const MOST_BYTES: usize = 4 << 20;
/// Longest payload; a longer one is left out and the topic moves without it.
const MOST_PAYLOAD: usize = 64 << 10;

/// All topics.
///
/// # Shape
/// One sequence number counts over all topics. What is forgotten raises `floor`: a waiter that saw less than the floor
/// of a forgotten topic is woken once for nothing, and never misses a move.
#[derive(Debug, Default)]
pub struct Topics(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seq: u64,
    floor: u64,
    bytes: usize,
    topics: HashMap<String, Topic>,
    by_age: BTreeMap<u64, String>,
    /// Waits so far: each has a number of its own.
    waits: u64,
}

#[derive(Debug, Default)]
struct Topic {
    seq: u64,
    payload: String,
    waiters: BTreeMap<u64, Arc<Notify>>,
}

impl Topics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a topic.
    pub fn publish(&self, name: &str, payload: String) {
        self.lock().publish(name, payload);
    }

    /// The topics of the records a commit writes: `kind/id`.
    pub fn of(commit: &Commit) -> Vec<String> {
        commit.writes.iter().map(|write| format!("{}/{}", write.key.kind, write.key.id)).collect()
    }

    /// Moves topics without a payload.
    pub fn announce(&self, names: &[String]) {
        let mut state = self.lock();
        for name in names {
            state.publish(name, String::new());
        }
    }

    /// Waits until one of the topics moves past what was seen of it: [`Reply::Woken`] or [`Reply::Elapsed`].
    pub async fn wait(&self, topics: &[(String, u64)], limit: Duration) -> Reply {
        let deadline = tokio::time::Instant::now() + limit.min(Duration::from_secs(86_400));
        let place = Place::take(self, topics);
        loop {
            let moved = self.lock().moved(topics);
            if !moved.is_empty() {
                return Reply::Woken { topics: moved };
            }
            if tokio::time::timeout_at(deadline, place.bell.notified()).await.is_err() {
                return Reply::Elapsed;
            }
        }
    }
}

impl State {
    fn publish(&mut self, name: &str, payload: String) {
        self.seq += 1;
        let payload = if payload.len() > MOST_PAYLOAD { String::new() } else { payload };
        let topic = self.topics.entry(name.to_owned()).or_default();
        self.by_age.remove(&topic.seq);
        self.bytes = self.bytes + payload.len() - topic.payload.len();
        topic.seq = self.seq;
        topic.payload = payload;
        topic.waiters.values().for_each(|bell| bell.notify_one());
        self.by_age.insert(self.seq, name.to_owned());
        self.forget();
    }

    fn forget(&mut self) {
        while self.by_age.len() > MOST_TOPICS || self.bytes > MOST_BYTES {
            let Some((seq, name)) = self.by_age.pop_first() else { break };
            self.floor = seq;
            match self.topics.get_mut(&name) {
                Some(topic) if !topic.waiters.is_empty() => self.bytes -= std::mem::take(&mut topic.payload).len(),
                _ => self.bytes -= self.topics.remove(&name).map_or(0, |topic| topic.payload.len()),
            }
        }
    }

    fn moved(&self, topics: &[(String, u64)]) -> Vec<(String, u64, String)> {
        topics
            .iter()
            .filter_map(|(name, seen)| {
                let topic = self.topics.get(name)?;
                (topic.seq > *seen).then(|| (name.clone(), topic.seq, topic.payload.clone()))
            })
            .collect()
    }

    fn leave(&mut self, name: &str, wait: u64) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        topic.waiters.remove(&wait);
        if topic.waiters.is_empty() && !self.by_age.contains_key(&topic.seq) {
            self.topics.remove(name);
        }
    }
}

/// A waiter's place at its topics, given up when dropped.
struct Place<'a> {
    topics: &'a Topics,
    names: &'a [(String, u64)],
    wait: u64,
    bell: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(topics: &'a Topics, names: &'a [(String, u64)]) -> Self {
        let bell = Arc::new(Notify::new());
        let mut state = topics.lock();
        state.waits += 1;
        let (floor, wait) = (state.floor, state.waits);
        for (name, _) in names {
            let fresh = || Topic { seq: floor, ..Topic::default() };
            state.topics.entry(name.clone()).or_insert_with(fresh).waiters.insert(wait, bell.clone());
        }
        drop(state);
        Self { topics, names, wait, bell }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.topics.lock();
        for (name, _) in self.names {
            state.leave(name, self.wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, seq: u64) -> Vec<(String, u64)> {
        vec![(name.to_owned(), seq)]
    }

    #[tokio::test]
    async fn a_move_between_reading_and_waiting_is_not_missed() {
        let topics = Topics::default();
        topics.publish("job/a", "x".into());
        let woken = topics.wait(&seen("job/a", 0), Duration::from_secs(9)).await;
        assert_eq!(woken, Reply::Woken { topics: vec![("job/a".into(), 1, "x".into())] });
        let quiet = topics.wait(&seen("job/a", 1), Duration::from_millis(5)).await;
        assert_eq!(quiet, Reply::Elapsed);
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_its_topic_alone() {
        let topics = Arc::new(Topics::default());
        let waiting = tokio::spawn({
            let topics = topics.clone();
            async move { topics.wait(&seen("b", 0), Duration::from_secs(9)).await }
        });
        tokio::task::yield_now().await;
        topics.publish("a", String::new());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        topics.publish("b", "2".into());
        assert_eq!(waiting.await.unwrap(), Reply::Woken { topics: vec![("b".into(), 2, "2".into())] });
        assert_eq!(topics.lock().topics["b"].waiters.len(), 0);
    }

    #[tokio::test]
    async fn forgotten_topics_wake_once_and_memory_stays_bounded() {
        let topics = Topics::default();
        for number in 0..MOST_TOPICS * 2 {
            topics.publish(&format!("t/{number}"), "p".repeat(2048));
        }
        let floor = {
            let state = topics.lock();
            assert!(state.bytes <= MOST_BYTES && state.topics.len() <= MOST_TOPICS && state.floor > 0);
            state.floor
        };
        let Reply::Woken { topics: moved } = topics.wait(&seen("t/0", 1), Duration::from_secs(9)).await else {
            panic!("not woken")
        };
        assert_eq!(moved[0].1, floor);
        assert_eq!(topics.wait(&seen("t/0", floor), Duration::from_millis(5)).await, Reply::Elapsed);
        assert!(!topics.lock().topics.contains_key("t/0"));
    }
}
