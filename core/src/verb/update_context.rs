//! `update_context`: other members of a run profile.

use super::{
    Context, Hints,
    catalogue::{self, Ask, Input, Written},
    registry::Define,
};
use crate::{auth::Scope, error::Error, job::ExecutionContext};

pub(super) struct UpdateContext;

impl Define for UpdateContext {
    const NAME: &'static str = "update_context";
    const TITLE: &'static str = "Change a context";
    const DESCRIPTION: &'static str = "Puts the members that are sent in the place of those of a run profile; a map that \
        is sent is the whole map. Jobs that were submitted keep their options.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Write;
    /// As `create_context`.
    const TOOL: bool = false;
    type Input = Input;
    type Output = Written;

    async fn run(context: Context, input: Input) -> Result<Written, Error> {
        let input = input.folded()?;
        let id = input.named()?;
        let mut ask = Ask::new(&context, Self::NAME, &input)?;
        if let Some(before) = ask.replayed(&context).await? {
            return Ok(before);
        }
        let old = catalogue::unchanged(&context, &id, input.mcp_generation).await?;
        // Who writes all of its options vouches for them; who edits the rest does not.
        let vouches = input.parameters.is_some() && context.call.caller.may(Scope::Admin);
        let by_operator = old.value.by_operator || vouches;
        let edited = ExecutionContext { by_operator, ..input.over(old.value.clone())? };
        let generation = old.value.generation + 1;
        let new = ExecutionContext { generation, updated_ms: context.now_ms(), ..edited };
        catalogue::carry_out(&context, ask, Some(old), Some(new)).await
    }
}
