//! Tools that ask the client.

use beam_mcp_core::mcp::{Answered, Ask, Exchange, Handled, Outcome, Question, ToolResult};
use serde_json::{Map, Value, json};

use crate::surface::{done, fail, unknown};

/// A form of one field.
pub(crate) fn form(message: &str, field: &str, kind: &str) -> Question {
    form_of(message, &json!({field: {"type": kind}}), &[field])
}

fn form_of(message: &str, properties: &Value, required: &[&str]) -> Question {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Question::Elicit { message: message.into(), schema }
}

fn sample(text: &str, max_tokens: u32) -> Question {
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    Question::Sample(json!({"messages": [message], "maxTokens": max_tokens}))
}

fn ask(questions: &[(&str, Question)], state: Option<Value>) -> Handled<ToolResult> {
    let questions = questions.iter().map(|(key, question)| ((*key).to_owned(), question.clone())).collect();
    Box::pin(std::future::ready(Ok(Outcome::Ask(Ask { questions, state }))))
}

fn say(text: impl Into<String>) -> Handled<ToolResult> {
    done(ToolResult::text(text))
}

/// Calls one of them.
pub(crate) fn call(exchange: &Exchange, name: &str, arguments: &Map<String, Value>) -> Handled<ToolResult> {
    let given = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
    match name {
        "test_sampling" => told(exchange, "answer", sample(given("prompt"), 100)),
        "test_elicitation" => {
            let fields = json!({"username": {"type": "string"}, "email": {"type": "string"}});
            told(exchange, "answer", form_of(given("message"), &fields, &["username", "email"]))
        }
        "test_elicitation_sep1034_defaults" => told(exchange, "answer", form_of("Defaults", &defaults(), &[])),
        "test_elicitation_sep1330_enums" => told(exchange, "answer", form_of("Enums", &enums(), &[])),
        "test_input_required_result_sampling" => {
            told(exchange, "capital_question", sample("What is the capital of France?", 100))
        }
        "test_input_required_result_list_roots" => told(exchange, "client_roots", Question::Roots),
        "test_input_required_result_elicitation" => greet(exchange),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => remember(exchange),
        "test_input_required_result_multiple_inputs" => several(exchange),
        "test_input_required_result_multi_round" => rounds(exchange),
        "test_input_required_result_capabilities" => declared_only(exchange),
        other => fail(unknown(other)),
    }
}

/// Asks once and tells the answer.
fn told(exchange: &Exchange, key: &str, question: Question) -> Handled<ToolResult> {
    match exchange.answer(key) {
        Some(answer) => say(format!("The client answered: {}", Value::from(answer.clone()))),
        None => ask(&[(key, question)], None),
    }
}

fn greet(exchange: &Exchange) -> Handled<ToolResult> {
    match exchange.elicited("user_name") {
        Some(Answered::Accept(content)) => say(format!("Hello, {}!", content["name"].as_str().unwrap_or("you"))),
        Some(_) => say("Hello, stranger!"),
        None => ask(&[("user_name", form("What is your name?", "name", "string"))], None),
    }
}

fn remember(exchange: &Exchange) -> Handled<ToolResult> {
    match (exchange.elicited("confirm"), exchange.state()) {
        (Some(_), Some(state)) if *state == json!("round 1") => say("state-ok"),
        _ => ask(&[("confirm", form("Please confirm", "ok", "boolean"))], Some("round 1".into())),
    }
}

fn several(exchange: &Exchange) -> Handled<ToolResult> {
    let questions = [
        ("user_name", form("What is your name?", "name", "string")),
        ("greeting", sample("Generate a greeting", 50)),
        ("client_roots", Question::Roots),
    ];
    if exchange.state().is_some() && questions.iter().all(|(key, _)| exchange.answer(key).is_some()) {
        return say("All three were answered.");
    }
    ask(&questions, Some("asked".into()))
}

fn rounds(exchange: &Exchange) -> Handled<ToolResult> {
    match (exchange.state().and_then(Value::as_u64), exchange.elicited("step1"), exchange.elicited("step2")) {
        (Some(2), _, Some(_)) => say("Two rounds were answered."),
        (Some(1), Some(_), _) => {
            ask(&[("step2", form("Step 2: What is your favorite color?", "color", "string"))], Some(2.into()))
        }
        _ => ask(&[("step1", form("Step 1: What is your name?", "name", "string"))], Some(1.into())),
    }
}

/// Only what the request declares.
fn declared_only(exchange: &Exchange) -> Handled<ToolResult> {
    let all = [
        ("user_name", form("What is your name?", "name", "string")),
        ("greeting", sample("Generate a greeting", 50)),
        ("client_roots", Question::Roots),
    ];
    let can: Vec<_> = all.into_iter().filter(|(_, question)| exchange.can_ask(question)).collect();
    if can.iter().all(|(key, _)| exchange.answer(key).is_some()) {
        return say("Everything that can be asked was answered.");
    }
    ask(&can, None)
}

fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

fn enums() -> Value {
    let titled = |n: u32| json!({"const": format!("value{n}"), "title": format!("Option {n}")});
    let plain = ["option1", "option2", "option3"];
    json!({
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": [titled(1), titled(2), titled(3)]},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": [titled(1), titled(2), titled(3)]}},
    })
}
