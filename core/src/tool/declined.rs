//! A no that stays: whoever said it to a question cannot be made to have said yes to it.

use crate::{
    error::Error,
    store::{Expect, Put, Write, idempotency_key},
    verb::Context,
};

/// Longer than the state of a question lives.
const KEPT_MS: u64 = 3_600_000;

fn key(context: &Context, question: &str) -> crate::store::Key {
    let caller = &context.call.caller;
    idempotency_key(&caller.tenant, &caller.principal, "declined", question)
}

/// Keeps that the person said no. A twin of this call may have kept it already.
pub(super) async fn remember(context: &Context, question: &str) -> Result<(), Error> {
    let put = Put { schema: 1, expires_at: Some(context.now_ms() + KEPT_MS), value: "{}".into() };
    let write = Write { key: key(context, question), expect: Expect::Absent, put: Some(put) };
    context.rows.commit(&format!("declined {question}"), vec![write]).await.map(drop)
}

/// True where the person said no to it before.
pub(super) async fn was(context: &Context, question: &str) -> Result<bool, Error> {
    Ok(context.rows.record(key(context, question)).await?.is_some())
}
