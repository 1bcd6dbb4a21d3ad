//! The flows against a host whose answers are those that were recorded.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::Direct;
use crate::{
    Flow, Now, Step,
    config::{RunnerKind, Target},
    effect::{Effect, Fact, Handle, Held, Origin as From, Query, Refusal, Reply, Signal, Source, SourceId},
    error::{Error, ErrorKind, Landed},
    flow::Io,
    job::{Job, JobId, JobSpec, JobState, Operation, OperationKind, OperationState, Phase},
    runner::{Backend, Begun, Capability, Context, Look, Submitted},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A job of ours whose child was started.
pub(crate) fn job(id: JobId, runner: RunnerKind) -> Job {
    Job {
        handle: id.token().map(|token| Handle { folder: token.into(), pid: 7, start_time: 9 }),
        name: "wordcount".into(),
        spec: None,
        phase: Phase::Submitted,
        state: JobState::Running,
        attempts: 1,
        ..Job::intended(id, runner, "p", JobSpec::default(), 0)
    }
}

/// Steps a call at `wall_ms`, answering each effect; returns the end and what was asked.
fn drive<T, F>(
    wall_ms: u64,
    call: impl FnOnce(Direct) -> F,
    mut answer: impl FnMut(&Effect) -> Reply,
) -> (Result<T, Error>, Vec<Effect>)
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut flow = Flow::new(|io| call(direct(io)));
    let now = Now { mono: Duration::from_millis(wall_ms), wall_ms };
    let (mut asked, mut reply) = (Vec::new(), None);
    loop {
        match flow.step(now, reply.take()) {
            Step::Effect(effect) => {
                reply = Some(answer(&effect));
                asked.push(effect);
            }
            Step::Done(end) => return (end, asked),
        }
    }
}

fn direct(io: Io) -> Direct {
    let mut target = Target::new("local", RunnerKind::Direct);
    target.env.insert("TOKEN".into(), "env:TOKEN".into());
    Direct::new(Context::for_test(io, Arc::new(target)))
}

fn mine() -> Job {
    job(JobId::own("local", TOKEN), RunnerKind::Direct)
}

fn staged() -> Reply {
    Reply::Staged(Source {
        id: SourceId("sha256:aa".into()),
        sha256: "aa".into(),
        size: 3,
        file_name: "wordcount.py".into(),
        archive: None,
        outline: None,
    })
}

fn spec() -> JobSpec {
    let options = json!({"input": "/in.txt", "output": "out/counts"});
    JobSpec {
        code_path: Some("jobs/wordcount.py".into()),
        args: vec!["now".into()],
        pipeline_options: serde_json::from_value(options).unwrap(),
        ..JobSpec::default()
    }
}

fn alive(alive: bool) -> Fact {
    Fact::Alive { alive, exit_code: None, signal: None, limit: None, released: true }
}

fn python(found: bool, beam: Option<&str>) -> Reply {
    let beam_version = beam.map(Into::into);
    Reply::Facts { facts: vec![Fact::Program { found, version: Some("3.11.7".into()), beam_version, yaml: false }] }
}

/// What a host with this Python answers while a submission is prepared.
fn answers(python: Reply) -> impl FnMut(&Effect) -> Reply {
    move |effect| if matches!(effect, Effect::Observe { .. }) { python.clone() } else { staged() }
}

fn facts(is_alive: bool) -> Reply {
    Reply::Facts { facts: vec![alive(is_alive), Fact::Result { state: None, result: None }] }
}

fn cancel(force: bool) -> Operation {
    serde_json::from_value(json!({
        "id": format!("local:{TOKEN}/cancel-{TOKEN}"), "job_id": format!("local:{TOKEN}"), "kind": "cancel",
        "state": "ACCEPTED", "trigger_id": TOKEN, "force": force, "requested_ms": 1000, "sent_ms": 1000,
    }))
    .unwrap()
}

#[test]
fn a_file_is_staged_started_and_released() {
    let (prepared, asked) = drive(
        0,
        |direct| async move { direct.prepare(&spec(), TOKEN, false).await },
        answers(python(true, Some("2.77.0"))),
    );
    let submission = prepared.unwrap();
    assert_eq!(
        submission.argv,
        ["script", "code/wordcount.py", "now", "--input=/in.txt", "--output=out/counts", "--runner=FnApiRunner"]
    );
    let Effect::Stage(recipe) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((&recipe.base, recipe.max_bytes), (&From::Path("jobs/wordcount.py".into()), 16 << 20));

    let row = Job { submission: Some(submission.into()), handle: None, ..mine() };
    let held = |_: &Effect| Reply::Held(Held { pid: 7, start_time: 9 });
    let (submitted, asked) = drive(0, |direct| async move { direct.submit(&row).await }, held);
    let handle = Handle { folder: TOKEN.into(), pid: 7, start_time: 9 };
    assert_eq!(submitted.unwrap(), Submitted::Held { handle: handle.clone() });
    let Effect::Launch(launch) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((launch.program.as_str(), launch.target.as_str(), launch.folder.as_str()), ("python", "local", TOKEN));
    assert_eq!(launch.files, [("code/wordcount.py".to_owned(), SourceId("sha256:aa".into()))]);
    assert_eq!(launch.env, [("TOKEN".to_owned(), "env:TOKEN".to_owned())]);

    let (released, asked) = drive(0, |direct| async move { direct.release(&mine()).await }, |_| Reply::Ok);
    released.unwrap();
    assert_eq!(asked, [Effect::Signal { handle, signal: Signal::Release }]);
}

#[test]
fn a_refused_start_certainly_runs_nothing() {
    for (word, kind) in [
        ("limit", ErrorKind::RateLimited),
        ("no_program", ErrorKind::FailedPrecondition),
        ("already_ran", ErrorKind::FailedPrecondition),
    ] {
        let row = Job { submission: Some(crate::runner::Submission::default().into()), ..mine() };
        let refusal = |_: &Effect| Reply::Refused(Refusal { reason: word.into(), detail: String::new() });
        let error = drive(0, |direct| async move { direct.submit(&row).await }, refusal).0.unwrap_err();
        assert_eq!((error.kind(), error.reason(), error.landed()), (kind, word, Landed::No));
    }
}

#[test]
fn a_host_without_processes_says_so() {
    let unsupported = |_: &Effect| Reply::Unsupported { reason: "no processes".into() };
    let (end, _) = drive(0, |direct| async move { direct.probe().await }, unsupported);
    let error = end.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unsupported, "unsupported_by_host"));
    assert!(error.message().contains("only on a beam-mcp-server"));
    let (end, _) = drive(0, |direct| async move { direct.prepare(&spec(), TOKEN, false).await }, unsupported);
    assert_eq!(end.unwrap_err().reason(), "unsupported_by_host");
}

#[test]
fn an_interpreter_that_cannot_run_beam_is_no_place_to_submit_to() {
    for missing in [python(false, None), python(true, None)] {
        let prepare = |direct: Direct| async move { direct.prepare(&spec(), TOKEN, false).await };
        let error = drive(0, prepare, answers(missing)).0.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::FailedPrecondition, "no_program"));
    }
}

#[test]
fn a_probe_tells_what_is_missing() {
    let program = |found, beam: Option<&str>| {
        let reply = python(found, beam);
        let probe = drive(0, |direct| async move { direct.probe().await }, |_| reply.clone()).0.unwrap();
        assert_eq!(probe.capabilities.contains(&Capability::PythonSubmit), found && beam.is_some());
        assert!(probe.capabilities.contains(&Capability::Cancel), "what runs already can be canceled");
        probe
    };
    let well = program(true, Some("2.77.0"));
    assert_eq!((well.version.as_deref(), well.warnings.len()), (Some("2.77.0"), 0));
    assert!(program(true, None).warnings[0].contains("apache_beam"));
    assert!(program(false, None).warnings[0].contains("cannot be started"));
}

#[test]
fn a_job_without_a_process_is_absent() {
    let row = Job { handle: None, ..mine() };
    let (end, asked) = drive(0, |direct| async move { direct.look(&row).await }, |_| Reply::Ok);
    assert_eq!((end.unwrap(), asked.len()), (Look::Absent, 0));
    let (end, asked) = drive(0, |direct| async move { direct.look(&mine()).await }, |_| facts(true));
    assert!(matches!(end.unwrap(), Look::Seen(seen) if seen.state == Some(JobState::Pending)));
    assert!(matches!(&asked[0], Effect::Observe { queries, .. } if *queries == [Query::Alive, Query::Result]));
}

#[test]
fn a_cancel_asks_then_kills_then_is_done() {
    let begin =
        |force| drive(0, move |direct| async move { direct.begin(&mine(), &cancel(force)).await }, |_| Reply::Ok);
    let sent = |asked: &[Effect]| {
        let signals = asked.iter().filter_map(|effect| match effect {
            Effect::Signal { signal, .. } => Some(*signal),
            _ => None,
        });
        signals.collect::<Vec<_>>()
    };
    for (force, signal) in [(false, Signal::Term), (true, Signal::Kill)] {
        let (end, asked) = begin(force);
        assert_eq!((end.unwrap(), sent(&asked)), (Begun::Accepted, vec![signal]));
    }
    let progress = |silent_ms, is_alive| {
        let answer = move |effect: &Effect| match effect {
            Effect::Observe { .. } => facts(is_alive),
            _ => Reply::Ok,
        };
        let (end, asked) = drive(
            0,
            move |direct| async move { direct.progress(&mine(), &cancel(false), Duration::from_millis(silent_ms)).await },
            answer,
        );
        (end.unwrap().state, sent(&asked))
    };
    assert_eq!(progress(9_999, true), (OperationState::InProgress, vec![]));
    assert_eq!(progress(10_000, true), (OperationState::InProgress, vec![Signal::Kill]));
    assert_eq!(progress(10_000, false), (OperationState::Succeeded, vec![]));
}

#[test]
fn what_a_process_cannot_do_is_refused_with_an_alternative() {
    use OperationKind as K;
    for kind in [K::Drain, K::Stop, K::Savepoint, K::Scale] {
        let operation = Operation { kind, ..cancel(false) };
        let end = drive(0, |direct| async move { direct.check(&mine(), &operation).await }, |_| Reply::Ok).0;
        let error = end.unwrap_err();
        assert_eq!(error.reason(), "unsupported_by_runner");
        assert!(error.suggestion().contains("Flink") || error.suggestion().contains("cancel"));
    }
    let planned = drive(0, |direct| async move { direct.check(&mine(), &cancel(false)).await }, |_| Reply::Ok).0;
    assert_eq!(planned.unwrap()[0].call, "SIGTERM to process group 7");
}
