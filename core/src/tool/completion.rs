use serde_json::{Value, json};

use super::run;
use crate::{
    auth::Scope,
    error::Error,
    mcp::{Completion, Partial},
    verb::Context,
};

/// Values of an argument, of those the caller may see.
pub(super) async fn complete(context: Context, partial: Partial) -> Result<Completion, Error> {
    context.require(Scope::Read)?;
    let mut found = match partial.name.as_str() {
        "target" | "to" => targets(&context),
        "job_id" => jobs(&context, None).await?,
        "context_id" => contexts(&context).await?,
        "id" => {
            let found = jobs(&context, partial.settled.get("target")).await?;
            Completion { values: found.values.iter().filter_map(|id| token(id)).collect(), ..found }
        }
        _ => Completion::default(),
    };
    found.values.retain(|value| value.starts_with(&partial.value));
    Ok(found)
}

fn targets(context: &Context) -> Completion {
    Completion { values: context.state.targets().map(|target| target.name.clone()).collect(), others: false }
}

async fn contexts(context: &Context) -> Result<Completion, Error> {
    let all = run(context, "list_contexts", json!({"limit": 100})).await?;
    let contexts = all.get("contexts").and_then(Value::as_array).into_iter().flatten();
    let ids = contexts.filter_map(|one| one.get("context_id")?.as_str().map(str::to_owned));
    Ok(Completion { values: ids.collect(), others: all.get("next_page_token").is_some() })
}

/// Ids of the newest jobs.
async fn jobs(context: &Context, target: Option<&String>) -> Result<Completion, Error> {
    let page = run(context, "list_jobs", with_target(json!({"limit": 200}), target)).await?;
    let jobs = page.get("jobs").and_then(Value::as_array).into_iter().flatten();
    Ok(Completion {
        values: jobs.filter_map(|job| job.get("job_id")?.as_str().map(str::to_owned)).collect(),
        others: page.get("next_page_token").is_some_and(Value::is_string),
    })
}

fn with_target(mut input: Value, target: Option<&String>) -> Value {
    if let (Some(members), Some(target)) = (input.as_object_mut(), target) {
        members.insert("target".into(), target.clone().into());
    }
    input
}

fn token(id: &str) -> Option<String> {
    id.split_once(':').map(|(_, token)| token.to_owned())
}
