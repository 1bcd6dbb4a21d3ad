//! Contexts of the catalogue (S2): run profiles that jobs name by `context_id`. The verbs on them have one input, one
//! view and one way to change a row.
//!
//! What an admin wrote is the operator's word, as a preset is: whoever submits may name it, and admins alone change it.
//! What another wrote holds no option that only an operator may set, whoever names it.

mod change;
mod input;
mod view;

pub(super) use change::{Ask, carry_out, exists, unchanged};
pub use input::Input;
pub use view::{ContextView, Written};

use super::Context;
use crate::{
    config::{RunnerKind, Target, nearest},
    error::{Error, ErrorKind},
    job::{ContextStatus, ExecutionContext, JobSpec},
    runner::{
        ResolvedOption,
        options::{Sources, WITHHELD, operators_entry},
    },
    store::{Kind, Scan, Stored, context_key, parse_record},
};

/// Most contexts of a tenant, but for those that are made in the same moment.
pub(super) const MOST: usize = 200;
/// Contexts read at once.
const PAGE: u32 = 100;

/// A context by its id.
///
/// # Errors
/// `not_found` with reason `unknown_context`, that names the nearest.
pub(super) async fn read(context: &Context, id: &str) -> Result<Stored<ExecutionContext>, Error> {
    match find(context, id).await? {
        Some(found) => Ok(found),
        None => Err(unknown(id, &all(context).await?)),
    }
}

/// The same, if it is there.
pub(super) async fn find(context: &Context, id: &str) -> Result<Option<Stored<ExecutionContext>>, Error> {
    context.rows.read(context_key(context.rows.tenant(), id)).await
}

/// All there are, in order of id.
pub(super) async fn all(context: &Context) -> Result<Vec<ExecutionContext>, Error> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = page(context, after, PAGE).await?;
        after = found.last().map(|one| one.id.clone());
        let is_last = found.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
}

/// Some, in order of id, behind one.
pub(super) async fn page(context: &Context, after: Option<String>, limit: u32) -> Result<Vec<ExecutionContext>, Error> {
    let page = context.rows.scan(Kind::Context, Scan { after, limit, ..Scan::default() }).await?;
    page.records.iter().map(parse_record).collect()
}

/// What a job that names a context is submitted with.
///
/// # Errors
/// `invalid_argument` with reason `unknown_context` or `inactive_context`.
pub(super) async fn usable(context: &Context, id: &str) -> Result<ExecutionContext, Error> {
    let found = read(context, id).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let suggestion = error.suggestion().to_owned();
            Error::invalid("unknown_context", error.message()).with("context_id", id).suggest(suggestion)
        }
        _ => error,
    })?;
    match found.value.status {
        ContextStatus::Active => Ok(found.value),
        ContextStatus::Inactive => Err(Error::invalid("inactive_context", format!("the context `{id}` is inactive"))
            .with("context_id", id)
            .suggest("name another of GET /api/v1/contexts, or set its `status` to active with update_context")),
    }
}

fn unknown(id: &str, there: &[ExecutionContext]) -> Error {
    let id = crate::text::clean_line(id, 64);
    let error = Error::not_found("unknown_context", format!("there is no context `{id}`")).with("context_id", &id);
    match nearest(&id, there.iter().map(|one| one.id.as_str())) {
        Some(near) => error.suggest(format!("did you mean `{near}`?")),
        None => error.suggest("GET /api/v1/contexts and beam://catalog/contexts list them"),
    }
}

/// Its options as a job on a target of its kind would have them.
///
/// # Errors
/// As [`Sources::resolve`]; `permission_denied` with reason `operator_only_option`; `invalid_argument` with reason
/// `not_for_a_context` or `withheld_value`.
pub(super) fn resolved(profile: &ExecutionContext) -> Result<Vec<ResolvedOption>, Error> {
    if profile.parameters.values().any(|value| value.to_string().contains(WITHHELD)) {
        return Err(Error::invalid(
            "withheld_value",
            "a parameter has the word that stands for a value you may not read",
        )
        .suggest("leave `parameters` out to keep them, or write each value"));
    }
    // What a job service runs on may read any of Beam's options.
    let runner = profile.context_type.runner().unwrap_or(RunnerKind::Portable);
    let spec = JobSpec {
        context_options: profile.parameters.clone(),
        context_by_operator: profile.by_operator,
        ..JobSpec::default()
    };
    let mut sources = Sources::of(&Target::new("context", runner), &spec, false);
    if !sources.take("update")?.is_empty() {
        return Err(Error::invalid("not_for_a_context", "`update` ends a running job: a context does not say so")
            .suggest("send it with the call that is to replace the job"));
    }
    check_configurations(profile)?;
    sources.resolve()
}

/// Refuses an entry of Flink's or Spark's own settings that only an operator may set, in a context of another.
fn check_configurations(profile: &ExecutionContext) -> Result<(), Error> {
    let Some(key) = operators_entry(&profile.parameters).filter(|_| !profile.by_operator) else { return Ok(()) };
    let message = format!("only an operator may set `{key}`");
    Err(Error::new(ErrorKind::PermissionDenied, "operator_only_option", message)
        .with("option", key)
        .suggest("leave it out, or have an admin write the context"))
}
