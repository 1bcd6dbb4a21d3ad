use super::{
    Key, Kind, Put, Stored, Write,
    rows::{expect, text},
    schema,
};
use crate::{error::Error, job::ExecutionContext};

/// Key of a context of the catalogue.
pub fn context_key(tenant: &str, id: &str) -> Key {
    Kind::Context.key(tenant, id)
}

/// The write that stores a context in place of `old`; `None` deletes it.
///
/// # Errors
/// `internal` when the row cannot be JSON.
pub fn context_write(
    tenant: &str,
    id: &str,
    old: Option<&Stored<ExecutionContext>>,
    new: Option<&ExecutionContext>,
) -> Result<Write, Error> {
    let put = |new| Ok::<_, Error>(Put { schema: schema::OTHER, expires_at: None, value: text(new)? });
    Ok(Write { key: context_key(tenant, id), expect: expect(old), put: new.map(put).transpose()? })
}
