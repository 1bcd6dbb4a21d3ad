//! `delete_context`: a run profile that no job is to name any more.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Hints,
    catalogue::{self, Ask, Written},
    registry::Define,
};
use crate::{auth::Scope, error::Error};

/// Input of `delete_context`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its id.
    pub context_id: String,
    /// Generation of what is deleted; another is refused. Also as `If-Match`.
    #[serde(default)]
    pub mcp_generation: Option<u64>,
    /// Makes a repeated call answer as the first.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Only show the plan.
    #[serde(default)]
    pub dry_run: bool,
    /// Digest of the plan a dry run showed; another is refused.
    #[serde(default)]
    pub plan_digest: Option<String>,
}

pub(super) struct DeleteContext;

impl Define for DeleteContext {
    const NAME: &'static str = "delete_context";
    const TITLE: &'static str = "Delete a context";
    const DESCRIPTION: &'static str = "Takes a run profile out of the catalogue. Jobs that were submitted with it keep \
        their options and can be restored.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Destructive;
    /// As `create_context`.
    const TOOL: bool = false;
    type Input = Input;
    type Output = Written;

    async fn run(context: Context, input: Input) -> Result<Written, Error> {
        let asked = catalogue::Input {
            context_id: Some(input.context_id),
            mcp_generation: input.mcp_generation,
            idempotency_key: input.idempotency_key,
            dry_run: input.dry_run,
            plan_digest: input.plan_digest,
            ..catalogue::Input::default()
        };
        let mut ask = Ask::new(&context, Self::NAME, &asked)?;
        if let Some(before) = ask.replayed(&context).await? {
            return Ok(before);
        }
        let old = catalogue::unchanged(&context, &asked.named()?, asked.mcp_generation).await?;
        catalogue::carry_out(&context, ask, Some(old), None).await
    }
}
