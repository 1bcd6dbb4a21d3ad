//! How every flow here reads and writes.

use super::{
    Dataflow,
    regions::is_everywhere,
    request::{self, Filter, PAGE},
    response::{self, JobAnswer, JobPage},
};
use crate::{
    effect::{Request, Response},
    error::{Error, ErrorKind},
    job::Job,
    pace::Backoff,
};

/// Pages of one list that are read: 10,000 jobs that have not ended.
const MOST_PAGES: usize = 50;

/// How an answer is read.
pub(super) type Parse<T> = fn(&Response) -> Result<T, Error>;

impl Dataflow {
    /// Reads, and repeats what repeating may cure.
    pub(super) async fn read<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        self.read_within(Backoff::READ, request, parse).await
    }

    pub(super) async fn read_within<T>(&self, backoff: Backoff, request: Request, parse: Parse<T>) -> Result<T, Error> {
        let call = || async { parse(&self.context.send(request.clone()).await?) };
        self.context.retry(backoff, call).await
    }

    /// Sends once; the caller holds the permit.
    pub(super) async fn write<T>(&self, request: Request, parse: Parse<T>) -> Result<T, Error> {
        parse(&self.context.send(request).await?)
    }

    /// One job as Dataflow has it.
    pub(super) async fn job(&self, id: &str, whole: bool) -> Result<JobAnswer, Error> {
        let request = request::job_request(&self.context.target, id, whole);
        let job = self.read(request, response::read::<JobAnswer>).await?;
        if job.id == id { Ok(job) } else { Err(Error::malformed("Dataflow answered about another job")) }
    }

    /// All pages of a list; a list that is not whole is an error, since what is missing from it is not gone.
    pub(super) async fn pages(&self, filter: Filter<'_>) -> Result<Vec<JobAnswer>, Error> {
        let (mut jobs, mut page) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = self.list_request(filter, PAGE, page.as_deref());
            let answer = self.read(request, response::read::<JobPage>).await?;
            whole(&answer)?;
            jobs.extend(answer.jobs);
            if answer.next_page_token.is_empty() {
                return Ok(jobs);
            }
            page = Some(answer.next_page_token);
        }
        Err(Error::new(ErrorKind::Unavailable, "too_many_jobs", "the region lists more jobs than are read at once"))
    }

    /// The list of the target's region, or of all.
    pub(super) fn list_request(&self, filter: Filter<'_>, size: u32, page: Option<&str>) -> Request {
        let target = &self.context.target;
        if is_everywhere(target) {
            return request::aggregated_request(target, size, page);
        }
        request::jobs_request(target, filter, size, page)
    }
}

fn whole(page: &JobPage) -> Result<(), Error> {
    match page.failed_location.first() {
        None => Ok(()),
        Some(location) => {
            Err(Error::new(ErrorKind::Unavailable, "region_failed", "Dataflow could not list the jobs of the region")
                .with("location", &location.name))
        }
    }
}

/// Dataflow's own id of a job.
pub(super) fn native_id(job: &Job) -> Result<&str, Error> {
    job.native_id.as_deref().filter(|id| !id.is_empty()).ok_or_else(|| {
        Error::precondition("not_submitted", "Dataflow's id of the job is not known yet")
            .suggest("wait until the job is PENDING or RUNNING, then ask again")
    })
}
