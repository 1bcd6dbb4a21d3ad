//! The calls one by one, at invented moments.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{Simulator, script::SCRIPTS};
use crate::{
    config::{Config, Target},
    error::{Error, ErrorKind, Landed},
    flow::{Flow, Now, Step},
    job::{
        EndedBy, Job, JobId, JobSpec, JobState, LogQuery, MetricValue, Operation, OperationKind, OperationState, Phase,
    },
    runner::{Backend, Context, Look, Submitted},
};

const CREATED_MS: u64 = 1_795_167_923_000;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn target(settings: &Value) -> Target {
    let mut target = json!({"runner": "simulator"});
    target.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    Config::from_json(&json!({"targets": {"sim": target}})).unwrap().targets["sim"].clone()
}

/// One call at a time since the submission; it must not ask for anything.
macro_rules! at {
    ($target:expr, $ms:expr, $runner:ident => $call:expr) => {{
        let target = Arc::new($target.clone());
        let mut flow = Flow::new(move |io| async move {
            let $runner = Simulator::new(Context::for_test(io, target));
            $call.await
        });
        match flow.step(Now { mono: Duration::ZERO, wall_ms: CREATED_MS + $ms }, None) {
            Step::Done(result) => result,
            Step::Effect(effect) => panic!("asked for {effect:?}"),
        }
    }};
}

fn submitted(target: &Target, options: &Value) -> Job {
    let pipeline_options = options.as_object().unwrap().clone();
    let spec = JobSpec { job_name: "My Job".into(), pipeline_options, ..JobSpec::default() };
    let own = spec.clone();
    let submission = at!(target, 0, runner => runner.prepare(&own, TOKEN, false)).unwrap();
    Job {
        submission: Some(submission.into()),
        attempts: 1,
        phase: Phase::Sending,
        ..Job::intended(JobId::own("sim", TOKEN), target.runner, "p", spec, CREATED_MS)
    }
}

fn state(target: &Target, job: &Job, ms: u64) -> Option<JobState> {
    let job = job.clone();
    match at!(target, ms, runner => runner.look(&job)).unwrap() {
        Look::Seen(sighting) => sighting.state,
        Look::Absent => None,
    }
}

fn operation(job: &Job, kind: OperationKind, sent: u64) -> Operation {
    let trigger_id = "f".repeat(32);
    serde_json::from_value(json!({
        "id": format!("{}/{}-{trigger_id}", job.id, kind.as_str()), "job_id": job.id, "kind": kind,
        "state": "ACCEPTED", "trigger_id": trigger_id, "requested_ms": CREATED_MS + sent,
        "sent_ms": CREATED_MS + sent, "attempts": 1, "parallelism": 4,
    }))
    .unwrap()
}

fn submit(target: &Target, job: &Job, ms: u64) -> Result<String, Error> {
    let job = job.clone();
    at!(target, ms, runner => runner.submit(&job)).map(|submitted| match submitted {
        Submitted::Accepted { native_id } => native_id,
        Submitted::Held { .. } => panic!("no child"),
    })
}

#[test]
fn every_script_is_a_legal_course_and_the_same_whenever_it_is_asked_for() {
    for script in &SCRIPTS {
        let target = target(&json!({}));
        let job = Job { attempts: 2, ..submitted(&target, &json!({"simulator_script": script.name})) };
        let mut seen: Vec<JobState> = Vec::new();
        for ms in (0..180_000).step_by(1_000) {
            let look = |job: Job| at!(target, ms, runner => runner.look(&job));
            match (look(job.clone()), look(job.clone())) {
                (Ok(first), Ok(second)) => assert_eq!(first, second),
                (Err(first), Err(_)) => {
                    assert!(matches!(first.kind(), ErrorKind::RateLimited | ErrorKind::Unavailable), "{first}");
                    continue;
                }
                other => panic!("{other:?}"),
            }
            seen.extend(state(&target, &job, ms));
        }
        seen.dedup();
        assert_eq!(seen[0], JobState::Pending, "{}", script.name);
        assert!(seen.windows(2).all(|pair| pair[0].may_become(pair[1])), "{}: {seen:?}", script.name);
        let ends = seen.last().unwrap().is_terminal();
        assert_eq!(ends, matches!(script.name, "batch" | "failing"), "{}: {seen:?}", script.name);
    }
}

#[test]
fn what_a_submission_is_known_by_depends_on_the_identity() {
    for (identity, by_token, first_is_second) in
        [("chosen", true, true), ("named", true, true), ("marker", true, false), ("none", false, false)]
    {
        let target = target(&json!({"identity": identity}));
        let job = submitted(&target, &json!({}));
        let native = submit(&target, &job, 0).unwrap();
        let unsent = Job { attempts: 0, ..job.clone() };
        assert_eq!(state(&target, &unsent, 500), None, "{identity}: nothing was sent");
        assert_eq!(state(&target, &job, 500).is_some(), by_token, "{identity}");
        let known = Job { native_id: Some(native.clone()), ..job.clone() };
        assert_eq!(state(&target, &known, 500), Some(JobState::Pending), "{identity}");
        let again = submit(&target, &Job { attempts: 2, ..job.clone() }, 500);
        match again {
            Ok(second) => assert_eq!(second == native, first_is_second, "{identity}"),
            Err(error) => assert_eq!((error.reason(), identity), ("name_in_use", "named")),
        }
    }
}

#[test]
fn a_name_is_free_again_once_its_job_has_ended() {
    let target = target(&json!({"identity": "named", "script": "batch"}));
    let job = Job { attempts: 2, ..submitted(&target, &json!({})) };
    let error = submit(&target, &job, 5_000).unwrap_err();
    assert_eq!((error.kind(), error.landed()), (ErrorKind::Conflict, Landed::Perhaps));
    assert_eq!(submit(&target, &job, 12_000).unwrap(), format!("my-job-{TOKEN}"));
}

#[test]
fn a_lost_answer_may_have_arrived_and_a_refusal_certainly_did_not() {
    for (script, landed, arrived) in [("lost_answer", Landed::Perhaps, true), ("rate_limited", Landed::No, false)] {
        let target = target(&json!({"script": script}));
        let job = submitted(&target, &json!({}));
        let error = submit(&target, &job, 0).unwrap_err();
        assert_eq!((error.landed(), state(&target, &job, 100).is_some()), (landed, arrived), "{script}");
        assert!(submit(&target, &Job { attempts: 2, ..job }, 1_000).is_ok(), "{script}");
    }
}

#[test]
fn operations_take_their_time_and_time_runs_at_the_targets_speed() {
    for (speed, kind, takes) in [
        (1.0, OperationKind::Cancel, 1_000),
        (1.0, OperationKind::Savepoint, 3_000),
        (10.0, OperationKind::Stop, 400),
        (0.5, OperationKind::Drain, 10_000),
        (1.0, OperationKind::Scale, 2_000),
    ] {
        let target = target(&json!({"speed": speed}));
        let job = submitted(&target, &json!({}));
        let asked = operation(&job, kind, 5_000);
        let progress = |ms: u64| {
            let (job, asked) = (job.clone(), asked.clone());
            at!(target, 5_000 + ms, runner => runner.progress(&job, &asked, Duration::ZERO)).unwrap()
        };
        assert_eq!(progress(takes - 1).state, OperationState::InProgress, "{kind:?}");
        let done = progress(takes);
        assert_eq!(done.state, OperationState::Succeeded, "{kind:?}");
        let keeps = matches!(kind, OperationKind::Savepoint | OperationKind::Stop);
        let path = format!("simulator:/savepoints/{TOKEN}/{}", "f".repeat(32));
        assert_eq!(done.savepoint_path, keeps.then_some(path), "{kind:?}");
        assert_eq!(done.actual.len(), if kind == OperationKind::Scale { 3 } else { 0 });
    }
}

#[test]
fn an_operation_fails_when_its_job_ends_first() {
    let target = target(&json!({"script": "failing"}));
    let job = submitted(&target, &json!({}));
    let asked = operation(&job, OperationKind::Drain, 8_000);
    let progress = |job: Job| {
        let asked = asked.clone();
        at!(target, 13_000, runner => runner.progress(&job, &asked, Duration::ZERO)).unwrap()
    };
    let late = progress(job.clone());
    assert_eq!(late.state, OperationState::Failed);
    assert!(late.diagnostics.contains("FAILED"), "{}", late.diagnostics);
    let canceled =
        Job { state: JobState::Canceled, ended_ms: Some(CREATED_MS + 9_000), ended_by: Some(EndedBy::Cancel), ..job };
    assert!(progress(canceled).diagnostics.contains("CANCELED"));
}

#[test]
fn numbers_only_grow_and_stand_still_after_the_end() {
    for (script, speed) in [("restarting", 1.0), ("back_pressure", 7.3), ("batch", 3.0), ("failing", 0.3)] {
        let target = target(&json!({"script": script, "speed": speed}));
        let job = submitted(&target, &json!({}));
        let mut last = 0;
        for ms in (0..100_000).step_by(700) {
            let row = job.clone();
            let metrics = at!(target, ms, runner => runner.metrics(&row)).unwrap();
            let Some(MetricValue::Int(processed)) = metrics.system[0].attempted else { panic!() };
            assert!(processed >= last, "{script} at {ms}: {processed} after {last}");
            last = processed;
        }
        if matches!(script, "batch" | "failing") {
            assert_eq!(last, 10_000, "{script}");
        }
    }
}

#[test]
fn checkpoints_are_those_that_are_counted_and_never_move() {
    let restarting = target(&json!({"script": "restarting", "speed": 2.0}));
    let job = submitted(&restarting, &json!({}));
    let listed = |ms: u64| {
        let row = job.clone();
        at!(restarting, ms, runner => runner.checkpoints(&row)).unwrap()
    };
    assert_eq!((listed(2_000).counts.unwrap().completed, listed(2_000).checkpoints), (0, vec![]));
    let (early, late) = (listed(30_000), listed(50_000));
    assert!(late.counts.unwrap().completed > early.counts.unwrap().completed && early.checkpoints.len() > 2);
    for checkpoint in early.checkpoints.iter().filter(|one| late.checkpoints.iter().any(|other| other.id == one.id)) {
        assert!(late.checkpoints.contains(checkpoint), "{checkpoint:?}");
    }
    assert!(late.checkpoints.is_sorted_by(|a, b| a.id > b.id && a.started_at > b.started_at), "{late:?}");
    let batch = target(&json!({"script": "batch"}));
    let row = submitted(&batch, &json!({}));
    assert_eq!(at!(batch, 9_000, runner => runner.checkpoints(&row)).unwrap_err().reason(), "checkpointing_off");
}

#[test]
fn a_log_line_never_changes_and_pages_of_any_size_are_the_same_log() {
    let target = target(&json!({"script": "restarting", "speed": 2.0}));
    let job = submitted(&target, &json!({}));
    let ended = Job {
        state: JobState::Canceled,
        ended_ms: Some(CREATED_MS + 60_500),
        ended_by: Some(EndedBy::Cancel),
        ..job.clone()
    };
    let page = |job: &Job, ms: u64, query: LogQuery| {
        let job = job.clone();
        at!(target, ms, runner => runner.logs(&job, &query)).unwrap()
    };
    let from =
        |token: &str, max_results| LogQuery { max_results, page_token: Some(token.into()), ..LogQuery::default() };
    let whole = page(&ended, 70_000, from(LogQuery::START, 1000));
    assert_eq!((whole.logs.len(), whole.next_page_token), (27, None));
    for size in [1, 2, 5, 13] {
        let (mut token, mut lines, mut ms) = (LogQuery::START.to_owned(), Vec::new(), 0);
        loop {
            let part = page(if ms < 60_500 { &job } else { &ended }, ms, from(&token, size));
            lines.extend(part.logs);
            let Some(next) = part.next_page_token else { break };
            token = next;
            ms += 900;
        }
        assert_eq!(lines, whole.logs, "{size}");
    }
    let newest = page(&ended, 70_000, LogQuery { max_results: 3, ..LogQuery::default() });
    assert_eq!(newest.logs, whole.logs[24..]);
    let worn = LogQuery { max_results: 99, contains: Some("lost".into()), ..LogQuery::default() };
    assert_eq!(page(&ended, 70_000, worn).logs.len(), 4);
}

#[test]
fn a_target_with_settings_nobody_knows_is_refused_at_the_start() {
    for (settings, reason) in [
        (json!({"script": "runing"}), "unknown_script"),
        (json!({"speed": 0.0}), "bad_speed"),
        (json!({"speed": -1.0}), "bad_speed"),
        (json!({"speed": 1e9}), "bad_speed"),
    ] {
        assert_eq!(Simulator::check_target(&target(&settings)).unwrap_err().reason(), reason);
    }
    Simulator::check_target(&target(&json!({"speed": 3600, "script": "lag"}))).unwrap();
}
