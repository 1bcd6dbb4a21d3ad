//! Every request the core makes to Dataflow, as it leaves: one golden file, which `tests/dataflow` holds against Google's
//! discovery document.

use beam_mcp_core::{
    config::{RunnerKind, Target},
    effect::{Body, Request},
    runner::dataflow::request::{self, Filter},
};
use beam_mcp_tests::golden;
use serde_json::{Value, json};

const JOB: &str = "2026-11-25_12_00_00-1234567890";

fn target() -> Target {
    let mut target = Target::new("df", RunnerKind::Dataflow);
    (target.project, target.region) = (Some("acme-prod".into()), Some("us-central1".into()));
    target.logging_url = Some("https://logging.example".into());
    target
}

fn environment() -> Value {
    json!({
        "additionalExperiments": ["a"], "additionalPipelineOptions": ["--odd=1"],
        "additionalUserLabels": {"beam_mcp_job": "0bea"}, "diskSizeGb": 30, "enableStreamingEngine": true,
        "ipConfiguration": "WORKER_IP_PRIVATE", "kmsKeyName": "k", "machineType": "n2-standard-4", "maxWorkers": 5,
        "network": "n", "numWorkers": 2, "serviceAccountEmail": "a@b", "subnetwork": "s",
        "tempLocation": "gs://b/t", "workerRegion": "us-central1", "workerZone": "us-central1-a",
    })
}

fn flex() -> Value {
    let mut environment = environment();
    let more = json!({"autoscalingAlgorithm": "AUTOSCALING_ALGORITHM_BASIC", "flexrsGoal": "FLEXRS_COST_OPTIMIZED",
        "launcherMachineType": "m", "sdkContainerImage": "i", "stagingLocation": "gs://b/s"});
    environment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"launchParameter": {"jobName": "words-0bea", "containerSpecGcsPath": "gs://b/t", "parameters": {"a": "b"},
        "environment": environment, "update": true, "transformNameMappings": {"old": "new"}}})
}

fn requests() -> Vec<Request> {
    let target = target();
    let classic = json!({"jobName": "words-0bea", "parameters": {"a": "b"}, "environment": environment(), "update": true,
        "transformNameMapping": {"old": "new"}});
    let entries = json!({"resourceNames": ["projects/acme-prod"], "filter": "severity>=INFO",
        "orderBy": "timestamp desc", "pageSize": 100});
    let snapshot = json!({"ttl": "604800s", "description": "beam-mcp 05af", "location": "us-central1"});
    vec![
        request::jobs_request(&target, Filter::Active, 200, Some("p/2")),
        request::jobs_request(&target, Filter::Named("words-0bea"), 200, None),
        request::aggregated_request(&target, 200, Some("p/2")),
        request::job_request(&target, JOB, false),
        request::job_request(&target, JOB, true),
        request::template_request(&target, "gs://dataflow-templates/latest/Word_Count"),
        request::launch_classic_request(&target, "gs://dataflow-templates/latest/Word_Count", classic),
        request::launch_flex_request(&target, flex()),
        request::state_request(&target, JOB, "JOB_STATE_CANCELLED"),
        request::state_request(&target, JOB, "JOB_STATE_DRAINED"),
        request::workers_request(&target, JOB, 1, 5),
        request::snapshot_request(&target, JOB, snapshot),
        request::snapshots_request(&target, JOB),
        request::snapshot_by_id_request(&target, "snap-1"),
        request::metrics_request(&target, JOB),
        request::execution_request(&target, JOB),
        request::stage_request(&target, JOB, "F1"),
        request::entries_request(&target, entries).unwrap(),
        request::messages_request(
            &target,
            JOB,
            "JOB_MESSAGE_DETAILED",
            (Some("2026-11-25T20:00:03.000Z".into()), Some("2026-11-25T20:00:09.000Z".into())),
            Some("p"),
        ),
    ]
}

#[test]
fn each_request_is_as_reviewed() {
    let shown = |request: &Request| {
        let body = match &request.body {
            Body::Json(body) => body.clone(),
            Body::Empty => Value::Null,
            other => panic!("{other:?}"),
        };
        json!({"method": request.method, "path": request.path, "body": body})
    };
    let all: Vec<Value> = requests().iter().map(shown).collect();
    golden::check("dataflow/requests.json", &format!("{}\n", serde_json::to_string_pretty(&all).unwrap()));
}
