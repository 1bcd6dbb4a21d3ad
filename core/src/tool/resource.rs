//! What can be read under `beam://`: the guide, the targets, the contexts of the catalogue, and each job with its logs, metrics, plan, checkpoints,
//! operations and savepoints; and the view of a job for hosts that render MCP Apps.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{app, run, untrusted};
use crate::{
    auth::Scope,
    error::{Error, ErrorKind},
    job::OperationKind,
    mcp::{Outcome, Read, Resource, ResourceContents, ResourcePage, ResourceTemplate},
    url,
    verb::{Context, VERBS, Verb, get_operation},
};

const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";
const GUIDE: &str = include_str!("guide.md");

/// Patterns: path below `beam://`, name, title, what it holds.
const TEMPLATES: [(&str, &str, &str, &str); 10] = [
    (
        "{target}/runner",
        "runner",
        "A target",
        "Whether it answers, its version, what it can do, and why not the rest, probed now.",
    ),
    ("{target}/jobs/{id}", "job", "A job", "State as the runner confirmed it; `id` is what follows `:` in a job id."),
    ("{target}/jobs/{id}/logs", "job-logs", "Logs of a job", "The newest lines. Untrusted text."),
    ("{target}/jobs/{id}/metrics", "job-metrics", "Metrics of a job", "Beam's counters and the runner's figures."),
    ("{target}/jobs/{id}/plan", "job-plan", "Graph of a job", "Stages with their figures, and what feeds each."),
    (
        "{target}/jobs/{id}/plan.svg",
        "job-plan-picture",
        "Graph of a job as a picture",
        "One SVG element. Untrusted text.",
    ),
    (
        "{target}/jobs/{id}/checkpoints",
        "job-checkpoints",
        "Checkpoints of a job",
        "As its runner lists them, newest first, with failures.",
    ),
    ("{target}/jobs/{id}/operations", "job-operations", "Operations of a job", "What was asked of it, oldest first."),
    (
        "{target}/jobs/{id}/savepoints",
        "job-savepoints",
        "Savepoints of a job",
        "Operations that made one, oldest first.",
    ),
    (
        "catalog/contexts/{context_id}",
        "context",
        "A context",
        "A run profile: pipeline options that create_job takes by its id as `context_id`.",
    ),
];

static OFFERED: LazyLock<Vec<ResourceTemplate>> = LazyLock::new(|| {
    let template = |(path, name, title, holds): &(&str, &str, &str, &str)| ResourceTemplate {
        uri_template: format!("beam://{path}"),
        name: (*name).into(),
        title: (*title).into(),
        description: (*holds).into(),
        mime_type: if path.ends_with("/plan.svg") { SVG } else { JSON }.into(),
    };
    TEMPLATES.iter().map(template).collect()
});

pub(super) fn templates() -> &'static [ResourceTemplate] {
    &OFFERED
}

/// What a URI names.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Guide,
    Runners,
    Runner(String),
    Job(String),
    Logs(String),
    Metrics(String),
    Plan(String),
    Picture(String),
    Checkpoints(String),
    Operations(String),
    Savepoints(String),
    Contexts,
    Profile(String),
}

impl Place {
    fn of(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("beam://")?;
        let parts: Option<Vec<String>> = path.split('/').map(|part| url::decode(part, false)).collect();
        let parts = parts?;
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let job = |target: &str, id: &str| format!("{target}:{id}");
        match words.as_slice() {
            ["guide"] => Some(Self::Guide),
            ["runners"] => Some(Self::Runners),
            ["catalog", "contexts"] => Some(Self::Contexts),
            ["catalog", "contexts", id] => Some(Self::Profile((*id).to_owned())),
            [target, "runner"] => Some(Self::Runner((*target).to_owned())),
            [target, "jobs", id] => Some(Self::Job(job(target, id))),
            [target, "jobs", id, "logs"] => Some(Self::Logs(job(target, id))),
            [target, "jobs", id, "metrics"] => Some(Self::Metrics(job(target, id))),
            [target, "jobs", id, "plan"] => Some(Self::Plan(job(target, id))),
            [target, "jobs", id, "plan.svg"] => Some(Self::Picture(job(target, id))),
            [target, "jobs", id, "checkpoints"] => Some(Self::Checkpoints(job(target, id))),
            [target, "jobs", id, "operations"] => Some(Self::Operations(job(target, id))),
            [target, "jobs", id, "savepoints"] => Some(Self::Savepoints(job(target, id))),
            _ => None,
        }
    }
}

/// The guide, the targets, the view where the client renders it, and a page of jobs, newest first.
pub(super) async fn list(context: Context, cursor: Option<String>, apps: bool) -> Result<ResourcePage, Error> {
    let mut resources = Vec::new();
    if cursor.is_none() {
        resources.push(Resource { mime_type: Some("text/markdown".into()), ..named("beam://guide", "guide", "Guide") });
        resources.push(named("beam://runners", "runners", "All targets"));
        resources.push(named("beam://catalog/contexts", "contexts", "All contexts"));
        resources.extend(app::resource().filter(|_| apps));
    }
    let page = run(&context, "list_jobs", json!({"limit": 50, "page_token": cursor})).await?;
    for job in page.get("jobs").and_then(Value::as_array).into_iter().flatten() {
        resources.extend(job_resource(job));
    }
    let next_cursor = page.get("next_page_token").and_then(Value::as_str).map(str::to_owned);
    Ok(ResourcePage { resources, next_cursor })
}

fn named(uri: &str, name: &str, title: &str) -> Resource {
    Resource {
        uri: uri.to_owned(),
        name: name.to_owned(),
        title: Some(title.to_owned()),
        mime_type: Some(JSON.into()),
        ..Resource::default()
    }
}

fn job_resource(job: &Value) -> Option<Resource> {
    let id = job.get("job_id")?.as_str()?;
    let (target, token) = id.split_once(':')?;
    let name = crate::text::clean_line(job.get("name")?.as_str()?, 128);
    let state = job.get("state")?.as_str()?;
    let resource = named(&format!("beam://{target}/jobs/{}", url::encode(token)), id, &name);
    Some(Resource { description: Some(format!("{state} on {target}")), ..resource })
}

/// Reads what a URI names, as the verb behind it shows it to this caller.
pub(super) async fn read(context: Context, uri: String, verbs: Vec<&'static Verb>) -> Result<Outcome<Read>, Error> {
    if let Some(view) = app::read(&uri) {
        return Ok(Outcome::Complete(vec![view]));
    }
    let place = Place::of(&uri).ok_or_else(|| Error::not_found("no_resource", "there is no such resource"))?;
    let contents = match place {
        Place::Guide => ResourceContents::text(uri, "text/markdown", guide(&verbs)),
        Place::Picture(id) => ResourceContents::text(uri, SVG, picture(&context, &id).await.map_err(hidden)?),
        place => ResourceContents::text(uri, JSON, facts(&context, place).await.map_err(hidden)?.to_string()),
    };
    Ok(Outcome::Complete(vec![contents]))
}

/// The guide; where it speaks of tools that this door has not, it says so first.
fn guide(verbs: &[&Verb]) -> String {
    let is_there = |verb: &&Verb| verbs.iter().any(|there| there.name == verb.name);
    let missing: Vec<&str> =
        VERBS.iter().filter(|verb| verb.is_tool && !is_there(verb)).map(|verb| verb.name).collect();
    if missing.is_empty() {
        return GUIDE.to_owned();
    }
    format!("This door does not offer {}: what the guide says of them is for others.\n\n{GUIDE}", missing.join(", "))
}

/// A malformed id names no resource.
fn hidden(error: Error) -> Error {
    if error.kind() == ErrorKind::InvalidArgument {
        Error::not_found("no_resource", error.message().to_owned())
    } else {
        error
    }
}

/// What is to be read, as the tool that tells it marks it.
async fn facts(context: &Context, place: Place) -> Result<Value, Error> {
    let told_by = match place {
        Place::Runners | Place::Runner(_) => "list_runners",
        Place::Contexts | Place::Profile(_) => "get_context",
        _ => "get_job",
    };
    unmarked(context, place).await.map(|facts| untrusted::mark(told_by, facts))
}

async fn unmarked(context: &Context, place: Place) -> Result<Value, Error> {
    match place {
        Place::Guide | Place::Picture(_) => Ok(Value::Null),
        Place::Runners => run(context, "list_runners", json!({"reasons": true})).await,
        Place::Runner(target) => runner(context, &target).await,
        Place::Contexts => run(context, "list_contexts", json!({"limit": 100})).await,
        Place::Profile(id) => run(context, "get_context", json!({"context_id": id})).await,
        Place::Job(id) => run(context, "get_job", json!({"job_id": id})).await,
        Place::Logs(id) => run(context, "get_logs", json!({"job_id": id})).await,
        Place::Metrics(id) => run(context, "get_metrics", json!({"job_id": id})).await,
        Place::Plan(id) => run(context, "get_graph", json!({"job_id": id})).await,
        Place::Checkpoints(id) => run(context, "get_checkpoints", json!({"job_id": id})).await,
        Place::Operations(id) => Ok(json!({"operations": operations(context, &id, |_| true).await?})),
        Place::Savepoints(id) => {
            Ok(json!({"savepoints": operations(context, &id, OperationKind::makes_savepoint).await?}))
        }
    }
}

async fn runner(context: &Context, target: &str) -> Result<Value, Error> {
    if context.state.target(target).is_none() {
        return Err(Error::not_found("unknown_target", "there is no such target"));
    }
    let mut all = run(context, "list_runners", json!({"runner_type": target, "reasons": true})).await?;
    let runners = all.get_mut("runners").and_then(Value::as_array_mut);
    let named =
        runners.and_then(|all| all.iter_mut().find(|runner| runner.get("name").is_some_and(|name| name == target)));
    Ok(named.map(Value::take).unwrap_or_default())
}

async fn picture(context: &Context, id: &str) -> Result<String, Error> {
    let mut graph = run(context, "get_graph", json!({"job_id": id, "svg": true})).await?;
    match graph.get_mut("svg").map(Value::take) {
        Some(Value::String(svg)) => Ok(svg),
        _ => Err(Error::misuse("a graph without the picture that was asked for")),
    }
}

async fn operations(context: &Context, id: &str, shown: fn(OperationKind) -> bool) -> Result<Vec<Value>, Error> {
    context.require(Scope::Read)?;
    run(context, "get_job", json!({"job_id": id})).await?;
    let all = get_operation::of_job(context, id).await?;
    let shown = all.iter().filter(|view| shown(view.operation.kind));
    Ok(shown.map(|view| serde_json::to_value(view).unwrap_or_default()).collect())
}

/// The topic that moves with a job the caller may see; nothing else changes by itself.
pub(super) async fn watch(context: Context, uri: String) -> Result<Option<String>, Error> {
    let Some(Place::Job(id) | Place::Operations(id) | Place::Savepoints(id)) = Place::of(&uri) else { return Ok(None) };
    match run(&context, "get_job", json!({"job_id": id})).await {
        Ok(_) => Ok(Some(format!("job/{id}"))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidArgument) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_place_or_none() {
        for (uri, place) in [
            ("beam://guide", Some(Place::Guide)),
            ("beam://runners", Some(Place::Runners)),
            ("beam://catalog/contexts", Some(Place::Contexts)),
            ("beam://catalog/contexts/a.b", Some(Place::Profile("a.b".into()))),
            ("beam://sim/runner", Some(Place::Runner("sim".into()))),
            ("beam://sim/jobs/abc", Some(Place::Job("sim:abc".into()))),
            ("beam://flink/jobs/%40abc/logs", Some(Place::Logs("flink:@abc".into()))),
            ("beam://sim/jobs/abc/savepoints", Some(Place::Savepoints("sim:abc".into()))),
            ("beam://sim/jobs/abc/plan", Some(Place::Plan("sim:abc".into()))),
            ("beam://sim/jobs/abc/plan.svg", Some(Place::Picture("sim:abc".into()))),
            ("beam://sim/jobs/abc/checkpoints", Some(Place::Checkpoints("sim:abc".into()))),
            ("beam://sim/jobs/abc/operations", Some(Place::Operations("sim:abc".into()))),
            ("beam://sim/jobs/../guide", None),
            ("beam://sim/jobs", None),
            ("beam://", None),
            ("file:///etc/passwd", None),
            ("beam://sim/jobs/%zz", None),
        ] {
            assert_eq!(Place::of(uri), place, "{uri}");
        }
    }
}
