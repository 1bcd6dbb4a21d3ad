use beam_mcp_core::effect::{Body, Method, Request};
use serde_json::{Value, json};

use super::{TOKEN, recorded, request, same};
use crate::{
    random::Random,
    runner::Runner,
    spark::{MASTER, Spark},
};

fn get(spark: &mut Spark, server: Option<&str>, path: &str, at: u64) -> (u16, Value) {
    let asked = Request { server: server.map(str::to_owned), ..request("spark", Method::Get, path, Body::Empty) };
    super::ask(spark, asked, at)
}

fn post(spark: &mut Spark, path: &str, body: Value, at: u64) -> (u16, Value) {
    super::ask(spark, request("spark", Method::Post, path, Body::Json(body)), at)
}

fn driver() -> Value {
    json!({
        "action": "CreateSubmissionRequest",
        "appResource": "file:/srv/spark/shared/sparkrate.jar",
        "mainClass": "org.beammcp.examples.SparkRateJob",
        "appArgs": [],
        "sparkProperties": {"spark.app.name": format!("rate-{TOKEN}"), "spark.beam.jobId": TOKEN},
    })
}

/// A driver that has a worker at once and runs for long.
fn created(seed: u64) -> (Spark, String) {
    let mut spark = Spark::new(Random::new(seed, 5), None);
    let answer = same(post(&mut spark, "/v1/submissions/create", driver(), 0), "spark/recorded/3.5.9/create-running");
    let id = answer["submissionId"].as_str().unwrap().to_owned();
    (spark, id)
}

#[test]
fn the_fake_spark_speaks_as_the_real_one_was_recorded() {
    let same = |answer, name: &str| same(answer, &format!("spark/recorded/3.5.9/{name}"));
    let runs = |seed: &u64| {
        let (spark, _) = created(*seed);
        spark.runs(TOKEN, 80_000)
    };
    let (mut spark, id) = created((1..50).find(runs).unwrap());
    let status = format!("/v1/submissions/status/{id}");
    same(get(&mut spark, None, "/", 1), "root");
    same(post(&mut spark, "/v1/submissions/create", json!({}), 1), "create-missing-fields");
    same(get(&mut spark, None, &status, 1), "status-submitted");
    same(get(&mut spark, None, &status, 80_000), "status-running");
    same(get(&mut spark, None, "/v1/submissions/status/driver-20261120000000-0000", 80_000), "status-unknown");
    let master = same(get(&mut spark, Some(MASTER), "/json/", 80_000), "master-running");
    assert_eq!(master["activedrivers"][0]["id"], id.as_str());
    let log = format!("/log/?driverId={id}&logType=stderr&offset=0&byteLength=65536");
    let page = master["workers"][0]["webuiaddress"].as_str().unwrap().to_owned();
    let head = get(&mut spark, Some(&page), &log, 80_000).1;
    let (head, real) = (head.as_str().unwrap(), recorded("spark/recorded/3.5.9/driver-stderr-head").1);
    for part in ["==== Bytes 0-", "Launch Command: \"", "\"-Dspark.beam.jobId=0bea0000000000000000000000000001\""] {
        assert!(head.contains(part) && real.as_str().unwrap().contains(part), "{part}");
    }
    let unknown =
        get(&mut spark, Some(&page), "/log/?driverId=driver-x&logType=stderr&offset=0&byteLength=9", 80_000).1;
    assert!(unknown.as_str().unwrap().contains("\nError: invalid log directory"));
    let kill = format!("/v1/submissions/kill/{id}");
    same(post(&mut spark, &kill, json!(""), 80_001), "kill");
    same(get(&mut spark, None, &status, 90_000), "status-killed");
    same(post(&mut spark, &kill, json!(""), 90_000), "kill-finished");
    same(post(&mut spark, "/v1/submissions/kill/driver-20261120000000-0000", json!(""), 90_000), "kill-unknown");
}

#[test]
fn a_restarted_master_knows_no_driver() {
    let (mut spark, id) = created(3);
    spark.restart(10_000);
    assert!(spark.is_down(10_001) && !spark.is_down(30_000) && !spark.runs(TOKEN, 30_000));
    let status = get(&mut spark, None, &format!("/v1/submissions/status/{id}"), 30_000);
    same(status, "spark/recorded/3.5.9/status-unknown");
    let (_, master) = get(&mut spark, Some(MASTER), "/json/", 30_000);
    let (_, idle) = recorded("spark/recorded/3.5.9/master-idle");
    assert_eq!((&master["activedrivers"], &master["completeddrivers"]), (&json!([]), &json!([])));
    assert_eq!(master["status"], idle["status"]);
}

/// An application is FINISHED, however its driver ended.
#[test]
fn a_failed_drivers_application_is_finished() {
    let (mut spark, id) = (1..200)
        .map(created)
        .find_map(|(mut spark, id)| {
            let (_, status) = get(&mut spark, None, &format!("/v1/submissions/status/{id}"), 200_000);
            (status["driverState"] == "FAILED").then_some((spark, id))
        })
        .unwrap();
    let status = get(&mut spark, None, &format!("/v1/submissions/status/{id}"), 200_000);
    same(status, "spark/recorded/3.5.9/status-failed");
    let (_, master) = get(&mut spark, Some(MASTER), "/json/", 200_000);
    let apps = master["completedapps"].as_array().unwrap();
    assert!(apps.iter().all(|app| app["state"] == "FINISHED"));
}
