//! Shares of the reconciler: each does its own target's work and nobody else's.

use serde_json::{Value, json};

use super::world::World;
use crate::engine::Share;

fn stored_states(world: &mut World) -> Vec<(String, String)> {
    let jobs = world.store.rows("job").into_iter().map(|job| {
        let text = |name: &str| job[name].as_str().unwrap().to_owned();
        (text("id").split(':').next().unwrap().to_owned(), text("state"))
    });
    jobs.collect()
}

#[test]
fn a_share_is_one_targets_jobs() {
    let mut world = World::new(&json!({"script": "batch"}));
    for target in ["sim", "other"] {
        let options = json!({"simulator_duration_s": 5});
        world.ok("create_job", &json!({"name": "b", "runner": target, "job_type": "BATCH", "options": options}));
    }
    world.advance(10_000);
    let state = |world: &mut World, target: &str| {
        let states = stored_states(world);
        states.into_iter().find(|(of, _)| of == target).unwrap().1
    };
    world.tick_share(Share::Rest);
    assert_eq!((state(&mut world, "sim").as_str(), state(&mut world, "other").as_str()), ("PENDING", "PENDING"));
    world.tick_share(Share::Target("other".into()));
    assert_eq!((state(&mut world, "sim").as_str(), state(&mut world, "other").as_str()), ("PENDING", "FINISHED"));
    world.tick_share(Share::All);
    assert_eq!(state(&mut world, "sim"), "FINISHED");
    let shares = ["other", "sim"].map(|name| Share::Target(name.into()));
    assert_eq!(world.engine.shares(), [&shares[..], &[Share::Rest]].concat());
}

#[test]
fn the_callers_own_time_limit_counts_and_a_bad_one_is_refused() {
    let mut world = World::new(&json!({"script": "running"}));
    let id = world.ok("create_job", &json!({"name": "r"}))["job_id"].as_str().unwrap().to_owned();
    world.advance(5_000);
    world.tick();
    let before = world.now().mono;
    let path = format!("/api/v1/jobs/{id}/wait?timeout_seconds=20&until_terminal=true");
    let (waited, body) = world.http_with("GET", &path, &Value::Null, &[("x-request-timeout", "2.5")]);
    assert_eq!(waited.status, 200, "{body}");
    assert_eq!(world.now().mono.saturating_sub(before).as_millis(), 2_500);
    for bad in ["0", "-1", "NaN", "soon", ""] {
        let (refused, body) = world.http_with("GET", "/api/v1/jobs", &Value::Null, &[("x-request-timeout", bad)]);
        assert_eq!((refused.status, body["error"]["details"]["reason"].as_str()), (400, Some("bad_timeout")), "{bad}");
    }
}
