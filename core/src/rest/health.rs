//! Is it alive, is it ready, and what should a model know?

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    documents::page,
    envelope::answer,
    route::{Input, PageFuture},
};
use crate::{
    auth::Scope,
    effect::Response,
    engine::HttpRequest,
    store::Kind,
    verb::{self, Context},
};

/// The process answers.
pub(super) fn live(_: Context, _: HttpRequest, _: Input) -> PageFuture {
    page(async { Ok(Response::json(200, &json!({"status": "ok"}))) })
}

/// The store answers.
pub(super) fn ready(context: Context, _: HttpRequest, _: Input) -> PageFuture {
    page(async move {
        context.io.get(Kind::Job.key("default", "ready")).await?;
        Ok(Response::json(200, &json!({"status": "ok"})))
    })
}

/// Health in words, from a real probe of every target.
pub(super) fn llm(context: Context, request: HttpRequest, _: Input) -> PageFuture {
    page(async move {
        context.require(Scope::Read)?;
        let verb = verb::find("list_runners").ok_or_else(|| verb::unknown("list_runners"))?;
        let output = verb.run(context.clone(), json!({})).await?;
        let runners = output.get("runners").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = words(&context, &runners);
        if request.header("accept").is_some_and(|accept| accept.contains("text/plain")) {
            return Ok(plain(text));
        }
        let healthy = runners.iter().all(|runner| runner.get("status") != Some(&json!("UNAVAILABLE")));
        let status = if healthy { "healthy" } else { "degraded" };
        Ok(answer(&context, 200, text.clone(), json!({"status": status, "text": text, "runners": runners})))
    })
}

fn words(context: &Context, runners: &[Value]) -> String {
    let mut text = format!("{} {} is up.", context.state.config.service_name, env!("CARGO_PKG_VERSION"));
    for runner in runners {
        let get = |name: &str| runner.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ = write!(text, " Target {} ({}) is {}", get("name"), get("runner_type"), get("status"));
        if let Some(message) = runner.get("error").and_then(|error| error.get("message")).and_then(Value::as_str) {
            let _ = write!(text, ": {message}");
        }
        text.push('.');
    }
    text.push_str(" Submit with create_job, watch with wait_for_change.");
    text
}

fn plain(text: String) -> Response {
    Response {
        status: 200,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: text.into(),
    }
}
