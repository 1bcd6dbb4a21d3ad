//! The simulation itself under test: it repeats, it shrinks, its fakes speak as the real ones were recorded.

use serde_json::Value;

use crate::{Coverage, Fixed, Plant, Profile, flink::Flink, random::Random, schedule, shrink};
use beam_mcp_core::effect::{Body, Method, Part, Request, SourceId};

const TOKEN: &str = "0bea0000000000000000000000000001";

fn run(seed: u64, fixed: &Fixed) -> crate::Ended {
    schedule(seed, fixed, true, &mut Coverage::default())
}

#[test]
fn a_seed_goes_the_same_way_twice_and_another_goes_another_way() {
    for seed in 1..12 {
        let (first, second) = (run(seed, &Fixed::default()), run(seed, &Fixed::default()));
        assert_eq!((first.hash, &first.text), (second.hash, &second.text), "seed {seed}");
        assert_ne!(first.hash, run(seed + 100, &Fixed::default()).hash);
        assert!(first.steps > 0 && first.jobs > 0, "seed {seed}: {} steps, {} jobs", first.steps, first.jobs);
    }
}

#[test]
fn a_planted_bug_is_found_and_its_schedule_made_smaller() {
    let fixed = Fixed { plant: Some(Plant::NoAudit), ..Fixed::default() };
    let (seed, violation) = (1..50).find_map(|seed| Some((seed, run(seed, &fixed).violation?))).unwrap();
    assert_eq!(violation.invariant, "I8");
    let smallest = shrink::shrink(seed, &fixed, &violation);
    let (before, after) = (Profile::draw(seed, &fixed), Profile::draw(seed, &smallest));
    assert!(after.clients == 1 && after.processes <= before.processes, "{after:?}");
    assert!(after.faults().is_empty(), "no fault is needed: {after:?}");
    assert_eq!(run(seed, &smallest).violation.unwrap().invariant, "I8");
}

/// Every field of an answer stands in the recorded one, with a value of the same type.
fn is_part_of(answer: &Value, recorded: &Value, path: &str) {
    match (answer, recorded) {
        (Value::Object(fields), Value::Object(all)) => {
            for (name, value) in fields {
                let there = all.get(name).unwrap_or_else(|| panic!("Flink says no {path}/{name}"));
                is_part_of(value, there, &format!("{path}/{name}"));
            }
        }
        (Value::Array(items), Value::Array(all)) => {
            let first = all.first().unwrap_or_else(|| panic!("nothing recorded in {path}"));
            for item in items {
                is_part_of(item, first, path);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(answer),
            std::mem::discriminant(recorded),
            "{path}: {answer} against {recorded}"
        ),
    }
}

fn request(method: Method, path: &str, body: Body) -> Request {
    Request { body, ..Request::new("flink", method, path) }
}

fn ask(flink: &mut Flink, method: Method, path: &str, body: Body, at: u64) -> (u16, Value) {
    let (response, _) = flink.answer(&request(method, path, body), at, 1_795_173_500_000 + at);
    (response.status, serde_json::from_slice(response.body.as_slice()).unwrap())
}

fn recorded(name: &str) -> (u16, Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/flink/recorded/2.2.1");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    (u16::try_from(file["status"].as_u64().unwrap()).unwrap(), file["body"].clone())
}

#[test]
fn the_fake_flink_speaks_as_the_real_one_was_recorded() {
    let mut flink = Flink::new(Random::new(3, 5), None);
    let part = Part {
        name: "jarfile".into(),
        file_name: "ratejob.jar".into(),
        content_type: "application/java-archive".into(),
        source: SourceId("sha256:ab".into()),
    };
    let same = |(status, answer): (u16, Value), name: &str| {
        let (expected, body) = recorded(name);
        assert_eq!(status, expected, "{name}");
        is_part_of(&answer, &body, name);
        answer
    };
    let uploaded = ask(&mut flink, Method::Post, "/jars/upload", Body::Multipart(vec![part]), 0);
    let file = same(uploaded, "jars-upload")["filename"].as_str().unwrap().to_owned();
    let jar = file.rsplit('/').next().unwrap().to_owned();
    let run = Body::Json(serde_json::json!({"jobId": TOKEN, "programArgsList": []}));
    same(ask(&mut flink, Method::Post, &format!("/jars/{jar}/run"), run.clone(), 1), "run");
    let (status, _) = ask(&mut flink, Method::Post, &format!("/jars/{jar}/run"), run, 2);
    assert_eq!(status, recorded("run-duplicate").0);
    let job = format!("/jobs/{TOKEN}");
    for (path, name) in [
        ("/config".to_owned(), "config"),
        ("/jars".to_owned(), "jars-all"),
        ("/jobs/overview".to_owned(), "jobs-overview-running"),
        (job.clone(), "job-running"),
        (format!("{job}/execution-result"), "execution-result-in-progress"),
    ] {
        same(ask(&mut flink, Method::Get, &path, Body::Empty, 9_000), name);
    }
    let trigger = "05afe000000000000000000000000001";
    let wish = Body::Json(serde_json::json!({"triggerId": trigger}));
    same(ask(&mut flink, Method::Post, &format!("{job}/savepoints"), wish, 9_001), "savepoint-trigger");
    same(
        ask(&mut flink, Method::Get, &format!("{job}/savepoints/{trigger}"), Body::Empty, 9_002),
        "savepoint-in-progress",
    );
    for (path, name) in [
        ("/jobs/ffffffffffffffffffffffffffffffff".to_owned(), "job-unknown"),
        (format!("{job}/savepoints/{TOKEN}"), "savepoint-unknown-trigger"),
    ] {
        same(ask(&mut flink, Method::Get, &path, Body::Empty, 9_003), name);
    }
    let cancel = format!("{job}?mode=cancel");
    same(ask(&mut flink, Method::Patch, &cancel, Body::Empty, 9_004), "cancel");
    same(ask(&mut flink, Method::Get, &job, Body::Empty, 30_000), "job-canceled");
}
