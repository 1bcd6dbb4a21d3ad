//! What adopt, abandon and resubmit have in common: an operator's word on a job nobody can explain.

use super::{Changed, Context, Plan, idempotency::Keyed};
use crate::{
    error::{Error, ErrorKind, Retry},
    job::{Job, JobId, JobState},
    store::{Audit, Committed, Stored, Write, job_writes},
};

/// Longest reason, in bytes.
const REASON_BYTES: usize = 512;
/// States of a job whose end or beginning nobody saw.
pub(super) const UNEXPLAINED: &[JobState] = &[JobState::Parked, JobState::SubmitUnknown, JobState::Lost];

/// One command as it was asked for.
pub(super) struct Ask<'a> {
    pub(super) verb: &'static str,
    pub(super) job_id: JobId,
    pub(super) reason: Option<String>,
    pub(super) key: Option<&'a str>,
    pub(super) dry_run: bool,
    pub(super) plan_digest: Option<&'a str>,
    pub(super) digest: String,
}

impl Ask<'_> {
    pub(super) fn keyed(&self, context: &Context) -> Result<Keyed, Error> {
        Keyed::new(context, self.verb, self.key, self.digest.clone())
    }

    /// The answer to a repeated call: the job as it is now.
    pub(super) async fn replayed(&self, context: &Context, keyed: &mut Keyed) -> Result<Option<Changed>, Error> {
        if keyed.subject(context).await?.is_none() {
            return Ok(None);
        }
        let job = context.rows.job(&self.job_id).await?;
        Ok(Some(Changed { replayed: true, ..changed(context, &job.value)? }))
    }

    /// Refuses another plan than the one confirmed; `Some`: only the plan was asked for.
    pub(super) fn confirm(&self, plan: &Plan) -> Result<Option<Changed>, Error> {
        plan.confirm(self.plan_digest)?;
        Ok(self.dry_run.then(|| Changed { plan: Some(plan.clone()), ..Changed::default() }))
    }

    /// Stores the job as the operator says, with the evidence, unless it has changed since it was read.
    pub(super) async fn apply(
        &self,
        context: &Context,
        old: &Stored<Job>,
        mut new: Job,
        extra: Vec<Write>,
        keyed: &Keyed,
    ) -> Result<Changed, Error> {
        new.version = old.version + 1;
        let subject = self.job_id.to_string();
        let outcome = self.reason.as_deref().unwrap_or_default();
        let mut writes = job_writes(context.rows.tenant(), Some(old), &new)?;
        // Some rows of what is freed are this job's now.
        writes.extend(without(extra, &writes));
        writes.push(context.audit(&Audit { verb: self.verb, subject: &subject, digest: keyed.digest(), outcome })?);
        writes.extend(keyed.write(&subject, context.now_ms())?);
        match context.rows.commit(&format!("{} {subject} {}", self.verb, old.version), writes).await? {
            Committed::Written(_) => changed(context, &new),
            Committed::Conflict { .. } => {
                Err(Error::new(ErrorKind::Conflict, "job_changed", "the job changed while it was resolved")
                    .retry_as(Retry::Safe)
                    .suggest("read it with get_job; it may have been found"))
            }
        }
    }
}

fn without(extra: Vec<Write>, writes: &[Write]) -> Vec<Write> {
    extra.into_iter().filter(|one| writes.iter().all(|other| other.key != one.key)).collect()
}

/// The job, in one of these states.
pub(super) async fn open_job(context: &Context, id: &JobId, states: &[JobState]) -> Result<Stored<Job>, Error> {
    let job = context.rows.job(id).await?;
    if states.contains(&job.value.state) {
        return Ok(job);
    }
    let names: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    Err(Error::precondition("not_open", format!("this is for a job that is {}", names.join(" or ")))
        .with("state", job.value.state.as_str())
        .suggest("read the job with get_job; cancel_job ends one that runs"))
}

/// A reason as it is kept.
pub(super) fn reason(given: Option<&str>) -> Result<Option<String>, Error> {
    let Some(given) = given else { return Ok(None) };
    let text = crate::text::clean_line(given, REASON_BYTES);
    if text.trim().is_empty() {
        return Err(Error::invalid("no_reason", "`reason` is needed: what is known, and from where")
            .suggest("say for instance \"not listed on the master since its restart\""));
    }
    Ok(Some(text))
}

/// The answer: the job as it is then.
#[expect(clippy::unnecessary_wraps, reason = "ends the flows of three verbs")]
pub(super) fn changed(context: &Context, job: &Job) -> Result<Changed, Error> {
    Ok(Changed {
        job_id: Some(job.id.to_string()),
        state: Some(job.state),
        job: Some(context.view(job)),
        ..Changed::default()
    })
}
