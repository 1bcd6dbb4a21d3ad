use serde_json::{Map, Value};

use super::{Input, Written, read, resolved, view::ContextView};
use crate::{
    auth::Scope,
    error::{Error, ErrorKind, Retry},
    job::ExecutionContext,
    store::{Audit, Committed, Stored, context_write},
    verb::{
        Context, Plan,
        idempotency::{Keyed, digest_of},
    },
};

/// How a change was asked for.
pub(in crate::verb) struct Ask {
    verb: &'static str,
    keyed: Keyed,
    deletes: bool,
    dry_run: bool,
    plan_digest: Option<String>,
}

impl Ask {
    /// What the caller sent, for a verb.
    pub(in crate::verb) fn new(context: &Context, verb: &'static str, input: &Input) -> Result<Self, Error> {
        let keyed = Keyed::new(context, verb, input.idempotency_key.as_deref(), digest_of(input))?;
        let deletes = verb == "delete_context";
        Ok(Self { verb, keyed, deletes, dry_run: input.dry_run, plan_digest: input.plan_digest.clone() })
    }

    /// The answer to a repeated call: that it is gone, or the context as it is now.
    pub(in crate::verb) async fn replayed(&mut self, context: &Context) -> Result<Option<Written>, Error> {
        let Some(id) = self.keyed.subject(context).await? else { return Ok(None) };
        if self.deletes {
            return Ok(Some(Written { deleted: Some(id), replayed: true, ..Written::default() }));
        }
        let view = ContextView::of(context, read(context, &id).await?.value);
        Ok(Some(Written { context: Some(view), replayed: true, ..Written::default() }))
    }
}

/// Plans a change of the catalogue and carries it out, or answers with the plan. `new`: `None` deletes.
pub(in crate::verb) async fn carry_out(
    context: &Context,
    mut ask: Ask,
    old: Option<Stored<ExecutionContext>>,
    new: Option<ExecutionContext>,
) -> Result<Written, Error> {
    let plan = plan(old.as_ref(), new.as_ref())?;
    plan.confirm(ask.plan_digest.as_deref())?;
    if ask.dry_run {
        return Ok(Written { plan: Some(plan.shown_to(&context.call.caller)), ..Written::default() });
    }
    let Some(id) = new.as_ref().or(old.as_ref().map(|old| &old.value)).map(|one| one.id.clone()) else {
        return Err(Error::misuse("a change of no context"));
    };
    if !store(context, &ask, &id, old.as_ref(), new.as_ref()).await? {
        // Another call of the same key may have been first.
        let lost = if old.is_none() { exists(&id) } else { changed(&id) };
        return ask.replayed(context).await?.ok_or(lost.retry_as(Retry::Safe));
    }
    let deleted = new.is_none().then_some(id);
    let view = new.or(old.map(|old| old.value)).map(|one| ContextView::of(context, one));
    Ok(Written { context: view, deleted, ..Written::default() })
}

/// False where a row was not as it was read.
async fn store(
    context: &Context,
    ask: &Ask,
    id: &str,
    old: Option<&Stored<ExecutionContext>>,
    new: Option<&ExecutionContext>,
) -> Result<bool, Error> {
    let mut writes = vec![context_write(context.rows.tenant(), id, old, new)?];
    writes.push(context.audit(&Audit { verb: ask.verb, subject: id, digest: ask.keyed.digest(), outcome: "" })?);
    writes.extend(ask.keyed.write(id, context.now_ms())?);
    let committed = context.rows.commit(&format!("{} {id}", ask.verb), writes).await?;
    Ok(matches!(committed, Committed::Written(_)))
}

/// The id is taken.
pub(in crate::verb) fn exists(id: &str) -> Error {
    Error::new(ErrorKind::Conflict, "context_exists", format!("there is a context `{id}` already"))
        .with("context_id", id)
        .suggest("change it with update_context (PUT /api/v1/contexts/{context_id}), or take another `context_id`")
}

/// The context was changed by others since the caller, or this call, read it.
pub(in crate::verb) fn changed(id: &str) -> Error {
    Error::new(ErrorKind::Conflict, "context_changed", format!("the context `{id}` is not as it was read"))
        .with("context_id", id)
        .suggest("read it with get_context and send the change with its `mcp_generation`")
}

/// A context that the caller may change and that is as they read it.
///
/// # Errors
/// `not_found`, `permission_denied` with reason `operators_context`, or `conflict` with reason `context_changed`.
pub(in crate::verb) async fn unchanged(
    context: &Context,
    id: &str,
    generation: Option<u64>,
) -> Result<Stored<ExecutionContext>, Error> {
    let found = read(context, id).await?;
    if found.value.by_operator && !context.call.caller.may(Scope::Admin) {
        let message = format!("the context `{id}` was written by an admin, so admins alone change it");
        return Err(Error::new(ErrorKind::PermissionDenied, "operators_context", message)
            .with("context_id", id)
            .suggest("make another with create_context, or ask an admin"));
    }
    match generation {
        Some(other) if other != found.value.generation => {
            Err(changed(id).with("mcp_generation", found.value.generation))
        }
        _ => Ok(found),
    }
}

fn plan(old: Option<&Stored<ExecutionContext>>, new: Option<&ExecutionContext>) -> Result<Plan, Error> {
    let before = old.map(|old| &old.value);
    let (summary, mut changes) = match (before, new) {
        (Some(before), Some(new)) => (format!("change the context `{}`", new.id), differences(before, new)),
        (Some(before), None) => {
            (format!("delete the context `{}`", before.id), vec!["no job can name it any more".into()])
        }
        (None, new) => {
            let id = new.map(|new| new.id.as_str()).unwrap_or_default();
            (format!("make the context `{id}`"), vec!["jobs can name it".into()])
        }
    };
    if before.is_some() {
        changes.push("jobs that were submitted with it keep the options they were sent with".into());
    }
    let options = new.map(resolved).transpose()?.unwrap_or_default();
    let plan = Plan { summary, options, changes, ..Plan::default() };
    let bound_to = before.map(|before| format!("{} {}", before.generation, before.created_ms));
    Ok(plan.sealed(&bound_to.unwrap_or_default()))
}

/// Each member that changes, and each option.
fn differences(old: &ExecutionContext, new: &ExecutionContext) -> Vec<String> {
    let members = |one: &ExecutionContext| match serde_json::to_value(one) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let (mut old, mut new) = (members(old), members(new));
    let mut found = Vec::new();
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (old.remove("parameters"), new.remove("parameters")) {
        found.extend(unlike(&old, &new).into_iter().map(|change| format!("parameters.{change}")));
    }
    for own in ["generation", "updated_ms"] {
        new.remove(own);
        old.remove(own);
    }
    found.extend(unlike(&old, &new));
    found
}

fn unlike(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let nothing = "nothing".to_owned();
    let text = |value: Option<&Value>| value.map_or(nothing.clone(), Value::to_string);
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let changed = names.filter(|name| old.get(*name) != new.get(*name));
    changed.map(|name| format!("{name}: {} becomes {}", text(old.get(name)), text(new.get(name)))).collect()
}
