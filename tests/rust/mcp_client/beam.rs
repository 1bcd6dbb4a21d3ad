//! The product's own client over MCP: its verbs as tools of any server.

use serde_json::{Value, json};

use super::script::{answer, check, discovered, error, event, fault, options, requests, result, said, stream, tool};

const JOB: &str = "sim:1";

fn structured(id: u64, data: &Value) -> Vec<Value> {
    let mut told = said("in words");
    told["structuredContent"] = data.clone();
    answer(200, &result(id, &told))
}

fn asks_for_the_job(replies: impl IntoIterator<Item = Vec<Value>>) -> super::script::Called {
    tool("get_job", json!({"job_id": JOB}), replies)
}

#[test]
fn a_job_is_read() {
    let data = json!({"job_id": JOB, "state": "RUNNING", "next": [{"tool": "get_logs"}]});
    let name = "beam_get_job";
    let ends = check(
        name,
        "Structured content, or its text as JSON, also on a stream.",
        options(json!({})),
        vec![
            asks_for_the_job([discovered(), structured(2, &data)]),
            asks_for_the_job([stream(&[&event(&result(3, &said("{\"job_id\": \"sim:1\"}")))])]),
            tool("get_operation", json!({"job_id": JOB, "operation_id": "scale-1"}), [structured(4, &json!({"a": 1}))]),
        ],
    );
    assert_eq!(ends[0], json!({"job_id": JOB, "state": "RUNNING"}));
    assert_eq!(ends[1], json!({"job_id": JOB}));
    let sent = requests(name, 2);
    assert_eq!(sent[0]["body"]["json"]["params"]["arguments"], json!({"operation_id": "sim:1/scale-1"}));
}

#[test]
fn a_plan_is_carried_out_unless_only_the_plan_is_wanted() {
    let plan = json!({"plan": {"digest": "d"}});
    let name = "beam_plan";
    let cancel = |input: Value, replies: Vec<Vec<Value>>| tool("cancel_job", input, replies);
    check(
        name,
        "What plans first is sent the digest of its plan, once, under one key.",
        options(json!({})),
        vec![
            cancel(
                json!({"job_id": JOB}),
                vec![discovered(), structured(2, &plan), structured(3, &json!({"operation": {}}))],
            ),
            cancel(json!({"job_id": JOB, "dry_run": true}), vec![structured(4, &plan)]),
        ],
    );
    let sent = requests(name, 0);
    let arguments = |index: usize| &sent[index]["body"]["json"]["params"]["arguments"];
    assert_eq!(arguments(2)["plan_digest"], "d");
    assert_eq!(arguments(1)["idempotency_key"], arguments(2)["idempotency_key"]);
}

#[test]
fn what_a_tool_or_server_refuses_is_told() {
    let fails = json!({"isError": true, "content": [{"type": "text", "text": "not_found: no such job\nreason: no_job\nnext: list the jobs"}]});
    let wants = json!({"resultType": "input_required", "inputRequests": {"k": {"method": "elicitation/create"}}});
    let ends = check(
        "beam_refusals",
        "Errors of tools read back; questions nobody was declared for; uploads; nobody there.",
        options(json!({})),
        vec![
            asks_for_the_job([discovered(), answer(200, &result(2, &fails))]),
            asks_for_the_job([answer(200, &error(3, -32602, &json!(null)))]),
            asks_for_the_job([answer(200, &result(4, &wants))]),
            tool("upload_artifact", json!({"source": "s"}), []),
            asks_for_the_job([
                vec![fault("refused")],
                vec![fault("refused")],
                vec![fault("refused")],
                vec![fault("refused")],
            ]),
            asks_for_the_job([answer(503, &json!("busy")), structured(10, &json!({"a": 1}))]),
        ],
    );
    let codes: Vec<&str> = ends.iter().filter_map(|end| end["code"].as_str()).collect();
    assert_eq!(codes, ["not_found", "invalid_argument", "malformed_response", "unsupported", "unavailable"]);
    assert_eq!(ends[0]["details"]["reason"], "no_job");
    assert!(ends[4]["details"]["suggestion"].as_str().unwrap().contains("BEAM_MCP_URL"));
}
