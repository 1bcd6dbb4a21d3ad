//! The surface that `tests/vectors/mcp/README.md` describes, so that Node can replay those vectors.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use beam_mcp_core::{
    Call, Error, ErrorKind, Flow, Io,
    auth::{Caller, Role},
    engine::HttpRequest,
    mcp::{self, Annotations, Exchange, Handled, Info, Outcome, Surface, Tool, ToolResult},
};
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

use crate::{
    call::read,
    flows::{Told, keep},
};

struct Fixture {
    info: Info,
    tools: Vec<Tool>,
}

static FIXTURE: LazyLock<Arc<Fixture>> = LazyLock::new(|| Arc::new(Fixture::new()));
static SAMPLING: LazyLock<Value> = LazyLock::new(|| json!({"sampling": {}}));

/// Serves an HTTP request to the endpoint; as the engine's `handle`.
#[wasm_bindgen]
pub fn serve(request: &str, body: Vec<u8>) -> u32 {
    let flow = read::<HttpRequest>("request", request).map(|request| {
        let request = HttpRequest { body: body.into(), ..request };
        let (request, call) = (Box::new(request), Box::new(tester()));
        Flow::new(|io| mcp::http(io, Arc::clone(&FIXTURE), request, call))
    });
    keep(flow, Told::response)
}

/// Serves a line of standard input; as the engine's `line`.
#[wasm_bindgen(js_name = serveLine)]
pub fn serve_line(line: &str) -> u32 {
    let line = line.into();
    keep(Ok(Flow::new(|io| mcp::line(io, Arc::clone(&FIXTURE), line, Box::new(tester())))), Told::response)
}

fn tester() -> Call {
    Call::local(Caller::with_role("tester", Role::Viewer), Duration::from_secs(60), [7; 32])
}

impl Fixture {
    fn new() -> Self {
        let echo = Tool { output_schema: Some(json!({"type": "object"})), ..tool("echo") };
        let values = Tool { output_schema: Some(json!({"type": "array"})), ..tool("values") };
        let region_query = Tool {
            input_schema: json!({"type": "object", "properties": {
                "region": {"type": "string", "x-mcp-header": "Region"},
                "options": {"type": "object", "properties": {
                    "size": {"type": "integer", "x-mcp-header": "Size"},
                    "fast": {"type": "boolean", "x-mcp-header": "Fast"},
                }},
                "free": {"type": "string"},
            }}),
            ..tool("region_query")
        };
        let others = ["needs_sampling", "fail", "draw", "report"].map(tool);
        let info = Info {
            name: "fixture".into(),
            title: "Fixture".into(),
            version: "1.2.3".into(),
            instructions: "Call echo.".into(),
        };
        Self { info, tools: [echo, values, region_query].into_iter().chain(others).collect() }
    }
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.into(),
        title: format!("Title of {name}"),
        description: format!("Description of {name}."),
        input_schema: json!({"type": "object"}),
        output_schema: None,
        annotations: Annotations {
            read_only_hint: true,
            destructive_hint: false,
            idempotent_hint: true,
            open_world_hint: false,
        },
    }
}

impl Surface for Fixture {
    fn info(&self) -> &Info {
        &self.info
    }

    fn tools(&self) -> &[Tool] {
        &self.tools
    }

    fn call_tool(&self, exchange: Exchange, name: &str, arguments: Map<String, Value>) -> Handled<ToolResult> {
        let name = name.to_owned();
        Box::pin(async move {
            match name.as_str() {
                "echo" | "region_query" | "needs_sampling" => Ok(done(arguments.into())),
                "values" => Ok(done(json!([1, 2]))),
                "draw" => Ok(done(json!({"id": exchange.call.request_id()}))),
                "report" => report(&exchange.io).await,
                "fail" => Err(planned_failure(&arguments)),
                other => Err(Error::misuse(format!("{other} is not listed"))),
            }
        })
    }

    fn required_capabilities(&self, tool: &str) -> Option<&Value> {
        (tool == "needs_sampling").then_some(&SAMPLING)
    }
}

fn done(value: Value) -> Outcome<ToolResult> {
    Outcome::Complete(ToolResult::data(value))
}

fn planned_failure(arguments: &Map<String, Value>) -> Error {
    let code = arguments.get("kind").and_then(Value::as_str).unwrap_or("internal");
    let kind = ErrorKind::from_code(code).unwrap_or(ErrorKind::Internal);
    Error::new(kind, "planned", "this was asked for").with("fact", "7").suggest("ask for something else")
}

async fn report(io: &Io) -> Result<Outcome<ToolResult>, Error> {
    io.emit(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#.into()).await?;
    io.sleep(Duration::from_secs(1)).await?;
    Ok(done(json!({"reported": true})))
}
