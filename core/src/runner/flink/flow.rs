//! How every flow here reads and writes.

use super::{Flink, job_details::JobDetails, request, response};
use crate::{
    effect::{Request, Response},
    error::Error,
    job::Job,
    pace::Backoff,
};

/// Longest name of a job or step that is kept.
pub(super) const NAME_BYTES: usize = 256;

/// How an answer is read.
pub(super) type Parse<T> = fn(&Response) -> Result<T, Error>;

/// What came of the requests beside the one that decides.
pub(super) type Beside = Vec<Result<Response, Error>>;

impl Flink {
    /// Reads, and repeats what repeating may cure.
    pub(super) async fn read<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        self.read_beside(request, Vec::new(), parse).await.map(|(answer, _)| answer)
    }

    /// Reads several things side by side. The first decides; the outcomes of the others come back as they are.
    pub(super) async fn read_beside<T>(
        &self,
        first: Request,
        others: Vec<Request>,
        parse: Parse<T>,
    ) -> Result<(T, Beside), Error> {
        self.read_within(Backoff::READ, first, others, parse).await
    }

    pub(super) async fn read_within<T>(
        &self,
        backoff: Backoff,
        first: Request,
        others: Vec<Request>,
        parse: Parse<T>,
    ) -> Result<(T, Beside), Error> {
        let call = || async {
            let mut outcomes = self.send_all([vec![first.clone()], others.clone()].concat()).await?.into_iter();
            let answer = outcomes.next().ok_or_else(|| Error::misuse("no outcome"))??;
            Ok((parse(&answer)?, outcomes.collect()))
        };
        self.context.retry(backoff, call).await
    }

    /// Sends requests side by side, once; one alone goes by itself.
    pub(super) async fn send_all(&self, mut requests: Vec<Request>) -> Result<Beside, Error> {
        if requests.len() > 1 {
            return self.context.send_all(requests).await;
        }
        match requests.pop() {
            Some(request) => self.context.send(request).await.map(|response| vec![Ok(response)]),
            None => Ok(Vec::new()),
        }
    }

    /// Sends once; the caller holds the permit.
    pub(super) async fn write<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        parse(&self.context.send(request).await?)
    }

    /// One look at a job as Flink has it.
    pub(super) async fn details(&self, job: &Job, others: Vec<Request>) -> Result<(JobDetails, Beside), Error> {
        let id = native_id(job)?;
        let request = request::job_request(&self.context.target, id);
        let (details, beside) = self.read_beside(request, others, response::read::<JobDetails>).await?;
        if details.jid == id {
            Ok((details, beside))
        } else {
            Err(Error::malformed("Flink answered about another job"))
        }
    }
}

/// Flink's own id of a job.
pub(super) fn native_id(job: &Job) -> Result<&str, Error> {
    let known = job.native_id.as_deref().unwrap_or(job.token());
    if known.is_empty() { Err(Error::misuse("a job without an id")) } else { Ok(known) }
}

/// What one of several requests brought.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(outcome: Option<Result<Response, Error>>) -> Result<T, Error> {
    response::read(&outcome.ok_or_else(|| Error::misuse("no outcome"))??)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        effect::{FaultKind, Reply},
        error::ErrorKind,
        runner::{
            Backend,
            flink::testing::{fault, json, play, recorded, target},
        },
    };

    #[test]
    fn reads_are_repeated_unless_the_cause_is_known() {
        let refused = || fault(FaultKind::Refused);
        let list = |script| play(target(), script, |flink| async move { flink.list().await });
        let played = list(vec![
            ("GET /jobs/overview", refused()),
            ("GET /jobs/overview", json(500, serde_json::json!({"errors": ["Internal server error."]}))),
            ("GET /jobs/overview", recorded!("2.2.1/jobs-overview")),
        ]);
        assert_eq!((played.end.unwrap().len(), played.slept), (7, 2));
        let played = list((0..4).map(|_| ("GET /jobs/overview", refused())).collect());
        assert_eq!((played.reason(), played.slept), ("connection_refused", 3), "three retries a second");
        let silent = || fault(FaultKind::Timeout);
        let played = list((0..6).map(|_| ("GET /jobs/overview", silent())).collect());
        assert_eq!((played.reason(), played.slept), ("timeout", 5));
        let final_500 = || recorded!("2.2.1/resource-requirements-put-unknown");
        assert_eq!(list(vec![("GET /jobs/overview", final_500())]).reason(), "job_unknown_to_flink");
    }

    #[test]
    fn a_busy_flink_is_asked_again_when_it_says() {
        let busy = Reply::Response(Response {
            status: 503,
            headers: vec![("retry-after".into(), "400".into())],
            body: "Service temporarily unavailable due to an ongoing leader election. Please refresh.".into(),
        });
        let script = vec![("GET /jobs/overview", busy), ("GET /jobs/overview", recorded!("2.2.1/jobs-overview-empty"))];
        let played = play(target(), script, |flink| async move {
            let jobs = flink.list().await?;
            Ok((jobs.len(), flink.context.io.now().mono))
        });
        assert_eq!(played.end.unwrap(), (0, Duration::from_secs(121)), "Retry-After counts, at most two minutes");
    }

    #[test]
    fn a_call_ends_before_its_deadline_or_is_not_made() {
        let list = |left: u64| {
            play(
                target(),
                if left < 200 { vec![] } else { vec![("GET /jobs/overview", recorded!("2.2.1/jobs-overview"))] },
                move |mut flink| async move {
                    flink.context.deadline = flink.context.io.now().mono + Duration::from_millis(left);
                    flink.list().await
                },
            )
        };
        let late = list(199);
        assert_eq!((late.end.unwrap_err().kind(), late.requests.len()), (ErrorKind::DeadlineExceeded, 0));
        assert_eq!(list(1_000).requests[0].timeout_ms, 900);
        assert_eq!(list(60_000).requests[0].timeout_ms, 5_000);
    }
}
