use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use beam_mcp_core::{
    Error, ErrorKind,
    mcp::{
        Annotations, Answer, Change, Completion, Content, Exchange, Features, Handled, Info, Level, Outcome, Partial,
        Prompt, PromptMessages, Read, ResourceContents, ResourceData, ResourcePage, ResourceTemplate, Sessions,
        Surface, TaskState, Tool, ToolResult,
    },
};
use serde_json::{Map, Value, json};

use crate::{asking, prompts, resources, tasks::Tasks};

/// One pixel.
pub(crate) const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
/// A header without samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

static SAMPLING: LazyLock<Value> = LazyLock::new(|| json!({"sampling": {}}));
static TASKS: LazyLock<Value> = LazyLock::new(|| json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));

/// Tools by name, with their arguments; the first one needs none.
const TOOLS: [(&str, &[(&str, &str)]); 38] = [
    ("test_simple_text", &[]),
    ("test_image_content", &[]),
    ("test_audio_content", &[]),
    ("test_embedded_resource", &[]),
    ("test_multiple_content_types", &[]),
    ("test_error_handling", &[]),
    ("test_tool_with_logging", &[]),
    ("test_tool_with_progress", &[]),
    ("test_logging_tool", &[]),
    ("test_missing_capability", &[]),
    ("test_streaming_elicitation", &[]),
    ("test_trigger_tool_change", &[]),
    ("test_trigger_prompt_change", &[]),
    ("test_header", &[("region", "string")]),
    ("test_sampling", &[("prompt", "string")]),
    ("test_elicitation", &[("message", "string")]),
    ("test_elicitation_sep1034_defaults", &[]),
    ("test_elicitation_sep1330_enums", &[]),
    ("test_input_required_result_elicitation", &[]),
    ("test_input_required_result_sampling", &[]),
    ("test_input_required_result_list_roots", &[]),
    ("test_input_required_result_request_state", &[]),
    ("test_input_required_result_multiple_inputs", &[]),
    ("test_input_required_result_multi_round", &[]),
    ("test_input_required_result_tampered_state", &[]),
    ("test_input_required_result_capabilities", &[]),
    ("greet", &[("name", "string")]),
    ("slow_compute", &[("seconds", "number"), ("label", "string")]),
    ("failing_job", &[]),
    ("protocol_error_job", &[]),
    ("confirm_delete", &[("filename", "string")]),
    ("multi_input", &[]),
    ("test_tool_with_task", &[]),
    ("test_reconnection", &[]),
    ("json_schema_2020_12_tool", &[]),
    ("test_tool_a", &[]),
    ("test_tool_b", &[]),
    ("test_tool_c", &[]),
];

/// What the suite calls.
pub(crate) struct Fixture {
    info: Info,
    tools: Vec<Tool>,
    templates: Vec<ResourceTemplate>,
    prompts: Vec<Prompt>,
    tasks: Tasks,
    sessions: Option<Sessions>,
    streams: bool,
}

impl Fixture {
    /// The surface, with sessions for older clients or without, on a host that streams or does not.
    pub(crate) fn new(sessions: bool, streams: bool) -> Self {
        let info = Info {
            name: "beam-mcp-conformance".into(),
            title: "Conformance fixture".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            instructions: "Called by the conformance suite.".into(),
        };
        Self {
            info,
            tools: TOOLS.iter().map(|(name, arguments)| tool(name, arguments)).collect(),
            templates: resources::templates(),
            prompts: prompts::all(),
            tasks: Tasks::default(),
            sessions: sessions.then(Sessions::default),
            streams,
        }
    }
}

fn tool(name: &str, arguments: &[(&str, &str)]) -> Tool {
    Tool {
        name: name.into(),
        title: name.replace('_', " "),
        description: format!("Called by the conformance suite as `{name}`."),
        input_schema: schema(name, arguments),
        output_schema: None,
        annotations: Annotations {
            read_only_hint: true,
            destructive_hint: false,
            idempotent_hint: true,
            open_world_hint: false,
        },
    }
}

fn schema(name: &str, arguments: &[(&str, &str)]) -> Value {
    if name == "json_schema_2020_12_tool" {
        return json_schema();
    }
    let property = |(argument, kind): &(&str, &str)| {
        let mut schema = json!({"type": kind});
        if *argument == "region" {
            schema["x-mcp-header"] = "Region".into();
        }
        ((*argument).to_owned(), schema)
    };
    json!({"type": "object", "properties": arguments.iter().map(property).collect::<Map<_, _>>()})
}

/// Every keyword that must come back as it is.
fn json_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// A handler that is done.
pub(crate) fn done<T: Send + 'static>(result: T) -> Handled<T> {
    Box::pin(std::future::ready(Ok(Outcome::Complete(result))))
}

/// A handler that failed.
pub(crate) fn fail<T: Send + 'static>(error: Error) -> Answer<T> {
    Box::pin(std::future::ready(Err(error)))
}

fn blocks(content: Vec<Content>) -> Handled<ToolResult> {
    done(ToolResult { content, ..ToolResult::default() })
}

fn image() -> Content {
    Content::Image { data: PNG.into(), mime_type: "image/png".into() }
}

fn embedded() -> Content {
    let resource = ResourceContents::text("test://embedded-resource", "text/plain", "This is an embedded resource.");
    Content::Resource { resource }
}

impl Surface for Fixture {
    fn info(&self) -> &Info {
        &self.info
    }

    fn features(&self) -> Features {
        Features {
            streams: self.streams,
            collects: !self.streams,
            tools_change: true,
            resources: true,
            resources_change: true,
            resource_updates: true,
            prompts: true,
            prompts_change: true,
            completions: true,
            logging: true,
            tasks: true,
            apps: false,
        }
    }

    fn tools(&self) -> &[Tool] {
        &self.tools
    }

    fn call_tool(&self, exchange: Exchange, name: &str, arguments: Map<String, Value>) -> Handled<ToolResult> {
        match name {
            "test_simple_text" => done(ToolResult::text("This is a simple text response for testing.")),
            "test_image_content" => blocks(vec![image()]),
            "test_audio_content" => blocks(vec![Content::Audio { data: WAV.into(), mime_type: "audio/wav".into() }]),
            "test_embedded_resource" => blocks(vec![embedded()]),
            "test_multiple_content_types" => blocks(vec![Content::text("Three kinds:"), image(), embedded()]),
            "test_error_handling" => fail(Error::invalid("intended", "This tool intentionally returns an error")),
            "test_tool_with_logging" | "test_logging_tool" => Box::pin(log(exchange)),
            "test_tool_with_progress" | "test_streaming_elicitation" => Box::pin(progress(exchange)),
            "test_trigger_tool_change" => Box::pin(change(exchange, Change::Tools)),
            "test_trigger_prompt_change" => Box::pin(change(exchange, Change::Prompts)),
            name if name.contains("input_required") || name.contains("elicitation") || name == "test_sampling" => {
                asking::call(&exchange, name, &arguments)
            }
            name => self.tasks.call(&exchange, name, &arguments),
        }
    }

    fn required_capabilities(&self, tool: &str) -> Option<&Value> {
        match tool {
            "test_missing_capability" => Some(&SAMPLING),
            "failing_job" | "test_tool_with_task" => Some(&TASKS),
            _ => None,
        }
    }

    fn list_resources(&self, _: Exchange, cursor: Option<String>) -> Answer<ResourcePage> {
        match cursor {
            None => Box::pin(std::future::ready(Ok(resources::list()))),
            Some(_) => fail(Error::invalid("cursor", "there is one page")),
        }
    }

    fn resource_templates(&self) -> &[ResourceTemplate] {
        &self.templates
    }

    fn read_resource(&self, _: Exchange, uri: &str) -> Handled<Read> {
        match resources::read(uri) {
            Some(contents) => done(vec![contents]),
            None => fail(Error::not_found("no_resource", "there is no such resource")),
        }
    }

    fn watch_resource(&self, _: Exchange, uri: &str) -> Answer<Option<String>> {
        let topic = resources::read(uri).map(|_| format!("resource/{uri}"));
        Box::pin(std::future::ready(Ok(topic)))
    }

    fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    fn get_prompt(
        &self,
        exchange: Exchange,
        name: &str,
        arguments: BTreeMap<String, String>,
    ) -> Handled<PromptMessages> {
        prompts::get(&exchange, name, &arguments)
    }

    fn complete(&self, _: Exchange, partial: Partial) -> Answer<Completion> {
        let words = ["paris", "park", "party"].into_iter();
        let values = words.filter(|word| word.starts_with(&partial.value)).map(str::to_owned).collect();
        Box::pin(std::future::ready(Ok(Completion { values, ..Completion::default() })))
    }

    fn get_task(&self, exchange: Exchange, task: &str) -> Answer<TaskState> {
        Box::pin(std::future::ready(self.tasks.get(&exchange, task)))
    }

    fn update_task(&self, exchange: Exchange, task: &str, responses: Map<String, Value>) -> Answer<()> {
        Box::pin(std::future::ready(self.tasks.update(&exchange, task, responses)))
    }

    fn cancel_task(&self, exchange: Exchange, task: &str) -> Answer<()> {
        Box::pin(std::future::ready(self.tasks.cancel(&exchange, task)))
    }

    fn watch_task(&self, exchange: Exchange, task: &str) -> Answer<Option<String>> {
        let topic = self.tasks.get(&exchange, task).ok().map(|_| format!("task/{task}"));
        Box::pin(std::future::ready(Ok(topic)))
    }

    fn seal_key(&self, _: Exchange) -> Answer<Option<[u8; 32]>> {
        Box::pin(std::future::ready(Ok(Some(*b"a key for tests, known to anyone"))))
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }
}

async fn log(exchange: Exchange) -> Result<Outcome<ToolResult>, Error> {
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        exchange.log(Level::Info, "fixture", text.into()).await?;
        exchange.io.sleep(Duration::from_millis(50)).await?;
    }
    Ok(Outcome::Complete(ToolResult::text("Logged three times.")))
}

async fn progress(exchange: Exchange) -> Result<Outcome<ToolResult>, Error> {
    for step in [0.0, 50.0, 100.0] {
        exchange.progress(step, Some(100.0), Some("at work")).await?;
        exchange.io.sleep(Duration::from_millis(50)).await?;
    }
    Ok(Outcome::Complete(ToolResult::text("Done in three steps.")))
}

async fn change(exchange: Exchange, change: Change) -> Result<Outcome<ToolResult>, Error> {
    exchange.io.publish(change.topic().into(), String::new()).await?;
    Ok(Outcome::Complete(ToolResult::text("Told everybody.")))
}

/// A tool that nothing here answers.
pub(crate) fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::Misuse, "unlisted", format!("{name} is listed and not served"))
}

/// Bytes as a resource.
pub(crate) fn blob(uri: &str, mime_type: &str, base64: &str) -> ResourceContents {
    ResourceContents {
        uri: uri.into(),
        mime_type: Some(mime_type.into()),
        data: ResourceData::Blob(base64.into()),
        meta: None,
    }
}
