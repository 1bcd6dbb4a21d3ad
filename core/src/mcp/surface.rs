use std::{future::Future, pin::Pin};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{call::Call, error::Error, flow::Io};

/// What a server offers over MCP.
pub trait Surface: Send + Sync + 'static {
    /// Name, version and instructions.
    fn info(&self) -> &Info;

    /// The tools, in an order that never changes; the same for every caller.
    fn tools(&self) -> &[Tool];

    /// Calls a tool that [`Surface::tools`] lists. The arguments have not been checked against its schema.
    fn call_tool(&self, io: Io, call: Call, name: &str, arguments: Map<String, Value>) -> ToolFuture;

    /// Client capabilities that a tool cannot do without, in the form of `clientCapabilities`; a request that does not
    /// declare them is refused. None by default.
    fn required_capabilities(&self, _tool: &str) -> Option<&Value> {
        None
    }
}

/// A tool at work. An error of a kind with a JSON-RPC code in its [`crate::error::Door`] becomes a protocol error,
/// any other a result with `isError`.
pub type ToolFuture = Pin<Box<dyn Future<Output = Result<ToolResult, Error>> + Send>>;

/// Who serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// `serverInfo.name`
    pub name: String,
    /// `serverInfo.title`
    pub title: String,
    /// `serverInfo.version`
    pub version: String,
    /// For the model: what the server is for and how to begin.
    pub instructions: String,
}

/// One tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// `verb_noun`
    pub name: String,
    /// For people.
    pub title: String,
    /// When to use it, when not, what comes next; at most about 60 words.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments, root `type: object`.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of `structuredContent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Hints for the host.
    pub annotations: Annotations,
}

/// Hints for the host, all stated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification")]
pub struct Annotations {
    /// Changes nothing.
    pub read_only_hint: bool,
    /// May destroy something.
    pub destructive_hint: bool,
    /// Twice is once.
    pub idempotent_hint: bool,
    /// Reaches other systems.
    pub open_world_hint: bool,
}

/// What a tool answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// For the model to read.
    pub text: String,
    /// For programs; fits the output schema.
    pub structured: Option<Value>,
    /// True when the tool ran and failed.
    pub is_error: bool,
}
