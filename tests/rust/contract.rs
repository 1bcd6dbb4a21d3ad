//! The numbered contract of `core/src/flow.rs` as cases every binding replays.

use std::{fs, time::Duration};

use beam_mcp_core::{
    Call, Flow, Now, Step,
    auth::Caller,
    client::{ClientOptions, call},
    effect::{decode_reply, encode_effect},
};
use beam_mcp_tests::golden::vectors;
use serde_json::Value;

/// Every case with the name of its file.
pub(crate) fn cases() -> Vec<(String, Value, Value)> {
    let mut all = Vec::new();
    for path in fs::read_dir(vectors().join("flow")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "json") {
            let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let name = |case: &Value| format!("{stem}/{}", case["name"].as_str().unwrap());
            let cases = file["cases"].as_array().unwrap();
            all.extend(cases.iter().map(|case| (name(case), case.clone(), file["effects"].clone())));
        }
    }
    all
}

/// The flow of a case.
pub(crate) fn start(case: &Value) -> Flow<Value> {
    let options = case.get("options").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let options: ClientOptions = serde_json::from_value(options).unwrap();
    let deadline = case["deadline_ms"].as_u64().map_or(Duration::MAX, Duration::from_millis);
    let of_the_call = Call::local(Caller::nobody(), deadline, [0; 32]);
    call(case["verb"].as_str().unwrap(), case["input"].clone(), options, of_the_call)
}

/// True when a part is within a whole, member by member.
pub(crate) fn holds(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(map) => map.iter().all(|(key, value)| whole.get(key).is_some_and(|found| holds(found, value))),
        other => whole == other,
    }
}

fn check(name: &str, step: &Value, effects: &Value, turn: Step<Value>) {
    match turn {
        Step::Effect(effect) => {
            let (json, parts) = encode_effect(effect).unwrap();
            let wanted = step["effect"].as_str().map_or(&step["effect"], |known| &effects[known]);
            assert!(parts.is_empty(), "{name}");
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), *wanted, "{name}");
        }
        Step::Done(Ok(data)) => assert_eq!(Some(&data), step.get("data"), "{name}"),
        Step::Done(Err(error)) => {
            let mut seen = error.to_json();
            seen["class"] = error.kind().door().python.into();
            seen["js_name"] = error.kind().door().js.into();
            let wanted = step.get("error").unwrap_or_else(|| panic!("{name}: {seen}"));
            assert!(holds(&seen, wanted), "{name}: {seen} is not {wanted}");
        }
    }
}

fn replay(name: &str, case: &Value, effects: &Value) {
    let mut flow = start(case);
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let ms = |member: &str| step[member].as_u64().unwrap();
        let now = Now { mono: Duration::from_millis(ms("mono_ms")), wall_ms: ms("wall_ms") };
        let reply = Some(&step["reply"]).filter(|reply| !reply.is_null());
        let reply = reply.map(|reply| decode_reply(&reply.to_string(), Vec::new()).unwrap());
        check(&format!("{name}, step {index}"), step, effects, flow.step(now, reply));
        assert!(!flow.must_finish(), "{name}");
    }
}

#[test]
fn every_case_of_the_contract() {
    let cases = cases();
    assert!(cases.len() > 80, "only {} cases were found", cases.len());
    for (name, case, effects) in &cases {
        replay(name, case, effects);
    }
}
