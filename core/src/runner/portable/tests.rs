//! The flows against answers that Prism and Beam's Python job service gave: `tests/vectors/portable/record.py`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::Portable;
use crate::{
    Flow, Now, Step,
    config::{RunnerKind, Target},
    effect::{Blob, Effect, Fact, Fault, FaultKind, Handle, Held, Query, Reply, Signal},
    error::{Error, ErrorKind, Landed},
    job::{Job, JobId, JobSpec, JobState, LogQuery, MetricKind, MetricValue, Operation, OperationKind, OperationState},
    job_api::{
        message::Prepare,
        protobuf::{Encoder, Message},
        structure,
    },
    runner::{Backend, Begun, Build, Capability, Context, Look, Provenance, ResolvedOption, Submission, Submitted},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const FAILING: &str = "fedcba9876543210fedcba9876543210";

/// A recorded answer.
macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Reply>(include_str!(concat!(
            "../../../../tests/vectors/portable/recorded/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

fn target() -> Target {
    let options = json!({"environment_type": "EXTERNAL", "environment_config": "pool:1"});
    let options = serde_json::from_value(options).unwrap();
    Target { url: Some("http://127.0.0.1:8073".into()), options, ..Target::new("prism", RunnerKind::Portable) }
}

fn job(token: &str, native_id: Option<&str>) -> Job {
    let option = |name: &str, value: &str| ResolvedOption {
        name: name.into(),
        value: value.into(),
        from: Provenance::Target,
        note: String::new(),
    };
    let submission = Submission {
        argv: vec!["script".into(), "code/a.py".into()],
        options: vec![option("environment_type", "EXTERNAL"), option("environment_config", "pool:1")],
        ..Submission::default()
    };
    let native_id = native_id.map(|id| format!("{id}.{token}"));
    let intended = Job::intended(JobId::own("prism", token), RunnerKind::Portable, "p", JobSpec::default(), 1);
    Job { native_id, name: "Words".into(), submission: Some(submission.into()), ..intended }
}

/// Runs a flow against `(call, answer)` rows: a call is a method of the job service, or `OBSERVE`, `LAUNCH`, `SIGNAL`.
fn play<T, F>(
    script: Vec<(&str, Reply)>,
    flow: impl FnOnce(Portable) -> F + Send + 'static,
) -> (Result<T, Error>, Vec<Effect>)
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
    T: std::fmt::Debug + 'static,
{
    play_at(1, script, flow)
}

fn play_at<T, F>(
    wall_ms: u64,
    script: Vec<(&str, Reply)>,
    flow: impl FnOnce(Portable) -> F + Send + 'static,
) -> (Result<T, Error>, Vec<Effect>)
where
    F: Future<Output = Result<T, Error>> + Send + 'static,
    T: std::fmt::Debug + 'static,
{
    let mut flow = Flow::new(move |io| flow(Portable::new(Context::for_test(io, Arc::new(target())))));
    let mut script: VecDeque<_> = script.into();
    let (mut asked, mut reply, mut mono) = (Vec::new(), None, Duration::from_secs(1));
    loop {
        let effect = match flow.step(Now { mono, wall_ms }, reply.take()) {
            Step::Done(end) => {
                assert!(script.is_empty(), "not asked for: {script:?} at {end:?}");
                return (end, asked);
            }
            Step::Effect(effect) => effect,
        };
        reply = Some(match called(&effect) {
            None => {
                mono += Duration::from_millis(250);
                Reply::Elapsed
            }
            Some(call) => {
                let (expected, answer) = script.pop_front().unwrap_or_else(|| panic!("unexpected {call}"));
                assert_eq!(call, expected);
                answer
            }
        });
        asked.push(effect);
    }
}

fn called(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Rpc { method, .. } => method.rsplit('/').next().map(str::to_owned),
        Effect::Observe { .. } => Some("OBSERVE".into()),
        Effect::Launch(_) => Some("LAUNCH".into()),
        Effect::Signal { .. } => Some("SIGNAL".into()),
        Effect::Sleep { .. } => None,
        other => panic!("{other:?}"),
    }
}

fn sent(effects: &[Effect], name: &str) -> Vec<u8> {
    let message = effects.iter().find_map(|effect| match effect {
        Effect::Rpc { method, message, .. } if method.ends_with(name) => Some(message.as_slice().to_vec()),
        _ => None,
    });
    message.unwrap()
}

fn operation(kind: OperationKind) -> Operation {
    serde_json::from_value(json!({
        "id": format!("prism:{TOKEN}/{}-{TOKEN}", kind.as_str()), "job_id": format!("prism:{TOKEN}"),
        "kind": kind, "state": "REQUESTED", "trigger_id": TOKEN, "requested_ms": 1, "sent_ms": 1, "attempts": 1,
    }))
    .unwrap()
}

fn ok(body: Encoder) -> Reply {
    Reply::Rpc { status: 0, message: String::new(), body: body.finish().into() }
}

fn jobs(state: u64) -> Reply {
    let options = json!({"beam:option:beam_mcp_job:v1": TOKEN});
    let options = structure::write(options.as_object().unwrap());
    let info = Encoder::new().text(1, "job-001").text(2, "words").bytes(3, &options).varint(4, state).finish();
    ok(Encoder::new().bytes(1, &info))
}

#[test]
fn each_service_shows_ours_by_the_marker() {
    for (answer, id) in [(recorded!("prism/jobs"), "job-001"), (recorded!("python/jobs"), "words-")] {
        let (end, _) = play(vec![("GetJobs", answer)], |runner| async move { runner.list().await });
        let seen = end.unwrap();
        let ours = seen.iter().find(|sighting| sighting.native_id.ends_with(TOKEN)).unwrap();
        assert!(ours.native_id.starts_with(id), "{}", ours.native_id);
        assert_eq!((ours.state, ours.runner_state.as_str()), (Some(JobState::Finished), "DONE"));
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn what_was_only_prepared_is_no_job_of_ours() {
    for answer in [recorded!("prism/jobs-prepared-words"), recorded!("python/jobs-prepared-words")] {
        let look = |job: Job| move |runner: Portable| async move { runner.look(&job).await };
        let (end, _) = play(vec![("GetJobs", answer.clone())], look(job(TOKEN, None)));
        assert_eq!(end.unwrap(), Look::Absent);
        let (end, _) = play(vec![("GetJobs", answer)], |runner| async move { runner.list().await });
        assert!(end.unwrap().is_empty());
    }
}

#[test]
fn a_failure_is_told_in_its_own_words() {
    for (all, messages, state) in [
        (recorded!("prism/jobs"), recorded!("prism/messages-failing"), recorded!("prism/state-failing")),
        (recorded!("python/jobs"), recorded!("python/messages-failing"), recorded!("python/state-failing")),
    ] {
        let script = vec![("GetJobs", all), ("GetMessageStream", messages), ("GetState", state)];
        let (end, _) = play(script, |runner| async move { runner.look(&job(FAILING, None)).await });
        let Look::Seen(sighting) = end.unwrap() else { panic!("absent") };
        assert_eq!(sighting.state, Some(JobState::Failed));
        assert!(sighting.diagnostics.contains("bad 7"), "{}", sighting.diagnostics);
        assert!(sighting.ended_ms.is_some());
    }
}

#[test]
fn user_metrics_are_those_the_pipeline_counted() {
    for (all, metrics, both) in [
        (recorded!("prism/jobs"), recorded!("prism/metrics-words"), true),
        (recorded!("python/jobs"), recorded!("python/metrics-words"), false),
    ] {
        let script = vec![("GetJobs", all), ("GetJobMetrics", metrics)];
        let (end, _) = play(script, |runner| async move { runner.metrics(&job(TOKEN, None)).await });
        let read = end.unwrap();
        let find = |name: &str| read.user.iter().find(|metric| metric.name == name).unwrap();
        let words = find("words");
        assert_eq!((words.committed.clone(), words.step.as_deref()), (Some(MetricValue::Int(23087)), Some("Extract")));
        assert_eq!((words.namespace.as_str(), words.attempted.is_some()), ("wordcount", both));
        let lengths = MetricValue::Distribution { count: 23087, sum: 94276, min: 1, max: 14 };
        assert_eq!(
            (find("word_length").committed.clone(), find("word_length").kind),
            (Some(lengths), MetricKind::Distribution)
        );
        assert!(read.system.len() <= 500);
    }
}

#[test]
fn messages_are_the_log() {
    for (all, messages, said) in [
        (recorded!("prism/jobs"), recorded!("prism/messages-words"), "pipeline completed"),
        (recorded!("python/jobs"), recorded!("python/messages-words"), "Completed job"),
    ] {
        let ours = native_id(&all);
        let script = vec![("GetJobs", all), ("GetMessageStream", messages)];
        let query = LogQuery { max_results: 100, ..LogQuery::default() };
        let job = Job { native_id: Some(ours), ..job(TOKEN, None) };
        let (end, asked) = play(script, |runner| async move { runner.logs(&job, &query).await });
        let page = end.unwrap();
        assert!(page.logs.iter().any(|entry| entry.message.contains(said)), "{page:?}");
        assert_eq!(page.next_page_token, None);
        let Some(Effect::Rpc { stream, .. }) = asked.last() else { panic!() };
        assert!(stream.is_some(), "a stream that never ends is not waited for");
    }
}

fn native_id(all: &Reply) -> String {
    let Reply::Rpc { body, .. } = all else { panic!() };
    let jobs = crate::job_api::message::jobs(body.as_slice()).unwrap();
    jobs.iter().map(super::response::native_id).find(|id| id.ends_with(TOKEN)).unwrap()
}

#[test]
fn what_the_code_wrote_is_the_log_until_the_service_has_the_job() {
    let log = |text: &str| Fact::Log { from: 0, size: text.len() as u64, data: text.into() };
    let alive = Fact::Alive { alive: false, exit_code: None, signal: None, limit: None, released: false };
    let facts = Reply::Facts { facts: vec![alive, log("INFO:root:building\n"), log("")] };
    let query = LogQuery { max_results: 9, ..LogQuery::default() };
    let (end, _) =
        play(vec![("OBSERVE", facts)], |runner| async move { runner.build_log(&job(TOKEN, None), &query).await });
    let page = end.unwrap().unwrap();
    assert_eq!((page.logs[0].message.as_str(), page.next_page_token.is_some()), ("INFO:root:building", true));
}

#[test]
fn a_probe_tells_the_services_apart() {
    let program = |yaml| Reply::Facts {
        facts: vec![Fact::Program {
            found: true,
            version: Some("3.11".into()),
            beam_version: Some("2.77.0".into()),
            yaml,
        }],
    };
    let probe = |state, drain, program| {
        let script = vec![("GetState", state), ("Drain", drain), ("OBSERVE", program)];
        play(script, |runner| async move { runner.probe().await }).0.unwrap()
    };
    let prism = probe(recorded!("prism/unknown-getstate"), recorded!("prism/unknown-drain"), program(true));
    assert_eq!(prism.facts["service"], "prism");
    assert!(
        [Capability::Cancel, Capability::PythonSubmit, Capability::YamlSubmit, Capability::Metrics]
            .iter()
            .all(|c| prism.capabilities.contains(c))
    );
    assert!(!prism.capabilities.contains(&Capability::Drain));
    let python = probe(recorded!("python/unknown-getstate"), recorded!("python/unknown-drain"), program(false));
    assert_eq!(python.facts["service"], "python");
    assert!(
        ![Capability::Cancel, Capability::YamlSubmit, Capability::Metrics]
            .iter()
            .any(|c| python.capabilities.contains(c))
    );
    let reply = |status| Reply::Rpc { status, message: String::new(), body: Blob::EMPTY };
    let lambda = Reply::Unsupported { reason: "no".into() };
    let java = probe(reply(5), reply(5), lambda);
    assert_eq!((&java.facts["service"], java.capabilities.contains(&Capability::Drain)), (&json!("java"), true));
    assert!(!java.capabilities.contains(&Capability::PythonSubmit));
    let (end, _) = play(vec![("GetState", reply(12))], |runner| async move { runner.probe().await });
    assert_eq!(end.unwrap_err().reason(), "no_job_service");
}

/// `reference` 4.3 of the Python service: `CANCELLED`, and 3 s later `DONE`.
#[test]
fn pythons_cancel_is_refused_and_its_word_not_believed() {
    let state = recorded!("python/unknown-getstate");
    for begin in [false, true] {
        let (end, _) = play(vec![("GetState", state.clone())], move |runner| async move {
            let (job, cancel) = (job(TOKEN, Some("job-001")), operation(OperationKind::Cancel));
            if begin {
                runner.begin(&job, &cancel).await.map(drop)
            } else {
                runner.check(&job, &cancel).await.map(drop)
            }
        });
        let error = end.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unsupported, "unsupported_by_runner"));
    }
    let script = vec![("GetJobs", jobs(5)), ("GetState", state)];
    let (end, _) = play(script, |runner| async move { runner.look(&job(TOKEN, Some("job-001"))).await });
    let Look::Seen(sighting) = end.unwrap() else { panic!("absent") };
    assert_eq!((sighting.state, sighting.runner_state.as_str()), (None, "CANCELLED"));
    assert!(sighting.diagnostics.contains("goes on"), "{}", sighting.diagnostics);
}

/// A proxy's words, or a fault's, taken for those of a service would make its CANCELLED believed.
#[test]
fn who_answers_is_not_told_by_what_stands_between() {
    for status in [1, 2, 10, 13, 15] {
        let between = || Reply::Rpc { status, message: "upstream".into(), body: Blob::EMPTY };
        let who = |again| vec![("GetJobs", jobs(5)), ("GetState", between()), ("GetState", again)];
        let (end, _) = play(who(between()), |runner| async move { runner.list().await });
        assert_eq!(end.unwrap_err().kind(), ErrorKind::Unavailable, "{status}");
        let again = who(recorded!("python/unknown-getstate"));
        let (end, _) = play(again, |runner| async move { runner.list().await });
        assert_eq!(end.unwrap()[0].state, None, "{status}");
        let asked = vec![("GetState", between()), ("GetState", between())];
        let (end, _) = play(asked, |runner| async move {
            runner.begin(&job(TOKEN, Some("job-001")), &operation(OperationKind::Cancel)).await
        });
        assert_eq!(end.unwrap_err().landed(), Landed::No, "{status}: nothing was sent");
    }
}

#[test]
fn a_cancel_goes_to_the_very_job_and_ends_with_it() {
    let prism = || recorded!("prism/unknown-getstate");
    let cancelling = ok(Encoder::new().varint(1, 10));
    let begin = |native: &'static str| {
        move |runner: Portable| async move {
            runner.begin(&job(TOKEN, Some(native)), &operation(OperationKind::Cancel)).await
        }
    };
    let script = vec![("GetState", prism()), ("GetJobs", jobs(2)), ("Cancel", cancelling)];
    let (end, asked) = play(script, begin("job-001"));
    assert_eq!(end.unwrap(), Begun::Accepted);
    assert_eq!(Message::read(&sent(&asked, "/Cancel")).unwrap().text(1), "job-001");

    let (end, _) = play(vec![("GetState", prism()), ("GetJobs", jobs(2))], begin("job-002"));
    assert_eq!(end.unwrap_err().reason(), "job_unknown_to_service", "the id is another job's now");
    let script = vec![("GetState", prism()), ("GetJobs", jobs(2)), ("Cancel", recorded!("prism/unknown-cancel"))];
    assert_eq!(play(script, begin("job-001")).0.unwrap_err().reason(), "job_unknown_to_service");

    for (state, ends) in [(10, OperationState::InProgress), (5, OperationState::Succeeded), (3, OperationState::Failed)]
    {
        let (end, _) = play(vec![("GetJobs", jobs(state))], |runner| async move {
            runner.progress(&job(TOKEN, Some("job-001")), &operation(OperationKind::Cancel), Duration::ZERO).await
        });
        assert_eq!(end.unwrap().state, ends);
    }
    let (end, _) = play(vec![("GetJobs", ok(Encoder::new()))], |runner| async move {
        runner.progress(&job(TOKEN, Some("job-001")), &operation(OperationKind::Cancel), Duration::ZERO).await
    });
    assert_eq!(end.unwrap().state, OperationState::Unknown, "a service that forgot the job never shows its end");
}

#[test]
fn a_drain_that_the_job_does_not_show_did_not_arrive() {
    for (ago_ms, state, expected) in [
        (0, 2, OperationState::InProgress),
        (120_000, 2, OperationState::Failed),
        (120_000, 7, OperationState::InProgress),
        (120_000, 8, OperationState::Succeeded),
    ] {
        let (end, _) = play_at(200_000, vec![("GetJobs", jobs(state))], move |runner| async move {
            let (drain, silent) = (operation(OperationKind::Drain), Duration::from_millis(ago_ms));
            runner.progress(&job(TOKEN, Some("job-001")), &drain, silent).await
        });
        assert_eq!(end.unwrap().state, expected, "{ago_ms} {state}");
    }
}

#[test]
fn what_the_job_api_has_no_call_for_is_refused() {
    for kind in [OperationKind::Scale, OperationKind::Savepoint, OperationKind::Stop] {
        let (end, _) =
            play(
                vec![],
                move |runner| async move { runner.check(&job(TOKEN, Some("job-001")), &operation(kind)).await },
            );
        let error = end.unwrap_err();
        assert_eq!(error.reason(), "unsupported_by_runner");
        assert!(!error.suggestion().is_empty());
    }
    for drain in [recorded!("prism/unknown-drain"), recorded!("python/unknown-drain")] {
        let (end, _) = play(vec![("Drain", drain)], |runner| async move {
            runner.check(&job(TOKEN, Some("job-001")), &operation(OperationKind::Drain)).await
        });
        assert_eq!(end.unwrap_err().reason(), "unsupported_by_runner");
    }
}

/// What the child left: a pipeline whose one environment is this.
fn file(kind: &str) -> Reply {
    let url = Encoder::new().text(1, "pool:1").finish();
    let payload = Encoder::new().bytes(1, &url).finish();
    let environment = Encoder::new().text(2, kind).bytes(3, &payload).finish();
    let pipeline = Encoder::new().bytes(1, &Encoder::new().entry(5, "e", &environment).finish()).finish();
    let options = structure::write(json!({"beam:option:x:v1": 1}).as_object().unwrap());
    let data = Prepare { pipeline, options, job_name: "job".into() }.write();
    Reply::Facts { facts: vec![Fact::File { size: Some(data.len() as u64), data: data.into() }] }
}

fn child(alive: bool, result: Option<&str>) -> Reply {
    let alive = Fact::Alive { alive, exit_code: None, signal: None, limit: None, released: true };
    Reply::Facts { facts: vec![alive, Fact::Result { state: None, result: result.map(Into::into) }] }
}

#[test]
fn the_code_is_built_in_a_child_before_anything_is_sent() {
    let held = Reply::Held(Held { pid: 7, start_time: 9 });
    let begun =
        |rest: Vec<(&'static str, Reply)>| [vec![("LAUNCH", held.clone()), ("SIGNAL", Reply::Ok)], rest].concat();
    let build = |script| play(script, |runner| async move { runner.build(&job(TOKEN, None)).await });
    let captured = child(false, Some(r#"{"state": "CAPTURED"}"#));
    let external = "beam:env:external:v1";
    let (end, asked) =
        build(begun(vec![("OBSERVE", child(true, None)), ("OBSERVE", captured.clone()), ("OBSERVE", file(external))]));
    assert_eq!(end.unwrap(), Build::Ready);
    let Effect::Launch(launch) = &asked[0] else { panic!("{:?}", asked[0]) };
    assert_eq!((launch.argv[0].as_str(), launch.folder.as_str()), ("capture-script", TOKEN));
    assert_eq!(launch.limits.wall_ms, Some(600_000));
    let handle = Handle { folder: TOKEN.into(), pid: 7, start_time: 9 };
    assert_eq!(asked[1], Effect::Signal { handle, signal: Signal::Release });

    let waiting = (0..41).map(|_| ("OBSERVE", child(true, None))).collect();
    assert_eq!(build(begun(waiting)).0.unwrap(), Build::Underway);
    let gone = |exit_code, released| {
        let alive = Fact::Alive { alive: false, exit_code, signal: None, limit: None, released };
        let facts = vec![alive, Fact::Result { state: None, result: None }];
        build(begun(vec![("OBSERVE", Reply::Facts { facts })])).0
    };
    // The server stood still past the child's patience, or another one ended it: it has done nothing.
    assert_eq!((gone(Some(75), false).unwrap(), gone(None, false).unwrap()), (Build::Underway, Build::Underway));
    for (exit_code, released) in [(Some(1), false), (None, true), (Some(75), true)] {
        assert_eq!(gone(exit_code, released).unwrap_err().reason(), "no_pipeline", "{exit_code:?} {released}");
    }
    let (end, _) = build(begun(vec![("OBSERVE", captured), ("OBSERVE", file("beam:env:docker:v1"))]));
    assert_eq!(end.unwrap_err().reason(), "environment_differs");
}

#[test]
fn run_is_made_once_with_the_marker() {
    let submit = |script| play(script, |runner| async move { runner.submit(&job(TOKEN, None)).await });
    let read = || ("OBSERVE", file("beam:env:external:v1"));
    let (end, asked) =
        submit(vec![read(), ("Prepare", recorded!("prism/prepare-words")), ("Run", recorded!("prism/run-words"))]);
    assert_eq!(end.unwrap(), Submitted::Accepted { native_id: format!("job-001.{TOKEN}") });
    let Effect::Observe { queries, .. } = &asked[0] else { panic!() };
    assert!(matches!(&queries[..], [Query::File { name, .. }] if name == "prepare.pb"));
    let prepare = Prepare::read(&sent(&asked, "/Prepare")).unwrap();
    let options = structure::read(&prepare.options).unwrap();
    assert_eq!((prepare.job_name.as_str(), &options["beam:option:x:v1"]), ("words", &Value::from(1)));
    assert_eq!(options["beam:option:beam_mcp_job:v1"], TOKEN);

    let reply = |status| Reply::Rpc { status, message: "m".into(), body: Blob::EMPTY };
    let reset = || Reply::Fault(Fault { kind: FaultKind::Reset, detail: String::new() });
    for answer in [reset(), reply(2), reply(14)] {
        let (end, _) = submit(vec![read(), ("Prepare", recorded!("prism/prepare-words")), ("Run", answer)]);
        assert_eq!(end.unwrap_err().landed(), Landed::Perhaps);
    }
    for answer in [reset(), reply(2), reply(14)] {
        assert_eq!(submit(vec![read(), ("Prepare", answer)]).0.unwrap_err().landed(), Landed::No);
    }
    let gone = Reply::Facts { facts: vec![Fact::File { size: None, data: Blob::EMPTY }] };
    let error = submit(vec![("OBSERVE", gone)]).0.unwrap_err();
    assert_eq!((error.reason(), error.landed()), ("no_pipeline", Landed::No));
}
