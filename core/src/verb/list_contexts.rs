//! `list_contexts`: the run profiles of the catalogue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Context, Hints,
    catalogue::{self, ContextView},
    registry::Define,
};
use crate::{auth::Scope, error::Error, job::ContextType};

/// Input of `list_contexts`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Only those for this runner, or only `custom` ones.
    pub context_type: Option<ContextType>,
}

/// Output of `list_contexts`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// In order of id; a tenant has at most 200.
    pub contexts: Vec<ContextView>,
}

pub(super) struct ListContexts;

impl Define for ListContexts {
    const NAME: &'static str = "list_contexts";
    const TITLE: &'static str = "List contexts";
    const DESCRIPTION: &'static str = "The run profiles of the catalogue, in order of id: pipeline options under a name, \
        which create_job takes as context_id.";
    const SCOPE: Scope = Scope::Read;
    const HINTS: Hints = Hints::Read;
    /// Models read it as a resource; the list of tools has its bound.
    const TOOL: bool = false;
    type Input = Input;
    type Output = Output;

    async fn run(context: Context, input: Input) -> Result<Output, Error> {
        let all = catalogue::all(&context).await?;
        let fitting = all.into_iter().filter(|one| input.context_type.is_none_or(|kind| kind == one.context_type));
        Ok(Output { contexts: fitting.map(|one| ContextView::of(&context, one)).collect() })
    }
}
