//! One round of the reconciler: level-triggered, bounded, one list call per target.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Seen, Share,
    discover::{self, discover},
    drive_operation, drive_submission,
    due::{Due, due_jobs},
    look::{look_now, note_outage},
    poll::{BUSY, IDLE, Outcome},
    sweep,
};
use crate::{
    error::Error,
    job::{Job, JobState, JobType, Origin, Phase},
    runner::{Backend, Capability, Look, Runner, Sighting},
    verb::Context,
};

/// Time a round gives one target, so that a silent one holds up the others no longer than this.
const PER_TARGET: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(2);
const LATER: Duration = Duration::from_secs(15);
/// Audit rows are sealed within 5 s.
const UPKEEP: Duration = Duration::from_secs(4);

/// Drives what is unfinished in a share and refreshes what runs; answers when to come again.
///
/// # Errors
/// The store's. A runner's errors are noted with its target and end nothing.
pub async fn reconcile(context: &Context, share: &Share) -> Result<Duration, Error> {
    let upkeep = if share.has_upkeep() { Some(super::seal::seal_waiting(context).await?) } else { None };
    let due = due_jobs(context, share).await?;
    let targets: Vec<String> = context.state.targets().map(|target| target.name.clone()).collect();
    for target in targets.into_iter().filter(|target| share.has(context, target)) {
        let jobs: Vec<&Due> = due.iter().filter(|due| due.job.id.target() == target).collect();
        swallow_runner_errors(reconcile_target(&context.within(PER_TARGET), &target, &jobs).await)?;
    }
    let tenants = Tenants::of(context, &due);
    for due in &due {
        swallow_runner_errors(drive(tenants.context(due), &due.job).await)?;
    }
    let Some(sealing) = upkeep else { return Ok(if due.is_empty() { LATER } else { SOON }) };
    let cleaning = super::retain::remove_old(context).await?;
    Ok(if sealing || cleaning || !due.is_empty() { SOON } else { UPKEEP })
}

/// A runner that does not answer must not keep the others waiting; a store that does not answer ends the round.
pub(super) fn swallow_runner_errors(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.gave_up() || error.reason() == "store" => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// What the rows of each tenant are worked on with: made once a round.
struct Tenants<'a> {
    own: &'a Context,
    others: BTreeMap<String, Context>,
}

impl<'a> Tenants<'a> {
    fn of<'b>(own: &'a Context, due: impl IntoIterator<Item = &'b Due>) -> Self {
        let mut others = BTreeMap::new();
        for due in due.into_iter().filter(|due| due.tenant != own.rows.tenant()) {
            others.entry(due.tenant.clone()).or_insert_with(|| own.for_tenant(&due.tenant));
        }
        Self { own, others }
    }

    fn context(&self, due: &Due) -> &Context {
        self.others.get(&due.tenant).unwrap_or(self.own)
    }
}

async fn reconcile_target(context: &Context, target: &str, jobs: &[&Due]) -> Result<(), Error> {
    if context.state.health(target).next_call > context.io.now().mono {
        return Ok(());
    }
    let Ok(runner) = context.runner(target) else { return Ok(()) };
    let mut seen = list(context, &runner, target, &tokens(jobs)).await?;
    let tenants = Tenants::of(context, jobs.iter().copied());
    for due in jobs.iter().filter(|due| due.job.phase == Phase::Submitted) {
        let sighting = due.job.native_id.as_ref().and_then(|id| seen.remove(id));
        swallow_runner_errors(refresh(tenants.context(due), &due.job, sighting).await.map(drop))?;
    }
    watch_checkpoint(context, jobs).await?;
    discover(context, &runner, target, seen.into_values()).await
}

/// Tokens of the jobs of a round, by the runner's ids of them.
fn tokens(jobs: &[&Due]) -> BTreeMap<String, String> {
    let known = |due: &&Due| Some((due.job.native_id.clone()?, due.job.token().to_owned()));
    jobs.iter().filter_map(known).collect()
}

/// The one list call of a round.
async fn list(
    context: &Context,
    runner: &Runner,
    target: &str,
    tokens: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Sighting>, Error> {
    let seen = match runner.list_known(tokens).await {
        Ok(seen) => seen,
        Err(error) => {
            pause(context, target);
            return Err(note_outage(context, target, error));
        }
    };
    context.state.answered(target, context.now_ms());
    context.state.set_health(target, |health| health.next_call = Duration::ZERO);
    Ok(seen.into_iter().map(|sighting| (sighting.native_id.clone(), sighting)).collect())
}

/// A target that does not answer is asked less and less often: 2 s to a minute.
fn pause(context: &Context, target: &str) {
    let now = context.io.now().mono;
    context.state.set_health(target, |health| {
        let seconds = 2_u64.saturating_pow(health.failures.min(6) + 1).min(60);
        health.next_call = now + Duration::from_secs(seconds);
    });
}

/// Takes in what the list shows of a job. What it does not show, and how a job ended or why it recovers, is asked for by
/// itself. False where what the list showed was not taken in, so that it is looked at again.
pub(super) async fn refresh(context: &Context, job: &Job, sighting: Option<Sighting>) -> Result<bool, Error> {
    let Some(mut sighting) = sighting else {
        return if job.state.is_terminal() { Ok(true) } else { look_closely(context, job).await };
    };
    let at_ms = context.now_ms();
    if ends(job, &sighting) {
        return looked(context, job).await.map(|()| false);
    }
    if begins_to_recover(job, &sighting) && matches!(look_closely(context, job).await, Ok(true)) {
        return Ok(false);
    }
    // A list is silent about why a job waits or recovers; what a look has found holds while it does.
    let goes_on = |state| sighting.state == Some(state) && job.state == state;
    if sighting.diagnostics.is_empty() && [JobState::Pending, JobState::Recovering].into_iter().any(goes_on) {
        sighting.diagnostics.clone_from(&job.diagnostics);
    }
    let seen = Seen::new(Look::Seen(sighting.clone()), at_ms);
    let (target, print) = (job.id.target(), discover::print(&sighting));
    let name = discover::name(target, &sighting);
    if sweep::would_change(job, &seen) {
        sweep::found(context, job, sighting).await?;
    }
    context.state.watch(|watch| watch.took_in(name, print, context.io.now().mono));
    context.state.observed(context.rows.tenant(), job.id.as_str(), at_ms);
    Ok(true)
}

/// A list does not say how a job ended,
fn ends(job: &Job, sighting: &Sighting) -> bool {
    sighting.state.is_some_and(JobState::is_terminal) && !job.state.is_terminal()
}

/// nor why it is being recovered.
fn begins_to_recover(job: &Job, sighting: &Sighting) -> bool {
    let recovers = sighting.state == Some(JobState::Recovering) && sighting.diagnostics.is_empty();
    let may = job.state != JobState::Recovering && job.state.may_become(JobState::Recovering);
    recovers && may && job.phase == Phase::Submitted
}

/// A list does not show checkpoints, and a runner that is gone has forgotten them. Where a runner takes any, one streaming
/// job of ours is looked at in a round, the first that is due, so that each is known from where it can be restored.
async fn watch_checkpoint(context: &Context, jobs: &[&Due]) -> Result<(), Error> {
    let keeps_some = |job: &Job| {
        let target = context.state.target(job.id.target());
        target.is_some_and(|target| Capability::most_of(target.runner).contains(&Capability::Checkpointing))
    };
    let is_restorable =
        |job: &Job| job.origin == Origin::Submitted && job.job_type == Some(JobType::Streaming) && keeps_some(job);
    let runs = |job: &Job| job.phase == Phase::Submitted && job.state == JobState::Running;
    let due = |due: &&&Due| {
        let context = context.for_tenant(&due.tenant);
        runs(&due.job) && is_restorable(&due.job) && Pace::of(&context, &due.job, "look", IDLE).is_due(&context)
    };
    let Some(due) = jobs.iter().find(due) else { return Ok(()) };
    swallow_runner_errors(look_closely(&context.for_tenant(&due.tenant), &due.job).await.map(drop))
}

/// One look at one job, where the runner may be asked about one now.
async fn looked(context: &Context, job: &Job) -> Result<(), Error> {
    if !afford(context, job) {
        return Ok(());
    }
    let whole = context.rows.job(&job.id).await?.value;
    look_now(context, &whole).await.map(|_| ())
}

/// True when the runner may be asked about one job now.
fn afford(context: &Context, job: &Job) -> bool {
    let networked = context.state.target(job.id.target()).is_some_and(|target| target.url.is_some());
    let now = context.io.now().mono;
    !networked || context.state.watch(|watch| watch.polls.afford(job.id.target(), now))
}

/// One look at one job, when its time has come; false while it has not. The index row leaves out what was asked for, which
/// some runners need.
async fn look_closely(context: &Context, job: &Job) -> Result<bool, Error> {
    let pace = Pace::of(context, job, "look", IDLE);
    if !pace.is_due(context) || !afford(context, job) {
        return Ok(false);
    }
    let whole = context.rows.job(&job.id).await?.value;
    let looked = look_now(context, &whole).await;
    pace.after(context, looked.map(|after| after.value != whole)).map(|()| true)
}

/// What is left to do for a job beyond looking at it.
async fn drive(context: &Context, job: &Job) -> Result<(), Error> {
    let open = job.phase != Phase::Submitted && !job.state.is_terminal();
    let most = if job.phase == Phase::Parked { IDLE } else { BUSY };
    let pace = Pace::of(context, job, "work", most);
    if (!open && job.open_operations.is_empty()) || !pace.is_due(context) {
        return Ok(());
    }
    let worked = match work(context, job).await {
        Ok(()) => context.rows.job_version(&job.id).await.map(|after| after != job.version),
        Err(error) => Err(error),
    };
    pace.after(context, worked)
}

async fn work(context: &Context, job: &Job) -> Result<(), Error> {
    match job.phase {
        Phase::Intent | Phase::Sending | Phase::Unknown => drop(drive_submission(context, &job.id).await?),
        Phase::Parked if !job.state.is_terminal() => {
            let whole = context.rows.job(&job.id).await?.value;
            look_now(context, &whole).await?;
        }
        Phase::Parked | Phase::Submitted => {}
    }
    match job.open_operations.first() {
        Some(id) => drive_operation(context, id).await.map(|_| ()),
        None => Ok(()),
    }
}

/// How often one kind of work on one job is done.
struct Pace {
    key: String,
    most: Duration,
}

impl Pace {
    fn of(context: &Context, job: &Job, work: &str, most: Duration) -> Self {
        Self { key: [context.rows.tenant(), "/", job.id.as_str(), " ", work].concat(), most }
    }

    fn is_due(&self, context: &Context) -> bool {
        let now = context.io.now().mono;
        context.state.watch(|watch| watch.polls.is_due(&self.key, now))
    }

    /// Sets when it is done next, by whether it changed something.
    fn after(&self, context: &Context, changed: Result<bool, Error>) -> Result<(), Error> {
        let outcome = match &changed {
            Ok(true) => Outcome::Changed,
            Ok(false) => Outcome::Same,
            Err(_) => Outcome::Failed,
        };
        let (now, seed) = (context.io.now().mono, &context.call.seed);
        context.state.watch(|watch| watch.polls.after(&self.key, now, outcome, self.most, seed));
        changed.map(|_| ())
    }
}
