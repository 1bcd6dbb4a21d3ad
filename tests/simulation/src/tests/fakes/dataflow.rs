use beam_mcp_core::effect::{Body, Method};
use serde_json::{Value, json};

use super::{TOKEN, is_part_of, recorded, request, same};
use crate::{dataflow::Dataflow, random::Random};

const PLACE: &str = "/v1b3/projects/acme-prod/locations/us-central1/";
const LAUNCH: &str = "templates:launch?gcsPath=gs%3A%2F%2Fdataflow-templates%2Flatest%2FStream";

fn ask(dataflow: &mut Dataflow, method: Method, rest: &str, body: Body, at: u64) -> (u16, Value) {
    super::ask(dataflow, request("dataflow", method, &format!("{PLACE}{rest}"), body), at)
}

fn get(dataflow: &mut Dataflow, rest: &str, at: u64) -> (u16, Value) {
    // A region that could not be listed is another matter.
    (0..20)
        .map(|_| ask(dataflow, Method::Get, rest, Body::Empty, at))
        .find(|(_, body)| body.get("failedLocation").is_none())
        .unwrap()
}

fn launch(dataflow: &mut Dataflow, at: u64) -> (u16, Value) {
    let labels = json!({"additionalUserLabels": {"beam_mcp_job": TOKEN}});
    let body = json!({"jobName": format!("words-{TOKEN}"), "parameters": {}, "environment": labels});
    ask(dataflow, Method::Post, LAUNCH, Body::Json(body), at)
}

#[test]
fn the_fake_dataflow_speaks_as_the_emulator() {
    let same = |answer, name: &str| same(answer, &format!("dataflow/emulated/{name}"));
    let mut dataflow = Dataflow::new(Random::new(4, 5), None);
    same(get(&mut dataflow, "templates:get?gcsPath=gs%3A%2F%2Fb%2FStream&view=METADATA_ONLY", 0), "template");
    let launched = same(launch(&mut dataflow, 0), "launched");
    let id = launched["job"]["id"].as_str().unwrap().to_owned();
    same(launch(&mut dataflow, 1), "taken");
    same(get(&mut dataflow, "jobs/nothing?view=JOB_VIEW_SUMMARY", 1), "job-unknown");
    same(get(&mut dataflow, &format!("jobs/{id}?view=JOB_VIEW_SUMMARY"), 91_000), "job");
    same(get(&mut dataflow, &format!("jobs/{id}?view=JOB_VIEW_ALL"), 91_000), "job-whole");
    let listed = get(&mut dataflow, &format!("jobs?filter=ALL&name=words-{TOKEN}&pageSize=200"), 91_000).1;
    is_part_of(&listed, &recorded("dataflow/emulated/jobs").1, "jobs");
    assert_eq!(listed["jobs"][0]["id"], id.as_str());
    let asked = Body::Json(json!({"ttl": "604800s", "description": "beam-mcp 05af"}));
    same(ask(&mut dataflow, Method::Post, &format!("jobs/{id}:snapshot"), asked, 91_000), "snapshot");
    same(get(&mut dataflow, &format!("jobs/{id}/snapshots"), 125_000), "snapshots");
    let drain = Body::Json(json!({"requestedState": "JOB_STATE_DRAINED"}));
    let (status, _) = ask(&mut dataflow, Method::Put, &format!("jobs/{id}"), drain.clone(), 91_001);
    assert_eq!(status, 200);
    same(get(&mut dataflow, &format!("jobs/{id}?view=JOB_VIEW_SUMMARY"), 93_500), "draining");
    let (status, refusal) = ask(&mut dataflow, Method::Put, &format!("jobs/{id}"), drain, 400_000);
    assert_eq!((status, refusal["error"]["status"].as_str()), (400, Some("FAILED_PRECONDITION")));
    assert_eq!(launch(&mut dataflow, 400_000).0, 200, "the name is free again");
}

#[test]
fn a_job_is_not_shown_at_once_and_a_list_comes_in_pages() {
    let mut dataflow = Dataflow::new(Random::new(4, 5), None);
    for at in [0, 500_000, 1_000_000] {
        assert_eq!(launch(&mut dataflow, at).0, 200);
        let cancel = Body::Json(json!({"requestedState": "JOB_STATE_CANCELLED"}));
        let all = get(&mut dataflow, "jobs?filter=ACTIVE&pageSize=200", at + 61_000).1;
        let id = all["jobs"][0]["id"].as_str().unwrap().to_owned();
        ask(&mut dataflow, Method::Put, &format!("jobs/{id}"), cancel, at + 61_000);
    }
    let first = get(&mut dataflow, "jobs?filter=ALL&pageSize=200", 2_000_000).1;
    let token = first["nextPageToken"].as_str().unwrap();
    let second = get(&mut dataflow, &format!("jobs?filter=ALL&pageSize=200&pageToken={token}"), 2_000_000).1;
    assert_eq!((first["jobs"].as_array().unwrap().len(), second["jobs"].as_array().unwrap().len()), (2, 1));
    let hidden = (1..100).any(|seed| {
        let mut dataflow = Dataflow::new(Random::new(seed, 5), None);
        let id = launch(&mut dataflow, 0).1["job"]["id"].as_str().unwrap().to_owned();
        get(&mut dataflow, &format!("jobs/{id}?view=JOB_VIEW_SUMMARY"), 4_000).0 == 404
    });
    assert!(hidden);
}
