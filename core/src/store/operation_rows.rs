use super::{
    Key, Kind, Put, Stored, Write,
    rows::{expect, text},
    schema,
};
use crate::{error::Error, job::Operation};

/// Key of an operation.
pub fn operation_key(tenant: &str, id: &str) -> Key {
    Kind::Operation.key(tenant, id)
}

/// The write that stores an operation in place of `old`.
///
/// # Errors
/// `internal` when the row cannot be JSON.
pub fn operation_write(tenant: &str, old: Option<&Stored<Operation>>, new: &Operation) -> Result<Write, Error> {
    Ok(Write {
        key: operation_key(tenant, &new.id),
        expect: expect(old),
        put: Some(Put { schema: schema::OTHER, expires_at: None, value: text(new)? }),
    })
}
