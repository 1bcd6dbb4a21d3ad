//! Who waits for a flow: whether they are still there, and the frames on their way to them.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use beam_mcp_core::effect::{Frame, Reply};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::{
    admission::{Rest, Working},
    budget::Share,
};

/// Frames kept for a reader that is slower than the flow.
const MOST_FRAMES: usize = 64;
/// Bytes kept for such a reader; one frame may be larger.
const MOST_BYTES: usize = 256 << 10;
/// How long a flow waits for such a reader before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a flow is driven for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A caller that takes frames while the flow runs.
    Stream,
    /// A caller that takes one answer.
    Answer,
    /// The reconciler of the process itself.
    Tick,
}

/// What the frames of a caller are written to.
pub trait Line: fmt::Debug + Send + Sync {
    /// Nobody reads it: it must end, whatever was written and is not read.
    fn cut(&self);
    /// All is said: what is not read in good time is not waited for.
    fn all_said(&self);
}

/// One caller's presence, shared by the driver and the edge.
#[derive(Debug)]
pub struct Attendance {
    purpose: Purpose,
    gone: AtomicBool,
    left: Notify,
    room: Notify,
    line: Option<Arc<dyn Line>>,
    queue: Mutex<Queue>,
    working: Mutex<Option<Arc<Working>>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    started: bool,
    ended: bool,
    broke_off: bool,
    reader: Option<Waker>,
    /// What the frames take of the memory of all streams.
    share: Option<Share>,
}

impl Attendance {
    /// A caller who is there.
    pub fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            gone: AtomicBool::new(false),
            left: Notify::new(),
            room: Notify::new(),
            line: None,
            queue: Mutex::default(),
            working: Mutex::default(),
        }
    }

    /// The flow counts as work from here until it has ended.
    pub fn works(&self, working: Arc<Working>) {
        *self.working() = Some(working);
    }

    fn working(&self) -> MutexGuard<'_, Option<Arc<Working>>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flow waits until this is dropped.
    pub fn rest(&self) -> Option<Rest> {
        self.working().as_ref().map(Working::rest)
    }

    /// The flow's turn to work, where it is counted as work.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let working = self.working().clone()?;
        working.turn().await
    }

    /// The flow has ended.
    pub fn worked(&self) {
        self.working().take();
    }

    /// A caller whose waiting frames count against the memory of all streams, at the other end of a line.
    pub fn streaming(share: Share, line: Arc<dyn Line>) -> Self {
        let caller = Self { line: Some(line), ..Self::new(Purpose::Stream) };
        caller.queue().share = Some(share);
        caller
    }

    /// What the flow is driven for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller is gone.
    pub fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        self.left.notify_waiters();
        self.room.notify_waiters();
    }

    /// True once the caller is gone.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Waits until the caller is gone.
    pub async fn left(&self) {
        let mut left = pin!(self.left.notified());
        left.as_mut().enable();
        if !self.is_gone() {
            left.await;
        }
    }

    /// Hands a frame to the caller: [`Reply::Ok`], or [`Reply::Closed`] when they are gone or far too slow.
    pub async fn emit(&self, frame: Frame) -> Reply {
        if self.purpose != Purpose::Stream {
            return Reply::Unsupported { reason: "this host cannot stream an answer".into() };
        }
        let mut frame = Some(frame);
        match tokio::time::timeout(PATIENCE, self.push(&mut frame)).await {
            Ok(()) if !self.is_gone() => Reply::Ok,
            Ok(()) => Reply::Closed,
            Err(_) => {
                self.leave();
                // What was written and is not read holds the connection open otherwise, for as long as its peer likes.
                self.line.iter().for_each(|line| line.cut());
                Reply::Closed
            }
        }
    }

    async fn push(&self, frame: &mut Option<Frame>) {
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            if self.is_gone() || self.queue().push(frame) {
                return;
            }
            room.await;
        }
    }

    /// True once the first frame was emitted.
    pub fn started(&self) -> bool {
        self.queue().started
    }

    /// Ends the stream with a last frame, which always finds room; one without it broke off.
    pub fn end(&self, last: Option<String>) {
        // Before the reader can take the last one and go on to another request.
        self.line.iter().filter(|_| !self.is_gone()).for_each(|line| line.all_said());
        let mut queue = self.queue();
        (queue.ended, queue.broke_off) = (true, last.is_none());
        if let Some(last) = last {
            queue.add(Frame::data(last));
        }
        queue.wake();
    }

    /// True for a stream that ended without its last frame.
    pub fn broke_off(&self) -> bool {
        self.queue().broke_off
    }

    /// The next frame; `None` after the last one, pending while there is none.
    pub fn poll_frame(&self, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut queue = self.queue();
        match queue.frames.pop_front() {
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Some(frame) => {
                queue.taken(frame.len());
                drop(queue);
                self.room.notify_one();
                Poll::Ready(Some(frame))
            }
        }
    }

    /// The next frame; `None` after the last one.
    pub async fn frame(&self) -> Option<Frame> {
        poll_fn(|context| self.poll_frame(context)).await
    }
}

impl Queue {
    fn push(&mut self, frame: &mut Option<Frame>) -> bool {
        let bytes = frame.as_ref().map_or(0, Frame::len);
        // One frame always finds room, so that nobody starves while others do not read.
        let fits = self.frames.is_empty()
            || (self.frames.len() < MOST_FRAMES && self.bytes + bytes <= MOST_BYTES && self.has_memory(bytes));
        if fits {
            self.add(frame.take().unwrap_or_default());
        }
        fits
    }

    fn has_memory(&mut self, bytes: usize) -> bool {
        self.share.as_mut().is_none_or(|share| share.grow(bytes as u64))
    }

    fn taken(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some(share) = &mut self.share {
            share.shrink(bytes as u64);
        }
    }

    fn add(&mut self, frame: Frame) {
        self.started = true;
        self.bytes += frame.len();
        self.frames.push_back(frame);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::budget::Budget;

    #[derive(Debug, Default)]
    struct Told {
        cut: AtomicBool,
        all_said: AtomicBool,
    }

    impl Line for Told {
        fn cut(&self) {
            self.cut.store(true, Ordering::Relaxed);
        }

        fn all_said(&self) {
            self.all_said.store(true, Ordering::Relaxed);
        }
    }

    fn frame(data: &str) -> Frame {
        Frame::data(data.into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_reading_is_cut() {
        let caller = Attendance::new(Purpose::Stream);
        for _ in 0..MOST_FRAMES {
            assert_eq!(caller.emit(frame("x")).await, Reply::Ok);
        }
        assert_eq!(caller.emit(frame("one too many")).await, Reply::Closed);
        assert!(caller.is_gone());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_too() {
        let caller = Attendance::new(Purpose::Stream);
        assert_eq!(caller.emit(frame(&"x".repeat(MOST_BYTES * 2))).await, Reply::Ok);
        assert_eq!(caller.emit(frame("y")).await, Reply::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn all_streams_share_their_memory() {
        let budget = Budget::new(10);
        let line = Arc::new(Told::default());
        let (hog, other) =
            (Attendance::streaming(budget.share(), line.clone()), Attendance::streaming(budget.share(), line.clone()));
        for caller in [&hog, &other] {
            assert_eq!(caller.emit(frame("first")).await, Reply::Ok);
        }
        assert_eq!(hog.emit(frame(&"x".repeat(10))).await, Reply::Ok);
        assert_eq!(other.emit(frame("y")).await, Reply::Closed);
        assert!(line.cut.load(Ordering::Relaxed));
        assert!(other.frame().await.is_some() && hog.frame().await.is_some());
        assert_eq!(hog.frame().await.map(|frame| frame.len()), Some(10));
        assert!(budget.share().grow(10));
    }

    #[tokio::test]
    async fn reading_makes_room() {
        let caller = Arc::new(Attendance::new(Purpose::Stream));
        let writer = tokio::spawn({
            let caller = caller.clone();
            async move {
                for number in 0..MOST_FRAMES * 3 {
                    assert_eq!(caller.emit(frame(&number.to_string())).await, Reply::Ok);
                }
            }
        });
        for number in 0..MOST_FRAMES * 3 {
            assert_eq!(caller.frame().await, Some(frame(&number.to_string())));
        }
        writer.await.unwrap();
        caller.end(Some("last".into()));
        assert_eq!((caller.frame().await, caller.frame().await), (Some(frame("last")), None));
    }

    #[tokio::test]
    async fn a_line_hears_of_the_end_before_the_last_frame_can_be_read() {
        let line = Arc::new(Told::default());
        let caller = Attendance::streaming(Budget::new(10).share(), line.clone());
        assert_eq!(caller.emit(frame("one")).await, Reply::Ok);
        assert!(caller.frame().await.is_some() && !line.all_said.load(Ordering::Relaxed));
        caller.end(Some("last".into()));
        assert!(line.all_said.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn leaving_is_seen_before_and_after() {
        let caller = Arc::new(Attendance::new(Purpose::Answer));
        let waiting = tokio::spawn({
            let caller = caller.clone();
            async move { caller.left().await }
        });
        tokio::task::yield_now().await;
        caller.leave();
        waiting.await.unwrap();
        caller.left().await;
        assert!(matches!(caller.emit(frame("x")).await, Reply::Unsupported { .. }));
    }
}
