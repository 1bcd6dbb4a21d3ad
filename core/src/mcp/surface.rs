use std::{collections::BTreeMap, future::Future, pin::Pin};

use serde_json::{Map, Value};

use super::{
    Completion, Exchange, Features, Info, Outcome, Partial, Prompt, PromptMessages, Read, ResourcePage,
    ResourceTemplate, Sessions, TaskState, Tool, ToolResult,
};
use crate::error::Error;

/// A handler at work.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A handler that may ask the client before it answers.
///
/// It is run again from its beginning with the answers, so it does nothing before it has them. An error of a kind with
/// a JSON-RPC code in its [`crate::error::Door`] becomes a protocol error; any other becomes a result with `isError`
/// for a tool and invalid parameters for the rest.
pub type Handled<T> = Answer<Outcome<T>>;

/// What a server offers over MCP. What [`Surface::features`] does not declare is never called.
pub trait Surface: Send + Sync + 'static {
    /// Name, version and instructions.
    fn info(&self) -> &Info;

    /// What is declared besides tools.
    fn features(&self) -> Features {
        Features::default()
    }

    /// The tools, in an order that never changes; the same for every caller.
    fn tools(&self) -> &[Tool];

    /// The `ui://` resource that shows what a tool answers, on hosts that render MCP Apps; it is read like any other.
    fn view_of(&self, _tool: &str) -> Option<&str> {
        None
    }

    /// Calls a tool that [`Surface::tools`] lists. The arguments have not been checked against its schema.
    fn call_tool(&self, exchange: Exchange, name: &str, arguments: Map<String, Value>) -> Handled<ToolResult>;

    /// Client capabilities that a tool cannot do without, in the form of `clientCapabilities`; a request that does not
    /// declare them is refused. None by default.
    fn required_capabilities(&self, _tool: &str) -> Option<&Value> {
        None
    }

    /// One page of the resources the caller may see.
    fn list_resources(&self, _exchange: Exchange, _cursor: Option<String>) -> Answer<ResourcePage> {
        undeclared("resources")
    }

    /// Patterns of resources; the same for every caller.
    fn resource_templates(&self) -> &[ResourceTemplate] {
        &[]
    }

    /// Reads a resource; `not_found` for one that is not there or not for this caller.
    fn read_resource(&self, _exchange: Exchange, _uri: &str) -> Handled<Read> {
        undeclared("resources")
    }

    /// The topic that moves when a resource changes; `None` for one that cannot be watched by this caller.
    fn watch_resource(&self, _exchange: Exchange, _uri: &str) -> Answer<Option<String>> {
        undeclared("resource_updates")
    }

    /// The prompts; the same for every caller.
    fn prompts(&self) -> &[Prompt] {
        &[]
    }

    /// A prompt that [`Surface::prompts`] lists, with its required arguments.
    fn get_prompt(
        &self,
        _exchange: Exchange,
        _name: &str,
        _arguments: BTreeMap<String, String>,
    ) -> Handled<PromptMessages> {
        undeclared("prompts")
    }

    /// Values for an argument that is half typed; nothing the caller may not see.
    fn complete(&self, _exchange: Exchange, _partial: Partial) -> Answer<Completion> {
        undeclared("completions")
    }

    /// A task of the caller; `not_found` for any other.
    fn get_task(&self, _exchange: Exchange, _task: &str) -> Answer<TaskState> {
        undeclared("tasks")
    }

    /// Answers to questions a task asked; unknown and answered keys are ignored.
    fn update_task(&self, _exchange: Exchange, _task: &str, _responses: Map<String, Value>) -> Answer<()> {
        undeclared("tasks")
    }

    /// Asks a task to stop; one that ended stays as it is.
    fn cancel_task(&self, _exchange: Exchange, _task: &str) -> Answer<()> {
        undeclared("tasks")
    }

    /// The topic that moves when a task of the caller does.
    fn watch_task(&self, _exchange: Exchange, _task: &str) -> Answer<Option<String>> {
        undeclared("tasks")
    }

    /// The key under which request states are sealed, the same on every instance that may see the next round; `None`
    /// for a server that never asks anything.
    fn seal_key(&self, _exchange: Exchange) -> Answer<Option<[u8; 32]>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Sessions of older revisions, on a host where every request of a client reaches the same process.
    fn sessions(&self) -> Option<&Sessions> {
        None
    }
}

fn undeclared<T: Send + 'static>(feature: &'static str) -> Answer<T> {
    let error = Error::misuse(format!("`{feature}` is called but not declared"));
    Box::pin(std::future::ready(Err(error)))
}
