use serde::Serialize;
use serde_json::Value;

use super::{Content, ResourceContents};

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

/// What a server declares besides its tools. Nothing is declared that is not served.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the specification's capabilities")]
pub struct Features {
    /// The host can stream an answer.
    pub streams: bool,
    /// The host cannot, and sends what a request tells along with its answer.
    pub collects: bool,
    /// [`super::Change::Tools`] is published when the list changes.
    pub tools_change: bool,
    /// Resources and their templates.
    pub resources: bool,
    /// [`super::Change::Resources`] is published when the list changes.
    pub resources_change: bool,
    /// Resources can be watched.
    pub resource_updates: bool,
    /// Prompts.
    pub prompts: bool,
    /// [`super::Change::Prompts`] is published when the list changes.
    pub prompts_change: bool,
    /// Completions of arguments.
    pub completions: bool,
    /// Log messages about a request.
    pub logging: bool,
    /// The extension `io.modelcontextprotocol/tasks`.
    pub tasks: bool,
    /// The extension `io.modelcontextprotocol/ui`: [`super::Surface::view_of`] names views.
    pub apps: bool,
}

impl Features {
    /// Notifications of a request reach its client.
    pub(super) fn tells(self) -> bool {
        self.streams || self.collects
    }
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
    /// Twice is once; false where it is not said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idempotent_hint: bool,
    /// Reaches other systems.
    pub open_world_hint: bool,
}

/// What a tool answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// For the model to read; where there is none, the data as text.
    pub content: Vec<Content>,
    /// For programs; fits the output schema.
    pub structured: Option<Value>,
    /// True when the tool ran and failed.
    pub is_error: bool,
}

impl ToolResult {
    /// A result of one text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::text(text)], ..Self::default() }
    }

    /// Data, for programs and for the model.
    pub fn data(data: Value) -> Self {
        Self { structured: Some(data), ..Self::default() }
    }

    /// The same with other data, where there is some.
    #[must_use]
    pub fn changed(self, change: impl FnOnce(Value) -> Value) -> Self {
        Self { structured: self.structured.map(change), ..self }
    }
}

/// One resource of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Where it is read.
    pub uri: String,
    /// Name for programs.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A valid MIME type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

/// Resources named by a pattern (RFC 6570).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTemplate {
    /// The pattern.
    pub uri_template: String,
    /// Name for programs.
    pub name: String,
    /// For people.
    pub title: String,
    /// What they hold.
    pub description: String,
    /// A valid MIME type.
    pub mime_type: String,
}

/// Resources of one page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourcePage {
    /// In an order that does not change.
    pub resources: Vec<Resource>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// What reading a resource answers; never empty.
pub type Read = Vec<ResourceContents>;

/// A prompt that users start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prompt {
    /// Name for programs.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
}

/// One argument of a prompt; its value is text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromptArgument {
    /// Name for programs.
    pub name: String,
    /// What to give.
    pub description: String,
    /// The prompt is refused without it.
    pub required: bool,
}

/// What a prompt says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromptMessages {
    /// What it is for.
    pub description: String,
    /// The conversation it begins.
    pub messages: Vec<PromptMessage>,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// A message of the user.
    pub fn user(content: Content) -> Self {
        Self { role: Role::User, content }
    }
}

/// Who says a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// What is being completed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// An argument of the prompt of this name.
    Prompt(String),
    /// A variable of the resource template with this pattern.
    Template(String),
}

/// An argument half typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partial {
    /// Whose argument.
    pub of: Reference,
    /// Its name.
    pub name: String,
    /// What is typed so far.
    pub value: String,
    /// Other arguments that are settled already.
    pub settled: std::collections::BTreeMap<String, String>,
}

/// Values an argument can have; the first 100 are sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Completion {
    /// Best first.
    pub values: Vec<String>,
    /// There may be others, which were not looked at.
    pub others: bool,
}
