//! Servers behind a pipe: one line is one message, and one stream of lines serves all calls of a connection.
//!
//! The host writes the body of each request as a line. What comes back it hands to the streams of the requests that are
//! under way, as [`route`] says: each is opened with `application/x-ndjson`, and its pieces are whole lines.

use serde_json::Value;

use super::message::SUBSCRIPTION;

/// The URL of a server behind a pipe.
pub const PIPE: &str = "stdio:";
/// The media type of a stream of lines.
pub(super) const LINES: &str = "application/x-ndjson";

/// Whose line it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// The request with this id.
    Request(u64),
    /// Whoever reads next: it asks something, and may wait for the answer before it does anything else.
    Question,
    /// Whoever listens for news, else any request under way.
    Anyone,
    /// Nobody: it is no message.
    Nobody,
}

/// Whose line of a server it is.
pub fn route(line: &str) -> Route {
    match serde_json::from_str(line) {
        Ok(Value::Array(batch)) => batch.first().map_or(Route::Nobody, of),
        Ok(message) => of(&message),
        Err(_) => Route::Nobody,
    }
}

fn of(message: &Value) -> Route {
    let params = message.get("params");
    let about = match message.get("method").and_then(Value::as_str) {
        Some(_) if message.get("id").is_some() => return Route::Question,
        None if message.get("result").is_none() && message.get("error").is_none() => return Route::Nobody,
        None => message.get("id"),
        Some("notifications/progress") => params.and_then(|params| params.get("progressToken")),
        Some("notifications/cancelled") => params.and_then(|params| params.get("requestId")),
        Some(_) => params.and_then(|params| params.get("_meta")?.get(SUBSCRIPTION)),
    };
    about.and_then(number).map_or(Route::Anyone, Route::Request)
}

/// An id of this client's, which some servers write as a float.
fn number(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_f64()?.to_string().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_goes_to_its_request() {
        let tagged = r#"{"method": "notifications/tools/list_changed", "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": 4}}}"#;
        for (line, want) in [
            (r#"{"jsonrpc": "2.0", "id": 1, "result": {}}"#, Route::Request(1)),
            (r#"{"id": 2.0, "error": {"code": 1}}"#, Route::Request(2)),
            (r#"{"method": "notifications/progress", "params": {"progressToken": 3}}"#, Route::Request(3)),
            (tagged, Route::Request(4)),
            (r#"{"method": "notifications/cancelled", "params": {"requestId": 5}}"#, Route::Request(5)),
            (r#"[{"id": 6, "result": {}}]"#, Route::Request(6)),
            (r#"{"id": "theirs", "method": "ping"}"#, Route::Question),
            (r#"{"id": 7, "method": "roots/list", "params": {}}"#, Route::Question),
            (r#"{"method": "notifications/tools/list_changed"}"#, Route::Anyone),
            (r#"{"id": null, "error": {"code": -32700}}"#, Route::Anyone),
            (r#"{"id": 1}"#, Route::Nobody),
            ("[]", Route::Nobody),
            ("7", Route::Nobody),
            ("starting up…", Route::Nobody),
        ] {
            assert_eq!(route(line), want, "{line}");
        }
    }
}
