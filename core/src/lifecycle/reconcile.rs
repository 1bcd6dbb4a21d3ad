//! One round of the reconciler: level-triggered, bounded, one list call per target.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Seen, drive_operation, drive_submission,
    look::{look_now, note_outage},
    observe,
};
use crate::{
    error::Error,
    job::{Job, JobId, Phase},
    runner::{Backend, Look, Sighting},
    store::{Kind, Record, Scan, Stored, job_writes, listed_job},
    verb::Context,
};

/// Jobs looked at in one round.
const BATCH: u32 = 200;
/// Foreign jobs stored in one round, per target.
const DISCOVERIES: usize = 200;
/// Time a round gives one target, so that a silent one holds up the others no longer than this.
const PER_TARGET: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(2);
const LATER: Duration = Duration::from_secs(15);

/// Drives what is unfinished and refreshes what runs; answers when to come again.
///
/// # Errors
/// The store's. A runner's errors are noted with its target and end nothing.
pub async fn reconcile(context: &Context) -> Result<Duration, Error> {
    let due = due_jobs(context).await?;
    let any = !due.is_empty();
    let targets: Vec<String> = context.state.targets().map(|target| target.name.clone()).collect();
    for target in targets {
        let jobs: Vec<&(String, Job)> = due.iter().filter(|(_, job)| job.id.target() == target).collect();
        swallow_runner_errors(reconcile_target(&context.within(PER_TARGET), &target, &jobs).await)?;
    }
    for (tenant, job) in &due {
        swallow_runner_errors(drive(&context.for_tenant(tenant), job).await)?;
    }
    Ok(if any { SOON } else { LATER })
}

/// A runner that does not answer must not keep the others waiting; a store that does not answer ends the round.
fn swallow_runner_errors(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.gave_up() || error.reason() == "store" => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

async fn due_jobs(context: &Context) -> Result<Vec<(String, Job)>, Error> {
    let scan = Scan { tenant: "*".into(), kind: Kind::JobDue.as_str().into(), limit: BATCH, ..Scan::default() };
    let page = context.io.scan(scan).await?;
    page.records.iter().map(|record: &Record| Ok((record.key.tenant.clone(), listed_job(record)?))).collect()
}

async fn reconcile_target(context: &Context, target: &str, jobs: &[&(String, Job)]) -> Result<(), Error> {
    let now = context.now_ms();
    if context.state.health(target).next_call_ms > now {
        return Ok(());
    }
    let Ok(runner) = context.runner(target) else { return Ok(()) };
    let seen = match runner.list().await {
        Ok(seen) => seen,
        Err(error) => {
            pause(context, target);
            return Err(note_outage(context, target, error));
        }
    };
    context.state.set_health(target, |health| {
        (health.down_since_ms, health.failures, health.next_call_ms) = (None, 0, 0);
    });
    let mut seen: BTreeMap<String, Sighting> = seen.into_iter().map(|s| (s.native_id.clone(), s)).collect();
    for (tenant, job) in jobs.iter().filter(|(_, job)| job.phase == Phase::Submitted) {
        let sighting = job.native_id.as_ref().and_then(|id| seen.remove(id));
        swallow_runner_errors(refresh(&context.for_tenant(tenant), job, sighting).await)?;
    }
    discover(context, target, seen.into_values()).await
}

/// Next call after 5 to 60 s.
fn pause(context: &Context, target: &str) {
    let now = context.now_ms();
    context.state.set_health(target, |health| {
        health.next_call_ms = now + 5_000_u64.saturating_mul(u64::from(health.failures + 1)).min(60_000);
    });
}

/// A job in the list is as the list says, unless the list says it has ended: that deserves a look of its own.
async fn refresh(context: &Context, job: &Job, sighting: Option<Sighting>) -> Result<(), Error> {
    let settled = sighting.filter(|sighting| sighting.state.is_some_and(|state| !state.is_terminal()));
    let Some(sighting) = settled else {
        return if job.state.is_terminal() { Ok(()) } else { look_closely(context, job).await };
    };
    let at_ms = context.now_ms();
    let seen = Seen { look: Look::Seen(sighting), at_ms };
    let mut after = job.clone();
    observe(&mut after, &seen);
    if after != *job {
        context
            .rows
            .change_job(&job.id, "listed", |row| {
                observe(row, &seen);
                Ok(Vec::new())
            })
            .await?;
    }
    context.state.observed(context.rows.tenant(), &job.id.to_string(), at_ms);
    Ok(())
}

/// The index row leaves out what was asked for, which some runners need to look.
async fn look_closely(context: &Context, job: &Job) -> Result<(), Error> {
    let whole = context.rows.job(&job.id).await?.value;
    look_now(context, &whole).await.map(|_| ())
}

/// Stores jobs nobody submitted through us; ended ones only when they are new.
async fn discover(context: &Context, target: &str, seen: impl Iterator<Item = Sighting>) -> Result<(), Error> {
    for sighting in seen.take(DISCOVERIES) {
        if own_job(context, target, &sighting).await? {
            continue;
        }
        discover_one(context, target, sighting).await?;
    }
    Ok(())
}

/// A job of ours that has ended is in the list still.
async fn own_job(context: &Context, target: &str, sighting: &Sighting) -> Result<bool, Error> {
    if !crate::job::id::is_token(&sighting.native_id) {
        return Ok(false);
    }
    Ok(context.rows.find_job(&JobId::own(target, &sighting.native_id)).await?.is_some())
}

async fn discover_one(context: &Context, target: &str, sighting: Sighting) -> Result<(), Error> {
    let id = JobId::foreign(target, &sighting.native_id);
    let at_ms = context.now_ms();
    let old = context.rows.find_job(&id).await?;
    let mut job = match (&old, context.state.target(target)) {
        (Some(old), _) => old.value.clone(),
        (None, Some(target)) => Job::discovered(id, target.runner, sighting.started_ms.unwrap_or(at_ms)),
        (None, None) => return Ok(()),
    };
    observe(&mut job, &Seen { look: Look::Seen(sighting), at_ms });
    store(context, old.as_ref(), job).await
}

async fn store(context: &Context, old: Option<&Stored<Job>>, mut job: Job) -> Result<(), Error> {
    if old.is_some_and(|old| old.value == job) {
        return Ok(());
    }
    job.version = old.map_or(1, |old| old.version + 1);
    let writes = job_writes(context.rows.tenant(), old, &job)?;
    context.rows.commit(&format!("discovered {} {}", job.id, job.version), writes).await.map(|_| ())
}

/// What is left to do for a job beyond looking at it.
async fn drive(context: &Context, job: &Job) -> Result<(), Error> {
    if matches!(job.phase, Phase::Intent | Phase::Sending | Phase::Unknown) {
        drive_submission(context, &job.id).await?;
    }
    match job.open_operations.first() {
        Some(id) => drive_operation(context, id).await.map(|_| ()),
        None => Ok(()),
    }
}
