//! How every flow here reads and writes.

use super::{
    Spark, address,
    failure::not_alive,
    request::{self, Log, Writer},
    response::{self, Master, Status},
    stderr::{self, Chunk},
};
use crate::{
    effect::{Request, Response},
    error::Error,
    job::Job,
    pace::Backoff,
};

/// Longest name that is kept.
pub(super) const NAME_BYTES: usize = 256;

/// How an answer is read.
pub(super) type Parse<T> = fn(&Response) -> Result<T, Error>;

impl Spark {
    /// Checks that the configuration says where the cluster is. S0's `runners:` section cannot.
    pub(super) fn check_complete(&self) -> Result<(), Error> {
        let target = &self.context.target;
        if target.url.is_some() && target.master_url.is_some() {
            return Ok(());
        }
        Err(Error::precondition("target_incomplete", "the target does not say where the Spark cluster is").suggest(
            "ask the operator to configure the target under `targets` with `url`, the submission REST API of a \
             standalone master (port 6066), and `master_url`, its web page (port 8080); YARN and Kubernetes are not \
             driven",
        ))
    }

    /// Reads, and repeats what repeating may cure.
    pub(super) async fn read<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        self.check_complete()?;
        let call = || async { parse(&self.context.send(request.clone()).await?) };
        self.context.retry(Backoff::READ, call).await
    }

    /// Sends once; the caller holds the permit.
    pub(super) async fn write<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        self.check_complete()?;
        parse(&self.context.send(request).await?)
    }

    /// What the master shows.
    pub(super) async fn master(&self) -> Result<Master, Error> {
        self.read(request::master_request(&self.context.target), response::read::<Master>).await?.alive()
    }

    /// A driver's state beside what the master shows; only the first must be had.
    pub(super) async fn status(&self, driver: &str) -> Result<(Status, Result<Master, Error>), Error> {
        self.check_complete()?;
        let target = &self.context.target;
        let requests = vec![request::status_request(target, driver), request::master_request(target)];
        let call = || async {
            let mut outcomes = self.context.send_all(requests.clone()).await?.into_iter();
            let mut next = || outcomes.next().unwrap_or_else(|| Err(Error::misuse("no outcome")));
            let status = response::read::<Status>(&next()?)?;
            if !status.success && status.message.is_some() && status.driver_state.is_none() {
                // A driver that is not known has no message: this master cannot say.
                return Err(not_alive(status.message.as_deref().unwrap_or_default()));
            }
            let master = next().and_then(|answer| response::read::<Master>(&answer)).and_then(Master::alive);
            Ok((status, master))
        };
        self.context.retry(Backoff::READ, call).await
    }

    /// A part of a driver's log; `None` where there is none (any more).
    pub(super) async fn driver_log(
        &self,
        master: &Master,
        driver: &str,
        stream: &'static str,
        offset: Option<u64>,
    ) -> Result<Option<Chunk>, Error> {
        let worker = master.driver(driver).and_then(|driver| master.worker_page(&driver.worker));
        let Some(worker) = worker else { return Ok(None) };
        let worker = address::admitted(&self.context.target, worker)?;
        let log = Log { writer: Writer::Driver(driver.to_owned()), stream };
        let request = request::log_request(&self.context.target, &worker, &log, offset, request::LOG_BYTES);
        stderr::chunk(&self.context.send_aside(request).await?)
    }
}

/// The driver of a job, where it is known: ours by what Spark answered, a foreign one by its name.
pub(super) fn driver_id(job: &Job) -> Option<&str> {
    job.native_id.as_deref().filter(|id| !id.is_empty())
}
