//! What can be called next, ready to send: a model that reads an answer need not put the call together itself.

use serde_json::{Map, Value, json};

type Arguments = Map<String, Value>;
type Answer = Map<String, Value>;

/// True for a tool whose answers can name a call.
pub(super) fn follows(tool: &str) -> bool {
    !matches!(tool, "get_graph" | "get_metrics" | "list_runners")
}

/// The call that follows from an answer; none where the work is done. `key` is for a call that is to be made once.
pub(super) fn call(
    tool: &str,
    asked: &Arguments,
    answer: &Answer,
    key: impl Fn() -> String,
) -> Option<(&'static str, Value)> {
    match tool {
        "list_jobs" => page("list_jobs", asked, answer),
        "get_logs" => page("get_logs", asked, answer),
        "get_operation" => after_operation(answer),
        "create_job" | "restore_job" => {
            confirmation(tool, asked, answer, key).or_else(|| watch(answer)).or_else(|| ended(answer))
        }
        "get_job" | "wait_for_change" => watch(answer).or_else(|| ended(answer)),
        "cancel_job" | "create_savepoint" | "scale_job" | "update_job" => {
            confirmation(tool, asked, answer, key).or_else(|| poll(answer)).or_else(|| changed(answer))
        }
        _ => None,
    }
}

fn text<'a>(answer: &'a Answer, key: &str) -> Option<&'a str> {
    answer.get(key)?.as_str()
}

fn is(answer: &Answer, key: &str) -> bool {
    answer.get(key).is_some_and(|flag| *flag == true)
}

fn page(tool: &'static str, asked: &Arguments, answer: &Answer) -> Option<(&'static str, Value)> {
    let token = answer.get("next_page_token").filter(|token| token.is_string())?;
    Some((tool, with(asked, "page_token", token.clone())))
}

fn with(asked: &Arguments, key: &str, value: Value) -> Value {
    let mut arguments = asked.clone();
    arguments.insert(key.to_owned(), value);
    arguments.into()
}

fn watch(job: &Answer) -> Option<(&'static str, Value)> {
    let id = text(job, "job_id").filter(|_| !is(job, "terminal"))?;
    let mut arguments = json!({"job_id": id, "until_terminal": true});
    if let (Some(members), Some(cursor)) = (arguments.as_object_mut(), job.get("cursor")) {
        members.insert("cursor".into(), cursor.clone());
    }
    Some(("wait_for_change", arguments))
}

/// What tells of a job that ended: why it failed, or what it counted.
fn ended(job: &Answer) -> Option<(&'static str, Value)> {
    let id = text(job, "job_id")?;
    Some(match text(job, "state")? {
        "FAILED" => ("get_logs", json!({"job_id": id, "min_severity": "ERROR"})),
        _ => ("get_metrics", json!({"job_id": id})),
    })
}

/// The call whose plan this is, bound to it, and made once however often it is sent.
fn confirmation(
    tool: &str,
    asked: &Arguments,
    answer: &Answer,
    key: impl Fn() -> String,
) -> Option<(&'static str, Value)> {
    let names = ["create_job", "restore_job", "cancel_job", "create_savepoint", "scale_job", "update_job"];
    let tool = names.into_iter().find(|name| *name == tool)?;
    let digest = answer.get("plan")?.get("digest").filter(|_| answer.get("operation").is_none())?;
    let own = asked.get("idempotency_key").filter(|own| own.is_string()).cloned();
    let mut arguments = asked.clone();
    arguments.remove("dry_run");
    arguments.insert("plan_digest".to_owned(), digest.clone());
    arguments.insert("idempotency_key".to_owned(), own.unwrap_or_else(|| key().into()));
    Some((tool, arguments.into()))
}

fn poll(answer: &Answer) -> Option<(&'static str, Value)> {
    let id = text(answer.get("operation")?.as_object()?, "operation_id").filter(|_| is(answer, "pending"))?;
    Some(("get_operation", json!({"operation_id": id})))
}

fn changed(answer: &Answer) -> Option<(&'static str, Value)> {
    Some(("get_job", json!({"job_id": text(answer, "job_id")?})))
}

fn after_operation(operation: &Answer) -> Option<(&'static str, Value)> {
    if is(operation, "terminal") {
        return changed(operation);
    }
    Some(("get_operation", json!({"operation_id": text(operation, "operation_id")?})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(tool: &str, asked: Value, answer: &Value) -> Value {
        let Value::Object(asked) = asked else { panic!("arguments are an object") };
        let call = call(tool, &asked, answer.as_object().unwrap(), || "once".to_owned());
        call.map_or(Value::Null, |(tool, arguments)| json!([tool, arguments]))
    }

    #[test]
    fn each_answer_names_the_call_that_follows() {
        let rows = [
            (
                "create_job",
                json!({"target": "s"}),
                json!({"job_id": "s:1", "state": "RUNNING", "terminal": false}),
                json!(["wait_for_change", {"job_id": "s:1", "until_terminal": true}]),
            ),
            (
                "wait_for_change",
                json!({}),
                json!({"job_id": "s:1", "state": "RUNNING", "terminal": false, "cursor": 7}),
                json!(["wait_for_change", {"job_id": "s:1", "until_terminal": true, "cursor": 7}]),
            ),
            (
                "get_job",
                json!({}),
                json!({"job_id": "s:1", "state": "FAILED", "terminal": true}),
                json!(["get_logs", {"job_id": "s:1", "min_severity": "ERROR"}]),
            ),
            (
                "get_job",
                json!({}),
                json!({"job_id": "s:1", "state": "FINISHED", "terminal": true}),
                json!(["get_metrics", {"job_id": "s:1"}]),
            ),
            (
                "create_job",
                json!({"target": "s", "dry_run": true}),
                json!({"plan": {"digest": "d"}}),
                json!(["create_job", {"target": "s", "plan_digest": "d", "idempotency_key": "once"}]),
            ),
            (
                "restore_job",
                json!({"job_id": "s:1", "dry_run": true, "idempotency_key": "mine"}),
                json!({"plan": {"digest": "d"}}),
                json!(["restore_job", {"job_id": "s:1", "plan_digest": "d", "idempotency_key": "mine"}]),
            ),
            (
                "cancel_job",
                json!({"job_id": "s:1", "mode": "cancel", "dry_run": true}),
                json!({"plan": {"digest": "d"}}),
                json!(["cancel_job", {"job_id": "s:1", "mode": "cancel", "plan_digest": "d", "idempotency_key": "once"}]),
            ),
            (
                "scale_job",
                json!({}),
                json!({"job_id": "s:1", "pending": true, "operation": {"operation_id": "s:1/scale-2"}}),
                json!(["get_operation", {"operation_id": "s:1/scale-2"}]),
            ),
            (
                "scale_job",
                json!({}),
                json!({"job_id": "s:1", "pending": false, "operation": {"operation_id": "o"}}),
                json!(["get_job", {"job_id": "s:1"}]),
            ),
            (
                "get_operation",
                json!({}),
                json!({"operation_id": "o", "terminal": false}),
                json!(["get_operation", {"operation_id": "o"}]),
            ),
            (
                "get_logs",
                json!({"job_id": "s:1"}),
                json!({"logs": [], "next_page_token": "t"}),
                json!(["get_logs", {"job_id": "s:1", "page_token": "t"}]),
            ),
            ("list_jobs", json!({"limit": 2}), json!({"jobs": []}), Value::Null),
            ("get_metrics", json!({}), json!({"job_id": "s:1"}), Value::Null),
        ];
        for (tool, asked, answer, wanted) in rows {
            assert_eq!(next(tool, asked, &answer), wanted, "{tool} {answer}");
        }
    }
}
