use super::Io;

/// One request among those that a flow carries out, which another flow may cancel.
pub(in crate::flow) struct Turn {
    /// Wakes its waits.
    topic: String,
    /// How far the topic had moved: hosts move one that they forgot, which is no cancellation.
    seen: u64,
    cancelled: bool,
    /// What the flow owed before.
    must_finish: bool,
}

impl Turn {
    /// True when it is to end: an intent that is durable is carried out although nobody waits for it.
    pub(in crate::flow) fn ends(&self, must_finish: bool) -> bool {
        self.cancelled && !must_finish
    }
}

impl Io {
    /// A request is at work from here on.
    pub(crate) fn begin_turn(&self, topic: String) {
        let mut port = self.0.lock();
        let must_finish = std::mem::take(&mut port.must_finish);
        port.turn = Some(Turn { topic, seen: 0, cancelled: false, must_finish });
    }

    /// The request is over; true when it was cancelled, so that nobody waits for the answer.
    pub(crate) fn end_turn(&self) -> bool {
        let mut port = self.0.lock();
        let Some(turn) = port.turn.take() else { return false };
        port.must_finish = turn.must_finish;
        turn.cancelled
    }

    /// Cancels the request at work, from another flow; the topic to publish.
    pub(crate) fn cancel_turn(&self) -> Option<String> {
        let mut port = self.0.lock();
        let turn = port.turn.as_mut()?;
        turn.cancelled = true;
        Some(turn.topic.clone())
    }

    /// What wakes the request at work when it is cancelled, and how far it had moved.
    pub(super) fn turn_topic(&self) -> Option<(String, u64)> {
        let port = self.0.lock();
        port.turn.as_ref().filter(|_| !port.must_finish).map(|turn| (turn.topic.clone(), turn.seen))
    }

    /// What moved besides the topic of the request at work; `None` where only that did.
    pub(super) fn news(&self, mut moved: Vec<(String, u64, String)>) -> Option<Vec<(String, u64, String)>> {
        let mut port = self.0.lock();
        let Some(turn) = port.turn.as_mut() else { return Some(moved) };
        let Some(at) = moved.iter().position(|(topic, ..)| *topic == turn.topic) else { return Some(moved) };
        turn.seen = moved.remove(at).1;
        Some(moved).filter(|moved| !moved.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        effect::{Effect, Reply},
        error::{Error, ErrorKind},
        flow::{Flow, Io, Now, Step, Wake},
    };

    /// How the wait of each request ended, and whether it was cancelled.
    type Ends = [(Option<ErrorKind>, bool); 2];

    /// Two requests that wait, the first of which may owe its end; what became of them.
    async fn two(io: Io, owes: bool) -> Result<Ends, Error> {
        let mut ends = Vec::new();
        for number in 0..2 {
            io.begin_turn(format!("turn/{number}"));
            if owes && number == 0 {
                io.intent_is_durable();
            }
            let waited = io.sleep(Duration::from_millis(5)).await;
            ends.push((waited.err().map(|error| error.kind()), io.end_turn()));
        }
        ends.try_into().map_err(|_| Error::misuse("two"))
    }

    /// Steps the flow; the first effect is answered after a cancellation.
    fn play(owes: bool) -> (Vec<Effect>, Ends, bool) {
        let mut handle = None;
        let mut flow = Flow::new(|io| {
            handle = Some(io.clone());
            two(io, owes)
        });
        let (io, mut effects, mut reply) = (handle.unwrap(), Vec::new(), None);
        loop {
            let effect = match flow.step(Now::default(), reply.take()) {
                Step::Done(ends) => return (effects, ends.unwrap(), flow.must_finish()),
                Step::Effect(effect) => effect,
            };
            let topic = if effects.is_empty() { io.cancel_turn() } else { None };
            reply = Some(match (&effect, topic) {
                (Effect::Wait { topics, .. }, Some(topic)) if topics[0].0 == topic => {
                    Reply::Woken { topics: vec![(topic, 1, String::new())] }
                }
                _ => Reply::Elapsed,
            });
            effects.push(effect);
        }
    }

    #[test]
    fn another_flow_ends_the_request_at_work_and_only_that() {
        let wait = |number: u32| Effect::Wait { topics: vec![(format!("turn/{number}"), 0)], timeout_ms: 5 };
        let (effects, ends, _) = play(false);
        assert_eq!(effects, [wait(0), wait(1)]);
        assert_eq!(ends, [(Some(ErrorKind::Cancelled), true), (None, false)]);
    }

    #[test]
    fn a_topic_that_moved_without_a_cancellation_wakes_nobody_twice() {
        let mut flow = Flow::new(|io| async move {
            io.begin_turn("turn".into());
            io.wait(vec![("news".into(), 3)], Duration::from_millis(5)).await
        });
        let wait = |seen: u64| Effect::Wait { topics: vec![("news".into(), 3), ("turn".into(), seen)], timeout_ms: 5 };
        let woken = |topic: &str, seq| Some(Reply::Woken { topics: vec![(topic.into(), seq, String::new())] });
        for (reply, effect) in [(None, wait(0)), (woken("turn", 7), wait(7))] {
            assert!(matches!(flow.step(Now::default(), reply), Step::Effect(asked) if asked == effect));
        }
        let told = Wake::Topics(vec![("news".into(), 8, String::new())]);
        assert!(matches!(flow.step(Now::default(), woken("news", 8)), Step::Done(Ok(woken)) if woken == told));
    }

    #[test]
    fn what_must_finish_goes_on_unheard_and_binds_no_later_request() {
        let (effects, ends, must_finish) = play(true);
        assert!(matches!(effects.as_slice(), [Effect::Sleep { ms: 5 }, Effect::Wait { .. }]), "{effects:?}");
        assert_eq!(ends, [(None, true), (None, false)]);
        assert!(!must_finish);
    }
}
