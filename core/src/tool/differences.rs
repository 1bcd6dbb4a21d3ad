//! What `wait_for_change` leaves out: members of the job that the caller knows from the answer its cursor is of.
//!
//! The store keeps no earlier row. Where the caller's cursor is of the row as it is, that row is what the wait ends with
//! is compared with; a caller who has missed a change reads the whole job.

use serde_json::{Map, Value, json};

use crate::{
    error::Error,
    job::JobId,
    verb::{Context, Verb},
};

const TOOL: &str = "wait_for_change";
const WHOLE: &str = "whole";
/// Names the members that the job no longer has.
const GONE: &str = "gone";
/// Which job it is, and what a caller goes on by: a model that lost the answer before can read this one.
const ALWAYS: [&str; 6] = ["job_id", "state", "terminal", "needs_attention", "changed", "cursor"];
/// What moves without a change of the row, so that no cursor stands for it.
const MOVING: [&str; 3] = ["duration", "observed_at", "stale_since"];

/// The argument for the whole job, and which members an answer has that tells differences.
pub(super) fn describe(tool: &str, input: &mut Value, output: &mut Value) {
    if tool != TOOL {
        return;
    }
    if let Some(members) = input.get_mut("properties").and_then(Value::as_object_mut) {
        let told = json!({"type": "boolean", "description": "All of the job, not what changed since the cursor."});
        members.insert(WHOLE.into(), told);
    }
    if let Some(schema) = output.as_object_mut() {
        schema.insert("required".into(), json!(ALWAYS));
        if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            members.insert(GONE.into(), json!({"type": "array"}));
        }
    }
}

/// The job that the caller knows already; none for another tool, and where the answer has to be whole. Takes the
/// argument that says so out of the others.
///
/// # Errors
/// `invalid_argument`, reason `bad_whole`; those of the verb for a job that is not there.
pub(super) async fn known(
    context: &Context,
    verb: &Verb,
    arguments: &mut Map<String, Value>,
) -> Result<Option<Value>, Error> {
    if verb.name != TOOL || whole(arguments)? {
        return Ok(None);
    }
    context.require(verb.scope)?;
    let cursor = arguments.get("cursor").and_then(Value::as_u64);
    let id = arguments.get("job_id").and_then(Value::as_str).and_then(|id| JobId::parse(id).ok());
    let Some((cursor, id)) = cursor.zip(id) else { return Ok(None) };
    let job = context.rows.seen_job(&id).await?.value;
    if job.version != cursor {
        return Ok(None);
    }
    serde_json::to_value(context.view(&job)).map(Some).map_err(|error| Error::misuse(error.to_string()))
}

fn whole(arguments: &mut Map<String, Value>) -> Result<bool, Error> {
    match arguments.remove(WHOLE) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(whole)) => Ok(whole),
        Some(_) => Err(Error::invalid("bad_whole", format!("`{WHOLE}` must be true or false"))),
    }
}

/// An answer without what the caller knows.
pub(super) fn only(known: &Value, mut answer: Value) -> Value {
    let (Some(known), Some(members)) = (known.as_object(), answer.as_object_mut()) else { return answer };
    let gone: Vec<Value> = known
        .keys()
        .filter(|name| !members.contains_key(*name) && !MOVING.contains(&name.as_str()))
        .map(|name| name.as_str().into())
        .collect();
    members.retain(|name, value| told(name) || known.get(name) != Some(value));
    if !gone.is_empty() {
        members.insert(GONE.into(), gone.into());
    }
    answer
}

fn told(name: &str) -> bool {
    ALWAYS.contains(&name) || MOVING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(more: &Value) -> Value {
        let mut job = json!({"job_id": "s:1", "name": "n", "state": "RUNNING", "terminal": false, "needs_attention": false,
            "duration": 1.0, "observed_at": "t", "version": 3});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    }

    #[test]
    fn what_is_known_is_left_out_and_what_moves_by_itself_is_not() {
        let answer = job(&json!({"parallelism": 4, "version": 4, "changed": true, "cursor": 4}));
        let told = only(&job(&json!({"parallelism": 2})), answer);
        let wanted = json!({"job_id": "s:1", "state": "RUNNING", "terminal": false, "needs_attention": false,
            "duration": 1.0, "observed_at": "t", "parallelism": 4, "version": 4, "changed": true, "cursor": 4});
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_the_job_no_longer_has_is_named() {
        let told = only(&job(&json!({"open_operations": ["o"], "stale_since": "t"})), job(&json!({"changed": true})));
        assert_eq!((&told["gone"], told.get("name")), (&json!(["open_operations"]), None), "{told}");
    }

    #[test]
    fn the_whole_job_is_asked_for_with_a_boolean() {
        let take = |value: Value| whole(&mut Map::from_iter([(WHOLE.to_owned(), value)]));
        assert!(take(json!(true)).unwrap());
        assert!(!take(Value::Null).unwrap() && !whole(&mut Map::new()).unwrap());
        assert_eq!(take(json!("yes")).unwrap_err().reason(), "bad_whole");
    }
}
