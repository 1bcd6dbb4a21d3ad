//! Which jobs a round works on: at most 200, fair over targets and tenants, each scan going on where it ended.

use std::{collections::BTreeMap, sync::Arc};

use super::Share;
use crate::{
    error::Error,
    job::Job,
    store::{Kind, Record, Scan},
    verb::Context,
};

/// Jobs of one round.
pub(super) const BATCH: u32 = 200;
/// Scans of one round; further pairs of target and tenant have their turn in the next.
const SCANS: usize = 32;

/// One place jobs wait at: a tenant's jobs of a target.
#[derive(Clone, Debug, PartialEq)]
struct Queue {
    target: String,
    tenant: String,
}

/// A job that has not ended, as its index row shows it.
pub(super) struct Due {
    pub(super) tenant: String,
    pub(super) job: Arc<Job>,
}

/// The jobs of a round.
///
/// # Errors
/// The store's.
pub(super) async fn due_jobs(context: &Context, share: &Share) -> Result<Vec<Due>, Error> {
    let queues = queues(context, share);
    let turn = context.state.watch(|watch| {
        watch.turn = watch.turn.wrapping_add(1);
        watch.turn
    });
    let turns = queues.iter().cycle().skip(turn % queues.len().max(1)).take(queues.len().min(SCANS));
    let (mut found, mut left) = (BTreeMap::new(), BATCH);
    let mut waiting = u32::try_from(queues.len().min(SCANS)).unwrap_or(1);
    for queue in turns {
        let share = left.div_ceil(waiting.max(1)).max(1);
        let page = page(context, queue, share.min(left)).await?;
        left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(left));
        waiting = waiting.saturating_sub(1);
        found.extend(page.into_iter().map(|due| ((due.tenant.clone(), due.job.id.clone()), due)));
        if left == 0 {
            break;
        }
    }
    found.retain(|_, due: &mut Due| share.has(context, due.job.id.target()));
    Ok(found.into_values().collect())
}

/// Every target of every tenant, and a queue of all jobs, for those whose target or tenant is gone; of a share what is
/// its own.
fn queues(context: &Context, share: &Share) -> Vec<Queue> {
    let tenants = context.state.config.tenants(context.rows.tenant());
    let of_target = |target: &str| {
        let queue = |tenant: &String| Queue { target: target.to_owned(), tenant: tenant.clone() };
        tenants.iter().map(queue).collect::<Vec<_>>()
    };
    let targets = context.state.targets().filter(|target| share.has(context, &target.name));
    let mut all: Vec<Queue> = targets.flat_map(|target| of_target(&target.name)).collect();
    let target = if let Share::Target(name) = share { name.clone() } else { String::new() };
    all.push(Queue { target, tenant: "*".into() });
    all
}

/// The next jobs of a queue; from its start again after its end.
async fn page(context: &Context, queue: &Queue, limit: u32) -> Result<Vec<Due>, Error> {
    let prefix = if queue.target.is_empty() { String::new() } else { format!("{}/", queue.target) };
    let name = format!("due {} {prefix}", queue.tenant);
    let after = context.state.watch(|watch| watch.cursor(&name));
    let scan =
        Scan { tenant: queue.tenant.clone(), kind: Kind::JobDue.as_str().into(), prefix, limit, ..Scan::default() };
    let mut records = context.io.scan(Scan { after: after.clone(), ..scan.clone() }).await?.records;
    let full = |count: usize| u32::try_from(count).is_ok_and(|count| count >= limit);
    if !full(records.len()) && after.is_some() {
        let rest = limit.saturating_sub(u32::try_from(records.len()).unwrap_or(limit)).max(1);
        let mut again = context.io.scan(Scan { limit: rest, ..scan }).await?.records;
        again.retain(|record| after.as_ref().is_none_or(|after| record.key.id <= *after));
        records.extend(again);
    }
    let end = records.last().map(|record| record.key.id.clone()).filter(|_| full(records.len()));
    context.state.watch(|watch| watch.set_cursor(&name, end));
    let due = |record: &Record| {
        let job = context.state.jobs.read(record)?.value;
        Ok(Due { tenant: record.key.tenant.clone(), job })
    };
    records.iter().map(due).collect()
}
