//! What a runner lists beyond the jobs of the round: ours that changed, late arrivals, and jobs nobody submitted through
//! us.

use super::{Seen, observe, reconcile::swallow_runner_errors, sweep};
use crate::{
    error::Error,
    job::{Job, JobId},
    runner::{Backend, Bearer, Look, Runner, Sighting},
    store::{Owner, Stored, owner_key},
    verb::Context,
};

/// Sightings taken in in one round, per target.
const MOST: usize = 200;

/// Takes in the sightings that differ from what this process took in before; ended ones of ours stay as they are.
pub(super) async fn discover(
    context: &Context,
    runner: &Runner,
    target: &str,
    seen: impl Iterator<Item = Sighting>,
) -> Result<(), Error> {
    let (mut left, now) = (MOST, context.io.now().mono);
    for sighting in seen {
        let (name, print) = (name(target, &sighting), print(&sighting));
        if left == 0 || context.state.watch(|watch| watch.is_known(&name, print, now)) {
            continue;
        }
        left -= 1;
        let taken = one(context, runner, target, sighting).await;
        if matches!(taken, Ok(true)) {
            context.state.watch(|watch| watch.took_in(name, print, now));
        }
        swallow_runner_errors(taken.map(drop))?;
    }
    Ok(())
}

/// What a sighting is remembered by.
pub(super) fn name(target: &str, sighting: &Sighting) -> String {
    format!("{target}/{}", sighting.native_id)
}

/// A number that differs when what is shown differs.
pub(super) fn print(sighting: &Sighting) -> u64 {
    let text = format!("{} {:?} {:?}", sighting.runner_state, sighting.started_ms, sighting.ended_ms);
    // FNV-1a: short, and nobody gains from a collision.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// True when the same sighting needs no second look.
async fn one(context: &Context, runner: &Runner, target: &str, mut sighting: Sighting) -> Result<bool, Error> {
    let mut known = owned(context, target, &sighting).await?;
    if known.is_none() && sighting.token.is_none() && runner.identity().is_marker() {
        match runner.bearer(&sighting).await? {
            Bearer::Token(token) => {
                sighting.token = Some(token);
                known = owned(context, target, &sighting).await?;
            }
            Bearer::Nothing => {}
            Bearer::Unreadable => return Ok(false),
        }
    }
    if let Some((tenant, job)) = known {
        return sweep::take_in(&context.for_tenant(&tenant), &job, sighting).await;
    }
    foreign(context, target, sighting).await?;
    Ok(true)
}

/// The job of ours a runner shows, of whichever tenant.
async fn owned(context: &Context, target: &str, sighting: &Sighting) -> Result<Option<(String, Stored<Job>)>, Error> {
    for known_as in [Some(&sighting.native_id), sighting.token.as_ref()].into_iter().flatten() {
        if let Some(owner) = context.rows.read::<Owner>(owner_key(target, known_as)).await? {
            let rows = context.for_tenant(&owner.value.tenant).rows;
            return Ok(rows.find_job(&owner.value.job_id).await?.map(|job| (owner.value.tenant, job)));
        }
    }
    // Rows of schema 1 have no owner row.
    if !crate::job::id::is_token(&sighting.native_id) {
        return Ok(None);
    }
    let job = context.rows.find_job(&JobId::own(target, &sighting.native_id)).await?;
    Ok(job.map(|job| (context.rows.tenant().to_owned(), job)))
}

/// A job nobody submitted through us: it belongs to the tenant of the reconciler.
async fn foreign(context: &Context, target: &str, sighting: Sighting) -> Result<(), Error> {
    let id = JobId::foreign(target, &sighting.native_id);
    let at_ms = context.now_ms();
    if sighting.ended_ms.is_some_and(|ended| ended < context.state.config.job_cutoff_ms(at_ms)) {
        return Ok(());
    }
    let old = context.rows.find_job(&id).await?;
    let mut job = match (&old, context.state.target(target)) {
        (Some(old), _) => old.value.clone(),
        (None, Some(target)) => Job::discovered(id, target.runner, sighting.started_ms.unwrap_or(at_ms)),
        (None, None) => return Ok(()),
    };
    observe(&mut job, &Seen::new(Look::Seen(sighting), at_ms));
    store(context, old.as_ref(), job).await
}

async fn store(context: &Context, old: Option<&Stored<Job>>, mut job: Job) -> Result<(), Error> {
    if old.is_some_and(|old| old.value == job) {
        return Ok(());
    }
    job.version = old.map_or(1, |old| old.version + 1);
    let writes = context.rows.job_writes(old, &job)?;
    context.rows.commit(&format!("discovered {} {}", job.id, job.version), writes).await.map(|_| ())
}
