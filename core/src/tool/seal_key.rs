use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    call::Call,
    error::{Error, ErrorKind, Retry},
    flow::Io,
    store::{Commit, Committed, Expect, Kind, Put, Write},
};

/// The key of the caller's tenant, made by whoever needs it first. It lives in the store, so that every instance before
/// the same store opens what another sealed, and none does where each has a store of its own.
pub(super) async fn seal_key(io: &Io, call: &Call) -> Result<[u8; 32], Error> {
    let key = Kind::Secret.key(&call.caller.tenant, "mcp.request_state");
    let fresh = call.seed.derive("seal key");
    if let Some(record) = io.get(key.clone()).await? {
        return read(&record.value);
    }
    let value = serde_json::json!(STANDARD.encode(fresh)).to_string().into();
    let write = Write { key, expect: Expect::Absent, put: Some(Put { schema: 1, expires_at: None, value }) };
    let commit = Commit { op_id: call.seed.hex128("seal key commit"), writes: vec![write] };
    match io.commit(commit).await? {
        Committed::Written(_) => Ok(fresh),
        Committed::Conflict { current: Some(record), .. } => read(&record.value),
        Committed::Conflict { .. } => Err(Error::new(ErrorKind::Conflict, "busy", "call again").retry_as(Retry::Safe)),
    }
}

fn read(value: &str) -> Result<[u8; 32], Error> {
    let text: Option<String> = serde_json::from_str(value).ok();
    let bytes = text.and_then(|text| STANDARD.decode(text).ok());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "unreadable_row", "the key of request states cannot be read"))
}
