//! What any answer of a server must look like, whatever was asked.

use beam_mcp_core::effect::Response;
use serde_json::Value;

/// An answer over HTTP.
pub(crate) fn response(response: &Response) {
    let bytes = response.body.as_slice();
    if response.header("content-type") == Some("text/event-stream") || bytes.is_empty() {
        return assert!(matches!(response.status, 200 | 202 | 204), "{}", response.status);
    }
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}"));
    // Host, Origin and caller are refused in the form of REST, before MCP is looked at.
    if answer.get("jsonrpc").is_some() || answer.is_array() {
        messages(&answer);
        statuses(&answer, response.status);
    } else {
        assert!(matches!(response.status, 400..=403), "{} {answer}", response.status);
    }
}

/// A response, or a batch of them.
pub(crate) fn messages(answer: &Value) {
    match answer {
        Value::Array(all) => {
            assert!(!all.is_empty());
            all.iter().for_each(message);
        }
        one => message(one),
    }
}

fn message(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    let (result, error) = (answer.get("result"), answer.get("error"));
    assert!(result.is_some() != error.is_some(), "{answer}");
    assert!(answer.get("id").is_none_or(|id| id.is_string() || id.is_number()), "{answer}");
    if let Some(error) = error {
        assert!(error["code"].is_i64(), "{answer}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && !message.contains('\n'), "{answer}");
    } else {
        assert!(answer.get("id").is_some() && result.is_some_and(Value::is_object), "{answer}");
    }
}

/// Code and status of the table in the specification.
fn statuses(answer: &Value, status: u16) {
    let fits: &[u16] = match answer["error"]["code"].as_i64() {
        None | Some(-32603) => &[200],
        Some(-32700) => &[400],
        Some(-32600) => &[200, 400, 404, 405, 406, 413, 415],
        Some(-32601) => &[200, 404, 405],
        Some(-32602) => &[200, 400],
        Some(-32022..=-32020) => &[400],
        // Resources of older revisions that are not there.
        Some(-32002) => &[200],
        Some(_) => &[],
    };
    assert!(fits.contains(&status), "{status} {answer}");
}
