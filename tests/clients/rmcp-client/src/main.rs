//! The official Rust SDK as a client: `rmcp-client MODE KIND TARGET…`, MODE one of legacy, auto or modern, KIND http or
//! stdio.

use std::error::Error;

use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{CallToolRequestParams, ProtocolVersion},
    service::RunningService,
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Map, Value, json};

type Client = RunningService<RoleClient, ()>;
type Outcome<T> = Result<T, Box<dyn Error>>;

fn lifecycle(mode: &str) -> Outcome<ClientLifecycleMode> {
    let preferred_versions = vec![ProtocolVersion::LATEST];
    match mode {
        "legacy" => Ok(ClientLifecycleMode::Initialize),
        "modern" => Ok(ClientLifecycleMode::Discover { preferred_versions }),
        "auto" => Ok(ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }),
        other => Err(format!("no mode {other}").into()),
    }
}

async fn connect(mode: &str, kind: &str, target: &[String]) -> Outcome<Client> {
    let mode = lifecycle(mode)?;
    let (first, rest) = target.split_first().ok_or("no target")?;
    if kind == "stdio" {
        let mut command = tokio::process::Command::new(first);
        command.args(rest);
        return Ok(().serve_with_lifecycle(TokioChildProcess::new(command)?, mode).await?);
    }
    Ok(().serve_with_lifecycle(StreamableHttpClientTransport::from_uri(first.as_str()), mode).await?)
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> Outcome<Map<String, Value>> {
    let Value::Object(arguments) = arguments else { return Err("arguments are an object".into()) };
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    if result.is_error == Some(true) {
        return Err(format!("{tool}: {:?}", result.content).into());
    }
    match result.structured_content {
        Some(Value::Object(data)) => Ok(data),
        other => Err(format!("{tool} answered {other:?}").into()),
    }
}

/// Lists, submits, waits and reads, as the journey of the other clients.
async fn journey(client: &Client) -> Outcome<()> {
    let tools = client.list_all_tools().await?;
    assert!(tools.iter().any(|tool| tool.name == "create_job"), "{tools:?}");
    let spec = json!({"target": "simulator", "options": {"simulator_script": "batch"}});
    let mut job = call(client, "create_job", spec).await?;
    while job["terminal"] != true {
        let wait = json!({"job_id": job["job_id"], "until_terminal": true, "timeout_seconds": 20});
        job = call(client, "wait_for_change", wait).await?;
    }
    assert_eq!(job["state"], "FINISHED", "{job:?}");
    let logs = call(client, "get_logs", json!({"job_id": job["job_id"]})).await?;
    assert!(logs["logs"].as_array().is_some_and(|logs| !logs.is_empty()), "{logs:?}");
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, kind, target @ ..] = arguments.as_slice() else { return Err("MODE KIND TARGET…".into()) };
    let client = connect(mode, kind, target).await?;
    journey(&client).await?;
    client.cancel().await?;
    Ok(())
}
