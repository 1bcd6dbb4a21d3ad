//! Contexts of the catalogue: made, changed and deleted over REST, and named by jobs.

use serde_json::{Value, json};

use super::{surface::ask, world::World};
use crate::auth::Role;

fn world() -> World {
    let sim = json!({"options": {"temp_location": "/target", "region": "here"},
        "presets": {"nightly": {"options": {"tempLocation": "/preset"}}}});
    World::new(&sim)
}

fn made(world: &mut World, id: &str, parameters: &Value) -> Value {
    world.ok("create_context", &json!({"context_id": id, "context_type": "simulator", "parameters": parameters}))
}

fn options(plan: &Value) -> Vec<(String, Value, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let options = plan["plan"]["options"].as_array().unwrap().iter();
    options.map(|option| (text(&option["name"]), option["value"].clone(), text(&option["from"]))).collect()
}

#[test]
fn the_object_of_s2_is_made_read_changed_and_deleted() {
    let mut world = world();
    let sent = json!({"mcp_resource_id": "dataflow-default", "mcp_resource_type": "context", "name": "Dataflow Production",
        "description": "Production", "context_type": "dataflow", "status": "active",
        "parameters": {"region": "us-central1", "project": "my-beam-project", "temp_location": "gs://b/t"},
        "resources": {"cpu": "2", "memory": "4GB"}, "metadata": {"environment": "production"}});
    let (response, answer) = world.http("POST", "/api/v1/contexts/", &sent);
    let first = response.header("etag").unwrap().to_owned();
    assert_eq!((response.status, first.starts_with("\"1-")), (201, true), "{answer}");
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(answer["data"][name], *value, "{name}");
    }
    let path = "/api/v1/contexts/dataflow-default";
    world.advance(5_000);
    let read = world.http("GET", path, &Value::Null).1["data"].clone();
    assert_eq!((read["mcp_generation"].as_u64(), &read["mcp_state"]), (Some(1), &json!("ACTIVE")));

    // What was read may be sent back with a change, as S2's clients do.
    let mut sent_back = read.clone();
    sent_back["parameters"]["region"] = "europe-west1".into();
    let (response, changed) = world.http("PUT", path, &sent_back);
    assert_eq!((response.status, changed["data"]["mcp_generation"].as_u64()), (200, Some(2)), "{changed}");
    assert_eq!(changed["data"]["mcp_created_at"], read["mcp_created_at"]);
    assert_ne!(changed["data"]["mcp_updated_at"], read["mcp_updated_at"]);
    let (response, refused) = world.http("PUT", path, &sent_back);
    assert_eq!((response.status, refused["error"]["details"]["reason"].as_str()), (409, Some("context_changed")));

    for tags in [first.as_str(), "W/\"2\"", "two"] {
        let (response, refused) = world.http_with("DELETE", path, &Value::Null, &[("if-match", tags)]);
        assert_eq!(
            (response.status, refused["error"]["details"]["reason"].as_str()),
            (412, Some("precondition_failed"))
        );
    }
    let second = world.http("GET", path, &Value::Null).0.header("etag").unwrap().to_owned();
    let (response, gone) = world.http_with("DELETE", path, &Value::Null, &[("if-match", &second)]);
    assert_eq!((response.status, gone["data"]["deleted"].as_str()), (200, Some("dataflow-default")), "{gone}");
    assert_eq!(response.header("etag"), None);
    let (response, none) = world.http("GET", path, &Value::Null);
    assert_eq!((response.status, none["data"]["mcp_resource_id"].as_str()), (404, Some("error")), "{none}");
}

#[test]
fn each_option_says_that_the_context_set_it() {
    let mut world = world();
    made(&mut world, "slow", &json!({"temp_location": "/context", "region": "there", "simulator_records_per_s": 7}));
    let plan = world.ok("create_job", &json!({"context_id": "slow", "target": "sim", "dry_run": true}));
    assert!(plan["plan"]["summary"].as_str().unwrap().ends_with("with the options of the context `slow`"), "{plan}");
    let row = |name: &str, value: Value, from: &str| (name.to_owned(), value, from.to_owned());
    let given = [
        row("region", json!("there"), "context"),
        row("simulator_records_per_s", json!(7), "context"),
        row("temp_location", json!("/context"), "context"),
    ];
    let found = options(&plan);
    assert!(given.iter().all(|row| found.contains(row)), "{found:?}");
    let over = json!({"context_id": "slow", "preset": "nightly", "region": "caller", "target": "sim", "dry_run": true});
    let found = options(&world.ok("create_job", &over));
    assert!(found.contains(&row("region", json!("caller"), "caller")), "{found:?}");
    assert!(found.contains(&row("tempLocation", json!("/preset"), "preset")), "{found:?}");
}

#[test]
fn a_job_keeps_what_its_context_said_when_it_was_submitted() {
    let mut world = world();
    made(&mut world, "a", &json!({"region": "then"}));
    let ask = json!({"context_id": "a", "target": "sim", "idempotency_key": "k"});
    let id = world.ok("create_job", &ask)["job_id"].clone();
    world.ok("update_context", &json!({"context_id": "a", "parameters": {"region": "now"}}));
    let path = format!("/api/v1/jobs/{}/configuration", id.as_str().unwrap());
    let spec = world.http("GET", &path, &Value::Null).1["data"]["spec"].clone();
    assert_eq!((&spec["context_id"], &spec["context_options"]), (&json!("a"), &json!({"region": "then"})));
    world.ok("delete_context", &json!({"context_id": "a"}));
    assert_eq!(world.ok("create_job", &ask)["job_id"], id, "a repeated call needs no context");
    let refused = world.err("create_job", &json!({"context_id": "a", "target": "sim"}));
    assert_eq!(refused.reason(), "unknown_context");
}

#[test]
fn a_job_that_is_restored_has_the_options_its_context_gave_it() {
    let mut world = world();
    made(&mut world, "a", &json!({"zone": "z"}));
    let job = world.ok("create_job", &json!({"context_id": "a", "target": "sim", "job_type": "STREAMING"}));
    world.advance(5_000);
    world.ok("cancel_job", &json!({"job_id": job["job_id"], "mode": "stop"}));
    world.ok("delete_context", &json!({"context_id": "a"}));
    let again = world.ok("restore_job", &json!({"job_id": job["job_id"]}));
    let path = format!("/api/v1/jobs/{}/configuration", again["job_id"].as_str().unwrap());
    let options = world.http("GET", &path, &Value::Null).1["data"]["options"].clone();
    let zone = options.as_array().unwrap().iter().find(|option| option["name"] == "zone").unwrap();
    assert_eq!((&zone["value"], &zone["from"]), (&json!("z"), &json!("context")));
}

#[test]
fn a_plan_is_another_when_the_context_is() {
    let mut world = world();
    made(&mut world, "a", &json!({"region": "one"}));
    let digest =
        world.ok("create_job", &json!({"context_id": "a", "target": "sim", "dry_run": true}))["plan"]["digest"].clone();
    world.ok("update_context", &json!({"context_id": "a", "parameters": {"region": "two"}}));
    let refused = world.err("create_job", &json!({"context_id": "a", "target": "sim", "plan_digest": digest}));
    assert_eq!(refused.reason(), "plan_changed");
}

#[test]
fn what_does_not_fit_is_refused_and_says_what_to_do() {
    let mut world = world();
    made(&mut world, "sims", &json!({}));
    world.ok("create_context", &json!({"context_id": "flinks", "context_type": "flink"}));
    world.ok("create_context", &json!({"context_id": "off", "status": "inactive"}));
    for (verb, input, reason) in [
        ("create_context", json!({"context_id": "sims"}), "context_exists"),
        ("create_context", json!({"context_id": "x", "parameters": {"update": true}}), "not_for_a_context"),
        ("create_context", json!({"context_id": "x", "parameters": {"temp_locaton": 1}}), "unknown_option"),
        ("create_context", json!({"context_id": "x", "parameters": {"a b": 1}}), "bad_option_name"),
        (
            "create_context",
            json!({"context_id": "x", "parameters": {"tempLocation": 1, "temp_location": 2}}),
            "option_twice",
        ),
        ("create_context", json!({"context_id": "x", "context_type": "hive"}), "bad_input"),
        ("create_context", json!({"context_id": "x", "by_operator": true}), "bad_context"),
        ("create_context", json!({"context_id": "x", "parameters": {"a": "(only for operators)"}}), "withheld_value"),
        ("list_contexts", json!({"limit": 0}), "bad_limit"),
        ("list_contexts", json!({"page_token": "?"}), "bad_page_token"),
        ("update_context", json!({"name": "x"}), "unnamed_context"),
        ("update_context", json!({"context_id": "sms", "name": "x"}), "unknown_context"),
        ("delete_context", json!({"context_id": "sims", "mcp_generation": 9}), "context_changed"),
        ("create_job", json!({"context_id": "sms"}), "unknown_context"),
        ("create_job", json!({"context_id": "off", "target": "sim"}), "inactive_context"),
        ("create_job", json!({"context_id": "flinks", "target": "sim"}), "context_of_another_runner"),
    ] {
        let refused = world.err(verb, &input);
        assert_eq!(refused.reason(), reason, "{verb} {input}");
        assert!(!refused.suggestion().is_empty(), "{verb} {input}");
    }
    assert_eq!(world.err("get_context", &json!({"context_id": "sms"})).suggestion(), "did you mean `sims`?");
}

#[test]
fn a_repeated_change_is_made_once() {
    let mut world = world();
    let make = json!({"context_id": "a", "idempotency_key": "k"});
    world.ok("create_context", &make);
    assert_eq!(world.ok("create_context", &make)["replayed"], true);
    let change = json!({"context_id": "a", "name": "b", "idempotency_key": "k"});
    assert_eq!(world.ok("update_context", &change)["mcp_generation"], 2);
    assert_eq!(world.ok("update_context", &change)["mcp_generation"], 2);
    let end = json!({"context_id": "a", "idempotency_key": "k"});
    world.ok("delete_context", &end);
    world.ok("create_context", &json!({"context_id": "a"}));
    let again = world.ok("delete_context", &end);
    assert_eq!((again["deleted"].as_str(), again["replayed"].as_bool()), (Some("a"), Some(true)));
    assert_eq!(again.get("context_id"), None, "what was made since is not what was deleted");
    let other_spelling = json!({"mcp_resource_id": "a", "idempotency_key": "k"});
    assert_eq!(world.ok("create_context", &other_spelling)["replayed"], true);
}

#[test]
fn a_dry_run_changes_nothing_and_its_plan_can_be_confirmed() {
    let mut world = world();
    let plan = world.ok("create_context", &json!({"context_id": "a", "parameters": {"region": "r"}, "dry_run": true}));
    assert_eq!(options(&plan), [("region".to_owned(), json!("r"), "context".to_owned())]);
    assert_eq!(world.ok("list_contexts", &json!({}))["contexts"], json!([]));
    made(&mut world, "a", &json!({"region": "r", "project": "p"}));
    let change = json!({"context_id": "a", "parameters": {"region": "s"}, "dry_run": true});
    let plan = world.ok("update_context", &change)["plan"].clone();
    let told = plan["changes"].to_string();
    assert!(told.contains(r#"parameters.region: \"r\" becomes \"s\""#) && told.contains("becomes nothing"), "{told}");
    world.ok("update_context", &json!({"context_id": "a", "name": "b"}));
    let stale = json!({"context_id": "a", "parameters": {"region": "s"}, "plan_digest": plan["digest"]});
    assert_eq!(world.err("update_context", &stale).reason(), "plan_changed");
}

#[test]
fn an_admins_context_is_anybodys_to_name_and_admins_alone_change_it() {
    let mut world = world();
    world.role = Role::Admin;
    made(&mut world, "a", &json!({"setup_file": "/secret/setup.py", "region": "r"}));
    world.role = Role::Operator;
    for (verb, input, reason) in [
        ("create_context", json!({"context_id": "b", "parameters": {"setup_file": "x"}}), "operator_only_option"),
        ("update_context", json!({"context_id": "a", "name": "b"}), "operators_context"),
        ("delete_context", json!({"context_id": "a"}), "operators_context"),
    ] {
        assert_eq!(world.err(verb, &input).reason(), reason, "{verb}");
    }
    let seen = world.ok("get_context", &json!({"context_id": "a"}));
    assert_eq!((&seen["parameters"]["region"], &seen["by_operator"]), (&json!("r"), &json!(true)));
    assert!(!seen.to_string().contains("/secret") && seen["parameters"]["setup_file"].is_string(), "{seen}");
    let plan = world.ok("create_job", &json!({"context_id": "a", "target": "sim", "dry_run": true}));
    assert!(plan.to_string().contains("setup_file") && !plan.to_string().contains("/secret"), "{plan}");
    world.ok("create_job", &json!({"context_id": "a", "target": "sim"}));
    world.role = Role::Viewer;
    for verb in ["create_context", "update_context", "delete_context"] {
        assert_eq!(world.err(verb, &json!({"context_id": "a"})).reason(), "missing_scope", "{verb}");
    }
    assert_eq!(world.ok("list_contexts", &json!({}))["contexts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_context_of_no_admin_holds_nothing_that_only_an_operator_may_set() {
    let mut world = world();
    for parameters in [
        json!({"flink_configuration": {"s3.secret-key": "stolen"}}),
        json!({"flinkConfiguration": {"pipeline.classpaths": "http://evil/x.jar"}}),
        json!({"spark_configuration": {"spark.jars": "http://evil/x.jar"}}),
        json!({"setup_file": "evil.py"}),
    ] {
        for kind in ["flink", "spark", "custom"] {
            let ask = json!({"context_id": "a", "context_type": kind, "parameters": parameters});
            assert_eq!(world.err("create_context", &ask).reason(), "operator_only_option", "{ask}");
        }
    }
}

/// The checks at the door of the catalogue do not know each runner's rules: those are kept where the job is made.
#[test]
fn an_admin_who_renames_a_context_does_not_vouch_for_its_options() {
    let flink =
        json!({"targets": {"flink": {"runner": "flink", "url": "http://127.0.0.1:9", "savepoint_dir": "s3://sp"}}});
    let mut world = World::configured(&json!({}), &flink);
    let parameters = json!({"state_backend_storage_path": "file:///etc"});
    world.ok("create_context", &json!({"context_id": "a", "context_type": "flink", "parameters": parameters}));
    world.role = Role::Admin;
    let renamed = world.ok("update_context", &json!({"context_id": "a", "description": "fine"}));
    assert_eq!(renamed["by_operator"], false);
    let job = json!({"context_id": "a", "code_path": "a.jar", "dry_run": true});
    assert_eq!(world.err("create_job", &job).reason(), "savepoint_path_not_allowed");
    let vouched = world.ok("update_context", &json!({"context_id": "a", "parameters": parameters}));
    assert_eq!(vouched["by_operator"], true);
}

#[test]
fn a_repeated_call_needs_no_context_that_still_says_where() {
    let mut world = world();
    made(&mut world, "a", &json!({}));
    world.restart_with(&json!({"targets": {"sim": {"runner": "simulator"}}}));
    let ask = json!({"context_id": "a", "idempotency_key": "k"});
    let id = world.ok("create_job", &ask)["job_id"].clone();
    world.ok("update_context", &json!({"context_id": "a", "context_type": "custom", "status": "inactive"}));
    assert_eq!(world.ok("create_job", &ask)["job_id"], id);
    world.ok("delete_context", &json!({"context_id": "a"}));
    assert_eq!(world.ok("create_job", &ask)["job_id"], id);
}

#[test]
fn contexts_come_in_pages() {
    let mut world = world();
    for id in ["c", "a", "b"] {
        made(&mut world, id, &json!({}));
    }
    let ids = |page: &Value| {
        let all = page["contexts"].as_array().unwrap().iter();
        all.map(|one| one["context_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = world.ok("list_contexts", &json!({"limit": 2}));
    assert_eq!(ids(&first), ["a", "b"]);
    let second = world.ok("list_contexts", &json!({"limit": 2, "page_token": first["next_page_token"]}));
    assert_eq!((ids(&second), second.get("next_page_token")), (vec!["c".to_owned()], None));
}

#[test]
fn models_read_contexts_as_resources_and_complete_their_ids() {
    let mut world = world();
    made(&mut world, "nightly", &json!({"region": "r"}));
    let mut read = |uri: &str| {
        let answer = ask(&mut world, "", "resources/read", json!({"uri": uri}), &json!({}));
        let text = answer["result"]["contents"][0]["text"].as_str().map(str::to_owned);
        text.map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    assert_eq!(read("beam://catalog/contexts").unwrap()["contexts"][0]["context_id"], "nightly");
    assert_eq!(read("beam://catalog/contexts/nightly").unwrap()["parameters"]["region"], "r");
    assert_eq!(read("beam://catalog/contexts/none"), None);
    let params = json!({"ref": {"type": "ref/resource", "uri": "beam://catalog/contexts/{context_id}"},
        "argument": {"name": "context_id", "value": "ni"}});
    let answer = ask(&mut world, "", "completion/complete", params, &json!({}));
    assert_eq!(answer["result"]["completion"]["values"], json!(["nightly"]), "{answer}");
    let made = world.tool("create_job", &json!({"context_id": "nightly", "target": "sim"}));
    assert!(made["result"]["structuredContent"]["job_id"].is_string(), "{made}");
}
