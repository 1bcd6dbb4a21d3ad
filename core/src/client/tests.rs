use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{ClientOptions, ROUTES, call};
use crate::{
    auth::Caller,
    call::{Call, Labels},
    effect::{Effect, Reply},
    flow::{Now, Step},
};

fn label(case: &Value, name: &str) -> Option<String> {
    case["labels"][name].as_str().map(str::to_owned)
}

fn a_call(case: &Value) -> Call {
    let deadline = case["deadline_ms"].as_u64().map_or(Duration::MAX, Duration::from_millis);
    let labels = Labels {
        session_id: label(case, "session_id"),
        trace_id: label(case, "trace_id"),
        transaction_id: label(case, "transaction_id"),
        user_id: label(case, "user_id"),
    };
    Call { labels, ..Call::local(Caller::nobody(), deadline, [0; 32]) }
}

fn holds(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(map) => map.iter().all(|(key, value)| whole.get(key).is_some_and(|found| holds(found, value))),
        other => whole == other,
    }
}

fn replay(name: &str, case: &Value) {
    let options: ClientOptions =
        case.get("options").map_or_else(ClientOptions::default, |o| serde_json::from_value(o.clone()).unwrap());
    let mut flow = call(case["verb"].as_str().unwrap(), case["input"].clone(), options, a_call(case));
    let (mut now, mut reply) = (Now::default(), None);
    for step in case["steps"].as_array().unwrap() {
        let Step::Effect(effect) = flow.step(now, reply.take()) else { panic!("{name}: ended early") };
        if let Effect::Sleep { ms } = effect {
            now.mono += Duration::from_millis(ms);
        }
        if step["effect"] == "sleep" {
            assert!(matches!(effect, Effect::Sleep { .. }), "{name}: {effect:?}");
        } else {
            let expected: Effect = serde_json::from_value(step["effect"].clone()).unwrap();
            assert_eq!(effect, expected, "{name}");
        }
        reply = Some(serde_json::from_value::<Reply>(step["reply"].clone()).unwrap());
    }
    match flow.step(now, reply) {
        Step::Effect(effect) => panic!("{name}: goes on with {effect:?}"),
        Step::Done(Ok(data)) => assert_eq!(Some(&data), case.get("data"), "{name}"),
        Step::Done(Err(error)) => assert!(holds(&error.to_json(), &case["error"]), "{name}: {}", error.to_json()),
    }
}

#[test]
fn every_vector_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/client");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "json") {
            let case = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            replay(&file.display().to_string(), &case);
            count += 1;
        }
    }
    assert!(count > 15, "only {count} vectors were found");
}

#[test]
fn every_route_builds_a_request_that_names_the_server() {
    let everything = json!({"job_id": "a:b", "operation_id": "scale-1", "runner_type": "flink", "source": "s",
        "context_id": "c"});
    for route in ROUTES {
        let mut input = everything.clone();
        input.as_object_mut().unwrap().retain(|name, _| {
            route.path.contains(&format!("{{{name}}}")) || (name == "source" && route.verb == "upload_artifact")
        });
        let mut flow = call(route.verb, input, ClientOptions::default(), a_call(&json!({})));
        let Step::Effect(Effect::Send(request)) = flow.step(Now::default(), None) else { panic!("{}", route.verb) };
        assert_eq!((request.target.as_str(), request.method), ("server", route.method));
        assert!(!request.path.contains('{') && request.path.starts_with('/'), "{}", request.path);
    }
}

#[test]
fn a_call_past_its_deadline_sends_nothing() {
    let mut flow = call("get_manifest", Value::Null, ClientOptions::default(), a_call(&json!({"deadline_ms": 5})));
    let late = Now { mono: Duration::from_millis(5), wall_ms: 0 };
    assert!(matches!(flow.step(late, None), Step::Done(Err(error)) if error.reason() == "deadline"));
}
