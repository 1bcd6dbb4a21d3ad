//! What ends a job is confirmed first: by a person where the client can ask one, else by the digest of the plan.

use serde_json::{Map, Value, json};

use crate::{
    error::Error,
    mcp::{Answered, Ask, Exchange, Outcome, Question, ToolResult},
    verb::{Context, Hints, Verb},
};

const KEY: &str = "confirm";

/// True for a call that ends a job and is not confirmed yet.
pub(super) fn is_needed(verb: &Verb, arguments: &Map<String, Value>) -> bool {
    let says = |key: &str| arguments.get(key).is_some_and(|value| *value == true);
    let ends = verb.hints == Hints::Destructive || says("drain");
    let is_confirmed = arguments.get("plan_digest").is_some_and(|digest| !digest.is_null());
    ends && !is_confirmed && !says("dry_run")
}

/// Plans, asks, and acts on exactly that plan. A client that cannot ask gets the plan instead.
pub(super) async fn ask_then_act(
    exchange: Exchange,
    context: Context,
    verb: &'static Verb,
    arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    let planned = exchange.state().and_then(|state| state.get("plan")).cloned();
    match (exchange.elicited(KEY), planned) {
        (Some(Answered::Accept(form)), Some(digest)) if form.get(KEY).is_some_and(|yes| *yes == true) => {
            let output = verb.run(context, with(arguments, "plan_digest", digest)).await?;
            Ok(Outcome::Complete(ToolResult::data(output)))
        }
        (Some(_), Some(_)) => Err(declined()),
        _ => plan(&exchange, context, verb, arguments).await,
    }
}

async fn plan(
    exchange: &Exchange,
    context: Context,
    verb: &Verb,
    arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    let mut output = verb.run(context, with(arguments, "dry_run", true.into())).await?;
    let Some(digest) = output.get("plan").and_then(|plan| plan.get("digest")).cloned() else {
        // There is nothing left to do, for instance on a job that ended before.
        return Ok(Outcome::Complete(ToolResult::data(output)));
    };
    let question = question(&output);
    if exchange.can_ask(&question) {
        let ask = Ask { state: Some(json!({"plan": digest})), ..Ask::one(KEY, question) };
        return Ok(Outcome::Ask(ask));
    }
    note(&mut output, "nothing was done yet: show the plan, then call again with its digest as plan_digest");
    Ok(Outcome::Complete(ToolResult::data(output)))
}

fn with(mut arguments: Map<String, Value>, key: &str, value: Value) -> Value {
    arguments.insert(key.to_owned(), value);
    arguments.into()
}

fn question(output: &Value) -> Question {
    let plan = output.get("plan");
    let text = |key: &str| plan.and_then(|plan| plan.get(key));
    let summary = text("summary").and_then(Value::as_str).unwrap_or("end the job");
    let changes = text("changes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let lines: Vec<&str> = std::iter::once(summary).chain(changes).collect();
    let schema = json!({"type": "object", "required": [KEY], "properties": {
        KEY: {"type": "boolean", "title": "Do it", "description": "This cannot be undone.", "default": false}}});
    Question::Elicit { message: lines.join("\n"), schema }
}

fn note(output: &mut Value, text: &str) {
    if let Some(output) = output.as_object_mut() {
        let notes = output.entry("notes").or_insert_with(|| json!([]));
        notes.as_array_mut().into_iter().for_each(|notes| notes.push(text.into()));
    }
}

fn declined() -> Error {
    Error::precondition("declined", "the person did not confirm it; nothing was done")
        .suggest("do not ask again unless the person asks for it")
}
