use beam_mcp_core::store::{Commit, Key, Put, Record, Write};
use serde_json::{Value, json};

use super::{
    call::Fault,
    place::{key_at, place},
};
use crate::store::commit::{Stamp, record};

/// How long past its expiry a record stays before the service may delete it, in seconds; readers compare for themselves.
const TTL_MARGIN: u64 = 3600;

/// The primary key of a record, as attributes.
pub(super) fn key_of(key: &Key) -> Value {
    let (partition, sort) = place(key);
    json!({"pk": {"S": partition}, "sk": {"S": sort}})
}

/// The item a write leaves.
pub(super) fn item_of(commit: &Commit, write: &Write, put: &Put, version: u64) -> Value {
    let record = record(commit, write, put, version);
    let mut item = key_of(&record.key);
    item["ver"] = json!({"N": record.version.to_string()});
    item["op"] = json!({"S": record.op});
    item["schema"] = json!({"N": record.schema.to_string()});
    item["val"] = json!({"S": record.value});
    if let Some(at) = record.expires_at {
        item["expires_ms"] = json!({"N": at.to_string()});
        item["ttl"] = json!({"N": (at / 1000 + TTL_MARGIN).to_string()});
    }
    item
}

/// The record of an item.
pub(super) fn record_of(item: &Value) -> Result<Record, Fault> {
    let stamp = stamp_of(item)?;
    let expires_at = item.get("expires_ms").map(|_| number(item, "expires_ms")).transpose()?;
    let schema = u32::try_from(number(item, "schema")?).map_err(|_| foreign())?;
    let value = text(item, "val")?.into();
    Ok(Record { key: key_in(item)?, version: stamp.version, op: stamp.op, schema, expires_at, value })
}

pub(super) fn key_in(item: &Value) -> Result<Key, Fault> {
    key_at(text(item, "pk")?, text(item, "sk")?).ok_or_else(foreign)
}

pub(super) fn stamp_of(item: &Value) -> Result<Stamp, Fault> {
    Ok(Stamp { version: number(item, "ver")?, op: text(item, "op")?.to_owned() })
}

fn text<'a>(item: &'a Value, name: &str) -> Result<&'a str, Fault> {
    item[name]["S"].as_str().ok_or_else(foreign)
}

fn number(item: &Value, name: &str) -> Result<u64, Fault> {
    item[name]["N"].as_str().and_then(|text| text.parse().ok()).ok_or_else(foreign)
}

/// An item that no version of ours writes.
fn foreign() -> Fault {
    Fault::Refused("corrupt")
}
