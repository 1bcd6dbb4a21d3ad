//! Waiting for news of a job: nobody asks for one job where the reconciler has the runner's list.

use std::time::Duration;

use beam_mcp_tests::host::Scene;
use serde_json::{Value, json};

/// A target whose runner lists its jobs.
fn listing() -> [(&'static str, Value, Value); 2] {
    [
        ("flink", json!({"runner": "flink", "url": "http://flink:8081"}), json!({"code_path": "jobs/ratejob.jar"})),
        (
            "spark",
            json!({"runner": "spark", "url": "http://127.0.0.1:6066", "master_url": "http://127.0.0.1:8080",
                "jar_folder": "/srv/spark/shared"}),
            json!({"code_path": "jobs/sparkrate.jar"}),
        ),
    ]
}

#[test]
fn who_waits_for_a_job_asks_the_runner_only_where_nobody_has_its_list() {
    for (name, target, mut job) in listing() {
        job["target"] = name.into();
        let scene = Scene::new(&json!({"targets": {name: target}})).after("create_job", &job);
        let wait = json!({"job_id": scene.answer["job_id"], "cursor": 9, "timeout_s": 0.5});
        let asked = |age: u64| {
            let labels = scene.ask_after_a_round(Duration::from_secs(age), "wait_for_change", &wait);
            labels.iter().any(|label| label.starts_with("send"))
        };
        assert!(!asked(3), "{name}: the last round was just now");
        assert!(asked(8), "{name}: there are no rounds any more");
        let (_, without) = scene.ask("wait_for_change", &wait);
        assert!(without.iter().any(|label| label.starts_with("send")), "{name}: there never was one: {without:?}");
    }
}
