use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{ServerInfo, server_info, set};
use crate::{
    error::Error,
    mcp::{
        Annotations, Completion, Content, Features, Id, Info, Prompt, PromptMessages, Read, Resource, ResourceContents,
        ResourcePage, ResourceTemplate, Task, TaskDetail, TaskState, Tool, ToolResult, Version, exchange::APPS,
        outcome::Ask, protocol_error::ProtocolError,
    },
};

/// Most values of a completion.
const MOST_VALUES: usize = 100;

/// `{}`
#[derive(Serialize)]
pub(in crate::mcp) struct Empty {}

/// `server/discover`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Discovered<'a> {
    supported_versions: [&'static str; 1],
    capabilities: Value,
    instructions: &'a str,
}

impl<'a> Discovered<'a> {
    pub(in crate::mcp) fn new(info: &'a Info, features: Features) -> Self {
        let supported_versions = [Version::V2026_07_28.as_str()];
        let capabilities = capabilities(features, Version::V2026_07_28, features.streams);
        Self { supported_versions, capabilities, instructions: &info.instructions }
    }
}

/// What is declared to a revision; news only where they can reach the client.
fn capabilities(features: Features, version: Version, reaches: bool) -> Value {
    let flags = |pairs: &[(&str, bool)]| -> Value {
        pairs.iter().filter(|(_, on)| *on && reaches).map(|(name, _)| ((*name).to_owned(), true)).collect()
    };
    let mut all = Map::from_iter([("tools".to_owned(), flags(&[("listChanged", features.tools_change)]))]);
    let mut declare = |name: &str, on: bool, value: Value| {
        if on {
            all.insert(name.to_owned(), value);
        }
    };
    let updates = [("listChanged", features.resources_change), ("subscribe", features.resource_updates)];
    declare("resources", features.resources, flags(&updates));
    declare("prompts", features.prompts, flags(&[("listChanged", features.prompts_change)]));
    declare("completions", features.completions, json!({}));
    declare("logging", features.logging, json!({}));
    let extensions = extensions(features, version);
    declare("extensions", !extensions.is_empty(), extensions.into());
    all.into()
}

/// The extensions that a revision has: tasks came with the newest, views show structured content.
fn extensions(features: Features, version: Version) -> Map<String, Value> {
    let all = [
        ("io.modelcontextprotocol/tasks", features.tasks && version.is_modern()),
        (APPS, features.apps && version.is_structured()),
    ];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name.to_owned(), json!({}))).collect()
}

/// `initialize`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Initialized<'a> {
    protocol_version: &'static str,
    capabilities: Value,
    server_info: ServerInfo<'a>,
    instructions: &'a str,
}

impl<'a> Initialized<'a> {
    pub(in crate::mcp) fn new(info: &'a Info, features: Features, version: Version, has_session: bool) -> Self {
        Self {
            protocol_version: version.as_str(),
            capabilities: capabilities(features, version, features.streams && has_session),
            server_info: server_info(info, version),
            instructions: &info.instructions,
        }
    }
}

/// `tools/list`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Tools<'a> {
    tools: Vec<ListedTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
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
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<ToolMeta<'a>>,
}

/// What extensions say about a tool.
#[derive(Serialize)]
struct ToolMeta<'a> {
    ui: ToolView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolView<'a> {
    resource_uri: &'a str,
}

impl<'a> Tools<'a> {
    /// Tools as a revision knows them, with the views that show what they answer.
    pub(in crate::mcp) fn new(
        tools: &'a [Tool],
        next_cursor: Option<String>,
        version: Version,
        view_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let listed = |tool: &'a Tool| ListedTool::new(tool, version, view_of(&tool.name));
        Self { tools: tools.iter().map(listed).collect(), next_cursor }
    }
}

impl<'a> ListedTool<'a> {
    fn new(tool: &'a Tool, version: Version, view: Option<&'a str>) -> Self {
        let output = tool.output_schema.as_ref();
        Self {
            name: &tool.name,
            title: version.is_structured().then_some(&tool.title),
            description: &tool.description,
            input_schema: &tool.input_schema,
            output_schema: output.filter(|schema| fits(version, is_object_schema(schema))),
            annotations: version.is_annotated().then_some(tool.annotations),
            meta: view.map(|resource_uri| ToolMeta { ui: ToolView { resource_uri } }),
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

/// `resources/templates/list`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Templates<'a> {
    resource_templates: &'a [ResourceTemplate],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<'a> Templates<'a> {
    pub(in crate::mcp) fn new(resource_templates: &'a [ResourceTemplate], next_cursor: Option<String>) -> Self {
        Self { resource_templates, next_cursor }
    }
}

/// `prompts/list`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Prompts<'a> {
    prompts: &'a [Prompt],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<'a> Prompts<'a> {
    pub(in crate::mcp) fn new(prompts: &'a [Prompt], next_cursor: Option<String>) -> Self {
        Self { prompts, next_cursor }
    }
}

/// `resources/list`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Listed {
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<ResourcePage> for Listed {
    fn from(page: ResourcePage) -> Self {
        Self { resources: page.resources, next_cursor: page.next_cursor }
    }
}

/// `resources/read`
#[derive(Serialize)]
pub(in crate::mcp) struct ReadResult {
    contents: Vec<ResourceContents>,
}

impl From<Read> for ReadResult {
    fn from(contents: Read) -> Self {
        Self { contents }
    }
}

/// `prompts/get`
#[derive(Serialize)]
pub(in crate::mcp) struct Prompted {
    description: String,
    messages: Vec<Value>,
}

impl Prompted {
    pub(in crate::mcp) fn new(prompt: &PromptMessages, version: Version) -> Self {
        let messages = prompt.messages.iter();
        let messages = messages.map(|m| json!({"role": m.role, "content": m.content.known_to(version)})).collect();
        Self { description: prompt.description.clone(), messages }
    }
}

/// `completion/complete`
#[derive(Serialize)]
pub(in crate::mcp) struct Completed {
    completion: Value,
}

impl From<Completion> for Completed {
    fn from(completion: Completion) -> Self {
        let (total, mut values) = (completion.values.len(), completion.values);
        values.truncate(MOST_VALUES);
        let mut told = json!({"values": values, "hasMore": completion.others || total > MOST_VALUES});
        if !completion.others {
            set(&mut told, "total", total);
        }
        Self { completion: told }
    }
}

/// `tools/call`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct Called<'a> {
    content: Vec<Cow<'a, Content>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a Value>,
    is_error: bool,
}

impl<'a> Called<'a> {
    /// What a tool answered, as a revision knows it.
    pub(in crate::mcp) fn new(result: &'a ToolResult, version: Version) -> Self {
        let structured = result.structured.as_ref();
        let said = result.content.iter().map(|content| content.known_to(version));
        let data = structured.filter(|_| result.content.is_empty()).map(|data| Cow::Owned(as_text(data)));
        Self {
            content: said.chain(data).collect(),
            structured_content: structured.filter(|value| fits(version, value.is_object())),
            is_error: result.is_error,
        }
    }

    /// As a value of its own.
    pub(in crate::mcp) fn to_json(&self) -> Value {
        json!(self)
    }
}

/// Data for the model to read.
fn as_text(data: &Value) -> Content {
    // `Display` writes the same through a formatter, at twice the cost; a value always serialises.
    Content::text(serde_json::to_string(data).unwrap_or_default())
}

/// `input_required`
pub(in crate::mcp) fn asked(id: &Id, info: &Info, ask: &Ask, state: Option<String>) -> Vec<u8> {
    let mut result = json!({"resultType": "input_required"});
    if !ask.questions.is_empty() {
        set(&mut result, "inputRequests", ask.requests(Version::V2026_07_28));
    }
    if let Some(state) = state {
        set(&mut result, "requestState", state);
    }
    with_meta(id, info, result)
}

/// A call that goes on as a task.
pub(in crate::mcp) fn task_created(id: &Id, info: &Info, task: &Task) -> Vec<u8> {
    let mut result = json!(task);
    set(&mut result, "resultType", "task");
    with_meta(id, info, result)
}

fn with_meta(id: &Id, info: &Info, mut result: Value) -> Vec<u8> {
    set(&mut result, "_meta", json!({"io.modelcontextprotocol/serverInfo": server_info(info, Version::V2026_07_28)}));
    super::success(id, result)
}

/// A task as `tasks/get` and `notifications/tasks` tell it.
pub(in crate::mcp) fn task_state(state: &TaskState) -> Value {
    let mut told = json!(state.task);
    match &state.detail {
        TaskDetail::None => {}
        TaskDetail::Asks(questions) => {
            let ask = Ask { questions: questions.clone(), state: None };
            set(&mut told, "inputRequests", ask.requests(Version::V2026_07_28));
        }
        TaskDetail::Result(result) => {
            let mut called = json!(Called::new(result, Version::V2026_07_28));
            set(&mut called, "resultType", "complete");
            set(&mut told, "result", called);
        }
        TaskDetail::Error(error) => set(&mut told, "error", task_error(error)),
    }
    told
}

fn task_error(error: &Error) -> Value {
    let error = ProtocolError::of_tool(error);
    json!({"code": error.code, "message": error.message, "data": error.data})
}

/// The end of a `subscriptions/listen`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mcp) struct ListenEnded<'a> {
    result_type: &'static str,
    #[serde(rename = "_meta")]
    meta: Ended<'a>,
}

#[derive(Serialize)]
struct Ended<'a> {
    #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: &'a Id,
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: ServerInfo<'a>,
}

impl<'a> ListenEnded<'a> {
    pub(in crate::mcp) fn new(subscription: &'a Id, info: &'a Info) -> Self {
        let meta = Ended { subscription, server_info: server_info(info, Version::V2026_07_28) };
        Self { result_type: "complete", meta }
    }
}
