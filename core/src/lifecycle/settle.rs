//! When silence about a submission means that nothing can be on its way any more (security-reliability.md 4.3, rule 7).

use std::time::Duration;

use crate::{
    error::Error,
    job::{Job, Operation, Phase},
    verb::Context,
};

/// Longer than the store's time-out, the longest life of a submission in flight (10 min) and a runner's lag together.
pub(super) const SETTLE: Duration = Duration::from_secs(15 * 60);
/// Where processes come and go: looks that must have found nothing, this far apart, over [`SETTLE`] of wall time.
const LOOKS: u32 = 10;
const APART_MS: u64 = 30_000;
/// For this long after a permit, a process that did not take it leaves a submission that is not found alone.
const LEASE: Duration = Duration::from_secs(20);

/// True when a submission that was just looked for and not found cannot arrive any more.
///
/// The time is that of this process's own monotonic clock, so a jump of the wall clock shortens nothing, and a process
/// that takes over begins anew. A host whose processes do not live that long counts looks in the row instead.
pub(super) async fn is_settled(context: &Context, job: &Job) -> Result<bool, Error> {
    is_silent(context, job, SETTLE).await
}

/// True when looks have found nothing for this long, by the same clocks.
pub(super) async fn is_silent(context: &Context, job: &Job, long: Duration) -> Result<bool, Error> {
    if outlives(&context.state.host.kind) {
        let (key, now) = (permit(context, job), context.io.now().mono);
        let since = context.state.watch(|watch| watch.absent_since(key, now));
        return Ok(now.saturating_sub(since) >= long);
    }
    let now = context.now_ms();
    let change = |row: &mut Job| {
        if is_looked_for(row, job) {
            count(row, now);
        }
        Ok(Vec::new())
    };
    let counted = context.rows.change_job(&job.id, "counted", change).await?;
    Ok(has_been_absent(&counted.value, now, long))
}

/// True while the process that took the permit may still be sending. Walls' clocks differ from process to process, so
/// each counts from when it first saw the permit; where processes come and go, only the wall's time is left.
pub(super) fn is_leased(context: &Context, job: &Job) -> bool {
    if job.phase != Phase::Sending {
        return false;
    }
    if outlives(&context.state.host.kind) {
        return context.io.now().mono.saturating_sub(note_permit(context, job)) < LEASE;
    }
    Duration::from_millis(context.now_ms().saturating_sub(job.sent_ms)) < LEASE
}

/// Notes the permit of a row, where this process has not seen it yet. Gives when it first saw it, on its own clock.
pub(super) fn note_permit(context: &Context, job: &Job) -> Duration {
    let (key, now) = (permit(context, job), context.io.now().mono);
    context.state.watch(|watch| watch.permitted_since(key, now))
}

/// How long ago the last permit to send an operation was taken, by the clocks of [`is_leased`]: from when this process
/// first saw it on.
pub(super) fn silence(context: &Context, operation: &Operation) -> Duration {
    if !outlives(&context.state.host.kind) {
        return Duration::from_millis(operation.age_ms(context.now_ms()));
    }
    // Permits are given back, so their number names none; nor does the greater time, where the wall was set back.
    let permit_ms = if operation.permit_ms == 0 { operation.sent_ms } else { operation.permit_ms };
    let (key, now) = (format!("{}/{}/{permit_ms}", context.rows.tenant(), operation.id), context.io.now().mono);
    now.saturating_sub(context.state.watch(|watch| watch.permitted_since(key, now)))
}

/// How long ago the first send of a job can have left that nobody explained, by the later of two clocks: the wall, which
/// may have been set back or be another than the one that told the permit (then it may be negative), and this process's
/// own since it first saw that permit.
pub(super) fn age_ms(context: &Context, job: &Job) -> i64 {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let since_ms = job.unexplained_since_ms();
    let wall_ms = signed(context.now_ms()).saturating_sub(signed(since_ms));
    let start = format!("{}/{}/{}/{since_ms}", context.rows.tenant(), job.id, job.generation);
    let now = context.io.now().mono;
    context.state.watch(|watch| watch.age_of(start, wall_ms, now)).max(wall_ms)
}

fn permit(context: &Context, job: &Job) -> String {
    format!("{}/{}/{}/{}", context.rows.tenant(), job.id, job.generation, job.attempts)
}

/// True where a process may live through [`SETTLE`].
pub(crate) fn outlives(host: &str) -> bool {
    !matches!(host, "lambda" | "wasm")
}

/// The row waits for what `seen` waited for. That may be an intent: a cancel holds it back after an unexplained send.
fn is_looked_for(row: &Job, seen: &Job) -> bool {
    let open = row.phase != Phase::Submitted && !row.state.is_terminal();
    open && (row.generation, row.attempts) == (seen.generation, seen.attempts)
}

fn count(row: &mut Job, now_ms: u64) {
    row.absent_since_ms.get_or_insert(now_ms);
    if row.absences < LOOKS && now_ms.saturating_sub(row.absent_ms) >= APART_MS {
        (row.absences, row.absent_ms) = (row.absences + 1, now_ms);
    }
}

fn has_been_absent(row: &Job, now_ms: u64, long: Duration) -> bool {
    let since = row.absent_since_ms.unwrap_or(now_ms);
    let apart = u32::try_from(long.as_millis() / u128::from(APART_MS)).unwrap_or(LOOKS);
    row.absences >= apart.min(LOOKS) && u128::from(now_ms.saturating_sub(since)) >= long.as_millis()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        auth::{Caller, Role},
        call::Call,
        engine::State,
        flow::{Flow, Now, Step},
        job::{JobState, OperationKind, OperationState},
        lifecycle::{observe::tests::job, operate::tests::operation},
    };

    const HOUR_MS: u64 = 3_600_000;

    fn process(kind: &str) -> Arc<State> {
        State::for_test(kind).into()
    }

    /// What a process finds when its own clock and its wall show this.
    fn at<T: Send + 'static>(
        state: &Arc<State>,
        (seconds, wall_ms): (u64, u64),
        what: impl FnOnce(&Context) -> T + Send + 'static,
    ) -> T {
        let state = Arc::clone(state);
        let call = Call::local(Caller::with_role("p", Role::Operator), Duration::MAX, [0; 32]);
        let mut flow = Flow::new(move |io| async move { Ok(what(&Context::new(io, call, state))) });
        match flow.step(Now { mono: Duration::from_secs(seconds), wall_ms }, None) {
            Step::Done(found) => found.unwrap(),
            Step::Effect(effect) => panic!("{effect:?}"),
        }
    }

    fn age(state: &Arc<State>, clocks: (u64, u64), job: &Job) -> i64 {
        let job = job.clone();
        at(state, clocks, move |context| age_ms(context, &job))
    }

    #[test]
    fn a_first_send_is_as_old_as_its_permit_and_not_as_the_job() {
        let sent = Job { intended_ms: HOUR_MS, memory_ms: 2 * HOUR_MS, ..job(JobState::SubmitUnknown) };
        for kind in ["server", "lambda"] {
            assert_eq!(age(&process(kind), (7, 2 * HOUR_MS + 5), &sent), 5, "{kind}: not an hour");
        }
        let process = process("server");
        let first_of_an_older_build = Job { memory_ms: 0, ..sent.clone() };
        assert_eq!(age(&process, (7, 2 * HOUR_MS + 5), &first_of_an_older_build), 3_600_005);
        // The wall is set back by 50 min while an hour goes by; the repetition's permit changes nothing.
        age(&process, (7, 2 * HOUR_MS), &sent);
        let again = Job { attempts: 2, sent_ms: 2 * HOUR_MS + 1, ..sent.clone() };
        assert_eq!(age(&process, (3_607, 2 * HOUR_MS + 600_000), &again), 3_600_000);
        let next = Job { generation: 2, memory_ms: 2 * HOUR_MS + 600_000, ..sent };
        assert_eq!(age(&process, (3_607, 2 * HOUR_MS + 600_000), &next), 0);
    }

    fn silent(state: &Arc<State>, clocks: (u64, u64), operation: &Operation) -> u64 {
        let operation = operation.clone();
        at(state, clocks, move |context| silence(context, &operation).as_secs())
    }

    fn sent_at(permit_ms: u64, sent_ms: u64) -> Operation {
        Operation { sent_ms, permit_ms, ..operation(OperationKind::Cancel, OperationState::Requested) }
    }

    #[test]
    fn an_operation_is_silent_since_this_process_first_saw_its_last_permit() {
        let (server, sent) = (process("server"), sent_at(HOUR_MS, 0));
        assert_eq!(silent(&server, (100, 5 * HOUR_MS), &sent), 0, "its wall may be any");
        assert_eq!(silent(&server, (160, HOUR_MS - 9), &sent), 60, "and be set");
        let answered = Operation { sent_ms: HOUR_MS + 50, ..sent.clone() };
        assert_eq!(silent(&server, (170, HOUR_MS), &answered), 70, "what became of the send is no other permit");
        // Sent again where the wall was set back: the later permit has the lesser time.
        let again = Operation { permit_ms: HOUR_MS - 60_000, ..answered };
        assert_eq!(silent(&server, (200, HOUR_MS), &again), 0);
        assert_eq!(silent(&server, (230, HOUR_MS), &again), 30);
        assert_eq!(silent(&process("server"), (230, HOUR_MS), &again), 0, "another process counts anew");
    }

    #[test]
    fn rows_of_builds_without_permits_count_from_the_send() {
        let (server, sent) = (process("server"), sent_at(0, HOUR_MS));
        assert_eq!((silent(&server, (5, 0), &sent), silent(&server, (8, 0), &sent)), (0, 3));
        assert_eq!(silent(&server, (9, 0), &sent_at(0, HOUR_MS + 1)), 0);
    }

    #[test]
    fn where_processes_come_and_go_the_wall_tells_since_the_later_of_permit_and_send() {
        for host in ["lambda", "wasm"] {
            let process = process(host);
            for (permit_ms, sent_ms) in [(HOUR_MS, HOUR_MS - 9_000), (HOUR_MS - 9_000, HOUR_MS)] {
                assert_eq!(silent(&process, (1, HOUR_MS + 60_000), &sent_at(permit_ms, sent_ms)), 60, "{host}");
            }
            assert_eq!(silent(&process, (900, HOUR_MS - 1), &sent_at(HOUR_MS, 0)), 0, "a wall that was set back");
        }
    }

    #[test]
    fn where_processes_come_and_go_ten_spaced_looks_over_a_quarter_of_an_hour_settle() {
        let mut row = job(JobState::SubmitUnknown);
        for look in 0..100 {
            count(&mut row, look * 10_000);
        }
        assert_eq!((row.absences, has_been_absent(&row, 899_999, SETTLE)), (10, false));
        let counted = row.clone();
        count(&mut row, 2_000_000);
        assert_eq!(row, counted, "enough is enough: a row that changes with every look is never ended");
        assert!(has_been_absent(&row, 900_000, SETTLE));
        let held_back = Job { phase: Phase::Intent, ..job(JobState::Submitting) };
        assert!(is_looked_for(&held_back, &held_back) && !is_looked_for(&job(JobState::Running), &held_back));
        assert!(!is_looked_for(&Job { attempts: 1, ..held_back.clone() }, &held_back), "another send");
        let mut hasty = job(JobState::SubmitUnknown);
        (0..100).for_each(|look| count(&mut hasty, 1_000_000 + look));
        assert_eq!(
            (hasty.absences, has_been_absent(&hasty, 2_000_000, SETTLE)),
            (1, false),
            "looks side by side are one"
        );
        let lag = Duration::from_secs(120);
        let mut lagging = job(JobState::SubmitUnknown);
        for (look, expected) in [(0, false), (40_000, false), (80_000, false), (119_999, false), (150_000, true)] {
            count(&mut lagging, look);
            assert_eq!(has_been_absent(&lagging, look, lag), expected, "{look}");
        }
    }
}
