use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use beam_mcp_core::{Error, ErrorKind, Flow, effect::Response};

use crate::{attendance::Attendance, driver::Driver};

type Work = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// What a caller gets.
pub enum Answer {
    /// One answer, or why there is none.
    Whole(Result<Response, Error>),
    /// Frames as they come; leaving the attendance ends the flow.
    Stream(Arc<Attendance>),
}

/// Drives a flow until it has answered or begun to stream.
///
/// When the returned future is dropped its caller is gone: the flow goes on in the background, to be cancelled or, once
/// its intent is durable, to be driven to its end.
pub async fn attend(driver: &Arc<Driver>, flow: Flow<Response>, caller: Arc<Attendance>) -> Answer {
    let work: Work = Box::pin({
        let (driver, caller) = (driver.clone(), caller.clone());
        async move { driver.drive(flow, &caller).await }
    });
    let mut attended = Attended { driver, caller, work: Some(work) };
    poll_fn(|context| attended.poll(context)).await
}

struct Attended<'a> {
    driver: &'a Arc<Driver>,
    caller: Arc<Attendance>,
    work: Option<Work>,
}

impl Attended<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let polled = polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())));
        let answer = match (polled, self.caller.started()) {
            (Poll::Pending, false) => return Poll::Pending,
            (Poll::Pending, true) => {
                self.stream_on();
                Answer::Stream(self.caller.clone())
            }
            (Poll::Ready(ended), true) => {
                end_stream(&self.caller, ended);
                Answer::Stream(self.caller.clone())
            }
            (Poll::Ready(ended), false) => Answer::Whole(ended),
        };
        self.work = None;
        Poll::Ready(answer)
    }

    /// The flow runs on its own from here: a slow reader must not keep it from its next step.
    fn stream_on(&mut self) {
        let Some(work) = self.work.take() else { return };
        let caller = self.caller.clone();
        self.driver.tasks.spawn(async move { end_stream(&caller, work.await) });
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.caller.leave();
        // Without a runtime the process is ending and tasks cannot be driven on.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.driver.tasks.spawn(async move { drop(work.await) });
        }
    }
}

/// A flow that failed has no message in the form of its stream: the stream breaks off.
fn end_stream(caller: &Attendance, ended: Result<Response, Error>) {
    caller.end(ended.ok().map(|last| last.body.text().into_owned()));
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "panic", "the request met a defect of the server")
}

/// The answer for a flow that ended without one.
pub(crate) fn response_of(error: &Error) -> Response {
    let mut response = Response::json(
        error.kind().door().http,
        &serde_json::json!({"success": false, "message": error.message(), "data": {}, "error": error.to_json()}),
    );
    response.headers.push(("cache-control".into(), "no-store".into()));
    response
}
