//! The job view: what a host that renders MCP Apps shows beside the answer of a tool. Its source is in `core/app`;
//! `core/app/build.mjs` makes the one file, and `tests/js` fails where it was not made anew.

use serde_json::{Value, json};

use crate::mcp::{APP_TYPE, Resource, ResourceContents};

const URI: &str = "ui://beam-mcp/job.html";
const NAME: &str = "job-view";
/// Tools whose answer is about one job, and worth a view of its own.
const SHOWN: [&str; 8] =
    ["get_job", "get_graph", "create_job", "update_job", "scale_job", "create_savepoint", "restore_job", "cancel_job"];

#[cfg(feature = "apps")]
const PAGE: Option<&str> = Some(include_str!("app.html"));
#[cfg(not(feature = "apps"))]
const PAGE: Option<&str> = None;

/// True in builds that have the view.
pub(super) fn is_built_in() -> bool {
    PAGE.is_some()
}

/// The view of a tool.
pub(super) fn view_of(tool: &str) -> Option<&'static str> {
    (is_built_in() && SHOWN.contains(&tool)).then_some(URI)
}

/// The view in a list.
pub(super) fn resource() -> Option<Resource> {
    is_built_in().then(|| Resource {
        uri: URI.into(),
        name: NAME.into(),
        title: Some("A job".into()),
        description: Some(
            "State, stages, metrics, logs and operations of a job, for hosts that render MCP Apps".into(),
        ),
        mime_type: Some(APP_TYPE.into()),
    })
}

/// The view itself.
pub(super) fn read(uri: &str) -> Option<ResourceContents> {
    let page = PAGE.filter(|_| uri == URI)?;
    Some(ResourceContents { meta: Some(meta()), ..ResourceContents::text(uri, APP_TYPE, page) })
}

/// It reaches nothing but its host.
fn meta() -> Value {
    json!({"ui": {"prefersBorder": true, "csp": {"connectDomains": [], "resourceDomains": []}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a wire as thin as a model host's proxy carries without a thought.
    const MOST_BYTES: usize = 40_000;

    #[test]
    fn the_view_reaches_nothing_and_is_small() {
        let page = PAGE.unwrap();
        assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
        assert!(page.contains("default-src 'none'") && !page.contains("innerHTML"), "the policy, and text as text");
        for address in ["http://", "https://", "//cdn", "import(", "fetch("] {
            let rest = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!rest.contains(address), "{address}");
        }
    }

    #[test]
    fn every_tool_with_a_view_is_a_tool() {
        for tool in SHOWN {
            assert!(crate::verb::find(tool).is_some_and(|verb| verb.is_tool), "{tool}");
        }
        assert_eq!((view_of("get_job"), view_of("get_logs")), (Some(URI), None));
    }
}
