//! A surface with the kinds of tools that the ladder tells apart, and a host that steps flows over it.
//!
//! `tests/vectors/mcp/README.md` describes it for the other readers of the vectors.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::{
    auth::{Caller, Role},
    call::Call,
    effect::{Effect, Reply, Response},
    engine::HttpRequest,
    error::{Error, ErrorKind},
    flow::{Flow, Io, Now, Step},
    mcp::{self, Annotations, Exchange, Handled, Info, Outcome, Surface, Tool, ToolResult},
};

/// What tools of the fixture do: `echo`, `values`, `region_query`, `needs_sampling`, `fail`, `draw`, `report`.
pub(crate) struct Fixture {
    info: Info,
    tools: Vec<Tool>,
}

static SAMPLING: LazyLock<Value> = LazyLock::new(|| json!({"sampling": {}}));

/// A tool without arguments.
pub(crate) fn tool(name: &str) -> Tool {
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

impl Fixture {
    pub(crate) fn new() -> Self {
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
        Self {
            info: Info {
                name: "fixture".into(),
                title: "Fixture".into(),
                version: "1.2.3".into(),
                instructions: "Call echo.".into(),
            },
            tools: [echo, values, region_query].into_iter().chain(others).collect(),
        }
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
                "fail" => Err(planned_failure(&arguments)),
                "report" => {
                    let reported = report(&exchange.io).await;
                    if arguments.contains_key("kind") { Err(planned_failure(&arguments)) } else { reported }
                }
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

/// One notification, a second of work, a result.
async fn report(io: &Io) -> Result<Outcome<ToolResult>, Error> {
    io.emit(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#.into()).await?;
    io.sleep(Duration::from_secs(1)).await?;
    Ok(done(json!({"reported": true})))
}

pub(crate) fn caller() -> Call {
    Call::local(Caller::with_role("tester", Role::Viewer), Duration::from_secs(60), [7; 32])
}

/// An answer with the frames that came before it.
pub(crate) struct Served {
    pub(crate) answer: Result<Response, Error>,
    pub(crate) frames: Vec<String>,
}

/// Serves a request over HTTP.
pub(crate) fn serve(surface: &Arc<Fixture>, request: HttpRequest) -> Served {
    let surface = surface.clone();
    drive(Flow::new(|io| mcp::http(io, surface, Box::new(request), Box::new(caller()))), false)
}

/// Serves a line; `cancel` answers the first effect with a cancellation.
pub(crate) fn serve_line(surface: &Arc<Fixture>, line: &str, cancel: bool) -> Served {
    let (surface, line) = (surface.clone(), line.into());
    drive(Flow::new(|io| mcp::line(io, surface, line, Box::new(caller()))), cancel)
}

fn drive(mut flow: Flow<Response>, cancel: bool) -> Served {
    let (mut frames, mut reply) = (Vec::new(), None);
    loop {
        match flow.step(Now::default(), reply.take()) {
            Step::Done(answer) => return Served { answer, frames },
            Step::Effect(_) if cancel => reply = Some(Reply::Cancelled),
            Step::Effect(Effect::Emit(frame)) => {
                frames.push(frame.data);
                reply = Some(Reply::Ok);
            }
            Step::Effect(Effect::Sleep { .. }) => reply = Some(Reply::Elapsed),
            Step::Effect(other) => panic!("the fixture asks for no {other:?}"),
        }
    }
}

const META: &str = "io.modelcontextprotocol/";

/// A modern request that is in order, for tests to break.
pub(crate) fn modern(method: &str, mut params: Value) -> (Value, HttpRequest) {
    let name = params.get("name").and_then(Value::as_str).map(str::to_owned);
    params["_meta"] = json!({
        format!("{META}protocolVersion"): "2026-07-28",
        format!("{META}clientCapabilities"): {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut request = legacy(&body);
    request.headers.push(("mcp-protocol-version".into(), "2026-07-28".into()));
    request.headers.push(("mcp-method".into(), method.into()));
    request.headers.extend(name.map(|name| ("mcp-name".to_owned(), name)));
    (body, request)
}

/// A request without any header of the protocol.
pub(crate) fn legacy(body: &Value) -> HttpRequest {
    HttpRequest {
        method: "POST".into(),
        path: "/mcp".into(),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("accept".into(), "application/json, text/event-stream".into()),
        ],
        body: body.to_string().into(),
        ..HttpRequest::default()
    }
}
