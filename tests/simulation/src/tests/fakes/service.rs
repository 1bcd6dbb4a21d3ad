use beam_mcp_core::{
    effect::{Blob, Reply},
    job_api::{
        message::{self, Prepare, State},
        protobuf::Message as Fields,
        structure,
    },
};
use serde_json::{Map, Value};

use super::{START_MS, TOKEN};
use crate::{
    random::Random,
    runner::{Answer, Did, Message, Runner},
    service::{Kind, Service},
};

const NOBODY: &str = "beam-mcp-probe";

fn ask(service: &mut Service, method: &str, body: Vec<u8>, at: u64) -> (u32, String, Vec<u8>, Did) {
    let message = Message::Rpc { method: method.into(), body: body.into(), timeout_ms: 5_000 };
    match service.answer(&message, at, START_MS + at) {
        (Answer::Rpc(status, message, body), did) => (status, message, body.into_bytes(), did),
        (Answer::Http(_), _) => panic!("no answer over gRPC"),
    }
}

fn recorded(kind: &str, name: &str) -> (u32, String, Blob) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/portable/recorded");
    let text = std::fs::read_to_string(format!("{folder}/{kind}/{name}.json")).unwrap();
    match serde_json::from_str(&text).unwrap() {
        Reply::Rpc { status, message, body } => (status, message, body),
        other => panic!("{name} is {other:?}"),
    }
}

/// Status and words are those recorded, and so are the fields of the answer.
fn same(answer: &(u32, String, Vec<u8>, Did), kind: &str, name: &str, fields: &[u64]) {
    let (status, message, body) = recorded(kind, name);
    assert_eq!((answer.0, answer.1.as_str()), (status, message.as_str()), "{kind} {name}");
    let (ours, theirs) = (Fields::read(&answer.2).unwrap(), Fields::read(body.as_slice()).unwrap());
    for field in fields {
        let there = |message: &Fields<'_>| (message.bytes(*field).is_some(), message.varint(*field).is_some());
        assert_eq!(there(&ours), there(&theirs), "{kind} {name}, field {field}");
    }
    assert_eq!(answer.2.is_empty(), body.as_slice().is_empty(), "{kind} {name}");
}

fn prepare() -> Vec<u8> {
    let options = Map::from_iter([("beam:option:beam_mcp_job:v1".to_owned(), Value::from(TOKEN))]);
    Prepare { pipeline: vec![], options: structure::write(&options), job_name: "words".into() }.write()
}

fn state_of(service: &mut Service, id: &str, at: u64) -> State {
    let (_, _, body, _) = ask(service, "GetState", message::about(id), at);
    message::state_event(&body).unwrap().state
}

#[test]
fn the_fake_services_speak_as_the_real_ones_were_recorded() {
    for (kind, name) in [(Kind::Prism, "prism"), (Kind::Python, "python")] {
        let mut service = Service::of(kind, Random::new(3, 5), None);
        for (method, file, fields) in
            [("GetState", "getstate", &[][..]), ("Cancel", "cancel", &[1]), ("Drain", "drain", &[])]
        {
            same(&ask(&mut service, method, message::about(NOBODY), 0), name, &format!("unknown-{file}"), fields);
        }
        let prepared = ask(&mut service, "Prepare", prepare(), 1);
        same(&prepared, name, "prepare-words", &[1, 2, 3]);
        let id = message::first_text(&prepared.2).unwrap();
        assert_eq!(state_of(&mut service, &id, 2), State::STOPPED);
        let ran = ask(&mut service, "Run", message::about(&id), 3);
        same(&ran, name, "run-words", &[1]);
        assert_eq!(ran.3, Did::Started(TOKEN.into()));
        let jobs = ask(&mut service, "GetJobs", vec![], 4);
        same(&jobs, name, "jobs", &[1]);
        let listed = message::jobs(&jobs.2).unwrap();
        assert_eq!(
            (listed[0].id.as_str(), listed[0].options["beam:option:beam_mcp_job:v1"].as_str()),
            (id.as_str(), Some(TOKEN))
        );
        same(&ask(&mut service, "GetState", message::about(&id), 100_000), name, "state-words", &[1, 2]);
        let again = ask(&mut service, "Run", message::about(&id), 100_000);
        assert_eq!(again.3, Did::Started(TOKEN.into()), "Run runs again each time");
    }
}

#[test]
fn prism_ends_what_it_cancels_and_python_says_so_only() {
    for (kind, goes_on) in [(Kind::Prism, false), (Kind::Python, true)] {
        let mut service = Service::of(kind, Random::new(3, 5), None);
        let id = message::first_text(&ask(&mut service, "Prepare", prepare(), 0).2).unwrap();
        ask(&mut service, "Run", message::about(&id), 1);
        ask(&mut service, "Cancel", message::about(&id), 300);
        let pretends = (state_of(&mut service, &id, 301), service.runs(TOKEN, 301));
        assert!(pretends.1 && pretends.0 == if goes_on { State::CANCELLED } else { State::CANCELLING });
        assert_eq!(service.runs(TOKEN, 400), goes_on || service.runs(TOKEN, 400));
        let end = state_of(&mut service, &id, 200_000);
        assert_eq!(end == State::CANCELLED, !goes_on, "{kind:?} ended {end:?}");
    }
}

#[test]
fn a_restarted_service_has_forgotten_all_and_prism_counts_anew_and_dies_of_an_unknown_run() {
    let mut prism = Service::of(Kind::Prism, Random::new(3, 5), None);
    let first = message::first_text(&ask(&mut prism, "Prepare", prepare(), 0).2).unwrap();
    prism.restart(1);
    assert!(message::jobs(&ask(&mut prism, "GetJobs", vec![], 20_000).2).unwrap().is_empty());
    assert_eq!(ask(&mut prism, "Run", message::about(&first), 20_000).3, Did::Died);
    assert_eq!(message::first_text(&ask(&mut prism, "Prepare", prepare(), 20_000).2).unwrap(), first);
    let mut python = Service::of(Kind::Python, Random::new(3, 5), None);
    let (status, said, ..) = ask(&mut python, "Run", message::about("words-1"), 0);
    assert_eq!((status, said.starts_with("Exception calling application")), (2, true));
}
