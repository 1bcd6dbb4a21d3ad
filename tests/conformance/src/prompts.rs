use std::collections::BTreeMap;

use beam_mcp_core::mcp::{
    Answered, Ask, Content, Exchange, Handled, Outcome, Prompt, PromptArgument, PromptMessage, PromptMessages,
    ResourceContents,
};

use crate::{
    asking::form,
    surface::{PNG, done, fail, unknown},
};

const PROMPTS: [(&str, &[&str]); 5] = [
    ("test_simple_prompt", &[]),
    ("test_prompt_with_arguments", &["arg1", "arg2"]),
    ("test_prompt_with_embedded_resource", &["resourceUri"]),
    ("test_prompt_with_image", &[]),
    ("test_input_required_result_prompt", &[]),
];

/// All prompts.
pub(crate) fn all() -> Vec<Prompt> {
    let argument =
        |name: &&str| PromptArgument { name: (*name).into(), description: format!("Value of {name}."), required: true };
    let prompt = |(name, arguments): &(&str, &[&str])| Prompt {
        name: (*name).into(),
        title: name.replace('_', " "),
        description: format!("Asked for by the conformance suite as `{name}`."),
        arguments: arguments.iter().map(argument).collect(),
    };
    PROMPTS.iter().map(prompt).collect()
}

/// What a prompt says.
pub(crate) fn get(exchange: &Exchange, name: &str, arguments: &BTreeMap<String, String>) -> Handled<PromptMessages> {
    let get = |key: &str| arguments.get(key).map_or("", String::as_str);
    match name {
        "test_simple_prompt" => said(vec![Content::text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let text = format!("Prompt with arguments: arg1='{}', arg2='{}'", get("arg1"), get("arg2"));
            said(vec![Content::text(text)])
        }
        "test_prompt_with_embedded_resource" => {
            let resource = ResourceContents::text(get("resourceUri"), "text/plain", "Embedded resource content.");
            said(vec![Content::Resource { resource }, Content::text("Please process the embedded resource above.")])
        }
        "test_prompt_with_image" => {
            let image = Content::Image { data: PNG.into(), mime_type: "image/png".into() };
            said(vec![image, Content::text("Please analyze the image above.")])
        }
        "test_input_required_result_prompt" => match exchange.elicited("user_context") {
            Some(Answered::Accept(content)) => said(vec![Content::text(format!("Context: {content:?}"))]),
            Some(_) => said(vec![Content::text("No context was given.")]),
            None => {
                let ask = Ask::one("user_context", form("What context should the prompt use?", "context", "string"));
                Box::pin(std::future::ready(Ok(Outcome::Ask(ask))))
            }
        },
        other => fail(unknown(other)),
    }
}

fn said(contents: Vec<Content>) -> Handled<PromptMessages> {
    let messages = contents.into_iter().map(PromptMessage::user).collect();
    done(PromptMessages { description: "For the conformance suite.".into(), messages })
}
