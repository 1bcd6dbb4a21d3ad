//! `list_contexts`: the run profiles of the catalogue.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
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
    /// Most contexts on the page, 1 to 100; default 50.
    #[serde(alias = "max_results")]
    pub limit: Option<u32>,
    /// Where the last page ended: its `next_page_token`.
    #[serde(alias = "cursor")]
    pub page_token: Option<String>,
}

/// Output of `list_contexts`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// In order of id; fewer than `limit` may be for the runner that was named.
    pub contexts: Vec<ContextView>,
    /// Send it as `page_token` for the next page; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
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
        let limit = input.limit.unwrap_or(50).min(100);
        if limit == 0 {
            return Err(Error::invalid("bad_limit", "`limit` must be at least 1"));
        }
        let after = input.page_token.as_deref().map(place).transpose()?;
        let page = catalogue::page(&context, after, limit).await?;
        let is_full = page.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let next_page_token = page.last().filter(|_| is_full).map(|one| URL_SAFE_NO_PAD.encode(&one.id));
        let fitting = page.into_iter().filter(|one| input.context_type.is_none_or(|kind| kind == one.context_type));
        Ok(Output { contexts: fitting.map(|one| ContextView::of(&context, one)).collect(), next_page_token })
    }
}

/// The id a page ended with.
fn place(token: &str) -> Result<String, Error> {
    let id = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    id.filter(|id| id.len() <= 64).ok_or_else(|| {
        Error::invalid("bad_page_token", "`page_token` is not one this server gave for contexts")
            .suggest("leave it out to start at the first page")
    })
}
