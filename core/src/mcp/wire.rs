//! What goes out: every result and error as it is written, once.

use serde::Serialize;
use serde_json::Value;

use super::{Annotations, Id, Info, Tool, ToolResult, Version, protocol_error::ProtocolError};
use crate::effect::{Blob, Response};

/// Cache time of lists that only change with the version of the server, in milliseconds.
const LIST_TTL_MS: u32 = 300_000;

#[derive(Serialize)]
struct Success<'a, R> {
    jsonrpc: &'static str,
    id: &'a Id,
    result: R,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

/// The answer with this result. A result is plain data, which always serialises.
pub(super) fn success(id: &Id, result: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Success { jsonrpc: "2.0", id, result }).unwrap_or_default()
}

/// The answer with this error.
pub(super) fn failure(id: Option<&Id>, error: &ProtocolError) -> Vec<u8> {
    let error = ErrorObject { code: error.code, message: &error.message, data: error.data.as_ref() };
    serde_json::to_vec(&Failure { jsonrpc: "2.0", id, error }).unwrap_or_default()
}

/// An HTTP answer with a JSON body.
pub(super) fn response(status: u16, body: Vec<u8>) -> Response {
    Response { status, headers: vec![("content-type".into(), "application/json".into())], body: body.into() }
}

/// An HTTP answer without a body.
pub(super) fn empty(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Blob::EMPTY }
}

#[derive(Serialize)]
struct ServerInfo<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    version: &'a str,
}

fn server_info(info: &Info, version: Version) -> ServerInfo<'_> {
    ServerInfo { name: &info.name, title: version.is_structured().then_some(&info.title), version: &info.version }
}

/// What a modern result carries besides its own fields.
#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: ServerInfo<'a>,
}

fn meta(info: &Info, version: Version) -> Option<Meta<'_>> {
    version.is_modern().then(|| Meta { server_info: server_info(info, version) })
}

fn result_type(version: Version) -> Option<&'static str> {
    version.is_modern().then_some("complete")
}

/// `server/discover`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Discovered<'a> {
    result_type: Option<&'static str>,
    supported_versions: [&'static str; 1],
    capabilities: Capabilities,
    instructions: &'a str,
    ttl_ms: u32,
    cache_scope: &'static str,
    #[serde(rename = "_meta")]
    meta: Option<Meta<'a>>,
}

/// What the server declares: tools, whose list never changes while it runs.
#[derive(Serialize)]
struct Capabilities {
    tools: Empty,
}

/// `{}`
#[derive(Serialize)]
pub(super) struct Empty {}

impl<'a> Discovered<'a> {
    pub(super) fn new(info: &'a Info) -> Self {
        let version = Version::V2026_07_28;
        Self {
            result_type: result_type(version),
            supported_versions: [version.as_str()],
            capabilities: Capabilities { tools: Empty {} },
            instructions: &info.instructions,
            ttl_ms: LIST_TTL_MS,
            cache_scope: "public",
            meta: meta(info, version),
        }
    }
}

/// `initialize`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialized<'a> {
    protocol_version: &'static str,
    capabilities: Capabilities,
    server_info: ServerInfo<'a>,
    instructions: &'a str,
}

impl<'a> Initialized<'a> {
    pub(super) fn new(info: &'a Info, version: Version) -> Self {
        Self {
            protocol_version: version.as_str(),
            capabilities: Capabilities { tools: Empty {} },
            server_info: server_info(info, version),
            instructions: &info.instructions,
        }
    }
}

/// `tools/list`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolPage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    tools: Vec<ListedTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations>,
}

impl<'a> ToolPage<'a> {
    /// Tools as a revision knows them. The list is the same for every caller, hence public.
    pub(super) fn new(info: &'a Info, tools: &'a [Tool], next_cursor: Option<String>, version: Version) -> Self {
        Self {
            result_type: result_type(version),
            tools: tools.iter().map(|tool| ListedTool::new(tool, version)).collect(),
            next_cursor,
            ttl_ms: version.is_modern().then_some(LIST_TTL_MS),
            cache_scope: version.is_modern().then_some("public"),
            meta: meta(info, version),
        }
    }
}

impl<'a> ListedTool<'a> {
    fn new(tool: &'a Tool, version: Version) -> Self {
        let output = tool.output_schema.as_ref();
        Self {
            name: &tool.name,
            title: version.is_structured().then_some(&tool.title),
            description: &tool.description,
            input_schema: &tool.input_schema,
            output_schema: output.filter(|schema| fits(version, is_object_schema(schema))),
            annotations: version.is_annotated().then_some(tool.annotations),
        }
    }
}

/// Structured content may be anything today, had to be an object from 2025-06-18 on, and was unknown before.
fn fits(version: Version, is_object: bool) -> bool {
    version.is_modern() || (version.is_structured() && is_object)
}

fn is_object_schema(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
}

/// `tools/call`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Called<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    content: [Text<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a Value>,
    is_error: bool,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

impl<'a> Called<'a> {
    /// What a tool answered, as a revision knows it.
    pub(super) fn new(info: &'a Info, result: &'a ToolResult, version: Version) -> Self {
        let structured = result.structured.as_ref();
        Self {
            result_type: result_type(version),
            content: [Text { r#type: "text", text: &result.text }],
            structured_content: structured.filter(|value| fits(version, value.is_object())),
            is_error: result.is_error,
            meta: meta(info, version),
        }
    }
}
