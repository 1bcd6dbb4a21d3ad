//! Values that only operators read, behind every door.

use serde_json::{Value, json};

use super::world::World;
use crate::{auth::Role, random::sha256_hex};

const SECRET: &str = "tcp://inner:1";

fn world() -> World {
    let options = json!({"environment_config": SECRET, "temp_location": "/tmp/a"});
    let presets = json!({"nightly": {"options": {"s3_secret_access_key": SECRET}},
        "weekly": {"args": [format!("--setup_file={SECRET}"), "--s3_secret_access_key", SECRET]}});
    let target = json!({"runner": "simulator", "options": options, "presets": presets});
    let token = |role: &str| json!({"name": role, "sha256": sha256_hex(role.as_bytes()), "role": role});
    let tokens = ["viewer", "operator", "admin"].map(token);
    World::configured(&json!({}), &json!({"targets": {"sim": target}, "auth": {"tokens": tokens}}))
}

/// Everything a caller of a role reads about the target and a job of its preset.
fn read(role: &str) -> Vec<Value> {
    let mut world = world();
    world.role = Role::Admin;
    let id = world.ok("create_job", &json!({"target": "sim", "preset": "nightly"}))["job_id"].clone();
    let job = format!("/api/v1/jobs/{}/configuration", id.as_str().unwrap());
    let bearer = format!("Bearer {role}");
    let mut ask = |method: &str, path: &str, body: &Value| {
        let (response, page) = world.http_with(method, path, body, &[("authorization", &bearer)]);
        assert_eq!(response.status, 200, "{page}");
        page
    };
    let paths = ["/api/v1/runners", "/api/v1/targets", "/api/v1/runners/sim", "/api/v1/health/llm", &job];
    let mut pages: Vec<Value> = paths.map(|path| ask("GET", path, &Value::Null)).into();
    if role != "viewer" {
        let dry_run = json!({"target": "sim", "preset": "nightly", "dry_run": true});
        pages.push(ask("POST", "/api/v1/jobs", &dry_run));
    }
    pages
}

#[test]
fn the_values_of_operators_options_are_read_by_operators_alone() {
    for (role, reads) in [("viewer", false), ("operator", false), ("admin", true)] {
        for page in read(role) {
            let text = page.to_string();
            assert_eq!(text.contains(SECRET), reads, "{role}: {text}");
            let tells = text.contains("environment_config") && text.contains("/tmp/a");
            assert!(tells, "names, and the values of other options, are there: {text}");
        }
    }
}

#[test]
fn a_plan_that_withholds_values_is_confirmed_as_any_other() {
    let mut world = world();
    let plan = world.ok("create_job", &json!({"target": "sim", "dry_run": true}))["plan"].clone();
    let option = plan["options"].as_array().unwrap().iter().find(|option| option["name"] == "environment_config");
    assert_eq!((option.unwrap()["from"].as_str(), option.unwrap()["value"] == SECRET), (Some("target"), false));
    world.ok("create_job", &json!({"target": "sim", "plan_digest": plan["digest"]}));
}
