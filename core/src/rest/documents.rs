//! Routes that answer with documents: manifest, targets, configuration, savepoints, operations, uploads.

use serde_json::{Map, Value, json};

use super::{
    envelope::answer,
    route::{Input, PageFuture},
};
use crate::{
    auth::Scope,
    effect::Response,
    engine::HttpRequest,
    error::Error,
    job::{JobId, OperationKind},
    verb::{self, Context, Hints, OperationView, VERBS, get_operation::of_job},
};

/// What a picture that is opened by itself may do: look like something.
const SVG_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// S0's manifest: parameters as type words, and as JSON Schema.
pub(super) fn manifest(context: Context, _: HttpRequest, _: Input) -> PageFuture {
    let tools: Vec<Value> = VERBS.iter().filter(|verb| verb.is_tool).map(tool).collect();
    let data = json!({
        "name": context.state.config.service_name,
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Apache Beam jobs on Flink, Spark, Dataflow, Beam's job services and this machine, over MCP and REST",
        "capabilities": {
            "resources": {"subscribe": false, "listChanged": false},
            "tools": {"listChanged": false},
        },
        "mcp": {"endpoint": "/mcp", "protocol_version": "2026-07-28"},
        "tools": tools,
    });
    page(async move {
        context.require(Scope::Read)?;
        Ok(answer(&context, 200, "manifest: done".into(), data))
    })
}

fn tool(verb: &verb::Verb) -> Value {
    let schema = (verb.input_schema)();
    let words: Map<String, Value> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|all| all.iter().map(|(name, schema)| (name.clone(), word(schema).into())).collect())
        .unwrap_or_default();
    json!({
        "name": verb.name,
        "title": verb.title,
        "description": verb.description,
        "parameters": words,
        "inputSchema": schema,
        "outputSchema": (verb.output_schema)(),
        "readOnly": verb.hints == Hints::Read,
        "scope": verb.scope.as_str(),
    })
}

/// The type word of a schema: the first that is not `null`.
fn word(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(word)) => word,
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|w| *w != "null").unwrap_or("any"),
        _ => "any",
    }
}

/// Targets of the configuration, without endpoints.
pub(super) fn targets(context: Context, _: HttpRequest, _: Input) -> PageFuture {
    page(async move {
        context.require(Scope::Read)?;
        let targets: Vec<Value> = context
            .state
            .targets()
            .map(|target| {
                json!({"name": target.name, "runner_type": target.runner, "description": target.description,
                    "options": context.shown_options(target.options.clone())})
            })
            .collect();
        Ok(answer(&context, 200, "targets: done".into(), json!({"targets": targets})))
    })
}

/// One target, probed.
pub(super) fn runner(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        let wanted = input.get("runner_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = context.state.config.target(Some(&wanted))?.name.clone();
        let verb = verb::find("list_runners").ok_or_else(|| verb::unknown("list_runners"))?;
        let output = verb.run(context.clone(), json!({"runner_type": name, "reasons": true})).await?;
        let found = output.get("runners").and_then(Value::as_array).and_then(|all| all.first()).cloned();
        Ok(answer(&context, 200, "runner: done".into(), found.unwrap_or_default()))
    })
}

/// What was asked for, and what was sent.
pub(super) fn configuration(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        context.require(Scope::Read)?;
        let job = context.rows.job(&job_id(&input)?).await?.value;
        let submission = job.submission.unwrap_or_default();
        let data = json!({
            "job_id": job.id,
            "pipeline_options": job.spec.as_ref().map(|spec| spec.pipeline_options.clone()).unwrap_or_default(),
            "spec": job.spec,
            "options": submission.options,
            "arguments": submission.argv,
            "settings": submission.settings,
            "code_sha256": submission.sha256,
        });
        Ok(answer(&context, 200, "configuration: done".into(), context.shown_document(data)))
    })
}

/// The stages of a job as a picture. A browser that opens it runs nothing of it.
pub(super) fn graph_svg(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        context.require(Scope::Read)?;
        let (_, graph) = verb::get_graph::read(&context, &job_id(&input)?).await?;
        let headers = [("content-type", "image/svg+xml"), ("content-security-policy", SVG_POLICY)];
        Ok(Response {
            status: 200,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: graph.to_svg().into(),
        })
    })
}

/// Operations of a job, oldest first.
pub(super) fn operations(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        let operations = all_operations(&context, &input).await?;
        Ok(answer(&context, 200, "operations: done".into(), json!({"operations": operations})))
    })
}

/// Operations that make savepoints, in S0's words.
pub(super) fn savepoints(context: Context, _: HttpRequest, input: Input) -> PageFuture {
    page(async move {
        let operations = all_operations(&context, &input).await?;
        let savepoints: Vec<Value> = operations.iter().filter(|view| makes_savepoint(view)).map(savepoint).collect();
        Ok(answer(&context, 200, "savepoints: done".into(), json!({"savepoints": savepoints})))
    })
}

async fn all_operations(context: &Context, input: &Input) -> Result<Vec<OperationView>, Error> {
    context.require(Scope::Read)?;
    let id = job_id(input)?;
    context.rows.job(&id).await?;
    of_job(context, &id.to_string()).await
}

fn makes_savepoint(view: &OperationView) -> bool {
    matches!(view.operation.kind, OperationKind::Savepoint | OperationKind::Stop | OperationKind::Drain)
}

fn savepoint(view: &OperationView) -> Value {
    json!({
        "savepoint_id": view.operation.id.rsplit('/').next(),
        "operation_id": view.operation.id,
        "job_id": view.operation.job_id,
        "create_time": view.requested_at,
        "state": view.operation.state,
        "location": view.operation.savepoint_path,
        "savepoint_path": view.operation.savepoint_path,
        "diagnostics": view.operation.diagnostics,
    })
}

/// The host has staged the body: the answer names it.
pub(super) fn artifact(context: Context, request: HttpRequest, _: Input) -> PageFuture {
    page(async move {
        context.require(Scope::CodeWrite)?;
        let source = request.staged.ok_or_else(|| {
            Error::unsupported("no_uploads", "this host cannot keep uploaded files")
                .suggest("name a file on the server with `code_path`")
        })?;
        let data = json!({
            "artifact": format!("artifact:{}", source.id.0),
            "sha256": source.sha256,
            "size_bytes": source.size,
            "main_class": source.archive.and_then(|archive| archive.main_class),
        });
        Ok(answer(&context, 201, "artifact: kept".into(), data))
    })
}

fn job_id(input: &Input) -> Result<JobId, Error> {
    JobId::parse(input.get("job_id").and_then(Value::as_str).unwrap_or_default())
}

pub(super) fn page(work: impl Future<Output = Result<Response, Error>> + Send + 'static) -> PageFuture {
    Box::pin(work)
}
