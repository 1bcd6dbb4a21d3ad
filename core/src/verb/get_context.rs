//! `get_context`: one run profile of the catalogue.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Hints,
    catalogue::{self, ContextView},
    registry::Define,
};
use crate::{auth::Scope, error::Error};

/// Input of `get_context`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its id.
    pub context_id: String,
}

pub(super) struct GetContext;

impl Define for GetContext {
    const NAME: &'static str = "get_context";
    const TITLE: &'static str = "Get a context";
    const DESCRIPTION: &'static str = "One run profile of the catalogue: the pipeline options that a job which names it \
        as context_id has over its target's and under its own.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    /// Models read it as a resource; the list of tools has its bound.
    const TOOL: bool = false;
    type Input = Input;
    type Output = ContextView;

    async fn run(context: Context, input: Input) -> Result<ContextView, Error> {
        let found = catalogue::read(&context, &input.context_id).await?;
        Ok(ContextView::of(&context, found.value))
    }
}
