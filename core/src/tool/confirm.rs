//! What ends or replaces a job is confirmed first: by a person where the client can ask one, else by the digest of the
//! plan. Where a person can be asked, the digest alone is nothing: a model can send it as well as a person.

use serde_json::{Map, Value, json};

use super::{act, declined as no};
use crate::{
    error::Error,
    mcp::{Answered, Ask, Exchange, Outcome, Question, ToolResult},
    verb::{Context, Verb, ends},
};

const KEY: &str = "confirm";
/// What a client must be able to ask.
const FORM: Question = Question::Elicit { message: String::new(), schema: Value::Null };

/// True where a person can be asked.
pub(super) fn can_ask(exchange: &Exchange) -> bool {
    exchange.can_ask(&FORM)
}

/// True for a call that ends or replaces a job and is not confirmed yet.
pub(super) fn is_needed(exchange: &Exchange, context: &Context, verb: &Verb, arguments: &Map<String, Value>) -> bool {
    let has_digest = arguments.get("plan_digest").is_some_and(|digest| !digest.is_null());
    ends(&context.state.config, verb, arguments) && !says(arguments, "dry_run") && (!has_digest || can_ask(exchange))
}

fn says(arguments: &Map<String, Value>, key: &str) -> bool {
    arguments.get(key).is_some_and(|value| *value == true)
}

/// Plans, asks, and acts on exactly that plan. A client that cannot ask gets the plan instead.
pub(super) async fn ask_then_act(
    exchange: Exchange,
    context: Context,
    verb: &'static Verb,
    arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    let asked = exchange.state().cloned().unwrap_or_default();
    let (Some(answer), Some(digest)) = (exchange.elicited(KEY), asked.get("plan").cloned()) else {
        return plan(&exchange, context, verb, arguments).await;
    };
    let question = asked.get("question").and_then(Value::as_str).unwrap_or_default();
    let is_yes = matches!(&answer, Answered::Accept(form) if form.get(KEY).is_some_and(|yes| *yes == true));
    if !is_yes {
        no::remember(&context, question).await?;
        return Err(declined());
    }
    if no::was(&context, question).await? {
        return Err(declined());
    }
    let mut arguments = with(arguments, "plan_digest", digest);
    // One yes acts once, however often it is sent.
    if !arguments.get("idempotency_key").is_some_and(Value::is_string) {
        arguments.insert("idempotency_key".to_owned(), question.into());
    }
    act(exchange, context, verb, arguments).await
}

async fn plan(
    exchange: &Exchange,
    context: Context,
    verb: &Verb,
    arguments: Map<String, Value>,
) -> Result<Outcome<ToolResult>, Error> {
    let nonce = context.call.seed.hex128("question");
    let mut output = verb.run(context, with(arguments, "dry_run", true.into()).into()).await?;
    let Some(digest) = output.get("plan").and_then(|plan| plan.get("digest")).cloned() else {
        // There is nothing left to do, for instance on a job that ended before.
        return Ok(Outcome::Complete(ToolResult::data(output)));
    };
    if can_ask(exchange) {
        let state = Some(json!({"plan": digest, "question": nonce}));
        return Ok(Outcome::Ask(Ask { state, ..Ask::one(KEY, question(&output)) }));
    }
    note(&mut output, "nothing was done yet: show the plan, then call again with its digest as plan_digest");
    Ok(Outcome::Complete(ToolResult::data(output)))
}

fn with(mut arguments: Map<String, Value>, key: &str, value: Value) -> Map<String, Value> {
    arguments.insert(key.to_owned(), value);
    arguments
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
    Error::precondition("declined", "the person did not confirm it; nothing was done, and that is final")
        .suggest("do not ask again unless the person asks for it; another call asks the person anew")
}
