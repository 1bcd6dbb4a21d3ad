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
    let values = match partial.name.as_str() {
        "target" | "from" | "to" => context.state.targets().map(|target| target.name.clone()).collect(),
        "job_id" => jobs(&context, None).await?,
        "id" => jobs(&context, partial.settled.get("target")).await?.iter().filter_map(|id| token(id)).collect(),
        _ => Vec::new(),
    };
    Ok(Completion { values: values.into_iter().filter(|value| value.starts_with(&partial.value)).collect() })
}

/// Ids of the newest jobs.
async fn jobs(context: &Context, target: Option<&String>) -> Result<Vec<String>, Error> {
    let page = run(context, "list_jobs", with_target(json!({"limit": 200}), target)).await?;
    let jobs = page.get("jobs").and_then(Value::as_array).into_iter().flatten();
    Ok(jobs.filter_map(|job| job.get("job_id")?.as_str().map(str::to_owned)).collect())
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
