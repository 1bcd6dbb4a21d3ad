use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::connection::{Connection, Phase};
use crate::{attendance::Attendance, metrics::Metrics};

/// Silence on a stream after which a comment is sent (mcp.md 1.5).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const COMMENT: &str = ": \n\n";

/// Frames of a flow as server-sent events.
pub(super) struct Events {
    caller: Arc<Attendance>,
    connection: Arc<Connection>,
    metrics: Arc<Metrics>,
    silence: Interval,
}

impl Events {
    pub(super) fn new(caller: Arc<Attendance>, connection: Arc<Connection>, metrics: Arc<Metrics>) -> Self {
        let mut silence = interval(KEEP_ALIVE);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        silence.reset();
        metrics.streams.fetch_add(1, Ordering::Relaxed);
        Self { caller, connection, metrics, silence }
    }

    pub(super) fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Poll::Ready(frame) = self.caller.poll_frame(context) {
            self.silence.reset();
            return Poll::Ready(frame.map(|data| Bytes::from(event(&data))));
        }
        if self.caller.is_gone() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.silence).poll_tick(context).map(|_| Some(Bytes::from_static(COMMENT.as_bytes())))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.caller.leave();
        self.connection.enter(Phase::Idle);
        self.metrics.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One event; a newline in its data would end it early, so each line gets its own field. Without data a comment, which
/// readers pass over.
fn event(data: &str) -> String {
    if data.is_empty() {
        return COMMENT.to_owned();
    }
    let mut text = String::with_capacity(data.len() + 8);
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn data_stays_within_its_event() {
        assert_eq!(super::event("{}"), "data: {}\n\n");
        assert_eq!(super::event(""), ": \n\n");
        assert_eq!(super::event("a\n\nevent: b"), "data: a\ndata: \ndata: event: b\n\n");
    }
}
