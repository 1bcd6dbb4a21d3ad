//! `create_context`: a run profile that jobs can name.

use super::{
    Context, Hints,
    catalogue::{self, Ask, Input, Written},
    registry::Define,
};
use crate::{auth::Scope, error::Error, job::ExecutionContext};

pub(super) struct CreateContext;

impl Define for CreateContext {
    const NAME: &'static str = "create_context";
    const TITLE: &'static str = "Make a context";
    const DESCRIPTION: &'static str = "Makes a run profile of the catalogue: pipeline options under a name, which \
        create_job takes as context_id. A context is for the targets of one runner, or for any.";
    const SCOPE: Scope = Scope::JobsWrite;
    const HINTS: Hints = Hints::Write;
    /// People set what jobs are submitted with; models read it as a resource.
    const TOOL: bool = false;
    type Input = Input;
    type Output = Written;

    async fn run(context: Context, input: Input) -> Result<Written, Error> {
        let input = input.folded()?;
        let mut ask = Ask::new(&context, Self::NAME, &input)?;
        if let Some(before) = ask.replayed(&context).await? {
            return Ok(before);
        }
        let by_operator = context.call.caller.may(Scope::Admin);
        let new = ExecutionContext { by_operator, ..input.made(context.now_ms())? };
        refuse_one_more(
            &catalogue::all(&context).await?.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            &new.id,
        )?;
        catalogue::carry_out(&context, ask, None, Some(new)).await
    }
}

/// Refuses an id that is there, and one more than a tenant may have.
fn refuse_one_more(there: &[&str], id: &str) -> Result<(), Error> {
    if there.contains(&id) {
        return Err(catalogue::exists(id));
    }
    if there.len() >= catalogue::MOST {
        return Err(Error::precondition(
            "too_many_contexts",
            format!("there are {} contexts already", catalogue::MOST),
        )
        .suggest("delete one that no job needs"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_and_there_is_an_end() {
        assert_eq!(refuse_one_more(&["a"], "a").unwrap_err().reason(), "context_exists");
        refuse_one_more(&["a"; 199], "b").unwrap();
        assert_eq!(refuse_one_more(&["a"; 200], "b").unwrap_err().reason(), "too_many_contexts");
    }
}
