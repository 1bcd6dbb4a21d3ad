use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use beam_mcp_core::effect::Frame;
use bytes::Bytes;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::connection::{Connection, Phase};
use crate::{attendance::Attendance, metrics::Metrics};

/// Silence on a stream after which a comment is sent (mcp.md 1.5).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Silence after which a stream is taken for one that will be silent for long.
const QUIET: Duration = Duration::from_millis(300);

const COMMENT: &str = ": \n\n";

/// Frames of a flow as server-sent events.
pub(super) struct Events {
    caller: Arc<Attendance>,
    connection: Arc<Connection>,
    metrics: Arc<Metrics>,
    silence: Interval,
    /// Has been quiet once: comments are sent.
    quiet: bool,
}

/// What a stream does next.
pub(super) enum Next {
    Bytes(Bytes),
    /// Nothing, for the first time since it began.
    Quiet,
    End,
}

impl Events {
    pub(super) fn new(caller: Arc<Attendance>, connection: Arc<Connection>, metrics: Arc<Metrics>) -> Self {
        let mut silence = interval(KEEP_ALIVE);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        silence.reset_after(QUIET);
        metrics.streams.fetch_add(1, Ordering::Relaxed);
        Self { caller, connection, metrics, silence, quiet: false }
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if let Poll::Ready(frame) = self.caller.poll_frame(context) {
            self.silence.reset_after(if self.quiet { KEEP_ALIVE } else { QUIET });
            return Poll::Ready(frame.map_or(Next::End, |frame| Next::Bytes(Bytes::from(event(&frame)))));
        }
        if self.caller.is_gone() {
            return Poll::Ready(Next::End);
        }
        ready!(Pin::new(&mut self.silence).poll_tick(context));
        let comment = Next::Bytes(Bytes::from_static(COMMENT.as_bytes()));
        Poll::Ready(if std::mem::replace(&mut self.quiet, true) { comment } else { Next::Quiet })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.caller.leave();
        self.connection.enter(Phase::Idle);
        self.metrics.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One event; a newline in its data would end it early, so each line gets its own field. A frame with nothing in it is a
/// comment, which readers pass over.
pub(crate) fn event(frame: &Frame) -> String {
    if frame.is_empty() {
        return COMMENT.to_owned();
    }
    let mut text = String::with_capacity(frame.len() + 64);
    for (field, value) in [("event", &frame.event), ("id", &frame.id)] {
        if let Some(value) = value {
            push(&mut text, field, &value.replace(['\n', '\r', '\0'], ""));
        }
    }
    for line in frame.data.split(['\n', '\r']) {
        push(&mut text, "data", line);
    }
    text.push('\n');
    text
}

fn push(text: &mut String, field: &str, value: &str) {
    text.extend([field, ": ", value, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_stays_within_its_event() {
        let event = |data: &str| event(&Frame::data(data.into()));
        assert_eq!(event("{}"), "data: {}\n\n");
        assert_eq!(event(""), ": \n\n");
        assert_eq!(event("a\n\nevent: b"), "data: a\ndata: \ndata: event: b\n\n");
    }

    #[test]
    fn an_event_has_its_id_and_name() {
        let named = Frame { data: "/x".into(), id: Some("1".into()), event: Some("endpoint".into()) };
        assert_eq!(event(&named), "event: endpoint\nid: 1\ndata: /x\n\n");
        let priming = Frame { id: Some("0\nretry: 9".into()), ..Frame::default() };
        assert_eq!(event(&priming), "id: 0retry: 9\ndata: \n\n");
    }
}
