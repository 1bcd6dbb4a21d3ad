//! REST and MCP over the same verbs.

use serde_json::{Value, json};

use super::world::World;

#[test]
fn rest_submits_reads_and_lists() {
    let mut world = World::new(&json!({}));
    let (response, made) = world.http("POST", "/api/v1/jobs/", &json!({"job_name": "a", "runner_type": "sim"}));
    assert_eq!((response.status, made["success"].as_bool()), (201, Some(true)), "{made}");
    let id = made["job_id"].as_str().unwrap().to_owned();
    assert_eq!(made["data"]["job_id"], id.as_str());
    world.advance(3_000);
    let (response, job) = world.http("GET", &format!("/api/v1/jobs/{}", id.replace(':', "%3A")), &Value::Null);
    assert_eq!((response.status, job["state"].as_str()), (200, Some("RUNNING")), "{job}");
    let (_, page) = world.http("GET", "/api/v1/jobs?state=RUNNING&limit=1", &Value::Null);
    assert_eq!(page["data"]["jobs"][0]["job_id"], id.as_str(), "{page}");
    let (response, saved) = world.http("POST", &format!("/api/v1/jobs/{id}/savepoints"), &json!({}));
    assert_eq!((response.status, saved["data"]["pending"].as_bool()), (202, Some(true)), "{saved}");
    world.advance(5_000);
    let operation = saved["data"]["operation"]["id"].as_str().unwrap().rsplit('/').next().unwrap();
    let (_, done) = world.http("GET", &format!("/api/v1/jobs/{id}/operations/{operation}"), &Value::Null);
    assert_eq!(done["data"]["state"], "SUCCEEDED", "{done}");
    let (response, ended) = world.http("POST", &format!("/api/v1/jobs/{id}/cancel"), &Value::Null);
    assert_eq!((response.status, ended["state"].as_str()), (200, Some("CANCELED")), "{ended}");
}

#[test]
fn bad_requests_get_a_truthful_status_and_the_one_envelope() {
    let mut world = World::new(&json!({}));
    let missing = format!("/api/v1/jobs/sim:{}", "0".repeat(32));
    for (method, path, body, status, code, reason) in [
        ("GET", missing.as_str(), Value::Null, 404, "not_found", "unknown_job"),
        ("GET", "/api/v1/jobs/nonsense", Value::Null, 400, "invalid_argument", "bad_job_id"),
        ("DELETE", "/api/v1/jobs", Value::Null, 405, "method_not_allowed", "method_not_allowed"),
        ("POST", "/api/v1/jobs", json!([1]), 400, "invalid_argument", "not_an_object"),
        (
            "POST",
            "/api/v1/jobs",
            json!({"options": {"simulator_script": "x"}}),
            400,
            "invalid_argument",
            "unknown_script",
        ),
        ("POST", "/api/v1/jobs", json!({"nme": 1}), 400, "invalid_argument", "bad_input"),
        ("GET", "/api/v1/nothing", Value::Null, 404, "not_found", "unknown_route"),
    ] {
        let (response, answer) = world.http(method, path, &body);
        assert_eq!(
            (response.status, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {path} {answer}"
        );
        assert_eq!(answer["error"]["details"]["reason"], reason, "{answer}");
        assert!(!answer["error"]["details"]["suggestion"].as_str().unwrap().is_empty());
        assert_eq!((answer["success"].as_bool(), answer["data"].is_object()), (Some(false), true));
        assert_eq!(answer["error"]["request_id"], response.header("x-request-id").unwrap());
    }
}

#[test]
fn a_page_is_asked_for_by_either_name() {
    let mut world = World::new(&json!({}));
    for name in ["a", "b"] {
        world.http("POST", "/api/v1/jobs", &json!({"name": name}));
    }
    let mut page = |query: &str| world.http("GET", &format!("/api/v1/jobs?{query}"), &Value::Null).1["data"].clone();
    let first = page("limit=1");
    assert_eq!(first, page("max_results=1"));
    let token = first["next_page_token"].as_str().unwrap();
    let second = page(&format!("limit=1&page_token={token}"));
    assert_eq!(second, page(&format!("limit=1&cursor={token}")));
    assert_ne!(first["jobs"], second["jobs"]);
}

#[test]
fn a_key_in_the_header_is_the_member() {
    let mut world = World::new(&json!({}));
    let (key, body) = ([("idempotency-key", "k")], json!({"name": "a"}));
    let first = world.http_with("POST", "/api/v1/jobs", &body, &key);
    let second = world.http_with("POST", "/api/v1/jobs", &body, &key);
    assert_eq!((first.0.status, second.0.status), (201, 200));
    assert_eq!(first.1["job_id"], second.1["job_id"]);
}

#[test]
fn a_rate_limited_cluster_reaches_the_caller_as_429_with_retry_after() {
    let mut world = World::new(&json!({"script": "rate_limited"}));
    let id = world.http("POST", "/api/v1/jobs", &json!({"name": "r"})).1["job_id"].as_str().unwrap().to_owned();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        world.advance(1_000);
        let (response, _) = world.http("GET", &format!("/api/v1/jobs/{id}/metrics"), &Value::Null);
        assert_eq!(response.status == 429, response.header("retry-after") == Some("1"));
        statuses.push(response.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn mcp_calls_the_same_verbs_and_bad_arguments_are_tool_errors() {
    let mut world = World::new(&json!({}));
    let runners = world.tool("list_runners", &json!({}));
    let sim = &runners["result"]["structuredContent"]["runners"][1];
    assert_eq!((sim["name"].as_str(), sim["status"].as_str()), (Some("sim"), Some("AVAILABLE")), "{runners}");
    assert_eq!(sim["facts"]["scripts"].as_array().unwrap().len(), 12);
    let made = world.tool("create_job", &json!({"job_name": "m", "target": "sim"}));
    let job = &made["result"]["structuredContent"];
    assert_eq!((made["result"]["isError"].as_bool().unwrap_or(false), job["state"].as_str()), (false, Some("PENDING")));
    let bad = world.tool("create_job", &json!({"job_name": 7}));
    assert_eq!(bad["result"]["isError"], true, "{bad}");
    let unknown = world.tool("get_job", &json!({"job_id": "sim:1"}));
    assert_eq!(unknown["result"]["isError"], true, "{unknown}");
    assert!(unknown.to_string().contains("bad_job_id"), "{unknown}");
}

/// Every header of the protocol that a page's request can carry.
const OF_PAGES: [&str; 9] = [
    "authorization",
    "content-type",
    "accept",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-session-id",
    "last-event-id",
    "mcp-param-region",
];

#[test]
fn a_browser_may_send_what_the_protocol_needs_from_pages_that_are_allowed() {
    let page = "https://app.example";
    let mut world = World::configured(&json!({}), &json!({"auth": {"allowed_origins": [page]}}));
    let mut preflight = |origin: &str, asked: &str| {
        let headers =
            [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", asked)];
        world.http_with("OPTIONS", "/mcp", &Value::Null, &headers).0
    };
    // As browsers write them: in lower case, in order, without spaces.
    let allowed = preflight(page, &OF_PAGES.join(","));
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, Some(page)));
    let named = allowed.header("access-control-allow-headers").unwrap().to_owned();
    let named: Vec<&str> = named.split(", ").collect();
    assert!(OF_PAGES.iter().all(|header| named.contains(header)), "{named:?}");
    let methods = allowed.header("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "DELETE"].iter().all(|method| methods.contains(method)), "{methods}");
    let strange = preflight(page, "Mcp-Param-A, cookie, x-other, mcp-param-b\u{e9}");
    let named = strange.header("access-control-allow-headers").unwrap();
    assert!(named.ends_with(", mcp-param-a") && !named.contains("cookie") && !named.contains("x-other"), "{named}");
    for foreign in ["https://other.example", "null", "http://app.example"] {
        let refused = preflight(foreign, "content-type");
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None), "{foreign}");
        assert_eq!(refused.header("access-control-allow-headers"), None, "{foreign}");
    }
}

/// A request to the endpoint that breaks the first rungs of the ladder from one on.
fn at_rung(first: usize) -> u16 {
    let config = json!({"auth": {"tokens": [{"name": "ci", "sha256": "0".repeat(64), "role": "operator"}]}});
    let mut world = World::configured(&json!({}), &config);
    let broken = |rung: usize, no: &'static str, yes: &'static str| if rung >= first { no } else { yes };
    let method = broken(0, "PUT", "POST");
    let headers = [("origin", "https://evil.example"), ("content-type", broken(3, "text/plain", "application/json"))];
    let headers = if first <= 1 { &headers[..] } else { &headers[1..] };
    world.http_with(method, "/mcp", &Value::Null, headers).0.status
}

#[test]
fn verb_then_origin_then_token_go_before_what_a_request_holds() {
    assert_eq!([0, 1, 2].map(at_rung), [405, 403, 401]);
}

#[test]
fn the_graph_is_a_picture_too_which_runs_nothing() {
    let mut world = World::new(&json!({}));
    let (_, made) = world.http("POST", "/api/v1/jobs", &json!({"job_name": "<script>", "runner_type": "sim"}));
    world.advance(3_000);
    let path = format!("/api/v1/jobs/{}/graph.svg", made["job_id"].as_str().unwrap());
    let (response, _) = world.http("GET", &path, &Value::Null);
    assert_eq!((response.status, response.header("content-type")), (200, Some("image/svg+xml")));
    assert!(response.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let picture = response.body.text();
    assert!(picture.starts_with("<svg") && !picture.contains("<script"), "{picture}");
}

#[test]
fn a_caller_who_asks_too_often_is_told_when_to_come_again() {
    let mut world = World::configured(&json!({}), &json!({"auth": {"calls_per_minute": 12}}));
    let ask = |world: &mut World, path: &str| world.http("GET", path, &Value::Null);
    assert_eq!([ask(&mut world, "/api/v1/jobs").0.status, ask(&mut world, "/api/v1/jobs").0.status], [200, 200]);
    let (refused, body) = ask(&mut world, "/api/v1/jobs");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{body}");
    assert_eq!(body["error"]["details"]["reason"], "caller_rate");
    assert_eq!(world.http("POST", "/mcp", &json!({})).0.status, 429, "at the other door too");
    assert_eq!(ask(&mut world, "/health/live").0.status, 200, "what everybody may ask is not counted");
    world.advance(5_000);
    assert_eq!(ask(&mut world, "/api/v1/jobs").0.status, 200);
}
