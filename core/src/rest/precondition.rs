//! `If-Match` on what has an entity tag (RFC 9110, section 13.1.1).

use serde_json::{Map, Value, json};

use super::envelope;
use crate::{
    effect::Response,
    engine::HttpRequest,
    error::{Error, ErrorKind},
    verb::{self, Context},
};

/// The entity tag of an answer: its generation, and when it was first made, since an id may be taken again.
pub(super) fn tag(data: &Value) -> Option<String> {
    let made: String = data.get("mcp_created_at")?.as_str()?.chars().filter(char::is_ascii_digit).collect();
    Some(format!("\"{}-{made}\"", data.get("mcp_generation")?))
}

/// 412 where a change names other tags than the one there is; else the change is bound to the generation that was read.
pub(super) async fn unmet(
    context: &Context,
    verb: &str,
    input: &mut Map<String, Value>,
    request: &HttpRequest,
) -> Result<Option<Response>, Error> {
    let is_asked = matches!(verb, "update_context" | "delete_context");
    let Some(given) = request.header("if-match").filter(|_| is_asked) else { return Ok(None) };
    let id = json!({"context_id": input.get("context_id")});
    let get = verb::find("get_context").ok_or_else(|| verb::unknown("get_context"))?;
    let there = get.run(context.clone(), id).await?;
    if !matches(given, &tag(&there).unwrap_or_default()) {
        return Ok(Some(refusal(context)));
    }
    if let Some(generation) = there.get("mcp_generation") {
        super::put(input, "mcp_generation", generation.clone())?;
    }
    Ok(None)
}

/// By strong comparison: a weak tag is none.
fn matches(given: &str, tag: &str) -> bool {
    given.trim() == "*" || given.split(',').any(|one| one.trim() == tag)
}

fn refusal(context: &Context) -> Response {
    let error = Error::new(ErrorKind::Conflict, "precondition_failed", "it is not as `If-Match` says")
        .suggest("read it again and send the `ETag` of that answer");
    let refused = envelope::failure(&error, &context.call.labels, &context.call.request_id(), context.now_ms());
    Response { status: 412, ..refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_tags_must_be_the_one_there_is() {
        let tag = tag(&json!({"mcp_generation": 3, "mcp_created_at": "2026-11-20T09:45:23.000Z"})).unwrap();
        assert_eq!(tag, "\"3-20261120094523000\"");
        for (given, fits) in [
            (tag.as_str(), true),
            ("*", true),
            (&format!("\"1-2\", {tag}"), true),
            (&format!("W/{tag}"), false),
            ("\"3\"", false),
            ("3", false),
            ("", false),
        ] {
            assert_eq!(matches(given, &tag), fits, "{given}");
        }
    }
}
