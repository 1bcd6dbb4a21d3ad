//! The one way of a runner's calls to its target: through the target's guard and within the time that is left.

use std::time::Duration;

use super::Context;
use crate::{
    effect::{Request, Response, StreamLimit},
    error::{Error, ErrorKind, Landed},
    flow::{Now, Rpc},
    guard::{self, Outcome, Permit},
    job::Job,
    pace::Backoff,
    retry::retry_while,
};

/// A submission leaves within this of its permit, or not at all: less than others wait before they take it up.
const SENT_WITHIN: Duration = Duration::from_secs(15);

/// Refuses to send a submission long after its permit: others look for it by then, and may have sent it themselves. A
/// process that stood still may not notice on its own clock. `began` is when the work on the submission began here.
///
/// # Errors
/// `unavailable`, reason `not_sent_in_time`: certainly nothing was sent.
pub(super) fn in_time(job: &Job, began: Now, now: Now) -> Result<(), Error> {
    // A process may stand still as soon as it has its permit.
    let permitted_ms = if job.sent_ms > 0 { job.sent_ms } else { began.wall_ms };
    let wall = Duration::from_millis(now.wall_ms.abs_diff(permitted_ms));
    if now.mono.saturating_sub(began.mono).max(wall) <= SENT_WITHIN {
        return Ok(());
    }
    let message = "it took too long to get ready; the job was not sent and will be";
    Err(Error::new(ErrorKind::Unavailable, "not_sent_in_time", message).landed_as(Landed::No))
}

/// Time that must be left for a call to be made, and what is kept back of it for the way back.
const LEAST: Duration = Duration::from_millis(200);
const RESERVE: Duration = Duration::from_millis(100);
/// Places that requests sent side by side take at most: hosts have no more of them under way at once.
const SIDE_BY_SIDE: usize = 8;

impl Context {
    /// Sends once.
    ///
    /// # Errors
    /// As [`crate::flow::Io::send`]; `deadline_exceeded` when no time is left, and the guard's own refusals: then
    /// nothing was sent.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let permit = self.enter(1).await?;
        let answer = self.io.send(self.within(request)?).await;
        self.record(&permit, outcome(&answer));
        permit.leave(&self.io).await;
        answer
    }

    /// Sends requests side by side, once each.
    ///
    /// # Errors
    /// As [`Context::send`]; a request without an answer is an outcome.
    pub async fn send_all(&self, requests: Vec<Request>) -> Result<Vec<Result<Response, Error>>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let permit = self.enter(requests.len().min(SIDE_BY_SIDE)).await?;
        let requests = requests.into_iter().map(|request| self.within(request)).collect::<Result<Vec<_>, _>>()?;
        let outcomes = self.io.send_all(requests).await;
        for answer in outcomes.iter().flatten() {
            self.record(&permit, outcome(answer));
        }
        permit.leave(&self.io).await;
        outcomes
    }

    /// Sends one read to a server beside the target's endpoint (a worker, a driver): within the time that is left, and
    /// past the guard, since what such a server does says nothing about the target.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub async fn send_aside(&self, request: Request) -> Result<Response, Error> {
        self.io.send(self.within(request)?).await
    }

    /// The same for several, side by side.
    ///
    /// # Errors
    /// As [`Context::send_aside`]; a request without an answer is an outcome.
    pub async fn send_all_aside(&self, requests: Vec<Request>) -> Result<Vec<Result<Response, Error>>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let requests = requests.into_iter().map(|request| self.within(request)).collect::<Result<Vec<_>, _>>()?;
        self.io.send_all(requests).await
    }

    /// One unary gRPC call.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub async fn rpc(&self, method: &str, message: Vec<u8>, limit: Duration) -> Result<Rpc, Error> {
        self.call(method, message, limit, None).await
    }

    /// Reads a server stream as far as `stream` says.
    ///
    /// # Errors
    /// As [`Context::send`].
    pub async fn rpc_stream(
        &self,
        method: &str,
        message: Vec<u8>,
        limit: Duration,
        stream: StreamLimit,
    ) -> Result<Rpc, Error> {
        self.call(method, message, limit, Some(stream)).await
    }

    async fn call(
        &self,
        method: &str,
        message: Vec<u8>,
        limit: Duration,
        stream: Option<StreamLimit>,
    ) -> Result<Rpc, Error> {
        let permit = self.enter(1).await?;
        let limit = limit.min(self.left()?);
        let answer = self.io.rpc(&self.target.name, method, message, limit, stream).await;
        self.record(&permit, rpc_outcome(&answer));
        permit.leave(&self.io).await;
        answer
    }

    /// Makes a read until it succeeds, may not be repeated, or tries, time or the target's budget of retries are used
    /// up.
    ///
    /// # Errors
    /// The last error of the call.
    pub async fn retry<T, F>(&self, backoff: Backoff, call: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let may = |error: &Error| !guard::is_refusal(error) && self.guard.may_retry(self.io.now().mono);
        retry_while(&self.io, backoff, self.deadline, &self.branch, call, may).await
    }

    /// The request within the time that is left.
    fn within(&self, mut request: Request) -> Result<Request, Error> {
        let most = u64::try_from(self.left()?.as_millis()).unwrap_or(u64::MAX);
        request.timeout_ms = request.timeout_ms.min(most);
        Ok(request)
    }

    fn left(&self) -> Result<Duration, Error> {
        let left = self.deadline.saturating_sub(self.io.now().mono);
        if left < LEAST {
            return Err(Error::deadline(format!("no time is left to ask the target `{}`", self.target.name)));
        }
        Ok(left.saturating_sub(RESERVE))
    }

    async fn enter(&self, calls: usize) -> Result<Permit, Error> {
        self.left()?;
        let weight = u32::try_from(calls).unwrap_or(u32::MAX);
        self.guard.enter(&self.io, weight, &self.branch).await
    }

    fn record(&self, permit: &Permit, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            permit.record(self.io.now().mono, outcome);
        }
    }
}

/// What an answer, or none, says about the target; `None`: nothing, the trouble was here.
///
/// A 500 is about the request as often as about the target, so it counts as an answer.
fn outcome(answer: &Result<Response, Error>) -> Option<Outcome> {
    match answer {
        Ok(response) if matches!(response.status, 429 | 502..=504) => {
            Some(Outcome::Failed(response.retry_after().unwrap_or_default()))
        }
        Ok(_) => Some(Outcome::Answered),
        Err(error) => unanswered(error),
    }
}

fn unanswered(error: &Error) -> Option<Outcome> {
    match error.reason() {
        "connection_refused" | "unreachable" | "tls" => Some(Outcome::Unconnected),
        "timeout" | "connection_reset" => Some(Outcome::Failed(Duration::ZERO)),
        "response_too_large" => Some(Outcome::Answered),
        _ => None,
    }
}

/// `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED` and `UNAVAILABLE` say that the target cannot serve now.
fn rpc_outcome(answer: &Result<Rpc, Error>) -> Option<Outcome> {
    match answer {
        Ok(Rpc { status: 4 | 8 | 14, .. }) => Some(Outcome::Failed(Duration::ZERO)),
        Ok(_) => Some(Outcome::Answered),
        Err(error) => unanswered(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Fault, FaultKind};

    #[test]
    fn a_submission_leaves_soon_after_its_permit_or_not_at_all() {
        let at = |mono_s, wall_ms| Now { mono: Duration::from_secs(mono_s), wall_ms };
        let id = crate::job::JobId::own("t", "0123456789abcdef0123456789abcdef");
        let mut job = Job::intended(id, crate::config::RunnerKind::Flink, "p", crate::job::JobSpec::default(), 0);
        for (sent_ms, began, now, left) in [
            (50_000, at(1, 50_000), at(16, 65_000), true),
            (0, at(1, 50_000), at(16, 65_000), true),
            (50_000, at(1, 50_000), at(17, 51_000), false),
            (50_000, at(1, 50_000), at(2, 65_001), false),
            (50_000, at(1, 50_000), at(2, 34_000), false),
            (30_000, at(1, 50_000), at(1, 50_000), false),
        ] {
            job.sent_ms = sent_ms;
            let outcome = in_time(&job, began, now);
            assert_eq!(outcome.is_ok(), left, "{sent_ms} {began:?} {now:?}");
            assert!(outcome.err().is_none_or(|error| error.landed() == Landed::No));
        }
    }

    #[test]
    fn what_is_the_targets_trouble_counts_and_nothing_else() {
        use FaultKind as F;
        let failed = Some(Outcome::Failed(Duration::ZERO));
        for (kind, said) in [
            (F::Refused, Some(Outcome::Unconnected)),
            (F::Unreachable, Some(Outcome::Unconnected)),
            (F::Tls, Some(Outcome::Unconnected)),
            (F::Timeout, failed),
            (F::Reset, failed),
            (F::TooLarge, Some(Outcome::Answered)),
            (F::Credential, None),
            (F::UnknownTarget, None),
            (F::Source, None),
        ] {
            let fault = Fault { kind, detail: String::new() };
            assert_eq!(outcome(&Err(Error::transport(&fault))), said, "{kind:?}");
        }
        assert_eq!(outcome(&Err(Error::cancelled())), None);
        for (status, said) in [(200, Some(Outcome::Answered)), (404, Some(Outcome::Answered)), (503, failed)] {
            assert_eq!(outcome(&Ok(Response::json(status, &()))), said, "{status}");
        }
        let busy = Response { headers: vec![("retry-after".into(), "7".into())], ..Response::json(429, &()) };
        assert_eq!(outcome(&Ok(busy)), Some(Outcome::Failed(Duration::from_secs(7))));
    }
}
