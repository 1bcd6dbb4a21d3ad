//! What goes out: every result, error and notification as it is written, once.

mod result;

pub(super) use result::{
    Called, Completed, Discovered, Empty, Initialized, Listed, ListenEnded, Prompted, Prompts, ReadResult, Templates,
    Tools, asked, task_created, task_state,
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Id, Info, Version, protocol_error::ProtocolError};
use crate::effect::{Blob, Response};

/// Cache time of lists that only change with the version of the server, in milliseconds.
const LIST_TTL_MS: u32 = 300_000;

#[derive(Serialize)]
struct Success<'a, R> {
    jsonrpc: &'static str,
    id: &'a Id,
    result: R,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

/// A result with what a modern one carries besides its own fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Framed<'a, R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(flatten)]
    body: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: ServerInfo<'a>,
}

#[derive(Serialize)]
struct ServerInfo<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    version: &'a str,
}

fn server_info(info: &Info, version: Version) -> ServerInfo<'_> {
    ServerInfo { name: &info.name, title: version.is_structured().then_some(&info.title), version: &info.version }
}

/// The answer with this result.
pub(super) fn complete<R: Serialize>(id: &Id, info: &Info, version: Version, body: R) -> Vec<u8> {
    framed(id, info, version, body, None)
}

/// A list that is the same for every caller and changes with the server only.
pub(super) fn public<R: Serialize>(id: &Id, info: &Info, version: Version, body: R) -> Vec<u8> {
    framed(id, info, version, body, Some((LIST_TTL_MS, "public")))
}

/// A list that is the same for every caller that declares the same.
pub(super) fn of_client<R: Serialize>(id: &Id, info: &Info, version: Version, body: R) -> Vec<u8> {
    framed(id, info, version, body, Some((LIST_TTL_MS, "private")))
}

/// An answer for this caller alone, old at once.
pub(super) fn private<R: Serialize>(id: &Id, info: &Info, version: Version, body: R) -> Vec<u8> {
    framed(id, info, version, body, Some((0, "private")))
}

fn framed<R: Serialize>(
    id: &Id,
    info: &Info,
    version: Version,
    body: R,
    cache: Option<(u32, &'static str)>,
) -> Vec<u8> {
    let modern = version.is_modern();
    let cache = cache.filter(|_| modern);
    success(
        id,
        Framed {
            result_type: modern.then_some("complete"),
            body,
            ttl_ms: cache.map(|(ttl, _)| ttl),
            cache_scope: cache.map(|(_, scope)| scope),
            meta: modern.then(|| Meta { server_info: server_info(info, version) }),
        },
    )
}

/// The answer with this whole result. A result is plain data, which always serialises.
pub(super) fn success(id: &Id, result: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Success { jsonrpc: "2.0", id, result }).unwrap_or_default()
}

/// The answer with this error.
pub(super) fn failure(id: Option<&Id>, error: &ProtocolError) -> Vec<u8> {
    let error = ErrorObject { code: error.code, message: &error.message, data: error.data.as_ref() };
    serde_json::to_vec(&Failure { jsonrpc: "2.0", id, error }).unwrap_or_default()
}

/// Adds a member to an object.
pub(super) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value.into());
    }
}

/// A notification, as one frame.
pub(super) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// A request to a client of an older revision, as one frame.
pub(super) fn request(id: &str, method: &str, params: Option<Value>) -> String {
    let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
    if let Some(params) = params {
        set(&mut request, "params", params);
    }
    request.to_string()
}

/// An HTTP answer with a JSON body.
pub(super) fn response(status: u16, body: Vec<u8>) -> Response {
    Response { status, headers: vec![("content-type".into(), "application/json".into())], body: body.into() }
}

/// The HTTP answer to a request that nobody waits for any more: a stream of no message, to a client that reads streams.
pub(super) fn silence(reads_events: bool) -> Response {
    if !reads_events {
        return empty(202);
    }
    Response { headers: vec![("content-type".into(), "text/event-stream".into())], ..empty(200) }
}

/// An HTTP answer without a body.
pub(super) fn empty(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Blob::EMPTY }
}
